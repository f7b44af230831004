use super::whole::WholeFiles;

/// The small files that a build decides by: accounts, the name of the distribution, and where musl's loader looks.
pub const TEXTS: WholeFiles = WholeFiles { name: "texts", version: 1, memory: 16 << 20, limit: 256 << 10, selects: is_text };

const PATHS: [&str; 4] = ["etc/passwd", "etc/group", "etc/os-release", "usr/lib/os-release"];

fn is_text(path: &[u8]) -> bool {
    // Where musl's loader looks for libraries: `/etc/ld-musl-x86_64.path`.
    let is_search_path = path.starts_with(b"etc/ld-musl-") && path.ends_with(b".path");
    is_search_path || PATHS.iter().any(|kept| kept.as_bytes() == path)
}
