use std::sync::Arc;

use super::{ContentFault, Entry, EntryKind, Fact, FactKind, Head, ImagePath, OpenContent, OpenFile, ReadAt as _, ReadFault, Rootfs};

impl Rootfs<'_> {
    /// Returns where the bytes of a file of the layers are: the number of the layer, counted from 0 at the bottom, and the path of the entry
    /// there; nothing for what our own changesets hold. `path` is a real one.
    pub fn stored_at(&self, path: &ImagePath) -> Option<(u32, ImagePath)> {
        if self.own_entry(path).is_some() {
            return None;
        }
        let layer = self.layers.get(path)?.layer;
        Some((layer, self.sources.get(path).unwrap_or(path).clone()))
    }

    /// Keeps the content of a file of the layers. `path` is a real one.
    pub fn learn(&mut self, path: &ImagePath, bytes: Vec<u8>) {
        if let Some(FactKind::File { content, .. }) = self.layers.get_mut(path).map(|file| &mut file.fact.kind) {
            *content = std::str::from_utf8(&bytes).ok().map(Into::into);
        }
        self.contents.insert(path.clone(), bytes.into());
    }

    /// Returns what a file is: what is known of it, or, of our own changesets, what its beginning says; [`Head::Other`] for what is no regular
    /// file. `path` is a real one, and `fact` what stands there. Without `contents` nothing is read, and it may stay [`Head::Unread`].
    ///
    /// # Errors
    /// When a file of the host or of a package cannot be read.
    pub fn head(&self, path: &ImagePath, fact: &Fact, contents: Option<&dyn OpenContent>) -> Result<Head, ContentFault> {
        let FactKind::File { head, .. } = &fact.kind else { return Ok(Head::Other) };
        let (Head::Unread, Some(contents)) = (head, contents) else { return Ok(head.clone()) };
        match self.own_entry(path) {
            Some((real, Entry { kind: EntryKind::File(content), .. })) => {
                Head::read(&OpenFile { content, path: &real, contents }, content.size())
            }
            _ => Ok(Head::Other),
        }
    }

    /// Returns the whole content of a regular file: of our own changesets, or of the layers where it is known. `path` is a real one.
    ///
    /// # Errors
    /// When a file of the host or of a package cannot be read.
    pub fn content(&self, path: &ImagePath, contents: &dyn OpenContent) -> Result<Option<Arc<[u8]>>, ReadFault> {
        if let Some((real, entry)) = self.own_entry(path) {
            let EntryKind::File(content) = &entry.kind else { return Ok(None) };
            let mut bytes = vec![0; usize::try_from(content.size()).unwrap_or(usize::MAX)];
            OpenFile { content, path: &real, contents }.read_at(0, &mut bytes)?;
            return Ok(Some(bytes.into()));
        }
        if let Some(bytes) = self.contents.get(path) {
            return Ok(Some(Arc::clone(bytes)));
        }
        match self.layers.get(path).map(|file| &file.fact.kind) {
            Some(FactKind::File { content: Some(text), .. }) => Ok(Some(text.as_bytes().into())),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use crate::rootfs::{ImageText, LayerEntry, LayerFact, LayerFacts, Owner, Stat, TreeId};

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text.as_bytes()).unwrap()
    }

    fn layer(entries: &[(&str, LayerEntry)]) -> LayerFacts {
        let entries = entries.iter().map(|(name, fact)| LayerFact { path: path(name), fact: fact.clone() }).collect();
        LayerFacts { diff_id: Digest::of(b""), size: 0, entries }
    }

    /// Has no files.
    struct Nothing;

    impl OpenContent for Nothing {
        fn read(&self, _: TreeId, _: &[u8], _: Stat, _: u64, _: &mut [u8]) -> Result<(), ContentFault> {
            Err(std::io::Error::other("nothing").into())
        }
    }

    #[test]
    fn bytes_are_found_through_every_kind_of_link() {
        let add = |kind| LayerEntry::Add(Fact::new(kind, 0o644, Owner::default()));
        let file = || add(FactKind::File { size: 1, head: Head::Other, content: None, digest: None });
        let link = |target: &str| add(FactKind::Symlink(ImageText(target.as_bytes().into())));
        let mut rootfs = Rootfs::new();
        rootfs.apply(&layer(&[
            ("usr/etc", add(FactKind::Directory)),
            ("etc", link("usr/etc")),
            ("usr/etc/group", file()),
            ("old", file()),
        ]));
        rootfs.apply(&layer(&[
            ("etc/passwd", file()),
            ("etc/again", LayerEntry::Link(path("etc/passwd"))),
            ("more", LayerEntry::Link(path("etc/again"))),
            ("old", file()),
        ]));
        for (name, expected) in [
            ("usr/etc/passwd", Some((1, "etc/passwd"))),
            ("usr/etc/again", Some((1, "etc/passwd"))),
            ("more", Some((1, "etc/passwd"))),
            ("usr/etc/group", Some((0, "usr/etc/group"))),
            ("old", Some((1, "old"))),
            ("nowhere", None),
        ] {
            assert_eq!(rootfs.stored_at(&path(name)), expected.map(|(layer, name)| (layer, path(name))), "{name}");
        }
        rootfs.apply(&layer(&[("more", file())]));
        assert_eq!(rootfs.stored_at(&path("more")), Some((2, path("more"))));
        assert!(matches!(rootfs.content(&path("more"), &Nothing), Ok(None)));
        rootfs.learn(&path("more"), b"\xff".to_vec());
        assert!(matches!(rootfs.content(&path("more"), &Nothing), Ok(Some(bytes)) if *bytes == *b"\xff"));
    }
}
