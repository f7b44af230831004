use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Writes a number of bytes for people: `182.74 KiB`.
pub(in crate::cli) fn bytes(count: u64) -> String {
    match scale(count) {
        None => format!("{count} B"),
        Some((factor, unit)) => format!("{:.2} {unit}", scaled(count, factor)),
    }
}

/// Writes a number of bytes with one decimal: `182.7 KiB`.
pub(super) fn rounded(count: u64) -> String {
    match scale(count) {
        None => format!("{count} B"),
        Some((factor, unit)) => format!("{:.1} {unit}", scaled(count, factor)),
    }
}

/// Writes how much of a number of bytes is done, both in the unit of the whole: `45.2/120.3 MiB`.
pub(super) fn done_of(done: u64, total: u64) -> String {
    match scale(total) {
        None => format!("{done}/{total} B"),
        Some((factor, unit)) => format!("{:.1}/{:.1} {unit}", scaled(done, factor), scaled(total, factor)),
    }
}

/// Writes a length of time in its two largest units: `9 s`, `2 min 5 s`, `1 h 20 min`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns the largest unit that a number of bytes has one of, with its bytes; `None` below 1024.
fn scale(count: u64) -> Option<(f64, &'static str)> {
    let mut found = None;
    let mut factor = 1024.0;
    for unit in UNITS {
        if scaled(count, factor) < 1.0 {
            break;
        }
        found = Some((factor, unit));
        factor *= 1024.0;
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are written")]
fn scaled(count: u64, factor: f64) -> f64 {
    count as f64 / factor
}

/// Returns how many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Cuts the middle out of a text that takes more than `columns`, and writes an ellipsis there: the beginning says what it is, and the end of a
/// name tells it from others.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let left = columns.saturating_sub(1);
    let head = taken(text.chars(), left.div_ceil(2));
    let tail: String = taken(text.chars().rev(), left / 2).chars().rev().collect();
    // An accent whose letter was cut off would be put on the ellipsis.
    let tail = tail.trim_start_matches(|character: char| character.width() == Some(0));
    if columns == 0 { String::new() } else { format!("{head}…{tail}") }
}

/// Returns the first characters that fit.
fn taken(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= columns
    };
    characters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_the_largest_unit_that_they_reach() {
        for (count, exact, short) in [
            (0, "0 B", "0 B"),
            (1023, "1023 B", "1023 B"),
            (1024, "1.00 KiB", "1.0 KiB"),
            (187_126, "182.74 KiB", "182.7 KiB"),
            (1_740_636, "1.66 MiB", "1.7 MiB"),
            (u64::MAX, "16.00 EiB", "16.0 EiB"),
        ] {
            assert_eq!((bytes(count).as_str(), rounded(count).as_str()), (exact, short));
        }
        assert_eq!(done_of(0, 3 << 20), "0.0/3.0 MiB");
        assert_eq!(done_of(7, 9), "7/9 B");
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (4800, "1 h 20 min")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn long_names_are_cut_in_the_middle_by_the_columns_that_they_take() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("registry.example.no/shop/api", 11), "regis…p/api");
        // A wide letter that does not fit whole is left out.
        assert_eq!(cut("漢字漢字漢字", 6), "漢…字");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        for columns in 0..40 {
            for text in ["registry.example.no/shop/api:1", "漢字漢字漢字漢字", "日本語-server.example.no", "\u{1f980}\u{1f980}\u{1f980}"]
            {
                assert!(width(&cut(text, columns)) <= columns, "{text} {columns}");
            }
        }
    }
}
