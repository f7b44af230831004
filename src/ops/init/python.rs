use toml::{Table, Value};

use super::draft::{Draft, DraftFiles, NOT_PROGRAM, Package};
use super::folder::Folder;
use crate::diagnostic::shell_word;

const PYTHON: (&str, &str) = ("debian = { flavour = \"python3\" }", "Python 3.13, from signed Debian packages");
/// What a program is called that nothing names.
const USUAL: [&str; 5] = ["app.py", "main.py", "server.py", "run.py", "__main__.py"];
/// What is never a part of the program.
const NOT_PYTHON: [&str; 6] = ["**/__pycache__/", "/site-packages/", "/.venv/", "/venv/", "/tests/", "/test/"];
const INSTALL: &str = "pip install --target site-packages --python-version 3.13 --only-binary :all:";

/// Returns the recipe for a Python program.
pub(super) fn draft(folder: &Folder<'_>) -> Option<Draft> {
    let text = folder.text("pyproject.toml");
    let manifest: Table = text.and_then(|text| text.parse().ok()).unwrap_or_default();
    let project = manifest.get("project").or_else(|| manifest.get("tool")?.get("poetry"));
    let field = |key: &str| project.and_then(|project| project.get(key)).and_then(Value::as_str).map(str::to_owned);
    let licenses = field("license").filter(|license| !license.contains('\n'));
    let package = Package { name: field("name"), version: field("version"), description: field("description"), licenses };
    let Start { words, from, what } = started(folder, project, package.name.as_deref())?;
    let mut draft = Draft::new("python", what, package, PYTHON);
    let wanted = wanted(folder, project);
    let has_modules = folder.has("site-packages");
    if wanted.is_some() || has_modules {
        let mut modules = DraftFiles::new("site-packages", "/app/site-packages");
        modules.exclude = vec!["**/__pycache__/", "bin/"];
        "what changes least comes first: its layer is then reused".clone_into(&mut modules.comment);
        draft.files.push(modules);
    }
    draft.first.extend(wanted.filter(|_| !has_modules).map(|wanted| (format!("{INSTALL} {wanted}"), "fetches what the program needs")));
    let mut own = DraftFiles::new(from, "/app");
    own.exclude = if from == "." { [&NOT_PROGRAM[..], &NOT_PYTHON].concat() } else { vec!["**/__pycache__/"] };
    draft.files.push(own);
    draft.entrypoint = std::iter::once("/usr/bin/python3".to_owned()).chain(words).collect();
    draft.workdir = Some("/app");
    let one = "1".to_owned();
    draft.env =
        vec![("PYTHONPATH", "/app/site-packages:/app".to_owned()), ("PYTHONDONTWRITEBYTECODE", one.clone()), ("PYTHONUNBUFFERED", one)];
    Some(draft)
}

/// What is started.
struct Start {
    /// The words behind `python3`.
    words: Vec<String>,
    /// The folder that holds it.
    from: &'static str,
    what: String,
}

fn started(folder: &Folder<'_>, project: Option<&Value>, name: Option<&str>) -> Option<Start> {
    if let Some(file) = USUAL.iter().find(|name| folder.has_file(name)) {
        return Some(Start { words: vec![format!("/app/{file}")], from: ".", what: format!("the Python program `{file}`") });
    }
    let roots = [(".", ""), ("src", "src/")];
    let module = |names: Vec<String>| {
        let mut paths =
            roots.iter().flat_map(|(from, below)| names.iter().map(move |name| (*from, format!("{below}{name}"), name.clone())));
        paths.find(|(_, path, _)| folder.has_file(&format!("{path}/__main__.py")))
    };
    let own = name.map(|name| name.replace('-', "_")).into_iter().collect();
    let all = || module(folder.names("")).or_else(|| module(folder.names("src")));
    if let Some((from, path, name)) = module(own).or_else(all) {
        return Some(Start { words: vec!["-m".to_owned(), name], from, what: format!("the Python package `{path}`") });
    }
    // `name = "package.module:function"`.
    let scripts = project?.get("scripts")?.as_table()?;
    let (script, (module, function)) = scripts.iter().find_map(|(name, value)| Some((name, value.as_str()?.split_once(':')?)))?;
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if !is_name(module) || !is_name(function) {
        return None;
    }
    let first = module.split('.').next().unwrap_or_default();
    let from = if folder.has(&format!("src/{first}")) { "src" } else { "." };
    let code = format!("import sys; from {module} import {function}; sys.exit({function}())");
    Some(Start { words: vec!["-c".to_owned(), code], from, what: format!("the Python program `{script}`") })
}

/// Returns what pip is told to fetch.
fn wanted(folder: &Folder<'_>, project: Option<&Value>) -> Option<String> {
    let requirements = folder.text("requirements.txt").unwrap_or_default();
    if requirements.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('#')) {
        return Some("-r requirements.txt".to_owned());
    }
    let dependencies = project?.get("dependencies")?.as_array()?.iter().filter_map(Value::as_str).map(shell_word);
    Some(dependencies.collect::<Vec<_>>().join(" ")).filter(|words| !words.is_empty())
}
