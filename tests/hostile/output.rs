//! A password, and all the forms in which it could be written where it does not belong.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

pub(crate) const USER: &str = "canary-user";
/// With characters that base64, URLs and JSON write otherwise.
pub(crate) const CANARY: &str = "cAnary/+ pass\"word&1";

/// The forms of a user and a password.
pub(crate) struct Forms(Vec<String>);

impl Forms {
    pub(crate) fn of(user: &str, password: &str) -> Self {
        let pair = format!("{user}:{password}");
        let percent = |keep: &str| -> String {
            let one = |byte: u8| match byte {
                byte if byte.is_ascii_alphanumeric() || keep.contains(char::from(byte)) => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            };
            password.bytes().map(one).collect()
        };
        let hex: String = password.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let mut forms =
            vec![password.to_owned(), percent(""), percent("-._~/"), percent("-._~").replace("%20", "+"), hex.to_uppercase(), hex];
        forms.push(serde_json::to_string(password).unwrap().trim_matches('"').to_owned());
        for text in [password, &pair] {
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                forms.push(engine.encode(text).trim_end_matches('=').to_owned());
            }
        }
        // Bytes of the password stand in the middle of the pair's base64 too: without its first characters, wherever they fall.
        forms.extend((0..3).map(|start| STANDARD_NO_PAD.encode(&password[start..password.len() - (password.len() - start) % 3])));
        Self(forms)
    }

    /// Fails when one of the forms is in these bytes.
    pub(crate) fn assert_absent(&self, bytes: &[u8], place: &str) {
        let text = String::from_utf8_lossy(bytes);
        for form in &self.0 {
            assert!(!text.contains(form.as_str()), "`{form}` is in {place}:\n{}", text.chars().take(4000).collect::<String>());
        }
    }
}

#[test]
fn forms_are_found() {
    let forms = Forms::of("user", "some password");
    for text in ["some password", "some%20password", "dXNlcjpzb21lIHBhc3N3b3Jk", "c29tZSBwYXNzd29yZA", "736f6d652070617373776f7264"] {
        assert!(forms.0.iter().any(|form| text.contains(form.as_str())), "{text}");
    }
}
