use crate::diagnostic::{Diagnostic, ExternalError};
use crate::feed::FetchError;
use crate::host::cache::DamagedBlob;
use crate::oci::StoreError;
use crate::store::publish::PublishFault;
use crate::store::publish::gate::Refusal;

/// Why a verb did not do what it was asked for. Which of them it is decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// A usage error: the recipe, with spans.
    Wrong(Vec<Diagnostic>),
    /// A check failed: the image could not start.
    No(Vec<Diagnostic>),
    /// Something outside of the program failed: the network, the disk, a registry.
    External(Box<ExternalError>),
}

impl Failure {
    /// Returns a fault of what was written on the command line, without a span.
    pub fn wrong(message: impl Into<String>) -> Self {
        Self::Wrong(vec![Diagnostic::error(message)])
    }

    /// Returns a failure of something outside of the program, with its cause.
    pub(super) fn external(message: impl Into<String>, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ExternalError::new(message).caused_by(cause).into()
    }

    /// Returns the damaged content of the cache that is the cause, if it is one. It is removed by now, so that building again makes
    /// or fetches it anew.
    pub fn damaged_blob(&self) -> Option<DamagedBlob> {
        match self {
            Self::External(error) => DamagedBlob::in_causes(&**error),
            Self::Wrong(_) | Self::No(_) => None,
        }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        match &mut self {
            Self::Wrong(diagnostics) | Self::No(diagnostics) => {
                if let Some(first) = diagnostics.first_mut() {
                    first.hints.push(hint.into());
                }
            }
            Self::External(error) => error.hints.push(hint.into()),
        }
        self
    }
}

impl From<ExternalError> for Failure {
    fn from(error: ExternalError) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        ExternalError::from(error).into()
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        error.error.into()
    }
}

impl From<PublishFault> for Failure {
    fn from(fault: PublishFault) -> Self {
        match fault {
            PublishFault::Refused(Refusal(diagnostics)) => Self::No(diagnostics),
            PublishFault::Failed(error) => (*error).into(),
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Wrong(vec![diagnostic])
    }
}
