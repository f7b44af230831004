use std::num::NonZeroUsize;

use crate::host::Environment;
use crate::host::cache::Cache;
use crate::store::registry::Registry;

/// What the verbs work with: the cache, the network, and what was read of this machine at the door.
pub struct Tools {
    /// The environment.
    pub environment: Environment,
    /// The cache.
    pub cache: Cache,
    /// The registries.
    pub registry: Registry,
    /// How many threads compress.
    pub threads: NonZeroUsize,
}
