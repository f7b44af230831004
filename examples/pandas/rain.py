import numpy
import pandas

rain = pandas.read_csv("rain.csv")

for city, years in rain.groupby("city"):
    # Least squares: the slope of a line through the years. LAPACK computes it.
    since = years["year"].to_numpy(dtype=float) - years["year"].min()
    line = numpy.column_stack([since, numpy.ones(len(since))])
    (slope, _), *_ = numpy.linalg.lstsq(line, years["millimetres"].to_numpy(dtype=float), rcond=None)
    print(f"{city}: {years['millimetres'].mean():.0f} mm a year, {slope:+.0f} mm each year")

# A time zone of the image's own database, and a table in wide form.
noon = pandas.Timestamp("2024-07-01 12:00", tz="Europe/Oslo")
print(f"noon in Oslo is {noon.tz_convert('UTC'):%H:%M} UTC")
print(rain.pivot(index="year", columns="city", values="millimetres").corr().loc["Bergen", "Oslo"].round(3))
