use serde_json::{Value, json};

use crate::oci::{ANNOTATION_IMAGE_NAME, ANNOTATION_LAYOUT, ANNOTATION_REF_NAME, Descriptor, ImageReference, MediaType, Tag};

/// The full names of the images in a layout, for engines that name what they load by them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FullNames(Vec<ImageReference>);

impl FullNames {
    /// Takes names with their tags. Of two with the same tag, the first is written.
    pub fn new(names: Vec<ImageReference>) -> Self {
        Self(names)
    }

    /// Returns a descriptor as `index.json` lists it under a tag.
    ///
    /// `org.opencontainers.image.ref.name` is the tag alone, by which skopeo looks an image up; `io.containerd.image.name` is the full
    /// name, as containerd and BuildKit write and read it.
    pub(super) fn entry(&self, mut descriptor: Descriptor, tag: &Tag) -> Descriptor {
        descriptor.annotations.insert(ANNOTATION_REF_NAME.to_owned(), tag.to_string());
        // It is another image's where the descriptor was copied from a layout.
        descriptor.annotations.remove(ANNOTATION_IMAGE_NAME);
        let full = self.0.iter().find(|name| name.tag.as_ref() == Some(tag));
        descriptor.annotations.extend(full.map(|full| (ANNOTATION_IMAGE_NAME.to_owned(), full.to_string())));
        descriptor
    }
}

/// Returns the content of a layout's `index.json`, which says that hardened wrote the layout.
pub(super) fn layout_index(manifests: &[Descriptor]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::Index.as_str(),
        "manifests": manifests,
        "annotations": { ANNOTATION_LAYOUT: "1" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_tag_and_its_full_name() {
        let names = FullNames::new(vec!["a.example/shop/api:1".parse().unwrap(), "b.example/api:1".parse().unwrap()]);
        let entry = |tag: &str| names.entry(Descriptor::of(MediaType::Manifest, b"{}"), &tag.parse().unwrap()).annotations;
        let first = entry("1");
        assert_eq!((first[ANNOTATION_REF_NAME].as_str(), first[ANNOTATION_IMAGE_NAME].as_str()), ("1", "a.example/shop/api:1"));
        let other = entry("2");
        assert_eq!((other[ANNOTATION_REF_NAME].as_str(), other.get(ANNOTATION_IMAGE_NAME)), ("2", None));
    }
}
