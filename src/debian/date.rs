use jiff::civil::Date;
use jiff::tz::Offset;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads a time as archives write it, `Sat, 11 Jul 2026 10:16:37 UTC`, as seconds since 1970. Other zones are refused, as apt refuses them.
pub(super) fn read(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let weekday = words.next()?;
    let (day, month, year, time, zone) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let is_day = matches!(weekday, "Mon," | "Tue," | "Wed," | "Thu," | "Fri," | "Sat," | "Sun,");
    if words.next().is_some() || !is_day || !matches!(zone, "UTC" | "GMT" | "Z" | "+0000") {
        return None;
    }
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    let date = Date::new(number(year, 4..=4)?, i8::try_from(month).ok()?, number(day, 1..=2)?.try_into().ok()?).ok()?;
    let mut parts = time.split(':').map(|part| number(part, 2..=2).and_then(|part| i8::try_from(part).ok()));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(Offset::UTC.to_timestamp(date.at(hour, minute, second, 0)).ok()?.as_second())
}

fn number(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<i16> {
    (lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Writes a time for people: `2026-07-11 10:16:37 UTC`.
pub(super) fn utc(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| format!("second {seconds}"), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_one_form() {
        for (text, expected) in [
            ("Sat, 11 Jul 2026 10:16:37 UTC", Some(1_783_765_000 - 3)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu,  1 Jan 1970 00:00:59 +0000", Some(59)),
            ("Tue, 29 Feb 2028 23:59:59 UTC", Some(1_835_481_599)),
            ("Mon, 29 Feb 2027 00:00:00 UTC", None),
            ("Sat, 11 Jul 2026 10:16:37", None),
            ("Sat, 11 Jul 2026 10:16:37 +0200", None),
            ("Sat, 11 Jul 2026 24:00:00 UTC", None),
            ("Sat, 11 Jul 2026 10:60:00 UTC", None),
            ("Sat, 11 Jul 26 10:16:37 UTC", None),
            ("11 Jul 2026 10:16:37 UTC", None),
            ("Sat, 11 jul 2026 10:16:37 UTC", None),
            ("Sat, -1 Jul 2026 10:16:37 UTC", None),
            ("Sat, 11 Jul 2026 10:16:37 UTC x", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
        assert_eq!(utc(59), "1970-01-01 00:00:59 UTC");
    }
}
