use std::fmt::Write as _;

use super::folder::Folder;
use crate::diagnostic::snippet;

/// A recipe that is written for what is in a folder.
pub(super) struct Draft {
    /// The template of the same kind.
    pub(super) template: &'static str,
    /// What it is for, `target/app.jar` for one.
    pub(super) about: String,
    /// What the project says of itself.
    pub(super) package: Package,
    /// The architecture of the image.
    pub(super) architecture: String,
    /// The line of `[base]`, and what is said behind it.
    pub(super) base: (&'static str, &'static str),
    /// The `[[files]]` entries.
    pub(super) files: Vec<DraftFiles>,
    /// The program and its arguments.
    pub(super) entrypoint: Vec<String>,
    /// The working folder.
    pub(super) workdir: Option<&'static str>,
    /// The environment.
    pub(super) env: Vec<(&'static str, String)>,
    /// The ports that are known for certain.
    pub(super) ports: Vec<u16>,
    /// What must be run before the image can be built.
    pub(super) first: Vec<(String, &'static str)>,
    /// Files of the project that the recipe starts, and that are not there.
    pub(super) lacking: Vec<String>,
    /// What else there is to say.
    pub(super) notes: Vec<String>,
}

/// What a project says of itself.
#[derive(Default)]
pub(super) struct Package {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) description: Option<String>,
    pub(super) licenses: Option<String>,
}

/// One `[[files]]` entry.
#[derive(Default)]
pub(super) struct DraftFiles {
    pub(super) from: FilesFrom,
    pub(super) to: String,
    pub(super) exclude: Vec<&'static str>,
    pub(super) is_program: bool,
    /// What is said behind `from`.
    pub(super) comment: String,
}

/// What an entry is taken from.
pub(super) enum FilesFrom {
    /// A file or folder of the project.
    Path(String),
    /// A text that the recipe holds.
    Text(&'static str),
}

impl Default for FilesFrom {
    fn default() -> Self {
        Self::Text("")
    }
}

impl DraftFiles {
    pub(super) fn new(from: &str, to: &str) -> Self {
        Self { from: FilesFrom::Path(from.to_owned()), to: to.to_owned(), ..Self::default() }
    }
}

/// What of a project's own folder is never a part of the program.
pub(super) const NOT_PROGRAM: [&str; 6] = ["/hardened.*", "/image/", "/Dockerfile", "/Containerfile", "/.git*", "/.vscode/"];

impl Draft {
    pub(super) fn new(template: &'static str, about: String, package: Package, base: (&'static str, &'static str)) -> Self {
        Self {
            template,
            about,
            package,
            architecture: "amd64".to_owned(),
            base,
            files: Vec::new(),
            entrypoint: Vec::new(),
            workdir: None,
            env: Vec::new(),
            ports: Vec::new(),
            first: Vec::new(),
            lacking: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Returns the recipe.
    pub(super) fn text(&self, folder: &Folder<'_>) -> String {
        let mut text = String::from("#:schema ./hardened.schema.json\n");
        let about = self.about.replace('\n', " ");
        let _ = writeln!(
            text,
            "# Made by `hardened init` for {about}, with the schema beside it, by which your editor can complete and explain every key."
        );
        let name = self.package.name.as_deref().and_then(repository).or_else(|| repository(&folder.name()?));
        let name = format!("registry.example.no/team/{}", name.unwrap_or_else(|| "app".to_owned()));
        let tag = self.package.version.as_deref().and_then(tag).unwrap_or_else(|| "latest".to_owned());
        let platform = format!("linux/{}", self.architecture);
        let _ = writeln!(text, "\n[image]\nname = {}   # registry and repository, without a tag", snippet::exact(&name));
        let _ = writeln!(
            text,
            "tags = [{}]   # or \"{{git.short}}\", the commit\nplatforms = [{}]",
            snippet::exact(&tag),
            snippet::exact(&platform)
        );
        let _ = writeln!(text, "\n[base]\n{}   # {}", self.base.0, self.base.1);
        text.push_str("\n[user]   # never root; this is also the default\nname = \"nonroot\"\nuid = 65532\n");
        self.files.iter().for_each(|files| text.push_str(&files.text()));
        let words: Vec<String> = self.entrypoint.iter().map(|word| snippet::exact(word)).collect();
        let _ = writeln!(text, "\n[process]\nentrypoint = [{}]", words.join(", "));
        if let Some(workdir) = self.workdir {
            let _ = writeln!(text, "workdir = {}", snippet::exact(workdir));
        }
        if !self.env.is_empty() {
            let pairs: Vec<String> = self.env.iter().map(|(name, value)| format!("{name} = {}", snippet::exact(value))).collect();
            let _ = writeln!(text, "env = {{ {} }}", pairs.join(", "));
        }
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        let _ = match ports.as_slice() {
            [] => writeln!(text, "# ports = [8080]   # where it listens, for those who run it"),
            ports => writeln!(text, "ports = [{}]", ports.join(", ")),
        };
        text.push_str("writable = [\"/tmp\"]   # all else is expected to be read-only\n");
        self.metadata(&mut text);
        text
    }

    fn metadata(&self, text: &mut String) {
        let Package { name, version, description, licenses } = &self.package;
        text.push_str("\n[metadata]   # becomes org.opencontainers.image.* labels and annotations\n");
        let pairs = [("title", name), ("version", version), ("description", description), ("licenses", licenses)];
        let mut is_empty = true;
        for (key, value) in pairs {
            if let Some(value) = value.as_deref().map(one_line).filter(|value| !value.is_empty()) {
                is_empty = false;
                let _ = writeln!(text, "{key} = {}", snippet::exact(&value));
            }
        }
        if is_empty {
            text.push_str("# title = \"App\"\n");
        }
        text.push_str("# source = \"{git.source}\"\n# revision = \"{git.revision}\"\n");
    }
}

impl DraftFiles {
    fn text(&self) -> String {
        let mut text = String::from("\n[[files]]\n");
        let comment = if self.comment.is_empty() { String::new() } else { format!("   # {}", self.comment) };
        let _ = match &self.from {
            FilesFrom::Path(path) => writeln!(text, "from = {}{comment}", snippet::exact(path)),
            FilesFrom::Text(content) => writeln!(text, "text = '''\n{content}'''"),
        };
        let _ = writeln!(text, "to = {}", snippet::exact(&self.to));
        if self.is_program {
            text.push_str("mode = \"0755\"\n");
        }
        if !self.exclude.is_empty() {
            let patterns: Vec<String> = self.exclude.iter().map(|pattern| snippet::exact(pattern)).collect();
            let _ = writeln!(text, "exclude = [{}]", patterns.join(", "));
        }
        text
    }
}

/// Returns a text on one line, since labels hold no ends of lines.
fn one_line(text: &str) -> String {
    text.split(char::is_whitespace)
        .map(|word| word.chars().filter(|letter| !letter.is_control()).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns a name as repositories may have it: of `@scope/My App`, `my-app`.
fn repository(name: &str) -> Option<String> {
    let own = name.rsplit('/').next().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = own.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    Some(words.join("-")).filter(|name| !name.is_empty() && name.len() <= 100)
}

/// Returns a version as tags may be written.
fn tag(version: &str) -> Option<String> {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let tag: String = version.trim().chars().map(plain).collect();
    let tag = tag.trim_start_matches(['.', '-']);
    Some(tag.to_owned()).filter(|tag| !tag.is_empty() && tag.len() <= 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_become_repositories_and_tags() {
        for (name, expected) in [("@shop/My_App", Some("my-app")), ("api", Some("api")), ("Ærlig", Some("rlig")), ("--", None), ("", None)]
        {
            assert_eq!(repository(name).as_deref(), expected, "{name}");
        }
        for (version, expected) in [("1.2.3", Some("1.2.3")), ("1.0.0+build 7", Some("1.0.0-build-7")), ("-1", Some("1")), ("", None)] {
            assert_eq!(tag(version).as_deref(), expected, "{version}");
        }
        assert_eq!(one_line(" two\n\tlines\u{1b}[2J "), "two lines[2J");
    }
}
