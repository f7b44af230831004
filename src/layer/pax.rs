use std::collections::BTreeMap;

use crate::rootfs::Attributes;

/// What `hdrcharset` may say (IEEE Std 1003.1 "pax"): bsdtar writes `BINARY` for a name that is not ASCII in the C locale, and every reader then
/// takes the bytes as they are.
const CHARACTER_SETS: [&[u8]; 2] = [b"BINARY", b"ISO-IR 10646 2000 UTF-8"];

/// The records of one PAX header, each key once.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<String, Vec<u8>>);

impl Records {
    /// Reads `length key=value\n` records.
    ///
    /// # Errors
    /// Says what is wrong: readers differ on malformed records, doubled keys and NUL in paths, so none is accepted.
    pub(super) fn read(mut bytes: &[u8]) -> Result<Self, String> {
        let mut records = BTreeMap::new();
        while !bytes.is_empty() {
            let (record, rest) = next_record(bytes).ok_or("a malformed PAX record")?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or("a PAX record without `=`")?;
            let key = std::str::from_utf8(&record[..equals]).map_err(|_| "a PAX key that is not UTF-8")?;
            let value = record[equals + 1..].to_vec();
            if key.is_empty() {
                return Err("an empty PAX key".to_owned());
            }
            // Go refuses the archive, the others cut the key or keep it.
            if key.contains('\0') {
                return Err("a NUL byte in a PAX key".to_owned());
            }
            if key.starts_with("GNU.sparse.") || matches!(key, "SCHILY.realsize" | "SUN.holesdata") {
                return Err("a sparse file".to_owned());
            }
            if key == "hdrcharset" && !CHARACTER_SETS.contains(&value.as_slice()) {
                return Err("a PAX character set that is neither BINARY nor UTF-8".to_owned());
            }
            if matches!(key, "path" | "linkpath" | "uname" | "gname") && value.contains(&0) {
                return Err(format!("a NUL byte in the PAX record `{key}`"));
            }
            if records.insert(key.to_owned(), value).is_some() {
                return Err(format!("the PAX record `{}` twice", key.escape_debug()));
            }
            bytes = rest;
        }
        Ok(Self(records))
    }

    /// Says whether a character set is named for the texts of the entry.
    pub(super) fn has_character_set(&self) -> bool {
        self.0.contains_key("hdrcharset")
    }

    /// Returns a value; an empty one, which deletes a record of a global header, is refused by [`Records::text`]'s callers.
    pub(super) fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// Returns a decimal number.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.bytes(key) else { return Ok(None) };
        let digits = !value.is_empty() && value.len() < 20 && value.iter().all(u8::is_ascii_digit);
        let parsed = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        parsed.filter(|number| i64::try_from(*number).is_ok()).map(Some).ok_or_else(|| format!("the PAX record `{key}` is not a number"))
    }

    /// Checks a time: seconds since 1970, with a sign and a fraction if need be.
    pub(super) fn time(&self, key: &str) -> Result<(), String> {
        let Some(value) = self.bytes(key) else { return Ok(()) };
        let value = value.strip_prefix(b"-").unwrap_or(value);
        let mut parts = value.splitn(2, |byte| *byte == b'.');
        let whole = parts.next().unwrap_or_default();
        let fraction = parts.next().unwrap_or_default();
        let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let good = !whole.is_empty() && whole.len() < 19 && digits(whole) && digits(fraction);
        if good { Ok(()) } else { Err(format!("the PAX record `{key}` is not a time")) }
    }

    /// Returns the extended attributes, which containerd and Docker take from the records of star (`SCHILY.xattr.NAME`).
    pub(super) fn attributes(&self) -> Attributes {
        let named = |(key, value): (&String, &Vec<u8>)| Some((key.strip_prefix("SCHILY.xattr.")?.to_owned(), value.clone()));
        self.0.iter().filter_map(named).collect()
    }

    /// Says whether there is nothing but comments, which change no entry.
    pub(super) fn only_comments(&self) -> bool {
        self.0.keys().all(|key| key == "comment")
    }
}

fn next_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let digits = bytes[..space].iter().all(u8::is_ascii_digit) && bytes[0] != b'0';
    let length: usize = std::str::from_utf8(&bytes[..space]).ok().filter(|_| digits)?.parse().ok()?;
    let record = bytes.get(space + 1..length)?;
    Some((record.strip_suffix(b"\n")?, &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_records_are_read() {
        for (bytes, good) in [
            (&b"9 path=x\n"[..], true),
            (b"9 path=x\n8 uid=1\n", true),
            (b"8 path=\n", true),
            (b"9 path=x\n9 path=y\n", false),
            (b"11 path=x\n", false),
            (b"8 path=x\n", false),
            (b"9 path=x", false),
            (b"09 path=x\n", false),
            (b"x path=x\n", false),
            (b"8 =xxxx\n", false),
            (b"10 path=a\0\n", false),
            (b"22 GNU.sparse.major=1\n", false),
            (b"21 hdrcharset=BINARY\n", true),
            (b"38 hdrcharset=ISO-IR 10646 2000 UTF-8\n", true),
            (b"15 hdrcharset=\n", false),
            (b"26 hdrcharset=ISO-IR 8859\n", false),
            (b"99999999999999999999 a=b\n", false),
        ] {
            assert_eq!(Records::read(bytes).is_ok(), good, "{:?}", String::from_utf8_lossy(bytes));
        }
        let records = Records::read(b"9 size=1\n9 uid=-1\n").unwrap_or_default();
        assert_eq!(records.number("size"), Ok(Some(1)));
        assert!(records.number("uid").is_err());
        assert_eq!(records.number("gid"), Ok(None));
    }
}
