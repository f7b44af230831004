use crate::diagnostic::ExternalError;

/// What kind of failure a fetch ended with: that of the server that was asked last, or of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchFault {
    /// The server has no such file.
    Missing,
    /// The server cannot be reached, or fails.
    Unreachable,
    /// The network was needed, and may not be used.
    Offline,
    /// The server has another file under that name.
    Corrupt,
    /// The file could not be written into the cache.
    Cache,
}

/// Why a file could not be fetched: the kind of failure, and what there is to say about it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FetchError {
    /// What kind of failure it was.
    pub fault: FetchFault,
    /// The file, the reason of every server that was asked, and what to do next.
    #[source]
    pub error: ExternalError,
}
