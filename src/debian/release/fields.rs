use std::collections::BTreeMap;

use super::{AllIndex, ByHash, IndexFile, Release, ReleaseFault};
use crate::debian::date;
use crate::debian::field::{Line, escaped, listed_file, sha256};
use crate::debian::key::Fingerprint;
use crate::debian::name::is_architecture;
use crate::oci::Digest;

/// How many files are read; Debian's own releases have some five thousand.
const FILES: usize = 200_000;

/// Reads the signed text: one stanza, and empty lines at its end only.
pub(super) fn read(text: &str, signers: Vec<Fingerprint>, digest: Digest) -> Result<Release, ReleaseFault> {
    let mut fields: BTreeMap<String, Field<'_>> = BTreeMap::new();
    let mut open: Option<String> = None;
    let mut is_over = false;
    for (line, content) in (1..).zip(text.split('\n')) {
        match Line::read(content.as_bytes()).map_err(|fault| ReleaseFault::Line { line, fault })? {
            Line::Blank => is_over = true,
            _ if is_over => return Err(wrong("", "is followed by a second stanza")),
            Line::Field(name, value) => {
                let name = escaped(name).to_ascii_lowercase();
                if fields.contains_key(&name) {
                    return Err(wrong(&name, "is there twice"));
                }
                fields.insert(name.clone(), Field { value: text_of(value), more: Vec::new() });
                open = Some(name);
            }
            Line::More(value) => match open.as_ref().and_then(|name| fields.get_mut(name)) {
                Some(field) => field.more.push(text_of(value)),
                None => return Err(wrong("", "begins with a continued line")),
            },
        }
    }
    let single = |name: &str| -> Result<&str, ReleaseFault> {
        match fields.get(&name.to_ascii_lowercase()) {
            Some(field) if !field.more.is_empty() => Err(wrong(name, "has more than one line")),
            Some(field) => Ok(field.value),
            None => Ok(""),
        }
    };
    let time = |name: &str| match single(name)? {
        "" => Ok(None),
        text => date::read(text).map(Some).ok_or_else(|| wrong(name, &format!("is not a time in UTC: `{}`", escaped(text.as_bytes())))),
    };
    let words = |name: &str| Ok(single(name)?.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let architectures: Vec<String> = words("Architectures")?;
    if let Some(bad) = architectures.iter().find(|name| !is_architecture(name)) {
        return Err(wrong("Architectures", &format!("holds `{}`", escaped(bad.as_bytes()))));
    }
    let by_hash = if is_yes("Acquire-By-Hash", single("Acquire-By-Hash")?)? { ByHash::Offered } else { ByHash::NotOffered };
    let merges = single("No-Support-for-Architecture-all")?.split_ascii_whitespace().any(|word| word == "Packages");
    let all_index = if architectures.iter().any(|name| name == "all") && !merges { AllIndex::Separate } else { AllIndex::Merged };
    Ok(Release {
        origin: single("Origin")?.to_owned(),
        suite: single("Suite")?.to_owned(),
        codename: single("Codename")?.to_owned(),
        date: time("Date")?.ok_or_else(|| wrong("Date", "is missing"))?,
        valid_until: time("Valid-Until")?,
        components: words("Components")?,
        architectures,
        by_hash,
        all_index,
        files: files(fields.get("sha256").ok_or(ReleaseFault::WeakDigests)?)?,
        signers,
        digest,
    })
}

struct Field<'a> {
    value: &'a str,
    more: Vec<&'a str>,
}

/// The message was text before it was cut into lines.
fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn wrong(field: &str, problem: &str) -> ReleaseFault {
    ReleaseFault::Field { field: field.to_owned(), problem: problem.to_owned() }
}

fn is_yes(name: &str, value: &str) -> Result<bool, ReleaseFault> {
    match value {
        "yes" => Ok(true),
        "" | "no" => Ok(false),
        other => Err(wrong(name, &format!("is neither `yes` nor `no`: `{}`", escaped(other.as_bytes())))),
    }
}

fn files(field: &Field<'_>) -> Result<BTreeMap<String, IndexFile>, ReleaseFault> {
    let mut files = BTreeMap::new();
    if !field.value.is_empty() {
        return Err(wrong("SHA256", "has a value on its first line"));
    }
    if field.more.len() > FILES {
        return Err(wrong("SHA256", "lists more than 200000 files"));
    }
    for line in &field.more {
        let listed = listed_file(line).and_then(|(digest, size, path)| Some((sha256(digest)?, size, path)));
        let (digest, size, path) =
            listed.ok_or_else(|| wrong("SHA256", &format!("has a line that is not a file entry: `{}`", escaped(line.as_bytes()))))?;
        let file = IndexFile { digest: Digest::from_bytes(digest), size };
        if files.insert(path.to_owned(), file).is_some() {
            return Err(wrong("SHA256", &format!("lists `{path}` twice")));
        }
    }
    Ok(files)
}
