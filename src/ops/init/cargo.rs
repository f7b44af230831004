use toml::{Table, Value};

use super::draft::{Draft, Package};
use super::folder::Folder;
use super::program::{STATIC, built_here, of_path, of_program};

/// Returns the recipe for a Cargo project: its program, built or not.
pub(super) fn draft(folder: &Folder<'_>) -> Option<Draft> {
    let root: Table = folder.text("Cargo.toml")?.parse().ok()?;
    let member = if root.contains_key("package") { None } else { member(folder, &root) };
    let (below, manifest) = member.as_ref().map_or(("", &root), |(below, manifest)| (below.as_str(), manifest));
    let name = program(folder, below, manifest)?;
    let package = package(manifest, &root);
    let (architecture, processor) = built_here().unwrap_or(("amd64", "x86_64"));
    let triple = |libc: &str| format!("{processor}-unknown-linux-{libc}");
    let targets = [format!("target/{}", triple("musl")), format!("target/{}", triple("gnu")), "target".to_owned()];
    if let Some(found) = targets.iter().find_map(|target| folder.program(&format!("{target}/release/{name}"))) {
        return Some(of_program(&found, package));
    }
    let triple = triple("gnu");
    let mut draft = of_path(&format!("target/{triple}/release/{name}"), package, STATIC);
    draft.about = format!("the program `{name}` of a Cargo project");
    architecture.clone_into(&mut draft.architecture);
    let only = if member.is_some() { format!(" --bin {name}") } else { String::new() };
    let command = format!("RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target {triple}{only}");
    draft.files[0].comment = format!("made by `{command}`");
    draft.first.push((command, "builds the program, linked statically"));
    Some(draft)
}

/// Returns the first member of a workspace that has a program.
fn member(folder: &Folder<'_>, root: &Table) -> Option<(String, Table)> {
    let members = root.get("workspace")?.get("members")?.as_array()?.iter().filter_map(Value::as_str);
    let paths = members.flat_map(|member| match member.strip_suffix("/*") {
        Some(above) => folder.names(above).into_iter().map(|name| format!("{above}/{name}")).collect(),
        None => vec![member.to_owned()],
    });
    let open = |below: String| {
        let manifest: Table = folder.text(&format!("{below}/Cargo.toml"))?.parse().ok()?;
        program(folder, &below, &manifest)?;
        Some((below, manifest))
    };
    paths.into_iter().find_map(open)
}

/// Returns the name of the program that a package builds: what it runs by default, else the first.
fn program(folder: &Folder<'_>, below: &str, manifest: &Table) -> Option<String> {
    let package = manifest.get("package")?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let inside = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
    let written = manifest.get("bin").and_then(Value::as_array).into_iter().flatten().filter_map(|bin| text(bin, "name"));
    let own = Some(text(package, "name")?).filter(|_| folder.has_file(&inside("src/main.rs")));
    let more = folder.names(&inside("src/bin")).into_iter().map(|name| name.strip_suffix(".rs").map(str::to_owned).unwrap_or(name));
    let names: Vec<String> = written.chain(own).chain(more).collect();
    text(package, "default-run").filter(|name| names.contains(name)).or_else(|| names.into_iter().next())
}

fn package(manifest: &Table, root: &Table) -> Package {
    let shared = root.get("workspace").and_then(|workspace| workspace.get("package"));
    let field = |key: &str| {
        let own = manifest.get("package")?.get(key)?;
        let inherited = || shared?.get(key)?.as_str();
        own.as_str().or_else(inherited).map(str::to_owned)
    };
    Package { name: field("name"), version: field("version"), description: field("description"), licenses: field("license") }
}
