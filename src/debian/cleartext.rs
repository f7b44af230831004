use super::armor::{self, ArmorFault};

/// The longest file that is read, in bytes; Debian's own have 150 KB.
pub(super) const FILE_LIMIT: usize = 16 * 1024 * 1024;

/// The longest line that is read, in bytes.
pub(super) const LINE_LIMIT: usize = 64 * 1024;

/// The longest signature block that is read, in lines.
const SIGNATURE_LINES: usize = 2000;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// One cleartext signed message, taken apart and not yet verified (RFC 9580, section 7).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleartext {
    /// What was signed: lines without the dashes that escape, and without space at their ends, joined by line feeds.
    pub(super) text: String,
    /// The names of hash algorithms in the header.
    pub(super) hashes: Vec<String>,
    /// The bytes of the signature packets.
    pub(super) signature: Vec<u8>,
}

/// Why bytes are not exactly one cleartext signed message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClearsignFault {
    /// The file is longer than is read.
    #[error("it has more than 16777216 bytes")]
    FileLimit,
    /// A line is longer than is read.
    #[error("line {0} has more than 65536 bytes")]
    LineLimit(usize),
    /// The signature is longer than is read.
    #[error("its signature has more than 2000 lines")]
    SignatureLimit,
    /// There is a control character, a carriage return for example, or it is not UTF-8.
    #[error("line {0} holds a control character or is not UTF-8")]
    Control(usize),
    /// The first line does not begin a signed message.
    #[error("it does not begin with `-----BEGIN PGP SIGNED MESSAGE-----`")]
    Beginning,
    /// A header is not `Hash`, or names nothing.
    #[error("line {0} is neither a `Hash` header nor an empty line")]
    Header(usize),
    /// A line begins with a dash that is not escaped.
    #[error("line {0} begins with a dash that is not escaped: a second message, or text that is not signed")]
    Dash(usize),
    /// It ends before its signature does.
    #[error("it ends before its signature does")]
    Truncated,
    /// The signature's armor is wrong.
    #[error("its signature holds {0}")]
    Armor(ArmorFault),
    /// Something follows.
    #[error("line {0} follows after the signature")]
    After(usize),
}

impl Cleartext {
    /// Takes a file apart. What is not in the strictest form of a signed message is refused, as other readers may see another text in it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ClearsignFault> {
        let mut lines = lines(bytes)?;
        // The one line feed at the end begins no line.
        if lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        let mut numbered = (1..).zip(lines.iter().copied());
        if numbered.next().is_none_or(|(_, line)| line != BEGIN) {
            return Err(ClearsignFault::Beginning);
        }
        let mut hashes = Vec::new();
        loop {
            let (number, line) = numbered.next().ok_or(ClearsignFault::Truncated)?;
            if line.is_empty() {
                break;
            }
            let names = line.strip_prefix("Hash: ").ok_or(ClearsignFault::Header(number))?;
            for name in names.split(',').map(|name| name.trim_matches(' ')) {
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                    return Err(ClearsignFault::Header(number));
                }
                hashes.push(name.to_owned());
            }
        }
        let mut text = String::with_capacity(bytes.len());
        let mut is_first = true;
        loop {
            let (number, line) = numbered.next().ok_or(ClearsignFault::Truncated)?;
            if line == SIGNATURE {
                break;
            }
            let content = match line.strip_prefix("- ") {
                Some(content) => content,
                None if line.starts_with('-') => return Err(ClearsignFault::Dash(number)),
                None => line,
            };
            if !std::mem::take(&mut is_first) {
                text.push('\n');
            }
            text.push_str(content.trim_end_matches([' ', '\t']));
        }
        let mut armored = Vec::new();
        loop {
            let (_, line) = numbered.next().ok_or(ClearsignFault::Truncated)?;
            if line == END {
                break;
            }
            if armored.len() >= SIGNATURE_LINES {
                return Err(ClearsignFault::SignatureLimit);
            }
            armored.push(line);
        }
        if let Some((number, _)) = numbered.next() {
            return Err(ClearsignFault::After(number));
        }
        let signature = armor::decode(&armored).map_err(ClearsignFault::Armor)?;
        Ok(Self { text, hashes, signature })
    }
}

/// Cuts a file into lines of text.
fn lines(bytes: &[u8]) -> Result<Vec<&str>, ClearsignFault> {
    if bytes.len() > FILE_LIMIT {
        return Err(ClearsignFault::FileLimit);
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.len() > LINE_LIMIT {
            return Err(ClearsignFault::LineLimit(number));
        }
        let text = std::str::from_utf8(line).map_err(|_| ClearsignFault::Control(number))?;
        if text.chars().any(|character| character.is_control() && character != '\t') {
            return Err(ClearsignFault::Control(number));
        }
        found.push(text);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: x \n- -dash\n\n- - two\n-----BEGIN PGP SIGNATURE-----\n\nMTIz\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn a_message_is_taken_apart() {
        let good = Cleartext { text: "Origin: x\n-dash\n\n- two".into(), hashes: vec!["SHA256".into()], signature: b"123".to_vec() };
        assert_eq!(Cleartext::read(GOOD.as_bytes()).as_ref(), Ok(&good));
        assert_eq!(Cleartext::read(GOOD.trim_end().as_bytes()), Ok(good));
        let two = Cleartext::read(GOOD.replace("SHA256", "SHA256, SHA512").as_bytes()).unwrap();
        assert_eq!(two.hashes, ["SHA256", "SHA512"]);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        use ClearsignFault::{After, Armor, Beginning, Control, Dash, Header, Truncated};
        for (bytes, fault) in [
            (String::new(), Beginning),
            (format!("\n{GOOD}"), Beginning),
            (format!("Origin: y\n{GOOD}"), Beginning),
            (format!(" {GOOD}"), Beginning),
            (GOOD.replacen("MESSAGE-----", "MESSAGE----- ", 1), Beginning),
            (format!("\u{feff}{GOOD}"), Beginning),
            (format!("{GOOD}\n"), After(12)),
            (format!("{GOOD}Origin: y\n"), After(12)),
            (format!("{GOOD}{GOOD}"), After(12)),
            (GOOD.replacen("Origin: x \n", &GOOD.replace('x', "z"), 1), Dash(4)),
            (GOOD.replace("- -dash", "-dash"), Dash(5)),
            (GOOD.replace("- -dash", "-----END PGP SIGNATURE-----"), Dash(5)),
            (GOOD.replace("\nHash: SHA256", "\nComment: x"), Header(2)),
            (GOOD.replace("\nHash: SHA256", "\nHash: "), Header(2)),
            (GOOD.replace("\nHash: SHA256", "\nHash: SHA256,"), Header(2)),
            (GOOD.replace("SHA256\n\n", "SHA256\n \n"), Header(3)),
            (GOOD.replace("SHA256\n\n", "SHA256\n"), Header(3)),
            (GOOD.replace('\n', "\r\n"), Control(1)),
            (GOOD.replace("x ", "x\r"), Control(4)),
            (GOOD.replace("x ", "x\0"), Control(4)),
            (GOOD.replace("MTIz\n", "MTIz \n"), Armor(ArmorFault::Base64)),
            (GOOD.replace("MTIz\n", "MTIz\n\n"), Armor(ArmorFault::Line)),
            (GOOD.replace("SIGNATURE-----\n\n", "SIGNATURE-----\n"), Armor(ArmorFault::NoEmptyLine)),
            (GOOD.replace("-----END PGP SIGNATURE-----\n", ""), Truncated),
            (GOOD.replace("-----END PGP SIGNATURE-----", "-----END PGP SIGNATURE----- "), Truncated),
            (GOOD[..50].to_owned(), Truncated),
        ] {
            assert_eq!(Cleartext::read(bytes.as_bytes()), Err(fault), "{bytes:?}");
        }
        assert_eq!(Cleartext::read(b"\xff"), Err(Control(1)));
    }

    #[test]
    fn length_has_limits() {
        let long_line = GOOD.replace("Origin: x", &"x".repeat(LINE_LIMIT + 1));
        assert_eq!(Cleartext::read(long_line.as_bytes()), Err(ClearsignFault::LineLimit(4)));
        let armor = GOOD.replace("MTIz\n", &"MTIz\n".repeat(SIGNATURE_LINES));
        assert_eq!(Cleartext::read(armor.as_bytes()), Err(ClearsignFault::SignatureLimit));
        assert_eq!(Cleartext::read(&vec![b'\n'; FILE_LIMIT + 1]), Err(ClearsignFault::FileLimit));
    }
}
