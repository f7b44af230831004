/// A text that nobody may see: a password, a token.
///
/// It has no `Debug`, `Display` or `Serialize`, so that it cannot reach a message by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the code that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Says whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
