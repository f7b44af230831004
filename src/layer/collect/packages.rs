use super::texts::WholeText;
use super::{Collector, FileCollector, FileHeader};
use crate::rootfs::FactKind;

/// The databases of installed packages that are text: dpkg's `status` and `status.d` (deb-control(5)), and apk's `installed`.
pub struct Packages;

const FILES: [&str; 3] = ["var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// Where distroless images keep one stanza for each package.
const STANZAS: &str = "var/lib/dpkg/status.d/";
/// The largest database that is kept, in bytes: that of an installation with 60,000 packages.
const LIMIT: u64 = 64 << 20;

impl Collector for Packages {
    fn name(&self) -> &'static str {
        "packages"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self) -> u64 {
        128 << 20
    }

    fn begin(&self, file: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        let path = file.path.as_bytes();
        let is_stanza = path.starts_with(STANZAS.as_bytes()) && !path.ends_with(b".md5sums");
        let is_database = is_stanza || FILES.iter().any(|kept| kept.as_bytes() == path);
        (is_database && file.size <= LIMIT).then(|| Box::new(WholeText::new(file.size)) as Box<dyn FileCollector + Send>)
    }

    fn apply(&self, found: &str, file: &mut FactKind) -> Result<(), serde_json::Error> {
        if let FactKind::File { content, .. } = file {
            *content = Some(serde_json::from_str(found)?);
        }
        Ok(())
    }
}
