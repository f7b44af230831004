use super::{Collector, FileCollector, FileHeader, Wanted};
use crate::layer::private_key::{FoundKey, KeySearch};
use crate::rootfs::FactKind;

/// The first private key of each file. It says nothing of what a file is, so that it leaves the layer's facts as they are.
pub struct PrivateKeys;

struct OneFile {
    search: KeySearch,
    found: Option<FoundKey>,
}

impl Collector for PrivateKeys {
    fn name(&self) -> &'static str {
        "private-keys"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self) -> u64 {
        256 << 20
    }

    fn begin(&self, file: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        (file.size > 0).then(|| Box::new(OneFile { search: KeySearch::new(file.size), found: None }) as Box<dyn FileCollector + Send>)
    }

    fn apply(&self, found: &str, _: &mut FactKind) -> Result<(), serde_json::Error> {
        serde_json::from_str::<FoundKey>(found).map(drop)
    }
}

impl FileCollector for OneFile {
    fn take(&mut self, bytes: &[u8]) -> Wanted {
        self.found = self.search.take(bytes);
        if self.found.is_some() { Wanted::Enough } else { Wanted::More }
    }

    fn finish(self: Box<Self>) -> Option<Box<str>> {
        serde_json::to_string(&self.found?).ok().map(Into::into)
    }
}
