use std::collections::{BTreeMap, BTreeSet};

use crate::rootfs::{Changeset, Entry, EntryKind, Fact, FactKind, ImagePath, Owner, Rootfs};

/// Adds to each group the folders above its files, with the modes and owners that they have in the image.
pub(super) fn complete(below: &Rootfs<'_>, groups: Vec<(String, Vec<(ImagePath, Entry)>)>) -> Vec<(String, Changeset)> {
    // Folders that any of our groups names itself.
    let mut own: BTreeMap<ImagePath, Entry> = BTreeMap::new();
    for (path, entry) in groups.iter().flat_map(|(_, entries)| entries) {
        if entry.kind == EntryKind::Directory {
            own.insert(path.clone(), entry.clone());
        }
    }
    let complete = |(name, mut entries): (String, Vec<(ImagePath, Entry)>)| {
        let missing = missing_parents(&entries);
        entries.extend(missing.into_iter().map(|path| {
            let entry = own.get(&path).cloned().unwrap_or_else(|| folder(below.entry(&path)));
            (path, entry)
        }));
        (name, Changeset::new(entries))
    };
    groups.into_iter().map(complete).collect()
}

fn missing_parents(entries: &[(ImagePath, Entry)]) -> Vec<ImagePath> {
    let mut missing = BTreeSet::new();
    let mut last: Option<ImagePath> = None;
    for (path, _) in entries {
        let parent = path.parent().filter(|parent| !parent.is_root());
        // Entries come folder by folder, so nearly all have the parent of the one before.
        if parent.is_none() || parent == last {
            continue;
        }
        for above in path.parents() {
            missing.insert(above);
        }
        last = parent;
    }
    for (path, entry) in entries {
        if entry.kind == EntryKind::Directory {
            missing.remove(path);
        }
    }
    missing.into_iter().collect()
}

fn folder(fact: Option<Fact>) -> Entry {
    match fact {
        Some(fact @ Fact { kind: FactKind::Directory, .. }) => Entry { kind: EntryKind::Directory, mode: fact.mode, owner: fact.owner() },
        _ => Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() },
    }
}
