use serde_json::{Map, Value};

use super::draft::{Draft, DraftFiles, NOT_PROGRAM, Package};
use super::folder::Folder;

const NODE: (&str, &str) = ("debian = { flavour = \"nodejs\" }", "Node.js 20, from signed Debian packages");
/// What a program is called that `package.json` does not name.
const USUAL: [&str; 6] = ["server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs"];
/// Options of `node` whose value is the next word.
const WITH_VALUE: [&str; 7] = ["-r", "--require", "--import", "--loader", "--experimental-loader", "--env-file", "-C"];

/// Returns the recipe for a Node.js program.
pub(super) fn draft(folder: &Folder<'_>) -> Option<Draft> {
    let manifest: Map<String, Value> = serde_json::from_str(&folder.text("package.json")?).ok()?;
    let text = |key: &str| manifest.get(key).and_then(Value::as_str).map(str::to_owned);
    let script = |name: &str| manifest.get("scripts").and_then(|scripts| scripts.get(name)).and_then(Value::as_str);
    let is_built = script("build").is_some();
    let words = started(folder, &manifest, is_built)?;
    let package = Package { name: text("name"), version: text("version"), description: text("description"), licenses: text("license") };
    let program = words.iter().find(|word| !word.starts_with('-')).cloned().unwrap_or_default();
    let mut draft = Draft::new("node", format!("the Node.js program `{program}`"), package, NODE);
    let needs_modules = manifest.get("dependencies").and_then(Value::as_object).is_some_and(|dependencies| !dependencies.is_empty());
    let is_missing = !exists(folder, &words);
    if is_missing && !is_built {
        draft.lacking.extend(program.strip_prefix("/app/").map(str::to_owned));
    }
    draft.first = steps(folder, needs_modules && !folder.has("node_modules"), is_built && is_missing);
    if needs_modules {
        let mut modules = DraftFiles::new("node_modules", "/app/node_modules");
        modules.exclude = vec!["**/*.map", "**/*.md", ".cache/"];
        "what changes least comes first: its layer is then reused".clone_into(&mut modules.comment);
        draft.files.push(modules);
    }
    let mut own = DraftFiles::new(".", "/app");
    own.exclude = [&NOT_PROGRAM[..], &["/node_modules/", "/test/", "/tests/"]].concat();
    draft.files.push(own);
    draft.entrypoint = std::iter::once("/usr/bin/node".to_owned()).chain(words).collect();
    draft.workdir = Some("/app");
    draft.env.push(("NODE_ENV", "production".to_owned()));
    Some(draft)
}

/// Returns the words behind `node`: as `scripts.start` has them, or `main` or `bin`, or a usual name that is there.
fn started(folder: &Folder<'_>, manifest: &Map<String, Value>, is_built: bool) -> Option<Vec<String>> {
    let start = manifest.get("scripts").and_then(|scripts| scripts.get("start")).and_then(Value::as_str);
    if let Some(words) = start.and_then(of_script).filter(|words| is_built || exists(folder, words)) {
        return Some(words);
    }
    let bin = manifest.get("bin").and_then(|bin| bin.as_str().or_else(|| bin.as_object()?.values().next()?.as_str()));
    let named: Vec<String> = [manifest.get("main").and_then(Value::as_str), bin].into_iter().flatten().map(in_app).collect();
    let usual = USUAL.iter().filter(|name| folder.has_file(name)).map(|name| in_app(name));
    let there = named.iter().filter(|path| exists(folder, std::slice::from_ref(path))).cloned();
    let found = there.chain(usual).next();
    // What is not there yet: a build makes it, or a person writes it.
    found.or_else(|| named.into_iter().next()).map(|path| vec![path]).or_else(|| start.and_then(of_script))
}

/// Reads `node [OPTIONS] FILE [ARGUMENTS]`; of anything that needs a shell, nothing.
fn of_script(script: &str) -> Option<Vec<String>> {
    if script.contains(['&', '|', ';', '$', '<', '>', '`', '"', '\'', '(', '*', '{']) {
        return None;
    }
    let mut words = script.split_whitespace().skip_while(|word| word.contains('=')).peekable();
    words.next().filter(|word| matches!(*word, "node" | "nodejs"))?;
    let mut read = Vec::new();
    while let Some(option) = words.next_if(|word| word.starts_with('-')) {
        read.push(option.to_owned());
        if WITH_VALUE.contains(&option) {
            read.extend(words.next().map(str::to_owned));
        }
    }
    read.push(in_app(words.next()?));
    read.extend(words.map(str::to_owned));
    Some(read)
}

fn in_app(path: &str) -> String {
    format!("/app/{}", path.trim_start_matches("./"))
}

/// Says whether the file that is started is there, as Node.js finds it.
fn exists(folder: &Folder<'_>, words: &[String]) -> bool {
    let Some(path) = words.iter().find_map(|word| word.strip_prefix("/app/")) else { return false };
    ["", ".js", "/index.js"].iter().any(|end| folder.has_file(&format!("{path}{end}")))
}

fn steps(folder: &Folder<'_>, installs: bool, builds: bool) -> Vec<(String, &'static str)> {
    let (program, install) = if folder.has_file("pnpm-lock.yaml") {
        ("pnpm", "pnpm install --frozen-lockfile --node-linker=hoisted")
    } else if folder.has_file("yarn.lock") {
        ("yarn", "yarn install --frozen-lockfile")
    } else if folder.has_file("package-lock.json") {
        ("npm", "npm ci")
    } else {
        ("npm", "npm install")
    };
    let only = match program {
        "npm" => "--omit=dev",
        "yarn" => "--production",
        _ => "--prod",
    };
    match (installs, builds) {
        (_, true) => vec![(format!("{install} && {program} run build"), "makes the program, with what it needs")],
        (true, false) => vec![(format!("{install} {only}"), "fetches what the program needs")],
        (false, false) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_script_is_read_where_it_needs_no_shell() {
        for (script, expected) in [
            ("node server.js", Some("/app/server.js")),
            ("NODE_ENV=production node ./dist/main.js --port 80", Some("/app/dist/main.js --port 80")),
            ("node -r dotenv/config --enable-source-maps src/x.js", Some("-r dotenv/config --enable-source-maps /app/src/x.js")),
            ("npm run build && node x.js", None),
            ("next start", None),
            ("node", None),
        ] {
            assert_eq!(of_script(script).map(|words| words.join(" ")).as_deref(), expected, "{script}");
        }
    }
}
