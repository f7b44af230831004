use std::sync::Arc;

use super::host_path::{is_below, joined};

/// How many links one path may lead through, as in Linux.
const DEPTH: usize = 40;

/// A link to a folder that was followed.
#[derive(Debug)]
pub(super) struct Followed {
    /// Where the folder is on the host, absolute, without a leading slash.
    host: Box<[u8]>,
    /// How long the link's path below the request's folder is.
    below: usize,
    /// Where on the host the link is in.
    link_folder: Box<[u8]>,
    above: Option<Arc<Self>>,
    depth: usize,
}

impl Followed {
    /// Follows a link at `path` (below the request's folder), which is in `link_folder` on the host and leads to `host`.
    /// `None` when this leads back to a folder that the link is in.
    pub(super) fn new(host: &[u8], path: &[u8], link_folder: &[u8], above: Option<&Arc<Self>>) -> Option<Self> {
        let depth = above.map_or(0, |above| above.depth + 1);
        let mut upwards = above;
        let mut returns = is_below(link_folder, host) || depth >= DEPTH;
        while let Some(link) = upwards {
            returns |= is_below(&link.link_folder, host);
            upwards = link.above.as_ref();
        }
        let link = || Self { host: host.into(), below: path.len(), link_folder: link_folder.into(), above: above.cloned(), depth };
        (!returns).then(link)
    }

    /// Returns where on the host a path below the request's folder is.
    pub(super) fn on_host(&self, path: &[u8]) -> Vec<u8> {
        let below = path.get(self.below..).unwrap_or_default();
        joined(&self.host, below.strip_prefix(b"/").unwrap_or(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_known_by_their_places() {
        let first = Followed::new(b"srv/b", b"l", b"srv/a", None).map(Arc::new);
        assert!(first.is_some());
        assert_eq!(first.as_ref().map(|link| link.on_host(b"l/x/y")), Some(b"srv/b/x/y".to_vec()));
        assert_eq!(first.as_ref().map(|link| link.on_host(b"l")), Some(b"srv/b".to_vec()));
        // From b back to a, from b to b, and upwards.
        for host in ["srv/a", "srv/b", "srv", ""] {
            assert!(Followed::new(host.as_bytes(), b"l/m", b"srv/b/c", first.as_ref()).is_none(), "{host}");
        }
        assert!(Followed::new(b"srv/ab", b"l/m", b"srv/b/c", first.as_ref()).is_some());
    }
}
