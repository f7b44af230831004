use super::{Collector, FileCollector, FileHeader, Wanted};
use crate::rootfs::FactKind;

/// The whole content of the few small files that a build decides by: accounts, the name of the distribution, and where musl's loader looks.
pub struct Texts;

/// Files that are kept when they are UTF-8 and of at most [`LIMIT`] bytes.
const PATHS: [&str; 4] = ["etc/passwd", "etc/group", "etc/os-release", "usr/lib/os-release"];
const LIMIT: u64 = 256 << 10;

/// Keeps a whole file.
pub(super) struct WholeText {
    size: u64,
    bytes: Vec<u8>,
}

impl WholeText {
    pub(super) fn new(size: u64) -> Self {
        Self { size, bytes: Vec::new() }
    }
}

impl Collector for Texts {
    fn name(&self) -> &'static str {
        "texts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self) -> u64 {
        16 << 20
    }

    fn begin(&self, file: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        let path = file.path.as_bytes();
        // Where musl's loader looks for libraries: `/etc/ld-musl-x86_64.path`.
        let is_search_path = path.starts_with(b"etc/ld-musl-") && path.ends_with(b".path");
        let is_kept = is_search_path || PATHS.iter().any(|kept| kept.as_bytes() == path);
        (is_kept && file.size <= LIMIT).then(|| Box::new(WholeText::new(file.size)) as Box<dyn FileCollector + Send>)
    }

    fn apply(&self, found: &str, file: &mut FactKind) -> Result<(), serde_json::Error> {
        if let FactKind::File { content, .. } = file {
            *content = Some(serde_json::from_str(found)?);
        }
        Ok(())
    }
}

impl FileCollector for WholeText {
    fn take(&mut self, bytes: &[u8]) -> Wanted {
        self.bytes.extend_from_slice(bytes);
        if (self.bytes.len() as u64) < self.size { Wanted::More } else { Wanted::Enough }
    }

    fn finish(self: Box<Self>) -> Option<Box<str>> {
        let text = String::from_utf8(self.bytes).ok()?;
        serde_json::to_string(&text).ok().map(Into::into)
    }
}
