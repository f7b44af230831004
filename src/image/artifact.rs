use std::collections::BTreeMap;

use crate::oci::{Descriptor, DocumentFault, Manifest, MediaType, Parsed};

/// An OCI artifact that is no image (image-spec, `manifest.md`, "Guidelines for Artifact Usage").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What kind of artifact it is, a media type (RFC 6838).
    pub artifact_type: String,
    /// What it holds, in order.
    pub layers: Vec<Descriptor>,
    /// The manifest that it refers to, if it refers to one.
    pub subject: Option<Descriptor>,
    /// The annotations of its manifest.
    pub annotations: BTreeMap<String, String>,
}

impl Artifact {
    /// The content of the config, and of the only layer of an artifact that has none.
    pub const EMPTY: &'static [u8] = b"{}";

    /// Describes [`Artifact::EMPTY`] (image-spec, `manifest.md`, "Guidance for an Empty Descriptor").
    pub fn empty() -> Descriptor {
        Descriptor::of(MediaType::from("application/vnd.oci.empty.v1+json"), Self::EMPTY)
    }

    /// Returns the manifest. Its config is [`Artifact::empty`], which has to be stored with the layers. Of the subject's
    /// descriptor only media type, digest and size are written, so that equal artifacts have equal bytes however the subject was found.
    ///
    /// # Errors
    /// When it is larger than a registry takes.
    pub fn manifest(self) -> Result<Parsed<Manifest>, DocumentFault> {
        let layers = if self.layers.is_empty() { vec![Self::empty()] } else { self.layers };
        let manifest = Manifest {
            config: Self::empty(),
            layers,
            annotations: self.annotations,
            artifact_type: Some(self.artifact_type),
            subject: self.subject.map(|subject| Descriptor::new(subject.media_type, subject.digest, subject.size)),
        };
        Parsed::write(manifest, MediaType::Manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_what_the_specification_says() {
        let mut subject = Descriptor::of(MediaType::Index, b"image");
        subject.annotations.insert("where".to_owned(), "found".to_owned());
        let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let artifact = Artifact { artifact_type: "x/y".to_owned(), layers: vec![], subject: Some(subject), annotations };
        let manifest = artifact.manifest().unwrap();
        let empty = r#"{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.oci.empty.v1+json","size":2}"#;
        let subject = r#"{"digest":"sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d","mediaType":"application/vnd.oci.image.index.v1+json","size":5}"#;
        let expected = format!(
            r#"{{"annotations":{{"a":"b"}},"artifactType":"x/y","config":{empty},"layers":[{empty}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,"subject":{subject}}}"#
        );
        assert_eq!(std::str::from_utf8(manifest.bytes()).unwrap(), expected);
    }
}
