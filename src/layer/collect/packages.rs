use super::whole::WholeFiles;

/// The databases of installed packages that are text: dpkg's `status` and `status.d` (deb-control(5)), and apk's `installed`. The limit is
/// that of an installation with 60,000 packages.
pub const PACKAGES: WholeFiles = WholeFiles { name: "packages", version: 1, memory: 128 << 20, limit: 64 << 20, selects: is_database };

const FILES: [&str; 3] = ["var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// Where distroless images keep one stanza for each package.
const STANZAS: &str = "var/lib/dpkg/status.d/";

fn is_database(path: &[u8]) -> bool {
    let is_stanza = path.starts_with(STANZAS.as_bytes()) && !path.ends_with(b".md5sums");
    is_stanza || FILES.iter().any(|kept| kept.as_bytes() == path)
}
