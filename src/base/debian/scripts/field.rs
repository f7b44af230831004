/// A word after expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The text; what is not known is in it as it is written.
    pub(super) text: String,
    /// Whether all of the text is known.
    pub(super) known: bool,
    /// Whether a `*` in it stands for file names.
    pub(super) pattern: bool,
}

impl Field {
    pub(super) fn known(text: &str) -> Self {
        Self { text: text.to_owned(), known: true, pattern: false }
    }

    pub(super) fn empty() -> Self {
        Self::known("")
    }

    pub(super) fn add(&mut self, text: &str, quoted: bool) {
        self.pattern |= !quoted && text.contains(['*', '?', '[']);
        self.text.push_str(text);
    }
}
