//! `Range`, `Content-Range`, `Retry-After`, `Location`, `Content-Type`, and addresses as they are shown.

use std::time::Duration;

use hardened::net::{Http, Nearness, Target, Url, redact, retry_after};
use hardened::oci::MediaType;
use hardened::store::registry::{content_range, received};

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let most = Duration::from_mins(5);
    assert!(retry_after(&text, most).is_none_or(|pause| pause <= most), "a pause has a limit");
    let _ = content_range(Some(&text));
    let _ = received(Some(&text));
    let _ = MediaType::from(&*text).to_string();
    let shown = redact::escaped(&text);
    assert!(!shown.contains(char::is_control), "nothing speaks to the terminal");
    let Ok(asked) = "https://registry.example.no/v2/a".parse::<Url>() else { return };
    let origin = asked.origin();
    if let Ok(next) = Http::offline().follow(&Target::named(asked), Some(Nearness::Public), &text) {
        let url = next.url();
        assert!(url.scheme() == "https" && url.username().is_empty() && url.password().is_none());
        assert!(url.origin() == origin || url.host_str().is_some_and(|host| host != "localhost"), "nobody sends us to this machine");
        let _ = redact::redacted(url);
    }
}
