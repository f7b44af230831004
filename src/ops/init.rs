//! `hardened init`: a first recipe.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::diagnostic::nearest;

/// What a recipe is called when nobody says otherwise.
pub const RECIPE: &str = "hardened.toml";

/// A first recipe for one kind of program.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    /// What it is called.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Files of a project that this template is for.
    marks: &'static [&'static str],
    /// The recipe.
    pub text: &'static str,
}

/// All templates, in the order in which a folder is looked at.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "node",
        about: "a Node.js service",
        marks: &["package.json"],
        text: include_str!("../../templates/node/hardened.toml"),
    },
    Template {
        name: "python",
        about: "a Python service",
        marks: &["pyproject.toml", "requirements.txt", "setup.py"],
        text: include_str!("../../templates/python/hardened.toml"),
    },
    Template {
        name: "java",
        about: "a Java service, as one jar",
        marks: &["pom.xml", "build.gradle", "build.gradle.kts"],
        text: include_str!("../../templates/java/hardened.toml"),
    },
    Template {
        name: "nginx",
        about: "static files, served by nginx",
        marks: &["nginx.conf"],
        text: include_str!("../../templates/nginx/hardened.toml"),
    },
    Template {
        name: "site",
        about: "static files and the binary that serves them",
        marks: &["public/index.html"],
        text: include_str!("../../templates/site/hardened.toml"),
    },
    Template {
        name: "static",
        about: "one static binary, of Go or Rust",
        marks: &["Cargo.toml", "go.mod"],
        text: include_str!("../../templates/static/hardened.toml"),
    },
];

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Initialized {
    /// The recipe's path.
    pub path: PathBuf,
    /// The template.
    pub template: &'static Template,
    /// The commands that come next, each with a word on it.
    pub next: Vec<(String, &'static str)>,
}

/// Why no recipe was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one.
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    /// There is no template of this name.
    #[error("there is no template `{}`", .0.escape_debug())]
    Template(String),
    /// It cannot be written.
    #[error("`{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl InitError {
    /// Returns what to do.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists(path) => vec![format!("edit it, or remove it first: `rm {}`", path.display())],
            Self::Template(name) => {
                let names = || TEMPLATES.iter().map(|template| template.name);
                let list = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let near = nearest(name, names()).map(|near| format!("run `hardened init --template {near}`"));
                near.into_iter().chain([format!("the templates are {list}")]).collect()
            }
            Self::Write(path, _) => vec![format!("make the folder of `{}` and let yourself write to it", path.display())],
        }
    }
}

/// Writes a first recipe into a folder; without a template's name, the one that fits the files there.
///
/// # Errors
/// When there is a recipe already, no such template, or no way to write.
pub fn init(folder: &Path, template: Option<&str>) -> Result<Initialized, InitError> {
    let template = match template {
        Some(name) => TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| InitError::Template(name.to_owned()))?,
        None => fitting(folder),
    };
    let path = folder.join(RECIPE);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => InitError::Exists(path.clone()),
        _ => InitError::Write(path.clone(), error),
    };
    // Nothing is between looking and writing: two runs at once cannot overwrite each other.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    file.write_all(template.text.as_bytes()).map_err(failed)?;
    let next = vec![
        ("hardened schema > hardened.schema.json".to_owned(), "lets editors complete and explain the keys"),
        ("hardened build -o oci:image".to_owned(), "builds the image into the folder `image`"),
        ("hardened build --push".to_owned(), "builds it and publishes it to the registry that `[image]` names"),
    ];
    Ok(Initialized { path, template, next })
}

fn fitting(folder: &Path) -> &'static Template {
    let fits = |template: &&Template| template.marks.iter().any(|mark| folder.join(mark).exists());
    let fallback = TEMPLATES.len() - 1;
    TEMPLATES.iter().find(fits).unwrap_or(&TEMPLATES[fallback])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{PlaceholderFault, Placeholders, RecipeText, read};

    struct Fixed;

    impl Placeholders for Fixed {
        fn value(&self, name: &str) -> Result<String, PlaceholderFault> {
            Ok(name.replace('.', "-"))
        }
    }

    #[test]
    fn every_template_is_a_recipe_without_warnings() {
        for template in TEMPLATES {
            let read = read(RecipeText::parse(template.name, template.text), &Fixed);
            assert!(read.as_ref().is_ok_and(|(_, warnings)| warnings.is_empty()), "{}: {:?}", template.name, read.err());
        }
    }

    #[test]
    fn the_folder_chooses_the_template_and_nothing_is_overwritten() -> io::Result<()> {
        for (mark, expected) in [
            ("package.json", "node"),
            ("requirements.txt", "python"),
            ("pom.xml", "java"),
            ("nginx.conf", "nginx"),
            ("go.mod", "static"),
            ("x", "static"),
        ] {
            let folder = tempfile::tempdir()?;
            fs::write(folder.path().join(mark), "")?;
            let written = init(folder.path(), None).map_err(io::Error::other)?;
            assert_eq!(written.template.name, expected, "{mark}");
            assert_eq!(fs::read_to_string(&written.path)?, written.template.text);
            assert!(matches!(init(folder.path(), Some("java")), Err(InitError::Exists(_))));
            assert_eq!(fs::read_to_string(&written.path)?, written.template.text);
        }
        Ok(())
    }

    #[test]
    fn an_unknown_template_names_the_known_ones() {
        let error = init(Path::new("/nonexistent"), Some("pyton")).expect_err("no such template");
        assert_eq!(error.to_string(), "there is no template `pyton`");
        let list = "the templates are `node`, `python`, `java`, `nginx`, `site`, `static`".to_owned();
        assert_eq!(error.hints(), ["run `hardened init --template python`".to_owned(), list]);
    }
}
