//! `hardened init`: a first recipe, for what is in the folder.
//!
//! **Invariants.** Nothing is overwritten, and nothing is run. What a project does not say for certain is not guessed: the recipe then is a
//! template's.
//!
//! **To add a kind of project**: a file that returns its `Draft`, and its line in `KINDS`.

mod cargo;
mod dockerfile;
mod draft;
mod folder;
mod go;
mod java;
mod node;
mod program;
mod python;
mod site;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use draft::Draft;
use folder::Folder;

use crate::diagnostic::{nearest, shell_word};
use crate::recipe::json_schema_text;

/// The schema that recipes refer to, beside them.
pub const SCHEMA: &str = "hardened.schema.json";

/// What returns the recipe for one kind of project, in the order in which a folder is looked at.
const KINDS: [fn(&Folder<'_>) -> Option<Draft>; 7] =
    [java::draft, node::draft, python::draft, cargo::draft, go::draft, program::draft, site::draft];

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
        text: include_str!("../../../templates/node/hardened.toml"),
    },
    Template {
        name: "python",
        about: "a Python service",
        marks: &["pyproject.toml", "requirements.txt", "setup.py"],
        text: include_str!("../../../templates/python/hardened.toml"),
    },
    Template {
        name: "java",
        about: "a Java service, as one jar",
        marks: &["pom.xml", "build.gradle", "build.gradle.kts"],
        text: include_str!("../../../templates/java/hardened.toml"),
    },
    Template {
        name: "nginx",
        about: "static files, served by nginx",
        marks: &["nginx.conf"],
        text: include_str!("../../../templates/nginx/hardened.toml"),
    },
    Template {
        name: "site",
        about: "static files and the binary that serves them",
        marks: &["public/index.html"],
        text: include_str!("../../../templates/site/hardened.toml"),
    },
    Template {
        name: "static",
        about: "one static binary, of Go or Rust",
        marks: &["Cargo.toml", "go.mod"],
        text: include_str!("../../../templates/static/hardened.toml"),
    },
];

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Initialized {
    /// The recipe's path.
    pub path: PathBuf,
    /// The schema's path, unless one was there.
    pub schema: Option<PathBuf>,
    /// The template, or that of the same kind.
    pub template: &'static Template,
    /// What the recipe is for.
    pub about: String,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// The commands that come next and work as they are, each with a word on it.
    pub next: Vec<(String, &'static str)>,
    /// What to do afterwards.
    pub then: Vec<String>,
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
            Self::Write(path, _) => vec![format!("create the folder of `{}`, and make it writable", path.display())],
        }
    }
}

/// Writes a first recipe into a folder, and the schema beside it; without a template's name, the recipe that fits what is there.
///
/// # Errors
/// When there is a recipe already, no such template, or no way to write.
pub fn init(folder: &Path, template: Option<&str>) -> Result<Initialized, InitError> {
    let recipe = match template {
        Some(name) => {
            let template = named(name).ok_or_else(|| InitError::Template(name.to_owned()))?;
            FirstRecipe {
                template,
                about: template.about.to_owned(),
                text: template.text.to_owned(),
                lacking: Vec::new(),
                notes: Vec::new(),
                first: Vec::new(),
            }
        }
        None => fitting(&Folder(folder)),
    };
    let path = folder.join(RECIPE);
    if !write_new(&path, recipe.text.as_bytes())? {
        return Err(InitError::Exists(path));
    }
    let schema = folder.join(SCHEMA);
    let schema = write_new(&schema, json_schema_text().as_bytes())?.then_some(schema);
    let is_here = folder.as_os_str().is_empty() || folder == Path::new(".");
    let shown = shell_word(&folder.display().to_string());
    let inside = |(command, about): (String, &'static str)| (if is_here { command } else { format!("(cd {shown} && {command})") }, about);
    // What the first commands make is not there yet.
    let missing = if recipe.first.is_empty() || !recipe.lacking.is_empty() { missing(&Folder(folder), &recipe) } else { None };
    let mut next: Vec<(String, &'static str)> = recipe.first.into_iter().map(inside).collect();
    let build = if is_here { "hardened build -o oci:image".to_owned() } else { format!("hardened build {shown} -o oci:image") };
    let mut then = Vec::new();
    match &missing {
        None => next.push((build, "builds the image into the folder `image`")),
        Some(_) => then.push(format!("`{build}` builds the image into the folder `image`, once all of it is there")),
    }
    then.push("write the name of your registry into `name` of `[image]`, and `hardened build --push` publishes the image".to_owned());
    let notes = recipe.notes.into_iter().chain(missing).collect();
    Ok(Initialized { path, schema, template: recipe.template, about: recipe.about, notes, next, then })
}

/// Writes a file that is not there, and says whether it was not.
fn write_new(path: &Path, content: &[u8]) -> Result<bool, InitError> {
    // Nothing is between looking and writing: two runs at once cannot overwrite each other.
    let written = fs::OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| file.write_all(content));
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(InitError::Write(path.to_owned(), error)),
    }
}

/// A recipe that is to be written.
struct FirstRecipe {
    template: &'static Template,
    about: String,
    text: String,
    /// Files that it starts, and that are not there.
    lacking: Vec<String>,
    notes: Vec<String>,
    /// What must be run before the image can be built.
    first: Vec<(String, &'static str)>,
}

fn named(name: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.name == name)
}

fn fitting(folder: &Folder<'_>) -> FirstRecipe {
    let dockerfile = dockerfile::read(folder);
    let note = dockerfile.iter().map(dockerfile::Dockerfile::note);
    if let Some(mut draft) = KINDS.iter().find_map(|draft| draft(folder)) {
        if let Some(dockerfile) = dockerfile.as_ref().filter(|_| draft.ports.is_empty()) {
            draft.ports.clone_from(&dockerfile.ports);
        }
        let text = draft.text(folder);
        let notes = draft.notes.into_iter().chain(note).collect();
        let template = named(draft.template).unwrap_or(&TEMPLATES[0]);
        return FirstRecipe { template, about: draft.about, text, lacking: draft.lacking, notes, first: draft.first };
    }
    let fits = |template: &&Template| template.marks.iter().any(|mark| folder.has(mark));
    let of_image = dockerfile.as_ref().and_then(|dockerfile| named(dockerfile.template?));
    let template = TEMPLATES.iter().find(fits).or(of_image).unwrap_or(&TEMPLATES[TEMPLATES.len() - 1]);
    FirstRecipe {
        template,
        about: template.about.to_owned(),
        text: template.text.to_owned(),
        lacking: Vec::new(),
        notes: note.collect(),
        first: Vec::new(),
    }
}

/// Says what a recipe takes from the project, or starts, that is not there.
fn missing(folder: &Folder<'_>, recipe: &FirstRecipe) -> Option<String> {
    let taken = taken(&recipe.text).filter(|from| !folder.has(from));
    let missing: Vec<String> = taken.chain(recipe.lacking.iter().map(String::as_str)).map(|name| format!("`{name}`")).collect();
    let are = if missing.len() == 1 { "is" } else { "are" };
    let note = format!("{} {are} not here: put what is meant there, or change `from`", missing.join(" and "));
    Some(note).filter(|_| !missing.is_empty())
}

/// Returns what the entries of a recipe take from the project.
fn taken(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("from = \"")?.split('"').next())
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
