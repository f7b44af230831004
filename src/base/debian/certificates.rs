use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How large a file of certificates may be, and how many it may hold. Debian's own bundle has about 150 in 220 KB.
const FILE_LIMIT: usize = 4 << 20;
const COUNT_LIMIT: usize = 4096;
/// How large one certificate may be in DER.
const CERTIFICATE_LIMIT: usize = 64 << 10;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Why a file of certificates is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// It is larger than any such file.
    #[error("it is larger than 4 MiB")]
    Large,
    /// It holds more certificates than any such file.
    #[error("it holds more than {COUNT_LIMIT} certificates")]
    Many,
    /// It holds no certificate: it may be DER, or something else.
    #[error("it holds no `-----BEGIN CERTIFICATE-----`")]
    None,
    /// It holds a private key, which must never be in an image.
    #[error("it holds a private key in line {0}")]
    PrivateKey(usize),
    /// It holds a block of another kind.
    #[error("line {line} begins a `{label}`; only certificates are accepted")]
    Label {
        /// The line.
        line: usize,
        /// What it is called, escaped.
        label: String,
    },
    /// A block is broken.
    #[error("the certificate that begins in line {line} {reason}")]
    Broken {
        /// The line.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Joins certificates as `update-ca-certificates` does: in the order of their names' bytes, each with a newline at its end, then those of
/// the machine's owner. The names are paths below `/usr/share/ca-certificates`.
pub fn ca_bundle(files: &BTreeMap<String, Vec<u8>>, extra: &[Vec<u8>]) -> Vec<u8> {
    let mut bundle = Vec::new();
    for file in files.values().chain(extra) {
        bundle.extend_from_slice(file);
        if !matches!(file.last(), None | Some(b'\n')) {
            bundle.push(b'\n');
        }
    }
    bundle
}

/// Reads the certificates of a PEM file (RFC 7468), and returns them in DER. Text around the blocks is passed over.
///
/// # Errors
/// When there is none, when one is broken, and when there is anything else: above all a private key.
pub fn pem_certificates(file: &[u8]) -> Result<Vec<Vec<u8>>, CertificateFault> {
    if file.len() > FILE_LIMIT {
        return Err(CertificateFault::Large);
    }
    let mut found = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii_end();
        let text = std::str::from_utf8(line).unwrap_or_default();
        if let Some(label) = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) {
            begin(number, label)?;
            if let Some((line, _)) = block.replace((number, String::new())) {
                return Err(CertificateFault::Broken { line, reason: "has no end" });
            }
        } else if text.strip_prefix(END).is_some_and(|label| label == "CERTIFICATE-----") {
            let Some((line, encoded)) = block.take() else {
                return Err(CertificateFault::Broken { line: number, reason: "only ends there" });
            };
            if found.len() >= COUNT_LIMIT {
                return Err(CertificateFault::Many);
            }
            found.push(decoded(&encoded).map_err(|reason| CertificateFault::Broken { line, reason })?);
        } else if let Some((begun, encoded)) = &mut block {
            if line.is_empty() || !line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)) {
                return Err(CertificateFault::Broken { line: *begun, reason: "is not base64" });
            }
            encoded.push_str(text);
        } else if contains(line, b"PRIVATE KEY-----") {
            return Err(CertificateFault::PrivateKey(number));
        } else if contains(line, b"-----BEGIN") {
            return Err(CertificateFault::Broken { line: number, reason: "does not start at the first column of the line" });
        }
    }
    match block {
        Some((line, _)) => Err(CertificateFault::Broken { line, reason: "has no end" }),
        None if found.is_empty() => Err(CertificateFault::None),
        None => Ok(found),
    }
}

/// Checks what a block is called.
fn begin(line: usize, label: &str) -> Result<(), CertificateFault> {
    match label {
        "CERTIFICATE" => Ok(()),
        _ if label.ends_with("PRIVATE KEY") => Err(CertificateFault::PrivateKey(line)),
        _ => Err(CertificateFault::Label { line, label: label.escape_default().take(64).collect() }),
    }
}

fn contains(line: &[u8], wanted: &[u8]) -> bool {
    line.windows(wanted.len()).any(|part| part == wanted)
}

fn decoded(encoded: &str) -> Result<Vec<u8>, &'static str> {
    let der = STANDARD.decode(encoded).map_err(|_| "is not base64")?;
    if der.len() > CERTIFICATE_LIMIT {
        return Err("is larger than 64 KiB");
    }
    is_certificate(&der).then_some(der).ok_or("is not an X.509 certificate")
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Says whether bytes have the outer form of a certificate (RFC 5280, section 4.1), to the last byte. Its signature
/// is not checked.
fn is_certificate(der: &[u8]) -> bool {
    let Some((SEQUENCE, content, [])) = element(der) else { return false };
    let Some((SEQUENCE, signed, rest)) = element(content) else { return false };
    let Some((SEQUENCE, _, rest)) = element(rest) else { return false };
    let Some((BIT_STRING, signature, [])) = element(rest) else { return false };
    let mut rest = match element(signed) {
        Some((VERSION, _, rest)) => rest,
        _ => signed,
    };
    // The serial number, the signature's algorithm, the issuer, the validity, the subject and its key.
    for expected in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        match element(rest) {
            Some((tag, _, after)) if tag == expected => rest = after,
            _ => return false,
        }
    }
    !signature.is_empty()
}

/// Reads one element of DER: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            // DER writes a length in the fewest bytes that hold it.
            if length < 0x80 || digits[0] == 0 {
                return None;
            }
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes one element of DER.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = match u8::try_from(content.len()) {
            Ok(short @ 0..0x80) => vec![short],
            Ok(byte) => vec![0x81, byte],
            Err(_) => [vec![0x82], u16::try_from(content.len()).unwrap().to_be_bytes().to_vec()].concat(),
        };
        [vec![tag], length, content.to_vec()].concat()
    }

    /// Makes what has the form of a certificate.
    fn certificate(serial: u8) -> Vec<u8> {
        let parts = [der(VERSION, &der(INTEGER, &[2])), der(INTEGER, &[serial]), der(SEQUENCE, b"").repeat(4), der(SEQUENCE, &[0; 300])];
        der(SEQUENCE, &[der(SEQUENCE, &parts.concat()), der(SEQUENCE, b""), der(BIT_STRING, &[0; 200])].concat())
    }

    fn pem(der: &[u8]) -> String {
        let encoded = STANDARD.encode(der);
        let lines: Vec<_> = encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    #[test]
    fn certificates_are_read_with_text_around_them() {
        let (one, two) = (certificate(1), certificate(2));
        let file = format!("# Issuer: æ\nsubject=/CN=x\n{}\n\nmore\n{}", pem(&one), pem(&two).trim_end());
        assert_eq!(pem_certificates(file.as_bytes()), Ok(vec![one.clone(), two.clone()]));
        assert_eq!(pem_certificates(file.replace('\n', "\r\n").as_bytes()), Ok(vec![one.clone(), two]));
        let foreign = [b"\xff\xfe text\n".to_vec(), pem(&one).into_bytes()].concat();
        assert_eq!(pem_certificates(&foreign), Ok(vec![one]));
    }

    #[test]
    fn everything_else_is_refused() {
        let good = pem(&certificate(1));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let broken = |line, reason| CertificateFault::Broken { line, reason };
        let label = |line, label: &str| CertificateFault::Label { line, label: label.to_owned() };
        let mut long = certificate(1);
        long.push(0);
        for (file, expected) in [
            (String::new(), CertificateFault::None),
            ("a text".to_owned(), CertificateFault::None),
            (format!("{good}{key}"), CertificateFault::PrivateKey(1 + good.lines().count())),
            (key.to_owned(), CertificateFault::PrivateKey(1)),
            (key.replace("PRIVATE", "RSA PRIVATE"), CertificateFault::PrivateKey(1)),
            (key.replace("PRIVATE", "ENCRYPTED PRIVATE"), CertificateFault::PrivateKey(1)),
            (format!("  {key}"), CertificateFault::PrivateKey(1)),
            (format!("\u{feff}{key}"), CertificateFault::PrivateKey(1)),
            (format!("{good}{}", &key[28..]), CertificateFault::PrivateKey(2 + good.lines().count())),
            (good.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), label(1, "TRUSTED CERTIFICATE")),
            (good.replace("CERTIFICATE", "X509 CRL"), label(1, "X509 CRL")),
            (good.replace("CERTIFICATE", "PGP\u{1b}[2J"), label(1, "PGP\\u{1b}[2J")),
            (format!("\u{feff}{good}"), broken(1, "does not start at the first column of the line")),
            (format!(" {good}"), broken(1, "does not start at the first column of the line")),
            (good.replace("-----END CERTIFICATE-----", ""), broken(1, "is not base64")),
            (good.replace("-----END CERTIFICATE-----\n", "").trim_end().to_owned(), broken(1, "has no end")),
            (good.replace("-----END CERTIFICATE-----\n", &good), broken(1, "has no end")),
            ("x\n-----END CERTIFICATE-----\n".to_owned(), broken(2, "only ends there")),
            (good.replacen("\nM", "\n*", 1), broken(1, "is not base64")),
            (good.replacen("\nM", "\n\nM", 1), broken(1, "is not base64")),
            (good.replacen("\nM", "\nProc-Type: 4\nM", 1), broken(1, "is not base64")),
            (good.replacen("\nM", "\n=M", 1), broken(1, "is not base64")),
            (pem(&long), broken(1, "is not an X.509 certificate")),
            (pem(&certificate(1)[..300]), broken(1, "is not an X.509 certificate")),
            (pem(b""), broken(1, "is not base64")),
            (pem(&der(SEQUENCE, b"")), broken(1, "is not an X.509 certificate")),
            (pem(&der(SEQUENCE, &der(SEQUENCE, b"").repeat(3))), broken(1, "is not an X.509 certificate")),
            (pem(&vec![0x30; CERTIFICATE_LIMIT + 1]), broken(1, "is larger than 64 KiB")),
            (good.repeat(COUNT_LIMIT + 1), CertificateFault::Many),
            ("x".repeat(FILE_LIMIT + 1), CertificateFault::Large),
        ] {
            let begin: String = file.chars().take(60).collect();
            assert_eq!(pem_certificates(file.as_bytes()), Err(expected), "{begin}");
        }
    }

    #[test]
    fn lengths_are_in_the_fewest_bytes() {
        for (bytes, expected) in [
            (&b"\x30\x00"[..], true),
            (b"\x30\x01a", true),
            (b"\x30\x02a", false),
            (b"\x30", false),
            (b"\x30\x81\x01a", false),
            (b"\x30\x82\x00\x81", false),
            (b"\x30\x80\x00\x00", false),
            (b"\x30\x84\xff\xff\xff\xff", false),
        ] {
            assert_eq!(element(bytes).is_some(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn bundles_end_every_file_with_a_newline() {
        let files = [("b", "2"), ("a/z", "1\n"), ("a b", "3"), ("e", "")].map(|(name, text)| (name.to_owned(), text.into()));
        assert_eq!(ca_bundle(&files.into(), &[b"mine".to_vec()]), b"3\n1\n2\nmine\n");
    }
}
