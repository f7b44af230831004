use std::collections::{BTreeMap, BTreeSet};

use super::sources::moved;
use crate::layer::path_hash;
use crate::recipe::SplitLinks;
use crate::rootfs::{Content, Entry, EntryKind, ImagePath};

/// Whether large entries are split into several layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    /// One layer for each entry of the recipe.
    #[default]
    Off,
    /// Large entries become a bounded number of layers.
    Auto,
}

/// An entry with less content than this, in bytes, stays in one layer.
const WORTH_IT: u64 = 32 << 20;
/// Over so many layers the files of an entry are spread.
const PARTS: u64 = 16;
/// Over so many more layers go its largest files.
const LARGE_PARTS: u64 = 4;
/// A file of this size in bytes is one of the largest.
const LARGE: u64 = 4 << 20;

type Group = (String, Vec<(ImagePath, Entry)>);

/// Splits large groups. Where a file goes depends on its path, and whether it is large, and on nothing beside it, so that it stays
/// in its layer whatever comes and goes.
pub(super) fn split(groups: Vec<Group>, links: SplitLinks) -> Vec<Group> {
    groups.into_iter().flat_map(|group| if content_size(&group) < WORTH_IT { vec![group] } else { parts(group, links) }).collect()
}

fn content_size((_, entries): &Group) -> u64 {
    entries.iter().map(|(_, entry)| size(entry)).sum()
}

fn size(entry: &Entry) -> u64 {
    if let EntryKind::File(content) = &entry.kind { content.size() } else { 0 }
}

fn parts((name, entries): Group, links: SplitLinks) -> Vec<Group> {
    let linked = linked(&entries);
    let mut parts: BTreeMap<u64, Vec<(ImagePath, Entry)>> = BTreeMap::new();
    for (path, mut entry) in entries {
        let mut number = part(&path, size(&entry), entry.kind == EntryKind::Directory);
        if let EntryKind::HardLink(target) = &entry.kind
            && let Some((home, content)) = linked.get(target)
        {
            // For many readers a link into another layer is none.
            match links {
                SplitLinks::WithFile => number = *home,
                SplitLinks::ByPath => {
                    number = part(&path, content.size(), false);
                    if number != *home {
                        entry.kind = moved(EntryKind::File(content.clone()), target, &path);
                    }
                }
            }
        }
        parts.entry(number).or_default().push((path, entry));
    }
    let count = PARTS + LARGE_PARTS;
    parts.into_iter().map(|(number, entries)| (format!("{name} (part {} of {count})", number + 1), entries)).collect()
}

/// Returns the files that have other names, and the parts that they are in.
fn linked(entries: &[(ImagePath, Entry)]) -> BTreeMap<ImagePath, (u64, Content)> {
    let target = |entry: &Entry| if let EntryKind::HardLink(target) = &entry.kind { Some(target.clone()) } else { None };
    let targets: BTreeSet<ImagePath> = entries.iter().filter_map(|(_, entry)| target(entry)).collect();
    let file = |(path, entry): &(ImagePath, Entry)| match &entry.kind {
        EntryKind::File(content) if targets.contains(path) => Some((path.clone(), (part(path, content.size(), false), content.clone()))),
        _ => None,
    };
    entries.iter().filter_map(file).collect()
}

/// The largest files come first, in layers of their own. Files that differ in their endings alone are often alike, and compress together.
fn part(path: &ImagePath, size: u64, is_folder: bool) -> u64 {
    if size >= LARGE {
        return path_hash(path.as_bytes()) % LARGE_PARTS;
    }
    let (bytes, name) = (path.as_bytes(), path.name());
    // The first letter may be a dot that begins the name.
    let stem = name.iter().skip(1).position(|byte| *byte == b'.').map_or(name.len(), |dot| dot + 1);
    let known_by = if is_folder { bytes } else { &bytes[..bytes.len() - name.len() + stem] };
    LARGE_PARTS + path_hash(known_by) % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::{Owner, Stat, TreeId};

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text.as_bytes()).unwrap()
    }

    fn file(name: &str, size: u64) -> (ImagePath, Entry) {
        let kind =
            EntryKind::File(Content::Tail { tree: TreeId(0), tail: u16::try_from(name.len()).unwrap(), stat: Stat { size, stamp: 0 } });
        (path(name), Entry { kind, mode: 0o644, owner: Owner::default() })
    }

    fn tree(leave_out: usize) -> Vec<(ImagePath, Entry)> {
        let small = (0..2000).map(|number| file(&format!("app/package-{}/file-{number}.js", number % 150), 20_000));
        let large = (0..6).map(|number| file(&format!("app/native-{number}.node"), 9 << 20));
        let link = Entry { kind: EntryKind::HardLink(path("app/package-7/file-7.js")), mode: 0o644, owner: Owner::default() };
        let links = (0..40).map(|number| (path(&format!("app/links-{number}/same.js")), link.clone()));
        small.chain(large).chain(links).enumerate().filter(|(number, _)| *number != leave_out).map(|(_, entry)| entry).collect()
    }

    fn homes(groups: &[Group]) -> BTreeMap<ImagePath, String> {
        groups.iter().flat_map(|(name, entries)| entries.iter().map(move |(path, _)| (path.clone(), name.clone()))).collect()
    }

    #[test]
    fn a_file_stays_in_its_layer_whatever_comes_and_goes() {
        let whole = split(vec![("files".to_owned(), tree(usize::MAX))], SplitLinks::WithFile);
        assert!((12..=20).contains(&whole.len()), "{}", whole.len());
        let all = homes(&whole);
        assert_eq!(all.len(), 2046);
        for left_out in [0, 900, 2001] {
            let homes = homes(&split(vec![("files".to_owned(), tree(left_out))], SplitLinks::WithFile));
            assert!(homes.len() == 2045 && homes.iter().all(|(path, name)| all[path] == *name));
        }
        let largest =
            whole.iter().map(|group| group.1.iter().map(|(_, entry)| size(entry)).filter(|size| *size < LARGE).sum::<u64>()).max();
        assert!(largest.unwrap() < 40_000_000 / 6, "{largest:?}");
    }

    #[test]
    fn a_hard_link_stays_in_the_layer_of_its_file() {
        let groups = split(vec![("files".to_owned(), tree(usize::MAX))], SplitLinks::WithFile);
        let whole = |groups: &[Group]| groups.iter().map(content_size).sum::<u64>();
        assert_eq!(whole(&groups), whole(&[("files".to_owned(), tree(usize::MAX))]), "no link becomes a copy");
        let mut links = 0;
        for (_, entries) in &groups {
            for (path, entry) in entries.iter().filter(|(path, _)| path.to_string().contains("/links-")) {
                let EntryKind::HardLink(target) = &entry.kind else { panic!("{path}: {entry:?}") };
                links += 1;
                assert!(entries.iter().any(|(path, _)| path == target), "{path}");
            }
        }
        assert_eq!(links, 40);
    }

    #[test]
    fn a_hard_link_becomes_a_copy_by_the_format_before() {
        let groups = split(vec![("files".to_owned(), tree(usize::MAX))], SplitLinks::ByPath);
        let is_link = |(path, _): &&(ImagePath, Entry)| path.to_string().contains("/links-");
        let links: Vec<&(ImagePath, Entry)> = groups.iter().flat_map(|(_, entries)| entries.iter().filter(is_link)).collect();
        let copies = links.iter().filter_map(|(path, entry)| match &entry.kind {
            EntryKind::File(content) => Some(content.found(path).unwrap().1 == b"app/package-7/file-7.js"),
            _ => None,
        });
        let copies: Vec<bool> = copies.collect();
        assert!(links.len() == 40 && copies.len() > 20 && copies.iter().all(|is_same| *is_same), "{} copies", copies.len());
    }

    #[test]
    fn small_entries_stay_whole() {
        let groups = vec![("files".to_owned(), vec![file("a", 20 << 20), file("b", 1)])];
        assert_eq!(split(groups.clone(), SplitLinks::WithFile), groups);
    }
}
