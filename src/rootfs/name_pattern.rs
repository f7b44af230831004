/// How the letters of a pattern and a name are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// `a` and `A` are two letters.
    Exact,
    /// They are one; other letters than those of ASCII are compared as they are.
    AnyCase,
}

/// Says whether a name fits a pattern, in which `*` stands for any bytes and `?` for one.
pub fn name_fits(pattern: &[u8], name: &[u8], letters: Letters) -> bool {
    let same = |one: u8, other: u8| match letters {
        Letters::Exact => one == other,
        Letters::AnyCase => one.eq_ignore_ascii_case(&other),
    };
    let (mut at, mut read) = (0, 0);
    // What the last `*` took is given back one by one: an earlier one cannot need it.
    let mut back: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || same(*byte, name[read]) => (at, read) = (at + 1, read + 1),
            _ => match back {
                Some((star, taken)) => {
                    back = Some((star, taken + 1));
                    (at, read) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
