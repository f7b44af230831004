use serde_json::{Map, Value};

use super::DocumentFault;

/// The keys of a manifest and an index, and of what came before them (image-spec, `manifest.md`, `image-index.md`).
pub(super) const DOCUMENT: &[&str] =
    &["schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations", "fsLayers", "signatures"];
/// The keys of a descriptor (image-spec, `descriptor.md`).
const DESCRIPTOR: &[&str] = &["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];
/// The keys of a platform (image-spec, `image-index.md`).
const PLATFORM: &[&str] = &["architecture", "os", "os.version", "os.features", "variant", "features"];
/// The keys of a config (image-spec, `config.md`), and those of Docker's.
const CONFIG: &[&str] = &[
    "created",
    "author",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "config",
    "rootfs",
    "history",
    "container",
    "container_config",
    "docker_version",
    "parent",
    "comment",
];
/// The keys of a config's execution parameters (image-spec, `config.md`), and those of Docker's.
const SETTINGS: &[&str] = &[
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "StopTimeout",
    "Healthcheck",
    "OnBuild",
    "Shell",
    "ArgsEscaped",
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Image",
    "NetworkDisabled",
    "MacAddress",
    "Memory",
    "MemorySwap",
    "CpuShares",
];
const ROOTFS: &[&str] = &["type", "diff_ids"];
const HISTORY: &[&str] = &["created", "author", "created_by", "comment", "empty_layer"];
const HEALTHCHECK: &[&str] = &["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"];

/// Refuses an object with a key that differs from a known one in the case of its letters only.
///
/// Readers written in Go match keys without case, and of two keys that match one field the last in the document wins: beside
/// `User` they would obey a `user` that is an unknown field here.
///
/// # Errors
/// Names the key.
pub(super) fn check(object: &Map<String, Value>, known: &[&str]) -> Result<(), DocumentFault> {
    for key in object.keys() {
        if !known.contains(&key.as_str()) && known.iter().any(|name| is_alike(name, key)) {
            return Err(DocumentFault::Form(format!("the key `{}` is misspelt", key.escape_debug())));
        }
    }
    Ok(())
}

/// Checks the keys of a manifest or index, and of all descriptors in it.
pub(super) fn check_document(object: &Map<String, Value>) -> Result<(), DocumentFault> {
    check(object, DOCUMENT)?;
    let lists = ["layers", "manifests"].iter().filter_map(|key| object.get(*key)?.as_array()).flatten();
    let single = ["config", "subject"].iter().filter_map(|key| object.get(*key));
    for descriptor in lists.chain(single).filter_map(Value::as_object) {
        check(descriptor, DESCRIPTOR)?;
        check_below(descriptor, "platform", PLATFORM)?;
    }
    Ok(())
}

/// Checks the keys of a config, at all levels that have a meaning.
pub(super) fn check_config(object: &Map<String, Value>) -> Result<(), DocumentFault> {
    check(object, CONFIG)?;
    check_below(object, "rootfs", ROOTFS)?;
    for settings in ["config", "container_config"] {
        check_below(object, settings, SETTINGS)?;
        if let Some(settings) = object.get(settings).and_then(Value::as_object) {
            check_below(settings, "Healthcheck", HEALTHCHECK)?;
        }
    }
    let history = object.get("history").and_then(Value::as_array);
    history.into_iter().flatten().filter_map(Value::as_object).try_for_each(|line| check(line, HISTORY))
}

fn check_below(object: &Map<String, Value>, key: &str, known: &[&str]) -> Result<(), DocumentFault> {
    object.get(key).and_then(Value::as_object).map_or(Ok(()), |below| check(below, known))
}

/// Says whether a reader that ignores case takes a key for this one, whose letters are ASCII (Unicode's simple case folding).
pub(super) fn is_alike(name: &str, key: &str) -> bool {
    let folded = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(folded).eq(key.chars().map(folded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_other_letters_are_refused() {
        for (text, good) in [
            (r#"{"config":{"User":"1","no.example.user":"0"}}"#, true),
            (r#"{"config":{"Labels":{"user":"0","User":"1"}}}"#, true),
            (r#"{"config":{"User":"1","user":"0"}}"#, false),
            (r#"{"config":{"entrypoint":["/x"]}}"#, false),
            (r#"{"confiG":{"User":"0"}}"#, false),
            ("{\"config\":{\"WorKingDir\":\"/\"}}", false),
            ("{\"config\":{\"U\u{17f}er\":\"0\"}}", false),
            ("{\"config\":{\"Wor\u{212a}ingDir\":\"/\"}}", false),
            (r#"{"rootfs":{"Diff_Ids":[]}}"#, false),
            (r#"{"history":[{"Empty_Layer":true}]}"#, false),
            (r#"{"config":{"Healthcheck":{"test":["NONE"]}}}"#, false),
        ] {
            let Ok(Value::Object(object)) = serde_json::from_str(text) else { panic!("{text}") };
            assert_eq!(check_config(&object).is_ok(), good, "{text}");
        }
        for (text, good) in [
            (r#"{"layers":[{"mediaType":"x","annotations":{"Size":"1"}}]}"#, true),
            (r#"{"layers":[{"mediaType":"x","Size":1}]}"#, false),
            (r#"{"manifests":[{"platform":{"OS":"linux"}}]}"#, false),
            (r#"{"Subject":{}}"#, false),
        ] {
            let Ok(Value::Object(object)) = serde_json::from_str(text) else { panic!("{text}") };
            assert_eq!(check_document(&object).is_ok(), good, "{text}");
        }
    }
}
