use std::io::{self, Read};

use super::decompress::{Decompressed, Limits};
use super::strict::{ArchiveFault, Member, MemberKind, StrictTar};
use super::tree::{Tree, cost, link};
use super::window::Window;
use crate::oci::{Compression, Hasher};
use crate::rootfs::{Fact, FactKind, Head, ImagePath, ImageText, LayerEntry, LayerFact, LayerFacts};

/// Files whose whole content checks need, when it is text of at most this size.
const KEPT: &[&str] = &["etc/passwd", "etc/group", "etc/os-release", "usr/lib/os-release"];
const KEPT_LIMIT: u64 = 256 << 10;

/// Reads a layer's blob to its end, and returns what was learned of it.
///
/// # Errors
/// When the layer is broken, ambiguous, or larger than the limits. The blob's own reader checks the digest.
pub fn read_facts(blob: impl Read, compression: Compression, limits: &Limits) -> Result<LayerFacts, ArchiveFault> {
    let tar = Decompressed::new(blob, compression, *limits).map_err(ArchiveFault::Read)?;
    let mut archive = StrictTar::new(Hashed { inner: tar, hasher: Hasher::default() });
    let mut entries = Vec::new();
    let mut tree = Tree::default();
    let mut kept = 0;
    while let Some(member) = archive.next_member()? {
        if entries.len() as u64 >= limits.entries {
            return Err(ArchiveFault::Entries(limits.entries));
        }
        if member.path.is_root() {
            continue;
        }
        kept += tree.check(&member)?;
        let entry = match whiteout(&member)? {
            Whiteout::None => entry(&mut archive, &member, &tree)?,
            Whiteout::Foreign => continue,
            Whiteout::Of(path, fact) => {
                // Some unpackers take the earlier entry away with what lies below, and some do not.
                if fact == LayerEntry::Whiteout && tree.holds(&path) {
                    return Err(link(&member, format!("hides `{path}`, an earlier entry of the same archive")));
                }
                LayerFact { path, fact }
            }
        };
        kept += weight(&entry);
        if kept > limits.kept {
            return Err(ArchiveFault::Kept(limits.kept));
        }
        if !matches!(entry.fact, LayerEntry::Whiteout | LayerEntry::Opaque) {
            kept += tree.add(&member);
        }
        entries.push(entry);
    }
    let mut tar = archive.into_source();
    // The tar has ended; what is compressed behind it is read as well, so that the blob's digest is checked to the last byte.
    io::copy(&mut tar, &mut io::sink()).map_err(ArchiveFault::Read)?;
    let (diff_id, size) = tar.hasher.finish();
    io::copy(&mut tar.inner.into_inner(), &mut io::sink()).map_err(ArchiveFault::Read)?;
    Ok(LayerFacts { diff_id, size, entries })
}

struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

fn entry<R: Read>(archive: &mut StrictTar<R>, member: &Member, tree: &Tree) -> Result<LayerFact, ArchiveFault> {
    let fact = match &member.kind {
        MemberKind::HardLink(target) if tree.is_file(target) => LayerEntry::Link(target.clone()),
        // CVE-2026-50163: what a target that is no earlier file of this archive means depends on who unpacks where.
        MemberKind::HardLink(target) => {
            return Err(link(member, format!("leads to `{target}`, which is no earlier file of the archive")));
        }
        _ => LayerEntry::Add(fact(archive, member)?),
    };
    Ok(LayerFact { path: member.path.clone(), fact })
}

/// Returns how many foreign bytes a fact holds in memory.
fn weight(entry: &LayerFact) -> u64 {
    let fact = match &entry.fact {
        LayerEntry::Link(target) => target.as_bytes().len(),
        LayerEntry::Add(Fact { kind: FactKind::Symlink(target), .. }) => target.0.len(),
        LayerEntry::Add(Fact { kind: FactKind::File { head, content, .. }, .. }) => {
            head.weight() + content.as_ref().map_or(0, |content| content.len())
        }
        _ => 0,
    };
    cost(entry.path.as_bytes()) + fact as u64
}

/// What an entry means by its name (image-spec, `layer.md`, "Whiteouts").
enum Whiteout {
    /// It is a file.
    None,
    /// It is a file of AUFS's own, which no runtime unpacks.
    Foreign,
    /// It hides something.
    Of(ImagePath, LayerEntry),
}

fn whiteout(member: &Member) -> Result<Whiteout, ArchiveFault> {
    let Some(hidden) = member.path.name().strip_prefix(b".wh.") else { return Ok(Whiteout::None) };
    let parent = member.path.parent().unwrap_or_default();
    let bad = || ArchiveFault::Ambiguous {
        offset: member.offset,
        reason: format!("the whiteout `{}` hides nothing that can exist", member.path),
    };
    match hidden {
        b".wh..opq" => Ok(Whiteout::Of(parent, LayerEntry::Opaque)),
        _ if hidden.starts_with(b".wh.") => Ok(Whiteout::Foreign),
        b"" | b"." | b".." => Err(bad()),
        name => Ok(Whiteout::Of(parent.join(name).map_err(|_| bad())?, LayerEntry::Whiteout)),
    }
}

fn fact<R: Read>(archive: &mut StrictTar<R>, member: &Member) -> Result<Fact, ArchiveFault> {
    let kind = match &member.kind {
        MemberKind::Directory => FactKind::Directory,
        MemberKind::Symlink(target) => {
            check_target(member, target)?;
            FactKind::Symlink(ImageText(target.clone().into()))
        }
        MemberKind::Special | MemberKind::HardLink(_) => FactKind::Special,
        MemberKind::File => file(archive, member)?,
    };
    Ok(Fact { kind, mode: member.mode, uid: member.uid, gid: member.gid })
}

/// Refuses a relative target that climbs above the image's root: inside a container it would stop at the root, and
/// anything that unpacks the image elsewhere would follow it out.
fn check_target(member: &Member, target: &[u8]) -> Result<(), ArchiveFault> {
    if climbs_out(&member.path, target) {
        return Err(link(member, format!("leads out of the image, to `{}`", target.escape_ascii())));
    }
    Ok(())
}

pub(super) fn climbs_out(path: &ImagePath, target: &[u8]) -> bool {
    let absolute = target.starts_with(b"/");
    let mut depth = if absolute { 0 } else { path.names().count().saturating_sub(1) };
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            // `/..` is `/` to everybody.
            b".." if absolute => depth = depth.saturating_sub(1),
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn file<R: Read>(archive: &mut StrictTar<R>, member: &Member) -> Result<FactKind, ArchiveFault> {
    let least = if is_kept(member) { member.size } else { 0 };
    let window = Window::read(member.size, least, |buffer| archive.read_content(buffer))?;
    let head = Head::read(&window, member.size).unwrap_or(Head::Other);
    let content = if is_kept(member) { window.whole().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Into::into) } else { None };
    Ok(FactKind::File { size: member.size, head, content })
}

fn is_kept(member: &Member) -> bool {
    let path = member.path.as_bytes();
    // Where musl's loader looks for libraries: `/etc/ld-musl-x86_64.path`.
    let is_search_path = path.starts_with(b"etc/ld-musl-") && path.ends_with(b".path");
    member.size <= KEPT_LIMIT && (is_search_path || KEPT.iter().any(|kept| kept.as_bytes() == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str) -> Member {
        let path = ImagePath::new(path.as_bytes()).unwrap();
        Member { path, kind: MemberKind::File, size: 0, mode: 0, uid: 0, gid: 0, offset: 0 }
    }

    #[test]
    fn whiteouts_are_told_from_files() {
        for (path, expected) in [
            ("a/b", Some("file".to_owned())),
            ("a/.wh.b", Some("/a/b Whiteout".to_owned())),
            ("a/.wh..wh..opq", Some("/a Opaque".to_owned())),
            ("a/.wh..wh.plnk", Some("ignored".to_owned())),
            ("a/.wh.", None),
            ("a/.wh..", None),
            ("a/.wh...", None),
        ] {
            let found = whiteout(&member(path)).ok().map(|found| match found {
                Whiteout::None => "file".to_owned(),
                Whiteout::Foreign => "ignored".to_owned(),
                Whiteout::Of(path, fact) => format!("{path} {fact:?}"),
            });
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn links_that_climb_out_are_known() {
        for (path, target, expected) in [
            ("a/b", "../c", false),
            ("a/b", "../../c", true),
            ("a", "..", true),
            ("a/b/c", "../../x/../..", true),
            ("a/b/c", "../../x", false),
            ("a", "/../../x", false),
            ("a", "b/../../c", true),
        ] {
            assert_eq!(climbs_out(&ImagePath::new(path.as_bytes()).unwrap(), target.as_bytes()), expected, "{path} -> {target}");
        }
    }
}
