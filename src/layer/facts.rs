use std::io::{self, Read};

use super::collect::{Collected, Collecting, Collector, FileHeader, STANDARD, Wanted};
use super::decompress::{Decompressed, Limits};
use super::strict::{ArchiveFault, Member, MemberKind, StrictTar};
use super::tree::{Linked, Tree, cost, link};
use crate::oci::{Compression, Hasher};
use crate::rootfs::{Fact, FactKind, Head, ImagePath, ImageText, LayerEntry, LayerFact, LayerFacts};

/// What is read at once of a file's content.
const PIECE: usize = 64 << 10;

/// What was read of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerContents {
    /// The entries, without what collectors found.
    pub entries: LayerFacts,
    /// What collectors found of its files.
    pub collected: Collected,
}

/// Reads a layer's blob to its end, and returns what the standard collectors find in it.
///
/// # Errors
/// As [`read_layer`].
pub fn read_facts(blob: impl Read, compression: Compression, limits: &Limits) -> Result<LayerFacts, ArchiveFault> {
    let LayerContents { mut entries, collected } = read_layer(blob, compression, limits, &STANDARD)?;
    collected.join(&mut entries, &STANDARD).map_err(ArchiveFault::Collected)?;
    Ok(entries)
}

/// Reads a layer's blob once, to its end, and hands each file's content to the collectors.
///
/// # Errors
/// When the layer is broken, ambiguous, or larger than the limits, or a collector finds more than it may keep. The blob's own reader checks the digest.
pub fn read_layer(
    blob: impl Read,
    compression: Compression,
    limits: &Limits,
    collectors: &[&dyn Collector],
) -> Result<LayerContents, ArchiveFault> {
    let tar = Decompressed::new(blob, compression, *limits).map_err(ArchiveFault::Read)?;
    let mut archive = StrictTar::new(Hashed { inner: tar, hasher: Hasher::default() });
    let mut pass = Pass {
        limits,
        entries: Vec::new(),
        tree: Tree::default(),
        collecting: Collecting::new(collectors),
        kept: 0,
        piece: vec![0; PIECE],
    };
    while let Some(member) = archive.next_member()? {
        if pass.entries.len() as u64 >= limits.entries {
            return Err(ArchiveFault::Entries(limits.entries));
        }
        if !member.path.is_root() {
            pass.member(&mut archive, &member)?;
        }
    }
    let mut tar = archive.into_source();
    // The tar has ended; what is compressed behind it is read as well, so that the blob's digest is checked to the last byte.
    io::copy(&mut tar, &mut io::sink()).map_err(ArchiveFault::Read)?;
    let (diff_id, size) = tar.hasher.finish();
    io::copy(&mut tar.inner.into_inner(), &mut io::sink()).map_err(ArchiveFault::Read)?;
    Ok(LayerContents { entries: LayerFacts { diff_id, size, entries: pass.entries }, collected: pass.collecting.finish() })
}

/// The pass over one layer.
struct Pass<'a> {
    limits: &'a Limits,
    entries: Vec<LayerFact>,
    tree: Tree,
    collecting: Collecting<'a>,
    /// How many foreign bytes are in memory.
    kept: u64,
    piece: Vec<u8>,
}

impl Pass<'_> {
    fn member<R: Read>(&mut self, archive: &mut StrictTar<R>, member: &Member) -> Result<(), ArchiveFault> {
        self.kept += self.tree.check(member)?;
        let entry = match whiteout(member)? {
            Whiteout::None => {
                if member.kind == MemberKind::File {
                    self.content(archive, member)?;
                }
                entry(member, &self.tree)?
            }
            Whiteout::Foreign => return Ok(()),
            Whiteout::Of(path, fact) => {
                // Some unpackers take the earlier entry away with what lies below, and some do not.
                if fact == LayerEntry::Whiteout && self.tree.holds(&path) {
                    return Err(link(member, format!("hides `{path}`, an earlier entry of the same archive")));
                }
                LayerFact { path, fact }
            }
        };
        self.kept += weight(&entry);
        if self.kept > self.limits.kept {
            return Err(ArchiveFault::Kept(self.limits.kept));
        }
        if !matches!(entry.fact, LayerEntry::Whiteout | LayerEntry::Opaque) {
            self.kept += self.tree.add(member);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Hands a file's content to the collectors, as far as they want it.
    fn content<R: Read>(&mut self, archive: &mut StrictTar<R>, member: &Member) -> Result<(), ArchiveFault> {
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let mut file = self.collecting.begin(number, &FileHeader { path: &member.path, size: member.size });
        let mut left = member.size;
        while left > 0 && file.wants_any() {
            let count = archive.read_content(&mut self.piece)?;
            left -= count as u64;
            if file.take(&self.piece[..count]) == Wanted::Enough {
                break;
            }
        }
        self.kept += self.collecting.end(file).map_err(ArchiveFault::Collector)?;
        Ok(())
    }
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

fn entry(member: &Member, tree: &Tree) -> Result<LayerFact, ArchiveFault> {
    let fact = match &member.kind {
        MemberKind::HardLink(target) => {
            match tree.linked(target) {
                Some(Linked::File | Linked::Fifo) => {}
                // Nobody follows it: the hard link is another name of the symbolic one, whose target is read from the new name's folder.
                Some(Linked::Symlink(text)) => check_target(member, &text)?,
                Some(Linked::Device(device)) => {
                    return Err(link(member, format!("leads to the device `{device}`, which unpackers without privileges leave out")));
                }
                // CVE-2026-50163: what a target that is no earlier file of this archive means depends on who unpacks where.
                None => return Err(link(member, format!("leads to `{target}`, which is not an earlier file of the archive"))),
            }
            LayerEntry::Link(target.clone())
        }
        MemberKind::Directory => added(member, FactKind::Directory),
        MemberKind::Symlink(target) => {
            check_target(member, target)?;
            added(member, FactKind::Symlink(ImageText(target.clone().into())))
        }
        MemberKind::Device(device) => added(member, FactKind::Device(*device)),
        MemberKind::Fifo => added(member, FactKind::Fifo),
        MemberKind::File => added(member, FactKind::File { size: member.size, head: Head::Other, content: None, digest: None }),
    };
    Ok(LayerFact { path: member.path.clone(), fact })
}

fn added(member: &Member, kind: FactKind) -> LayerEntry {
    LayerEntry::Add(Fact { kind, mode: member.mode, uid: member.uid, gid: member.gid, attributes: member.attributes.clone() })
}

/// Returns how many foreign bytes an entry holds in memory, beside what collectors found.
fn weight(entry: &LayerFact) -> u64 {
    let fact = match &entry.fact {
        LayerEntry::Link(target) => target.as_bytes().len(),
        LayerEntry::Add(fact) => {
            let target = if let FactKind::Symlink(target) = &fact.kind { target.0.len() } else { 0 };
            target + fact.attributes.weight()
        }
        LayerEntry::Whiteout | LayerEntry::Opaque => 0,
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
    let bad =
        || ArchiveFault::Ambiguous { offset: member.offset, reason: format!("the whiteout `{}` does not hide a valid name", member.path) };
    match hidden {
        b".wh..opq" => Ok(Whiteout::Of(parent, LayerEntry::Opaque)),
        _ if hidden.starts_with(b".wh.") => Ok(Whiteout::Foreign),
        b"" | b"." | b".." => Err(bad()),
        name => Ok(Whiteout::Of(parent.join(name).map_err(|_| bad())?, LayerEntry::Whiteout)),
    }
}

/// Refuses a relative target that leads above the root of the image: inside a container it would stop at the root, and
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Attributes;

    fn member(path: &str) -> Member {
        let path = ImagePath::new(path.as_bytes()).unwrap();
        Member { path, kind: MemberKind::File, size: 0, mode: 0, uid: 0, gid: 0, attributes: Attributes::default(), offset: 0 }
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
