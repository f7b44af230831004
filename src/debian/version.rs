use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The version of a package, `[epoch:]upstream[-revision]` (policy 5.6.12).
///
/// It is ordered as dpkg orders, so that `1.0` and `1.00` are equal; shown, it is the text that it was read from.
#[derive(Clone)]
pub struct Version(Box<str>);

/// Why a text is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionFault {
    /// There is nothing, before the revision or at all.
    #[error("it is empty")]
    Empty,
    /// It is longer than 256 bytes.
    #[error("it is longer than 256 bytes")]
    Long,
    /// What stands before the first colon is no number below 2³¹.
    #[error("its epoch is not a number below 2147483648")]
    Epoch,
    /// The upstream part begins with neither a letter nor a digit.
    #[error("its upstream part begins with neither a letter nor a digit")]
    Beginning,
    /// There is a character that no version holds.
    #[error("`{0}` can't be in a version")]
    Character(char),
    /// A hyphen is the last character.
    #[error("its revision is empty")]
    Revision,
}

impl Version {
    /// Takes a text that [`check`] has let pass.
    pub(super) fn of_checked(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the version without its epoch, as file names have it.
    pub fn without_epoch(&self) -> &str {
        without_epoch(&self.0)
    }
}

/// Says what is wrong with a text that should be a version.
pub(super) fn check(text: &str) -> Result<(), VersionFault> {
    if text.is_empty() {
        return Err(VersionFault::Empty);
    }
    if text.len() > 256 {
        return Err(VersionFault::Long);
    }
    let rest = match text.split_once(':') {
        Some((epoch, rest)) => {
            let is_number = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number || epoch.parse::<i32>().is_err() {
                return Err(VersionFault::Epoch);
            }
            rest
        }
        None => text,
    };
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((_, "")) => return Err(VersionFault::Revision),
        Some((upstream, revision)) => (upstream, revision),
        None => (rest, ""),
    };
    let first = upstream.chars().next().ok_or(VersionFault::Empty)?;
    let wrong = |text: &str, also: &[u8]| {
        text.chars()
            .find(|character| !character.is_ascii_alphanumeric() && !u8::try_from(*character).is_ok_and(|byte| also.contains(&byte)))
    };
    if let Some(character) = wrong(upstream, b".+-~:").or_else(|| wrong(revision, b".+~")) {
        return Err(VersionFault::Character(character));
    }
    if first.is_ascii_alphanumeric() { Ok(()) } else { Err(VersionFault::Beginning) }
}

/// Returns a version's text without its epoch.
pub(super) fn without_epoch(text: &str) -> &str {
    text.split_once(':').map_or(text, |(_, rest)| rest)
}

/// Compares the texts of two versions.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let ((left_epoch, left_rest), (right_epoch, right_rest)) = (parts(left), parts(right));
    let ((left_upstream, left_revision), (right_upstream, right_revision)) = (left_rest, right_rest);
    compare_part(left_epoch.as_bytes(), right_epoch.as_bytes())
        .then_with(|| compare_part(left_upstream.as_bytes(), right_upstream.as_bytes()))
        .then_with(|| compare_part(left_revision.as_bytes(), right_revision.as_bytes()))
}

fn parts(text: &str) -> (&str, (&str, &str)) {
    let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
    (epoch, rest.rsplit_once('-').unwrap_or((rest, "")))
}

/// Where a byte outside of a number sorts: `~` before the end, the end (and a number) before letters, letters before all else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

/// Compares by turns a run of other bytes and a number, from the left.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        let is_number = |rest: &[u8]| rest.first().is_none_or(u8::is_ascii_digit);
        while !is_number(left) || !is_number(right) {
            let order = weight(left.first()).cmp(&weight(right.first()));
            if order.is_ne() {
                return order;
            }
            // Equal weights that are not both zero are the same byte, so both go on.
            (left, right) = (left.get(1..).unwrap_or_default(), right.get(1..).unwrap_or_default());
        }
        let (left_number, left_rest) = number(left);
        let (right_number, right_rest) = number(right);
        let order = left_number.len().cmp(&right_number.len()).then_with(|| left_number.cmp(right_number));
        if order.is_ne() || (left_rest.is_empty() && right_rest.is_empty()) {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

/// Cuts the digits off, without leading zeros, so that longer is larger.
fn number(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let zeros = bytes[..end].iter().position(|byte| *byte != b'0').unwrap_or(end);
    (&bytes[zeros..end], &bytes[end..])
}

impl FromStr for Version {
    type Err = VersionFault;

    fn from_str(text: &str) -> Result<Self, VersionFault> {
        check(text)?;
        Ok(Self(text.into()))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_policy_says() {
        let rising = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "0+",
            "0.1~rc1-1",
            "0.1-1",
            "0.1-1+b1",
            "0.1-1.1",
            "0.1-2",
            "0.1-10",
            "0.1.1",
            "1.0~beta1~svc1245",
            "1.0~beta1",
            "1.0",
            "1.0+b1",
            "1.0.1-1",
            "1.2-3-1",
            "2.36-9+deb12u7",
            "2.36-9+deb12u14",
            "9",
            "10",
            "a",
            "1:0",
            "2:0~",
            "10:0",
        ];
        for (first, left) in rising.iter().enumerate() {
            for (second, right) in rising.iter().enumerate() {
                let (one, other): (Version, Version) = (left.parse().unwrap(), right.parse().unwrap());
                assert_eq!(one.cmp(&other), first.cmp(&second), "{left} against {right}");
            }
        }
    }

    #[test]
    fn equal_versions_may_be_written_differently() {
        for (left, right) in [("1.0", "1.00"), ("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.0-1", "1.0-01"), ("00:1", "1"), ("1.0a0", "1.0a")] {
            let (one, other): (Version, Version) = (left.parse().unwrap(), right.parse().unwrap());
            assert_eq!(one, other, "{left} and {right}");
            assert_eq!((one.as_str(), other.to_string().as_str()), (left, right));
        }
        assert_eq!("2:1.5-3".parse::<Version>().unwrap().without_epoch(), "1.5-3");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        let long = "1".repeat(257);
        for (text, fault) in [
            ("", VersionFault::Empty),
            (long.as_str(), VersionFault::Long),
            (":1", VersionFault::Epoch),
            ("a:1", VersionFault::Epoch),
            ("+1:1", VersionFault::Epoch),
            ("2147483648:1", VersionFault::Epoch),
            ("1:", VersionFault::Empty),
            ("-1", VersionFault::Empty),
            ("1:-1", VersionFault::Empty),
            ("1-", VersionFault::Revision),
            ("~1", VersionFault::Beginning),
            ("1 0", VersionFault::Character(' ')),
            ("1/0", VersionFault::Character('/')),
            ("1.0-1:2", VersionFault::Epoch),
            ("1:1.0-1:2", VersionFault::Character(':')),
            ("1.å", VersionFault::Character('å')),
            ("1\n", VersionFault::Character('\n')),
        ] {
            assert_eq!(text.parse::<Version>().err(), Some(fault), "{text:?}");
        }
    }
}
