use std::error::Error;

/// A failure of something outside of the program: the network, a disk, a registry or an archive fails, or holds something else than it
/// should. Nothing is wrong with what the user wrote.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExternalError {
    /// The thing and the step: "could not write `hardened.lock`".
    pub message: String,
    /// The exact next commands or lines, if any helps.
    pub hints: Vec<String>,
    /// The cause.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl ExternalError {
    /// Returns a failure without a cause of its own.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
