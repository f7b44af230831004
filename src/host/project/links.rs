use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::Project;
use crate::lint::{LinkTarget, ProjectLinks};

/// Links are looked at by their names alone: nothing is opened.
impl ProjectLinks for Project {
    fn target(&self, link: &[u8], target: &[u8]) -> Option<LinkTarget> {
        let path = self.root().join(OsStr::from_bytes(link));
        path.read_link().ok().filter(|written| written.as_os_str().as_bytes() == target)?;
        let real = path.canonicalize();
        Some(real.map_or(LinkTarget::Nothing, |real| match real.strip_prefix(self.root()) {
            Ok(inside) => LinkTarget::Project(inside.as_os_str().as_bytes().to_vec()),
            Err(_) => LinkTarget::Outside,
        }))
    }
}
