//! What the `index.json` of a layout or an archive lists, and which of it is meant (image-spec, `image-layout.md`, "index.json File").

use std::collections::BTreeSet;

use crate::diagnostic::first_of;
use crate::oci::{
    ANNOTATION_REF_NAME, Descriptor, Digest, DocumentFault, Index, Manifest, MediaType, Parsed, RawManifest, Selector, StoreError,
    StoreFault, Tag,
};

use super::referrers::images;

/// How many entries a message names.
const NAMED: usize = 20;

/// The entries of an `index.json`, and its bytes.
pub(super) struct Listed {
    bytes: Vec<u8>,
    entries: Vec<Descriptor>,
}

/// What is meant of an `index.json`.
pub(super) enum Chosen {
    /// This entry.
    Entry(Box<Descriptor>),
    /// Several entries for different platforms: an index of them, with the bytes of `index.json` where it lists nothing else that is named.
    Index(RawManifest),
}

impl Listed {
    /// Reads an `index.json`.
    ///
    /// # Errors
    /// When it is no index.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, DocumentFault> {
        let entries = Parsed::<Index>::read(&bytes, &MediaType::Index)?.view().manifests.clone();
        Ok(Self { bytes, entries })
    }

    /// Returns the entries.
    pub(super) fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// Returns the only image, or those that share a name, or that have none: they are told apart by their platforms. Artifacts are passed
    /// over; `manifest` is asked for those entries that do not say what they are.
    ///
    /// # Errors
    /// When there is no image, or there are several names. `container` is what lists them in words: "the layout X".
    pub(super) fn only(
        &self,
        container: &str,
        manifest: impl Fn(&Descriptor) -> Result<RawManifest, StoreError>,
    ) -> Result<Chosen, StoreError> {
        let mut found = images(self.entries.clone());
        if count(&found) > 1 {
            // One that cannot be read stays: it may be what is meant, and is reported then.
            let is_artifact = |entry: &Descriptor| manifest(entry).is_ok_and(|raw| is_artifact(&raw));
            let kept: Vec<Descriptor> = found.iter().filter(|entry| !is_artifact(entry)).cloned().collect();
            if !kept.is_empty() {
                found = kept;
            }
        }
        if found.is_empty() {
            return Err(StoreError::new(StoreFault::Missing, format!("{container} holds no image")));
        }
        let names: BTreeSet<Option<&str>> = found.iter().map(name).collect();
        if count(&found) > 1 && names.len() > 1 {
            let error = StoreError::new(StoreFault::Missing, format!("{container} holds {} images", count(&found)));
            return Err(error.hint(format!("name one of them after the path: {}", suffixes(&found))));
        }
        self.joined(&found)
            .map_err(|fault| StoreError::new(StoreFault::Corrupt, format!("could not combine the images of {container}")).caused_by(fault))
    }

    /// Returns what a tag or digest names; nothing when no entry has it.
    ///
    /// # Errors
    /// When the entries of the tag make no index.
    pub(super) fn selected(
        &self,
        selector: &Selector,
        manifest: impl Fn(&Descriptor) -> Result<RawManifest, StoreError>,
    ) -> Result<Option<Chosen>, DocumentFault> {
        match selector {
            Selector::Tag(tag) => {
                let mut found: Vec<Descriptor> = self.named(tag.as_str()).cloned().collect();
                if found.is_empty() {
                    // A full reference with the tag, if there is one such name only.
                    let names: BTreeSet<&str> =
                        self.entries.iter().filter_map(name).filter(|name| tag_of(name) == Some(tag.as_str())).collect();
                    if let (Some(only), 1) = (names.first(), names.len()) {
                        found = self.named(only).cloned().collect();
                    }
                }
                if found.is_empty() { Ok(None) } else { self.joined(&found).map(Some) }
            }
            Selector::Digest(digest) => self.with_digest(digest, manifest),
        }
    }

    /// Returns the names that entries have, as they are written behind a path.
    pub(super) fn names(&self) -> Option<String> {
        let named: Vec<Descriptor> = self.entries.iter().filter(|entry| name(entry).is_some()).cloned().collect();
        (!named.is_empty()).then(|| suffixes(&named))
    }

    /// Returns the entry of a digest, or the index of several entries that has it.
    fn with_digest(
        &self,
        digest: &Digest,
        manifest: impl Fn(&Descriptor) -> Result<RawManifest, StoreError>,
    ) -> Result<Option<Chosen>, DocumentFault> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.digest == *digest) {
            return Ok(Some(Chosen::Entry(entry.clone().into())));
        }
        let names: BTreeSet<&str> = self.entries.iter().filter_map(name).collect();
        let groups = names.iter().map(|name| self.joined(&self.named(name).cloned().collect::<Vec<_>>()));
        let all = std::iter::once_with(|| self.only("", &manifest).map_or(Ok(Chosen::Index(self.whole())), Ok));
        for chosen in std::iter::once(Ok(Chosen::Index(self.whole()))).chain(groups).chain(all) {
            if let Chosen::Index(raw) = chosen?
                && Digest::of(&raw.bytes) == *digest
            {
                return Ok(Some(Chosen::Index(raw)));
            }
        }
        Ok(None)
    }

    /// Returns `index.json` itself, as an index of images.
    fn whole(&self) -> RawManifest {
        RawManifest { bytes: self.bytes.clone(), media_type: MediaType::Index }
    }

    fn named<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Descriptor> {
        self.entries.iter().filter(move |entry| name(entry) == Some(wanted))
    }

    /// Makes one thing of entries, which are one or more.
    fn joined(&self, found: &[Descriptor]) -> Result<Chosen, DocumentFault> {
        if let [first, others @ ..] = found
            && others.iter().all(|other| other.digest == first.digest)
        {
            return Ok(Chosen::Entry(first.clone().into()));
        }
        let is_left = |entry: &&Descriptor| name(entry).is_some() && found.iter().all(|one| one.digest != entry.digest);
        if !self.entries.iter().any(|entry| is_left(&entry)) {
            return Ok(Chosen::Index(self.whole()));
        }
        let manifests = found.iter().cloned().map(|mut entry| {
            entry.annotations.remove(ANNOTATION_REF_NAME);
            entry
        });
        let index = Index { manifests: manifests.collect(), annotations: std::collections::BTreeMap::new() };
        Ok(Chosen::Index(RawManifest::from(&Parsed::write(index, MediaType::Index)?)))
    }
}

fn name(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(ANNOTATION_REF_NAME).map(String::as_str)
}

/// Returns how many different images entries name.
fn count(entries: &[Descriptor]) -> usize {
    entries.iter().map(|entry| entry.digest).collect::<BTreeSet<_>>().len()
}

/// Returns the tag that a name is found by: the name itself, or what follows the last colon of a full reference, as podman writes it.
fn tag_of(name: &str) -> Option<&str> {
    let tag = name.rsplit(':').next().unwrap_or(name);
    tag.parse::<Tag>().is_ok().then_some(tag)
}

/// Returns what to write behind a path for each entry: its tag, or its digest where it has none, or shares it with other names.
fn suffixes(entries: &[Descriptor]) -> String {
    let is_unique = |tag: &str, own: &str| entries.iter().filter_map(name).all(|other| other == own || tag_of(other) != Some(tag));
    let suffix = |entry: &Descriptor| match name(entry).and_then(|own| Some((own, tag_of(own)?))) {
        Some((own, tag)) if own == tag || is_unique(tag, own) => format!("`:{tag}`"),
        _ => format!("`@{}`", entry.digest),
    };
    let mut all: Vec<String> = entries.iter().map(suffix).collect();
    all.dedup();
    first_of(&all, NAMED)
}

/// Says whether a document is none of an image. A manifest that cannot be read may be that of a later kind of image.
fn is_artifact(raw: &RawManifest) -> bool {
    if !raw.media_type.is_index() && !raw.media_type.is_manifest() {
        return true;
    }
    if raw.media_type.is_index() {
        return crate::oci::strict_json(&raw.bytes)
            .is_ok_and(|value| value.get("subject").is_some() || value.get("artifactType").is_some());
    }
    raw.parse::<Manifest>().is_ok_and(|manifest| !manifest.view().is_image())
}

/// Returns the media type of a manifest or index of which only the digest is known: the document's own, or else that of its form.
pub(super) fn media_type_of(bytes: &[u8]) -> MediaType {
    let value = crate::oci::strict_json(bytes).unwrap_or_default();
    match value["mediaType"].as_str() {
        Some(named) => MediaType::from(named),
        None if value.get("manifests").is_some() => MediaType::Index,
        None => MediaType::Manifest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest(number: u8, more: &Value) -> RawManifest {
        let config =
            json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&[number]).to_string(), "size": 1});
        let mut value = json!({"schemaVersion": 2, "config": config, "layers": []});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        RawManifest { bytes: serde_json::to_vec(&value).unwrap(), media_type: MediaType::Manifest }
    }

    /// Lists manifests, each with its name and architecture.
    fn listed(entries: &[(&RawManifest, Option<&str>, Option<&str>)]) -> Listed {
        let entry = |(raw, name, architecture): &(&RawManifest, Option<&str>, Option<&str>)| {
            let mut descriptor = raw.descriptor();
            descriptor.annotations.extend(name.map(|name| (ANNOTATION_REF_NAME.to_owned(), name.to_owned())));
            descriptor.platform = architecture.map(|architecture| crate::oci::Platform::linux(architecture, None));
            descriptor
        };
        let manifests: Vec<Descriptor> = entries.iter().map(entry).collect();
        Listed::read(serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": manifests})).unwrap()).unwrap()
    }

    fn only(listed: &Listed, all: &[&RawManifest]) -> String {
        let read = |entry: &Descriptor| Ok(all.iter().copied().find(|raw| raw.descriptor().digest == entry.digest).unwrap().clone());
        match listed.only("the layout `x`", read) {
            Ok(Chosen::Entry(entry)) => format!("entry {}", all.iter().position(|raw| raw.descriptor().digest == entry.digest).unwrap()),
            Ok(Chosen::Index(raw)) => {
                let digest = raw.descriptor().digest;
                assert!(matches!(listed.selected(&Selector::Digest(digest), read), Ok(Some(Chosen::Index(again))) if again == raw));
                format!("index of {}", raw.parse::<Index>().unwrap().view().manifests.len())
            }
            Err(error) => format!("{error}; {}", error.error.hints.join("; ")),
        }
    }

    #[test]
    fn artifacts_are_no_images_and_platforms_are_a_choice() {
        let (one, two) = (manifest(1, &json!({})), manifest(2, &json!({})));
        let subject =
            json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": one.descriptor().digest.to_string(), "size": 1});
        let signature = manifest(3, &json!({"subject": subject}));
        let sbom = manifest(4, &json!({"artifactType": "application/spdx+json"}));
        let all = [&one, &two, &signature, &sbom];
        let (amd64, arm64) = (Some("amd64"), Some("arm64"));
        for (entries, expected) in [
            (vec![(&one, None, None)], "entry 0"),
            (vec![(&signature, None, None), (&one, None, None), (&sbom, Some("sbom"), None)], "entry 0"),
            (vec![(&signature, None, None)], "entry 2"),
            (vec![(&one, Some("a"), None), (&one, Some("b"), None)], "entry 0"),
            (vec![(&one, None, amd64), (&two, None, arm64), (&signature, None, None)], "index of 3"),
            (vec![(&one, Some("1"), amd64), (&two, Some("1"), arm64)], "index of 2"),
            (vec![(&one, None, None), (&two, None, None)], "index of 2"),
            (vec![(&one, None, amd64), (&two, None, arm64), (&sbom, Some("sbom"), None)], "index of 2"),
            (vec![], "the layout `x` holds no image; "),
            (
                vec![(&one, Some("1"), None), (&two, Some("2"), None)],
                "the layout `x` holds 2 images; name one of them after the path: `:1`, `:2`",
            ),
        ] {
            assert_eq!(only(&listed(&entries), &all), expected);
        }
        // A full reference is found by its tag, unless another has the same.
        let several = |name| only(&listed(&[(&one, Some("1"), None), (&two, Some(name), None)]), &all);
        assert!(several("r.example/a/b:2").ends_with("`:1`, `:2`"), "{}", several("r.example/a/b:2"));
        for name in ["r.example/a/b:1", "r.example:5000/a", "not a tag"] {
            assert!(several(name).ends_with(&format!("`:1`, `@{}`", two.descriptor().digest)), "{}", several(name));
        }
    }

    #[test]
    fn a_tag_may_be_that_of_several_platforms() {
        let (one, two, other) = (manifest(1, &json!({})), manifest(2, &json!({})), manifest(3, &json!({})));
        let listed = listed(&[(&one, Some("1"), Some("amd64")), (&two, Some("1"), Some("arm64")), (&other, Some("2"), None)]);
        let read = |_: &Descriptor| Err(StoreError::new(StoreFault::Missing, "not asked for"));
        let select = |selector| listed.selected(&selector, read).unwrap();
        let Some(Chosen::Index(raw)) = select(Selector::Tag("1".parse().unwrap())) else { panic!("no index") };
        assert_eq!(raw.parse::<Index>().unwrap().view().manifests.len(), 2);
        assert!(matches!(select(Selector::Digest(raw.descriptor().digest)), Some(Chosen::Index(again)) if again == raw));
        assert!(
            matches!(select(Selector::Tag("2".parse().unwrap())), Some(Chosen::Entry(entry)) if entry.digest == other.descriptor().digest)
        );
        let full = self::listed(&[
            (&one, Some("r.example/a:1"), None),
            (&two, Some("r.example/b:2"), None),
            (&other, Some("r.example/c:2"), None),
        ]);
        let tagged = |tag: &str| full.selected(&Selector::Tag(tag.parse().unwrap()), read).unwrap();
        assert!(matches!(tagged("1"), Some(Chosen::Entry(entry)) if entry.digest == one.descriptor().digest));
        assert!(tagged("2").is_none(), "two names have it");
        assert!(select(Selector::Tag("3".parse().unwrap())).is_none() && select(Selector::Digest(Digest::of(b"x"))).is_none());
    }
}
