use super::draft::{Draft, Package};
use super::folder::{Folder, has_extension};
use super::program::{STATIC, built_here, of_path, of_program};

/// Returns the recipe for a Go module: its program, built or not.
pub(super) fn draft(folder: &Folder<'_>) -> Option<Draft> {
    let module =
        folder.text("go.mod")?.lines().find_map(|line| Some(line.trim().strip_prefix("module ")?.trim().trim_matches('"').to_owned()))?;
    let commands = folder.names("cmd").into_iter().filter(|name| has_main(folder, &format!("cmd/{name}")));
    let commands: Vec<String> = commands.collect();
    let of_module = name_of(&module);
    let (name, source) = if has_main(folder, "") {
        (of_module, ".".to_owned())
    } else {
        let name = commands.iter().find(|name| **name == of_module).or(commands.first())?;
        (name.clone(), format!("./cmd/{name}"))
    };
    let package = Package { name: Some(name.clone()), ..Package::default() };
    let folders = ["", "bin/", "build/", "dist/"];
    if let Some(found) = folders.iter().find_map(|below| folder.program(&format!("{below}{name}"))) {
        return Some(of_program(&found, package));
    }
    let path = format!("bin/{name}");
    let mut draft = of_path(&path, package, STATIC);
    draft.about = format!("the program `{name}` of a Go module");
    let (architecture, _) = built_here().unwrap_or(("amd64", ""));
    architecture.clone_into(&mut draft.architecture);
    let command = format!("CGO_ENABLED=0 GOOS=linux GOARCH={architecture} go build -trimpath -o {path} {source}");
    draft.files[0].comment = format!("made by `{command}`");
    draft.first.push((command, "builds the program, linked statically"));
    Some(draft)
}

/// Returns the last name of a module's path that is no version: of `example.no/api/v2`, `api`.
fn name_of(module: &str) -> String {
    let is_version =
        |name: &str| name.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    let names: Vec<&str> = module.split('/').filter(|name| !name.is_empty()).collect();
    let own = names.iter().rev().find(|name| !is_version(name)).or(names.last());
    own.map_or_else(|| "app".to_owned(), |name| (*name).to_owned())
}

fn has_main(folder: &Folder<'_>, below: &str) -> bool {
    let sources = folder.names(below).into_iter().filter(|name| has_extension(name, "go") && !name.ends_with("_test.go"));
    let path = |name: String| if below.is_empty() { name } else { format!("{below}/{name}") };
    let is_main = |text: String| text.lines().any(|line| line.split("//").next().unwrap_or_default().trim() == "package main");
    sources.map(path).filter_map(|path| folder.text(&path)).any(is_main)
}
