use super::{Collector, FileCollector, FileHeader, Wanted};
use crate::rootfs::FactKind;

/// Keeps the whole content of a few files that are UTF-8.
pub struct WholeFiles {
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) memory: u64,
    /// The largest file that is kept, in bytes.
    pub(super) limit: u64,
    /// Says by its path whether a file is kept.
    pub(super) selects: fn(&[u8]) -> bool,
}

struct WholeFile {
    size: u64,
    bytes: Vec<u8>,
}

impl Collector for WholeFiles {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn begin(&self, file: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        let is_kept = file.size <= self.limit && (self.selects)(file.path.as_bytes());
        is_kept.then(|| Box::new(WholeFile { size: file.size, bytes: Vec::new() }) as Box<dyn FileCollector + Send>)
    }

    fn apply(&self, found: &str, file: &mut FactKind) -> Result<(), serde_json::Error> {
        if let FactKind::File { content, .. } = file {
            *content = Some(serde_json::from_str(found)?);
        }
        Ok(())
    }
}

impl FileCollector for WholeFile {
    fn take(&mut self, bytes: &[u8]) -> Wanted {
        self.bytes.extend_from_slice(bytes);
        if (self.bytes.len() as u64) < self.size { Wanted::More } else { Wanted::Enough }
    }

    fn finish(self: Box<Self>) -> Option<Box<str>> {
        let text = String::from_utf8(self.bytes).ok()?;
        serde_json::to_string(&text).ok().map(Into::into)
    }
}
