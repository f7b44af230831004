use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};

use super::{CONTROL, DebFault};
use crate::layer::decompress::Limits;
use crate::layer::strict::{ArchiveFault, Member, MemberKind, StrictTar};
use crate::rootfs::ImageText;

/// How much control files may hold. Those of the largest packages, with 100,000 lines of `md5sums`, stay below 16 MiB.
pub(super) const LIMITS: Limits =
    Limits { bytes: 32 << 20, entries: 256, kept: 32 << 20, free: 4 << 20, ratio: 200, idle: 1 << 20, window_log: 27 };

/// The control files that are kept, beside `control`, `md5sums` and `conffiles`.
const SCRIPTS: &[&str] = &["config", "postinst", "postrm", "preinst", "prerm", "shlibs", "triggers"];

/// What the control files of a package say.
pub(super) struct Texts {
    pub(super) control: String,
    pub(super) md5sums: Option<ImageText>,
    pub(super) conffiles: Option<ImageText>,
    pub(super) scripts: BTreeMap<String, ImageText>,
}

/// The fields that name a package (deb-control(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlStanza {
    /// `Package`: the name.
    pub package: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`, by Debian's name, or `all`.
    pub architecture: String,
}

pub(super) fn read(tar: impl Read) -> Result<Texts, DebFault> {
    let mut archive = StrictTar::new(BufReader::with_capacity(64 << 10, tar));
    let mut texts = BTreeMap::new();
    let mut names = BTreeSet::new();
    let fault = |fault| DebFault::Archive { part: CONTROL, fault };
    while let Some(member) = archive.next_member().map_err(fault)? {
        let name = check(&member)?;
        if name.is_empty() {
            continue;
        }
        if names.len() as u64 >= LIMITS.entries {
            return Err(fault(ArchiveFault::Entries(LIMITS.entries)));
        }
        if !names.insert(member.path.clone()) {
            return Err(wrong(&member, "is there twice"));
        }
        if matches!(name, "control" | "md5sums" | "conffiles") || SCRIPTS.contains(&name) {
            let mut bytes = Vec::new();
            let mut buffer = [0; 8 << 10];
            loop {
                match archive.read_content(&mut buffer).map_err(fault)? {
                    0 => break,
                    count => bytes.extend_from_slice(&buffer[..count]),
                }
            }
            texts.insert(name.to_owned(), bytes);
        }
    }
    let control = texts.remove("control").ok_or_else(|| DebFault::Control("is missing".to_owned()))?;
    let control = String::from_utf8(control).map_err(|_| DebFault::Control("is not UTF-8".to_owned()))?;
    control_stanza(&control)?;
    let mut text = |name| texts.remove(name).map(|bytes: Vec<u8>| ImageText(bytes.into()));
    let (md5sums, conffiles) = (text("md5sums"), text("conffiles"));
    let scripts = texts.into_iter().map(|(name, bytes)| (name, ImageText(bytes.into()))).collect();
    Ok(Texts { control, md5sums, conffiles, scripts })
}

/// Refuses all but the folder itself and regular files in it; returns the name.
fn check(member: &Member) -> Result<&str, DebFault> {
    if member.path.is_root() {
        return Ok("");
    }
    if member.kind != MemberKind::File {
        return Err(wrong(member, "is not a regular file"));
    }
    let name = std::str::from_utf8(member.path.as_bytes()).unwrap_or("/");
    if name.contains('/') { Err(wrong(member, "does not lie at its top")) } else { Ok(name) }
}

fn wrong(member: &Member, reason: &str) -> DebFault {
    DebFault::Entry { part: CONTROL, path: member.path.clone(), reason: reason.to_owned() }
}

/// Reads the fields that name a package, from a text that must be one stanza with no field twice.
///
/// # Errors
/// When the text is no such stanza, or a field is missing or holds what cannot be its value.
pub fn control_stanza(control: &str) -> Result<ControlStanza, DebFault> {
    let fault = |reason: String| Err(DebFault::Control(reason));
    let mut fields: BTreeMap<String, &str> = BTreeMap::new();
    let mut ended = false;
    for (number, line) in (1..).zip(control.split('\n')) {
        if line.is_empty() {
            // Empty lines before the first field or after the last are no second stanza.
            ended = !fields.is_empty();
            continue;
        }
        if ended {
            return fault("holds more than one stanza".to_owned());
        }
        if line.starts_with([' ', '\t']) {
            if fields.is_empty() {
                return fault(format!("begins with a continued line, line {number}"));
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return fault(format!("has no colon in line {number}"));
        };
        if name.is_empty() || name.starts_with(['#', '-']) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return fault(format!("has a field without a proper name in line {number}"));
        }
        if fields.insert(name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])).is_some() {
            return fault(format!("has the field `{name}` twice"));
        }
    }
    let field = |name: &str, first: fn(u8) -> bool, other: &[u8]| {
        let value = fields.get(&name.to_ascii_lowercase()).copied().unwrap_or_default();
        let good = value.bytes().next().is_some_and(first) && value.bytes().all(|byte| first(byte) || other.contains(&byte));
        if good { Ok(value.to_owned()) } else { Err(DebFault::Control(format!("has no proper `{name}`"))) }
    };
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    Ok(ControlStanza {
        package: field("Package", lower, b"+-.")?,
        version: field("Version", |byte| byte.is_ascii_alphanumeric(), b"+-.~:")?,
        architecture: field("Architecture", lower, b"-")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_one_and_name_a_package() {
        let good = "Package: libc6\nVersion: 2.36-9+deb12u14\narchitecture:amd64\nDescription: x\n longer\n .\n more\n";
        let expected =
            ControlStanza { package: "libc6".to_owned(), version: "2.36-9+deb12u14".to_owned(), architecture: "amd64".to_owned() };
        assert_eq!(control_stanza(good).unwrap(), expected);
        assert_eq!(control_stanza(&format!("\n{good}\n\n")).unwrap(), expected);
        for (bad, reason) in [
            ("", "no proper `Package`"),
            ("Package: a\nVersion: 1\n", "no proper `Architecture`"),
            ("Package: a\nVersion: 1\nArchitecture: all\n\nPackage: b\n", "more than one stanza"),
            ("Package: a\nVersion: 1\nArchitecture: all\npackage: b\n", "`package` twice"),
            ("Package: ../a\nVersion: 1\nArchitecture: all\n", "no proper `Package`"),
            ("Package: a\nVersion: 1 2\nArchitecture: all\n", "no proper `Version`"),
            ("Package: a\nVersion: 1\r\nArchitecture: all\n", "no proper `Version`"),
            ("Package: a\nVersion: 1\nArchitecture: all\n 2\nrubbish\n", "no colon in line 5"),
            (" x\nPackage: a\n", "begins with a continued line"),
            ("#Package: a\n", "without a proper name in line 1"),
        ] {
            let fault = control_stanza(bad).unwrap_err().to_string();
            assert!(fault.contains(reason), "{bad:?}: {fault}");
        }
    }
}
