use std::path::Path;

use crate::ops::Failure;
use crate::store::{Location, path_and_selector};

/// Reads where an image is or goes.
pub(super) fn location(text: &str) -> Result<Location, Failure> {
    text.parse::<Location>().map_err(|fault| {
        let failure = Failure::wrong(fault.to_string());
        fault.hint().into_iter().fold(failure, Failure::hint)
    })
}

/// Reads where an image is that is read, or copied to by `push`.
///
/// A name that would be looked for in a registry, though a file or layout of this machine has it, is refused: `docker://` tells that the
/// registry is meant.
pub(super) fn source(text: &str) -> Result<Location, Failure> {
    match unmarked_path(text) {
        Some(hints) => Err(hints.into_iter().fold(Failure::wrong(told_as_path(text)), Failure::hint)),
        None => location(text),
    }
}

/// Reads where `-o` writes an image.
pub(super) fn output(text: &str) -> Result<Location, Failure> {
    if let Some((kind, file)) = buildx_output(text) {
        let failure = Failure::wrong(format!("`-o {}` is how `docker buildx` names an output", text.escape_debug()));
        return Err(buildx_hints(kind, file).into_iter().fold(failure, Failure::hint));
    }
    if text == "-" {
        let failure = Failure::wrong("`-o -` is no output: an image is not written to standard output");
        return Err(archive_hints("image.tar").into_iter().fold(failure, Failure::hint));
    }
    let docker_name = text.strip_prefix("docker:").map(|name| name.trim_start_matches('/'));
    let name = docker_name.unwrap_or(text);
    if docker_name.is_none() && (has_kind(text) || names_host(text)) {
        return location(text);
    }
    let message = match docker_name {
        Some(_) => format!("`-o {}` names a registry: `docker:` does not say whether a file or the engine is meant", text.escape_debug()),
        None => format!("`-o {}` does not say what kind of output is meant", text.escape_debug()),
    };
    let file = if name.is_empty() || name.contains(':') { "image.tar" } else { name };
    let is_file = is_tar(name);
    let folder =
        if is_file || docker_name.is_some() { None } else { Some(format!("`-o oci:{name}` writes an OCI image layout, a folder")) };
    let mut hints: Vec<String> = folder.into_iter().chain(archive_hints(&with_tar(file))).collect();
    if !is_file && let Ok(Location::Registry(reference)) = name.parse::<Location>() {
        hints.push(format!("`--push -t {reference}` pushes it to a registry"));
    }
    Err(hints.into_iter().fold(Failure::wrong(message), Failure::hint))
}

/// The forms of an image in a file or an engine, in the spelling of `-o`.
fn archive_hints(file: &str) -> Vec<String> {
    vec![
        format!("`-o oci-archive:{file}` writes an OCI image layout as one tar file"),
        format!("`-o docker-archive:{file}` writes what `docker load` and `podman load` read"),
        "`-o docker-daemon:` loads it into the engine".to_owned(),
    ]
}

/// Returns type and destination of `type=docker,dest=image.tar`.
fn buildx_output(text: &str) -> Option<(&str, Option<&str>)> {
    let fields = || text.split(',').filter_map(|field| field.split_once('='));
    let value = |wanted: &str| fields().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    let destination = value("dest").filter(|file| !file.is_empty() && *file != "-");
    value("type").map(|kind| (kind, destination))
}

fn buildx_hints(kind: &str, file: Option<&str>) -> Vec<String> {
    match (kind, file) {
        ("registry" | "image", _) => vec!["`--push` pushes it to every name and tag of the recipe".to_owned()],
        ("docker", None) => vec!["`-o docker-daemon:` loads it into the engine".to_owned()],
        ("docker", Some(file)) => vec![format!("`-o docker-archive:{file}` writes what `docker load` and `podman load` read")],
        ("oci", Some(file)) if is_tar(file) => vec![format!("`-o oci-archive:{file}` writes an OCI image layout as one tar file")],
        ("oci", file) => vec![format!("`-o oci:{}` writes an OCI image layout, a folder", file.unwrap_or("image"))],
        ("local" | "tar", file) => {
            let folder = file.unwrap_or("image");
            vec![format!("`-o oci:{folder}` writes the image; `hardened ls` and `hardened cat` read the files in it")]
        }
        (_, file) => archive_hints(file.unwrap_or("image.tar")),
    }
}

/// Says whether a text begins with a kind of location, or with nearly one, which is told by those who read it.
fn has_kind(text: &str) -> bool {
    let word = text.split(':').next().unwrap_or_default();
    Location::is_kind(word) || Location::nearest_kind(word).is_some()
}

/// Says whether a reference names the host of its registry.
fn names_host(text: &str) -> bool {
    text.split_once('/').is_some_and(|(first, _)| !first.starts_with('.') && (first.contains(['.', ':']) || first == "localhost"))
}

fn is_tar(text: &str) -> bool {
    [".tar", ".tgz", ".tar.gz", ".tar.zst"].iter().any(|ending| text.ends_with(ending))
}

fn with_tar(file: &str) -> String {
    if is_tar(file) { file.to_owned() } else { format!("{}.tar", file.trim_end_matches('/')) }
}

/// Returns what to write for a path of this machine that no word before a colon marks as one; nothing for other texts.
fn unmarked_path(text: &str) -> Option<Vec<String>> {
    if text.split_once(':').is_some_and(|(word, _)| Location::is_kind(word)) {
        return None;
    }
    let (path, _) = path_and_selector(text);
    let found = [Path::new(text), &path].into_iter().find(|path| path.exists());
    let registry = || text.parse::<Location>().ok().map(|_| format!("`docker://{text}` is the image in the registry"));
    let mut hints = match found {
        Some(folder) if folder.join("oci-layout").is_file() => vec![format!("`oci:{text}` is the OCI image layout in this folder")],
        Some(file) if file.is_file() => archive_sources(text),
        None if is_tar(&path.to_string_lossy()) => archive_sources(text),
        _ => return None,
    };
    hints.extend(registry());
    Some(hints)
}

fn archive_sources(text: &str) -> Vec<String> {
    vec![
        format!("`oci-archive:{text}` is an OCI image layout in a tar file"),
        format!("`docker-archive:{text}` is what `docker save` and `podman save` write"),
    ]
}

fn told_as_path(text: &str) -> String {
    format!("`{}` is the name of an image in a registry, and a path of this machine may be meant", text.escape_debug())
}

/// Reads a location as `vendor` and `--vendored` take it: a folder may be named without `oci:`, and a registry's copy needs the registry's host.
pub(super) fn vendored_location(text: &str) -> Result<Location, Failure> {
    // What names no host is a folder: packages are not sent to a registry that nobody named.
    let names_host = |text: &str| text.contains([':', '.']) || text == "localhost";
    let first = text.split('/').next().unwrap_or_default();
    let is_folder = text.starts_with(['.', '/']) || !names_host(first) && !text.contains(':') || Path::new(text).is_dir();
    let location = location(&if is_folder { format!("oci:{text}") } else { text.to_owned() })?;
    match location {
        // A registry's copy has a tag, so that the registry does not count it as garbage.
        Location::Registry(mut reference) if reference.tag.is_none() && reference.digest.is_none() => {
            reference.tag = Some("vendored".parse().map_err(|_| Failure::wrong("not a tag"))?);
            Ok(Location::Registry(reference))
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_registries_are_told_apart() {
        for (text, is_folder) in [
            ("vendored", true),
            ("out/vendored", true),
            ("./vendored", true),
            ("/srv/vendored", true),
            ("oci:vendored", true),
            ("registry.example.no/shop/vendored", false),
            ("localhost/vendored", false),
            ("localhost:5000/vendored", false),
            ("docker.io/out/vendored:1", false),
        ] {
            let location = vendored_location(text).unwrap();
            assert_eq!(matches!(location, Location::Layout(..)), is_folder, "{text}: {location}");
        }
    }

    fn told(result: Result<Location, Failure>) -> String {
        match result {
            Err(Failure::Wrong(diagnostics)) => format!("{}\n{}", diagnostics[0].message, diagnostics[0].hints.join("\n")),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_output_without_a_kind_is_told_the_spelling_of_every_form() {
        for (text, forms) in [
            ("image.tar", &["-o oci-archive:image.tar`", "-o docker-archive:image.tar`", "-o docker-daemon:`"][..]),
            ("./out/image.tgz", &["-o oci-archive:./out/image.tgz`", "-o docker-archive:./out/image.tgz`", "-o docker-daemon:`"]),
            ("docker:x", &["-o oci-archive:x.tar`", "-o docker-archive:x.tar`", "-o docker-daemon:`", "--push -t docker.io/library/x`"]),
            ("docker://shop/api:dev", &["-o docker-archive:image.tar`", "-o docker-daemon:`", "--push -t docker.io/shop/api:dev`"]),
            ("image", &["-o oci:image`", "-o oci-archive:image.tar`", "-o docker-archive:image.tar`", "-o docker-daemon:`"]),
            ("./image/", &["-o oci:./image/`", "-o docker-archive:./image.tar`"]),
            ("type=docker,dest=a.tar", &["-o docker-archive:a.tar`"]),
            ("type=oci,dest=a.tar", &["-o oci-archive:a.tar`"]),
            ("type=docker", &["-o docker-daemon:`"]),
            ("type=registry", &["--push`"]),
            ("-", &["-o oci-archive:image.tar`", "-o docker-archive:image.tar`"]),
        ] {
            let told = told(output(text));
            for form in forms {
                assert!(told.contains(form), "{text}: `{form}` is not in\n{told}");
            }
        }
        for text in
            ["oci:image", "oci-archive:x.tar", "docker-archive:x.tar", "docker-daemon:", "registry.example.no/a/b:1", "oci-archve:x"]
        {
            assert!(output(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_path_without_a_kind_is_told_the_spelling_of_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(path("image")).unwrap();
        std::fs::write(path("image/oci-layout"), "").unwrap();
        std::fs::write(path("saved"), "").unwrap();
        std::fs::create_dir(path("nginx")).unwrap();
        for (text, form) in [
            (path("image"), format!("`oci:{}`", path("image"))),
            (path("image:dev"), format!("`oci:{}`", path("image:dev"))),
            (path("saved"), format!("`docker-archive:{}`", path("saved"))),
            (path("none.tar"), format!("`oci-archive:{}`", path("none.tar"))),
        ] {
            let told = told(source(&text));
            assert!(told.contains(&form), "{text}: {told}");
        }
        assert!(source("nginx").is_ok() && source("registry.example.no/shop/api:1").is_ok() && source("docker://image.tar").is_ok());
    }
}
