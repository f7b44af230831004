//! dpkg compares versions, and says what is one.

use std::cmp::Ordering;

use hardened::debian::Version;

use crate::peer::Peer;

/// Numbers that are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// Makes a version of pieces that matter to the order.
fn version(numbers: &mut Numbers) -> String {
    const PIECES: &[&str] = &["0", "00", "1", "01", "9", "10", "a", "b", "Z", "rc", "~", "~~", "+", ".", "..", "deb12u", "+b", "git"];
    let mut text = numbers.one_of(&["", "", "", "0:", "1:", "01:", "12:"]).to_owned();
    text += numbers.one_of(&["0", "1", "2", "10", "007"]);
    for _ in 0..numbers.below(5) {
        text += numbers.one_of(PIECES);
    }
    for _ in 0..numbers.below(3) {
        text += "-";
        text += numbers.one_of(&["0", "1", "a", "~", "+", "."]);
        for _ in 0..numbers.below(3) {
            text += numbers.one_of(PIECES);
        }
    }
    text
}

/// Makes a version that differs in one place.
fn relative(text: &str, numbers: &mut Numbers) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = 1 + numbers.below(characters.len());
    match numbers.below(3) {
        0 => characters.insert(at, ['0', '~', '.', 'a', '+', '1'][numbers.below(6)]),
        1 if at < characters.len() => characters[at] = ['0', '~', '.', 'a', '+', '9'][numbers.below(6)],
        _ => characters.truncate(at),
    }
    characters.into_iter().collect()
}

#[test]
fn dpkg_orders_five_thousand_pairs_in_the_same_way() {
    let Some(dpkg) = Peer::find("dpkg") else { return };
    let says = |left: &str, operator: &str, right: &str| {
        let output = std::process::Command::new(dpkg.path()).args(["--compare-versions", left, operator, right]).output().unwrap();
        match output.status.code() {
            Some(0) => true,
            Some(1) => false,
            _ => panic!("dpkg can't compare `{left}` and `{right}`: {}", String::from_utf8_lossy(&output.stderr)),
        }
    };
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut pairs, mut orders) = (0, [0; 3]);
    while pairs < 5000 {
        let left = version(&mut numbers);
        let right = if pairs % 3 == 0 { version(&mut numbers) } else { relative(&left, &mut numbers) };
        let (Ok(one), Ok(other)) = (left.parse::<Version>(), right.parse::<Version>()) else { continue };
        let order = one.cmp(&other);
        let operator = ["lt", "eq", "gt"][(order as i8 + 1) as usize];
        assert!(says(&left, operator, &right), "`{left}` {operator} `{right}`, says hardened and not dpkg");
        assert_eq!(other.cmp(&one), order.reverse());
        orders[(order as i8 + 1) as usize] += 1;
        pairs += 1;
    }
    // Pairs of all three kinds, or little would be shown.
    assert!(orders.iter().all(|count| *count > 300), "{orders:?}");
    assert!(says("1", "lt", "2") && !says("2", "lt", "1"), "dpkg says yes to anything");
    assert_eq!("1".parse::<Version>().unwrap().cmp(&"2".parse().unwrap()), Ordering::Less);
}

#[test]
fn dpkg_takes_the_same_texts_for_versions() {
    let Some(dpkg) = Peer::find("dpkg") else { return };
    let accepts = |text: &str| {
        let output = std::process::Command::new(dpkg.path()).args(["--validate-version", text]).output().unwrap();
        output.status.success()
    };
    let mut numbers = Numbers(0xD1B5_4A32_D192_ED03);
    let mut counts = [0, 0];
    for _ in 0..600 {
        let mut text = version(&mut numbers);
        for _ in 0..numbers.below(3) {
            text.insert_str(numbers.below(text.len()), numbers.one_of(&[":", "-", "_", "~", "*", "/", "a", "+", " "]));
        }
        // Where hardened differs: an upstream version may begin with a letter, as real ones do, and an epoch is digits only, and space is never dropped.
        let upstream = text.split_once(':').map_or(text.as_str(), |(_, rest)| rest);
        if text.starts_with(['-', ' ', '+']) || text.ends_with(' ') || upstream.starts_with(|first: char| first.is_ascii_alphabetic()) {
            continue;
        }
        let expected = accepts(&text);
        assert_eq!(text.parse::<Version>().is_ok(), expected, "`{text}`: {:?}", text.parse::<Version>());
        counts[usize::from(expected)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    for (text, is_version) in [("a1", true), ("+1:1", false), (" 1", false), ("1 ", false)] {
        assert_eq!(text.parse::<Version>().is_ok(), is_version, "{text}");
        assert_ne!(accepts(text), is_version, "{text}: dpkg agrees by now, so that this exception can go");
    }
}
