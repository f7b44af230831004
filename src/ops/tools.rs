use std::num::NonZeroUsize;

use crate::feed::Feed;
use crate::host::Environment;
use crate::host::cache::Cache;
use crate::store::Location;
use crate::store::registry::Registry;

use super::Observer;

/// What the verbs work with: the cache, the network, and what was read of this machine when the program started.
pub struct Tools {
    /// The environment.
    pub environment: Environment,
    /// The cache.
    pub cache: Cache,
    /// The registries.
    pub registry: Registry,
    /// Archives of packages.
    pub feed: Feed,
    /// Mirrors of Debian's archive that the user named: the folders that hold `dists`. That of security updates has `-security` at the end.
    pub debian_mirrors: Vec<String>,
    /// The location that all that a lock names was copied to, if the user named one.
    pub vendored: Option<Location>,
    /// How many threads compress.
    pub threads: NonZeroUsize,
}

/// One run of a verb: what it works with, and who is told what happens.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What it works with.
    pub tools: &'a Tools,
    /// Who is told.
    pub observer: &'a dyn Observer,
}

impl<'a> Run<'a> {
    /// Returns the same run, of which another observer is told.
    pub(super) fn with<'b>(self, observer: &'b dyn Observer) -> Run<'b>
    where
        'a: 'b,
    {
        Run { tools: self.tools, observer }
    }
}
