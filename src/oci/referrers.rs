use serde_json::{Map, Value, json};

use super::{
    Descriptor, Digest, DocumentFault, Index, MANIFEST_LIMIT, Manifest, MediaType, RawManifest, canonical_json, keys, strict_json,
};

/// A manifest that refers to another: what it refers to, and how a list of referrers describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The digest of the manifest that it refers to.
    pub subject: Digest,
    /// Media type, digest and size, with the manifest's artifact type and annotations.
    pub descriptor: Descriptor,
}

impl Referrer {
    /// Describes a manifest or index as a list of referrers has to (distribution-spec, "Pushing Manifests with Subject"): the artifact
    /// type is the manifest's own, or its config's media type. `None` when it has no subject.
    ///
    /// # Errors
    /// When it is no manifest or index.
    pub fn read(raw: &RawManifest) -> Result<Option<Self>, DocumentFault> {
        let (subject, artifact_type, annotations) = if raw.media_type.is_index() {
            let index = raw.parse::<Index>()?;
            let value = strict_json(raw.bytes.as_slice())?;
            let subject = value
                .get("subject")
                .filter(|subject| !subject.is_null())
                .map(|subject| descriptor(subject).ok_or_else(|| DocumentFault::Form("`subject` is not a descriptor".to_owned())));
            let artifact_type = value.get("artifactType").and_then(Value::as_str).map(str::to_owned);
            (subject.transpose()?, artifact_type, index.view().annotations.clone())
        } else {
            let manifest = raw.parse::<Manifest>()?;
            let view = manifest.view();
            let own = view.artifact_type.clone().filter(|artifact_type| !artifact_type.is_empty());
            let artifact_type = own.unwrap_or_else(|| view.config.media_type.to_string());
            (view.subject.clone(), Some(artifact_type), view.annotations.clone())
        };
        let describe = |subject: Descriptor| Self {
            subject: subject.digest,
            descriptor: Descriptor { annotations, artifact_type, ..raw.descriptor() },
        };
        Ok(subject.map(describe))
    }
}

/// A list of referrers: the image index that the referrers API answers with, or that the fallback tag names
/// (distribution-spec, "Listing Referrers" and "Referrers Tag Schema").
///
/// Entries and fields that other tools wrote are kept as they are, also those that cannot be read here.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferrerList(Map<String, Value>);

impl Default for ReferrerList {
    fn default() -> Self {
        let mut list = Map::new();
        list.insert("schemaVersion".to_owned(), json!(2));
        list.insert("mediaType".to_owned(), json!(MediaType::Index.as_str()));
        list.insert("manifests".to_owned(), json!([]));
        Self(list)
    }
}

impl ReferrerList {
    /// Reads a list.
    ///
    /// # Errors
    /// When the bytes are no OCI image index.
    pub fn read(bytes: &[u8]) -> Result<Self, DocumentFault> {
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(DocumentFault::Size(bytes.len() as u64));
        }
        let form = |text: &str| DocumentFault::Form(text.to_owned());
        let Value::Object(mut list) = strict_json(bytes)? else { return Err(form("not an object")) };
        if list.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
            return Err(form("`schemaVersion` is not 2"));
        }
        if let Some(key) = list.keys().find(|key| ["layers", "config"].iter().any(|name| keys::is_alike(name, key))) {
            return Err(DocumentFault::Ambiguous(key.clone()));
        }
        keys::check_document(&list)?;
        if list.get("mediaType").is_some_and(|inside| inside != MediaType::Index.as_str()) {
            return Err(form("`mediaType` is not that of an image index"));
        }
        match list.get("manifests") {
            Some(Value::Array(_)) => {}
            // Go encodes a nil slice as `null`.
            Some(Value::Null) => drop(list.insert("manifests".to_owned(), json!([]))),
            _ => return Err(form("`manifests` is not a list")),
        }
        Ok(Self(list))
    }

    /// Returns the entries that can be read, in order.
    pub fn descriptors(&self) -> Vec<Descriptor> {
        self.entries().iter().filter_map(descriptor).collect()
    }

    /// Says whether a manifest is listed.
    pub fn lists(&self, digest: &Digest) -> bool {
        let text = digest.to_string();
        self.entries().iter().any(|entry| entry["digest"] == text.as_str())
    }

    /// Adds the entries that are not listed yet.
    pub fn add(&mut self, entries: &[Descriptor]) {
        for entry in entries {
            if !self.lists(&entry.digest)
                && let Some(Value::Array(list)) = self.0.get_mut("manifests")
            {
                list.push(json!(entry));
            }
        }
    }

    /// Returns the list as an image index.
    ///
    /// # Errors
    /// When it is larger than a registry takes.
    pub fn to_raw(&self) -> Result<RawManifest, DocumentFault> {
        let bytes = canonical_json(&self.0).map_err(|error| DocumentFault::Form(error.to_string()))?;
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(DocumentFault::Size(bytes.len() as u64));
        }
        Ok(RawManifest { bytes, media_type: MediaType::Index })
    }

    /// Keeps the first descriptor of each digest, and with an artifact type only those of exactly this type.
    pub fn selected(descriptors: Vec<Descriptor>, artifact_type: Option<&str>) -> Vec<Descriptor> {
        let mut seen = std::collections::BTreeSet::new();
        let wanted = |found: &Descriptor| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted));
        descriptors.into_iter().filter(|found| wanted(found) && seen.insert(found.digest)).collect()
    }

    fn entries(&self) -> &[Value] {
        self.0.get("manifests").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// Reads one descriptor. A field that is `null` counts as absent, as in Go.
fn descriptor(value: &Value) -> Option<Descriptor> {
    let mut object = value.as_object()?.clone();
    object.retain(|_, field| !field.is_null());
    serde_json::from_value(Value::Object(object)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(value: &Value) -> RawManifest {
        let media_type = MediaType::from(value["mediaType"].as_str().unwrap());
        RawManifest { bytes: canonical_json(value).unwrap(), media_type }
    }

    #[test]
    fn a_referrer_is_described_by_its_type_and_annotations() {
        let digest = Digest::of(b"subject");
        let subject = json!({"mediaType": MediaType::Manifest.as_str(), "digest": digest, "size": 7});
        let config = json!({"mediaType": "application/vnd.example.config", "digest": Digest::of(b"{}"), "size": 2});
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MediaType::Manifest.as_str(), "config": config, "layers": [],
            "annotations": {"a": "b"}, "subject": subject
        });
        let found = Referrer::read(&raw(&manifest)).unwrap().unwrap();
        assert_eq!(found.subject, digest);
        assert_eq!(found.descriptor.artifact_type.as_deref(), Some("application/vnd.example.config"));
        assert_eq!(found.descriptor.annotations["a"], "b");
        manifest["artifactType"] = json!("application/vnd.example");
        let found = Referrer::read(&raw(&manifest)).unwrap().unwrap();
        assert_eq!(found.descriptor.artifact_type.as_deref(), Some("application/vnd.example"));
        manifest.as_object_mut().unwrap().remove("subject");
        assert_eq!(Referrer::read(&raw(&manifest)).unwrap(), None);
        let index = json!({
            "schemaVersion": 2, "mediaType": MediaType::Index.as_str(), "manifests": [], "subject": subject, "artifactType": "x/y"
        });
        let found = Referrer::read(&raw(&index)).unwrap().unwrap();
        assert_eq!((found.subject, found.descriptor.artifact_type.as_deref()), (digest, Some("x/y")));
    }

    #[test]
    fn what_other_tools_listed_stays() {
        let foreign = json!({"mediaType": "x/y", "digest": format!("sha512:{}", "0".repeat(128)), "size": 1, "no.example": [1]});
        let list = json!({"schemaVersion": 2, "manifests": [foreign], "no.example": true});
        let mut list = ReferrerList::read(&canonical_json(&list).unwrap()).unwrap();
        let own = Descriptor { artifact_type: Some("a/b".to_owned()), ..Descriptor::of(MediaType::Manifest, b"one") };
        list.add(&[own.clone(), own.clone()]);
        let written: Value = serde_json::from_slice(&list.to_raw().unwrap().bytes).unwrap();
        assert_eq!(written["manifests"], json!([foreign, own]));
        assert_eq!(written["no.example"], true);
        assert_eq!(list.descriptors(), std::slice::from_ref(&own));
        assert_eq!(ReferrerList::selected(vec![own.clone(), own.clone()], Some("a/b")), std::slice::from_ref(&own));
        assert_eq!(ReferrerList::selected(vec![own], Some("a/c")), []);
    }

    #[test]
    fn only_an_index_is_a_list() {
        for (text, good) in [
            (r#"{"schemaVersion":2,"manifests":null}"#, true),
            (r#"{"schemaVersion":2,"manifests":[]}"#, true),
            (r#"{"schemaVersion":2}"#, false),
            (r#"{"schemaVersion":1,"manifests":[]}"#, false),
            (r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, false),
            (r#"{"schemaVersion":2,"manifests":[],"mediaType":"application/json"}"#, false),
            (r#"{"schemaVersion":2,"manifests":[{"Digest":"x"}]}"#, false),
            ("<html></html>", false),
            ("[]", false),
        ] {
            assert_eq!(ReferrerList::read(text.as_bytes()).is_ok(), good, "{text}");
        }
    }
}
