//! The referrers API of the registry inside the test (distribution-spec 1.1, "Listing Referrers").

use serde_json::{Value, json};

use super::{Answer, Seen, State, answer, refusal};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a registry answers when it is asked for referrers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ReferrersApi {
    /// 404.
    #[default]
    Missing,
    /// 404, although `OCI-Subject` is sent when a manifest with a subject was written (sigstore-js#1183).
    SubjectOnly,
    /// A page for people, with 200.
    Html,
    /// The list, in pages of so many entries.
    Pages(usize),
}

/// Answers with one page of the list.
pub(super) fn list(seen: &Seen, state: &State, repository: &str, subject: &str) -> Answer {
    let size = match state.referrers {
        ReferrersApi::Missing | ReferrersApi::SubjectOnly => return refusal(404, "NOT_FOUND"),
        ReferrersApi::Html => return answer(200).header("Content-Type", "text/html").body("<html>Sign in</html>"),
        ReferrersApi::Pages(size) => size,
    };
    let wanted = seen.query("artifactType");
    let by_digest = state.manifests.iter().filter(|((at, name), _)| at == repository && name.starts_with("sha256:"));
    let found: Vec<Value> = by_digest
        .filter_map(|((_, digest), (media_type, bytes))| entry(subject, digest, media_type, bytes))
        .filter(|entry| wanted.as_deref().is_none_or(|wanted| entry["artifactType"] == wanted))
        .collect();
    let start = seen.query("start").and_then(|text| text.parse().ok()).unwrap_or(0).min(found.len());
    let end = found.len().min(start + size);
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": found[start..end]});
    let mut page = answer(200).header("Content-Type", INDEX).body(list.to_string());
    let mut query = format!("start={end}");
    if let Some(wanted) = &wanted {
        page = page.header("OCI-Filters-Applied", "artifactType");
        query = format!("{query}&artifactType={wanted}");
    }
    if end < found.len() { page.header("Link", format!("<{}?{query}>; rel=\"next\"", seen.path())) } else { page }
}

/// Adds what a registry says of the subject of a manifest that it has taken.
pub(super) fn taken(state: &State, manifest: &Value, taken: Answer) -> Answer {
    match manifest["subject"]["digest"].as_str() {
        Some(subject) if matches!(state.referrers, ReferrersApi::SubjectOnly | ReferrersApi::Pages(_)) => {
            taken.header("OCI-Subject", subject)
        }
        _ => taken,
    }
}

fn entry(subject: &str, digest: &str, media_type: &str, bytes: &[u8]) -> Option<Value> {
    let manifest: Value = serde_json::from_slice(bytes).ok()?;
    let entry = json!({
        "mediaType": media_type, "digest": digest, "size": bytes.len(),
        "artifactType": manifest["artifactType"], "annotations": manifest["annotations"],
    });
    (manifest["subject"]["digest"] == subject).then_some(entry)
}
