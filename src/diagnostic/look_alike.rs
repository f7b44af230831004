use std::fmt;

/// Letters of other scripts that look like those of ASCII (Unicode Technical Standard 39, "Confusable Detection"): the ones that keyboards write.
const LETTERS: &[(&str, &str)] = &[
    // Cyrillic
    ("АВЕЅІЈКМНОРСТХУабвгеѕіјкмнопрстхуԁһԛԝ", "ABESIJKMHOPCTXYa6bresijkmhonpctxydhqw"),
    // Greek
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγεικνορτυχϲϳ", "ABEZHIKMNOPTYXayeikvoptuxcj"),
    // Latin and Armenian
    ("ıɑɡɩſօսհոց", "iagifouhng"),
    // Punctuation
    ("‐‑‒–—―−＿․‚‘’‛“”„‟«»", "-------_.,'''\"\"\"\"\"\""),
];

/// A character that looks like one of ASCII, or like nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LookAlike {
    /// Which one of the text it is, counted from one.
    position: usize,
    written: char,
    /// What it looks like; `None` when it is invisible.
    meant: Option<char>,
}

/// `character 2, а, is U+0430 (Cyrillic), not a`, with the letters in backquotes.
impl fmt::Display for LookAlike {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, written, meant } = self;
        let code = u32::from(*written);
        let script = match code {
            0x0370..=0x03ff => " (Greek)",
            0x0400..=0x052f => " (Cyrillic)",
            0x0530..=0x058f => " (Armenian)",
            0xff00..=0xffef => " (full-width)",
            0x1d400..=0x1d7ff => " (mathematical)",
            _ => "",
        };
        match meant {
            Some(meant) => write!(out, "character {position}, `{written}`, is U+{code:04X}{script}, not `{meant}`"),
            None => write!(out, "character {position} is invisible, U+{code:04X}"),
        }
    }
}

/// A text with characters that only look like others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookAlikes {
    /// The text with ASCII in place of them.
    pub plain: String,
    /// The characters, at least one.
    characters: Vec<LookAlike>,
}

impl LookAlikes {
    /// How many characters are named.
    const NAMED: usize = 5;

    /// Finds them; `None` where there are none.
    pub fn find(text: &str) -> Option<Self> {
        let mut plain = String::with_capacity(text.len());
        let mut characters = Vec::new();
        for (index, written) in text.chars().enumerate() {
            let meant = ascii_of(written);
            if meant.is_some() || is_invisible(written) {
                characters.push(LookAlike { position: index + 1, written, meant });
                plain.extend(meant);
            } else {
                plain.push(written);
            }
        }
        (!characters.is_empty()).then_some(Self { plain, characters })
    }
}

/// Says which characters these are, in one line.
impl fmt::Display for LookAlikes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self.characters.iter().take(Self::NAMED).map(ToString::to_string).collect();
        out.write_str(&named.join("; "))
    }
}

fn ascii_of(character: char) -> Option<char> {
    let code = u32::from(character);
    match code {
        0..=0x7f => None,
        0xff01..=0xff5e => char::from_u32(code - 0xfee0),
        // The alphabets of mathematics follow each other, each with 26 capital and 26 small letters.
        0x1d400..=0x1d6a3 => {
            let letter = u8::try_from((code - 0x1d400) % 52).ok()?;
            Some(char::from(if letter < 26 { b'A' + letter } else { b'a' + letter - 26 }))
        }
        0xa0 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Some(' '),
        _ => {
            LETTERS.iter().find_map(|(others, own)| others.chars().position(|other| other == character).and_then(|at| own.chars().nth(at)))
        }
    }
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_has_one_that_it_looks_like() {
        for (others, own) in LETTERS {
            assert_eq!(others.chars().count(), own.chars().count(), "{others}");
            assert!(own.is_ascii() && others.chars().all(|other| !other.is_ascii()), "{others}");
        }
    }

    #[test]
    fn letters_of_other_scripts_are_named_by_position() {
        for (text, plain, said) in [
            ("n\u{430}me", "name", "character 2, `\u{430}`, is U+0430 (Cyrillic), not `a`"),
            ("\u{3bf}wner", "owner", "character 1, `\u{3bf}`, is U+03BF (Greek), not `o`"),
            ("t\u{ff4f}", "to", "character 2, `\u{ff4f}`, is U+FF4F (full-width), not `o`"),
            ("\u{1d42d}o", "to", "character 1, `\u{1d42d}`, is U+1D42D (mathematical), not `t`"),
            ("na\u{200b}me", "name", "character 3 is invisible, U+200B"),
            ("dir\u{2013}mode", "dir-mode", "character 4, `\u{2013}`, is U+2013, not `-`"),
        ] {
            let found = LookAlikes::find(text).unwrap();
            assert_eq!((found.plain.as_str(), found.to_string().as_str()), (plain, said));
        }
        assert_eq!(LookAlikes::find("name"), None);
        assert_eq!(LookAlikes::find("æøå"), None);
    }
}
