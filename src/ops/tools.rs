use std::num::NonZeroUsize;

use crate::host::cache::Cache;
use crate::host::Environment;
use crate::store::registry::Registry;

/// What the verbs work with: the cache, the network, and the facts about this run that were read at the door.
pub struct Tools {
    /// The environment.
    pub environment: Environment,
    /// The cache.
    pub cache: Cache,
    /// The registries.
    pub registry: Registry,
    /// The time in seconds since 1970. It reaches no digest.
    pub now: i64,
    /// How many threads compress.
    pub threads: NonZeroUsize,
}
