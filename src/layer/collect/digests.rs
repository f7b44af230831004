use super::{Collector, FileCollector, FileHeader, Wanted};
use crate::oci::Hasher;
use crate::rootfs::FactKind;

/// The SHA-256 of each file's content. It costs a second hash of every byte, so it is collected only for who asks.
pub struct Digests;

#[derive(Default)]
struct Sum(Hasher);

impl Collector for Digests {
    fn name(&self) -> &'static str {
        "digests"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self) -> u64 {
        512 << 20
    }

    fn begin(&self, _: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        Some(Box::new(Sum::default()))
    }

    fn apply(&self, found: &str, file: &mut FactKind) -> Result<(), serde_json::Error> {
        if let FactKind::File { digest, .. } = file {
            *digest = Some(serde_json::from_str(found)?);
        }
        Ok(())
    }
}

impl FileCollector for Sum {
    fn take(&mut self, bytes: &[u8]) -> Wanted {
        self.0.update(bytes);
        Wanted::More
    }

    fn finish(self: Box<Self>) -> Option<Box<str>> {
        let (digest, _) = self.0.finish();
        serde_json::to_string(&digest).ok().map(Into::into)
    }
}
