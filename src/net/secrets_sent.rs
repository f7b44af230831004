use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Secret;

/// The shortest text that is hidden, in bytes: a shorter one may be an ordinary word.
const SHORTEST: usize = 4;

/// The secrets that were sent, in all forms in which a server may quote them.
#[derive(Default)]
pub(crate) struct SecretsSent(Mutex<BTreeSet<String>>);

impl SecretsSent {
    /// Notes the value of an `Authorization` header: the credentials after its scheme, and the password in them.
    pub(crate) fn note_header(&self, value: &Secret) {
        let credentials = value.reveal().split_once(' ').map_or(value.reveal(), |(_, credentials)| credentials);
        self.note(credentials);
        let pair = STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((_, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
            self.note(password);
        }
    }

    /// Notes a secret.
    pub(crate) fn note(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let percent = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        let forms = [
            secret.to_owned(),
            secret.escape_default().to_string(),
            STANDARD.encode(secret),
            secret.bytes().map(percent).collect(),
            secret.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
        ];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(forms);
    }

    /// Returns a text with `…` in place of each secret.
    pub(crate) fn hide(&self, text: &str) -> String {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The longest first: what is left of it would give most of it away.
        let mut found: Vec<&String> = secrets.iter().filter(|secret| text.contains(secret.as_str())).collect();
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        found.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_not_shown() {
        let sent = SecretsSent::default();
        sent.note_header(&Secret::new("Basic dXNlcjpzM2NyZXQvIQ=="));
        sent.note_header(&Secret::new("Bearer token-1"));
        for text in ["Authorization: Basic dXNlcjpzM2NyZXQvIQ==", "s3cret/!", "czNjcmV0LyE=", "s3cret%2F%21", "7333637265742f21", "token-1"]
        {
            let shown = sent.hide(&format!("bad request: {text} and so on"));
            assert!(shown.contains('…') && !shown.contains(text.rsplit(' ').next().unwrap()), "{shown}");
        }
        assert_eq!(sent.hide("user"), "user");
    }
}
