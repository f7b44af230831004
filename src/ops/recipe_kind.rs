use std::path::Path;

use super::Failure;
use super::init::RECIPE;

/// What a file is that was named as the recipe and belongs to another tool.
struct OtherFile {
    /// What it is called in a message.
    what: &'static str,
    /// Whether a file with this name and text is one.
    is: fn(&str, &str) -> bool,
}

/// The files that are named most often instead of a recipe.
const OTHER_FILES: &[OtherFile] = &[
    OtherFile { what: "a Dockerfile", is: |_, text| is_dockerfile(text) },
    OtherFile {
        what: "a file of Docker Compose",
        is: |name, text| is_yaml(name) && text.lines().any(|line| line.starts_with("services:")),
    },
    OtherFile { what: "YAML", is: |name, _| is_yaml(name) },
    OtherFile { what: "JSON", is: |_, text| text.trim_start().starts_with('{') },
    OtherFile { what: "Cargo's manifest", is: |name, _| name == "Cargo.toml" },
    OtherFile { what: "a Python project's metadata", is: |name, _| name == "pyproject.toml" },
    OtherFile { what: "a lock, which is written by `hardened lock`", is: |name, _| has_ending(name, &["lock"]) },
];

/// Refuses a file that is known to be no recipe: what is wrong with each of its lines would not help.
pub(super) fn check(file: &Path, text: &str) -> Result<(), Failure> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(OtherFile { what, .. }) = OTHER_FILES.iter().find(|other| (other.is)(name, text)) else { return Ok(()) };
    let failure = Failure::wrong(format!("`{}` is {what}, and no recipe", file.display()));
    let beside = file.with_file_name(RECIPE);
    if beside.exists() {
        return Err(failure.hint(format!("the recipe beside it is `-f {}`", beside.display())));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).map(|folder| format!(" {}", folder.display()));
    Err(failure.hint(format!("`hardened init{}` writes a recipe to start from", folder.unwrap_or_default())))
}

fn is_yaml(name: &str) -> bool {
    has_ending(name, &["yml", "yaml"])
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    Path::new(name).extension().is_some_and(|ending| endings.iter().any(|one| ending == *one))
}

/// Says whether the first instruction is one that a Dockerfile begins with (Dockerfile reference, "Format").
fn is_dockerfile(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut words = lines.next().unwrap_or_default().split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    let is_key = words.next().is_none_or(|word| word.starts_with(['=', '.']));
    matches!(first.as_str(), "FROM" | "ARG") && !is_key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_tools_are_known() {
        for (name, text, expected) in [
            ("Dockerfile", "# syntax=docker/dockerfile:1\n\nFROM node:20\n", Some("a Dockerfile")),
            ("build/Containerfile.dev", "arg VERSION=1\nfrom node:$VERSION\n", Some("a Dockerfile")),
            ("compose.yaml", "services:\n  a:\n", Some("a file of Docker Compose")),
            ("values.yml", "image: x\n", Some("YAML")),
            ("package.json", "{\"name\": \"x\"}", Some("JSON")),
            ("Cargo.toml", "[package]\n", Some("Cargo's manifest")),
            ("hardened.lock", "format = 1\n", Some("a lock")),
            ("hardened.toml", "[image]\n", None),
            ("Dockerfile", "[image]\nname = \"a\"\n", None),
            ("x.toml", "from = \"a\"\n", None),
            ("x.toml", "from.a = \"a\"\n", None),
            ("x.toml", "", None),
        ] {
            let told = check(Path::new(name), text).err().map(|failure| match failure {
                Failure::Wrong(diagnostics) => diagnostics[0].message.clone(),
                other => format!("{other:?}"),
            });
            assert_eq!(told.is_some(), expected.is_some(), "{name}: {told:?}");
            assert!(expected.is_none_or(|expected| told.unwrap().contains(expected)), "{name}");
        }
    }
}
