//! Globs and patterns of `[[files]]`: a line for what is taken, and lines for what is left out.

use std::path::Path;

use hardened::host::project::{Project, Request};
use hardened::recipe::Destination;
use hardened::rootfs::ImagePath;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A folder that is there from both workspaces.
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = [own.join("fuzz/corpus/reference"), own.join("corpus/reference")].into_iter().find(|folder| folder.is_dir());
    let Some(Ok(project)) = folder.map(|folder| Project::open(&folder)) else { return };
    let mut lines = text.lines();
    let from = lines.next().unwrap_or_default();
    let mut request = Request::new(from, Destination::At(ImagePath::root()));
    request.exclude = lines.map(str::to_owned).take(16).collect();
    match project.find(&request) {
        Ok(found) => assert!(found.entries.iter().all(|(path, _)| !path.to_string().contains("/../"))),
        Err(faults) => assert!(faults.iter().all(|fault| !fault.to_string().contains('\u{1b}')), "nothing speaks to the terminal"),
    }
}
