use std::fs;
use std::path::Path;

use hardened::oci::{Compression, Platform};
use hardened::recipe::{Base, Destination, FilesSource, Format, Recipe, RecipeText, json_schema_text, read};

use super::{Fixed, GOOD, shown};

fn recipe(text: RecipeText) -> Recipe {
    match read(text, &Fixed) {
        Ok((recipe, _)) => recipe,
        Err(faults) => panic!("{}", faults.iter().map(shown).collect::<Vec<_>>().join("\n")),
    }
}

#[test]
fn defaults() {
    let recipe = recipe(RecipeText::parse("r", GOOD));
    assert_eq!(recipe.references.iter().map(|reference| reference.to_string()).collect::<Vec<_>>(), ["a.example/b:latest"]);
    assert_eq!(recipe.platforms.iter().map(|platform| platform.to_string()).collect::<Vec<_>>(), ["linux/amd64"]);
    assert_eq!((recipe.created, recipe.root.value.as_str(), &recipe.base.value), (None, "", &Base::Static));
    assert_eq!((recipe.user.name.value.as_str(), recipe.user.owner.uid, recipe.user.owner.gid), ("nonroot", 65532, 65532));
    assert_eq!((recipe.user.group.as_str(), recipe.user.home.to_string()), ("nonroot", "/home/nonroot".to_owned()));
    assert_eq!((recipe.layers.compression, recipe.layers.level), (Compression::Gzip, 5));
}

#[test]
fn placeholders_are_filled_in_for_each_platform_and_recorded() {
    let text = r#"
[image]
names = ["a.example/b", "c.example/d"]
tags = ["{env.VERSION}", "{git.short}"]
platforms = ["linux/amd64", "linux/arm/v7"]
created = 2026-11-24T00:00:00Z
format = 1
[base]
image = "gcr.io/x/y:z"
inherit = ["labels"]
[[files]]
from = "./build/{platform.arch}//*/bin"
to = "/app/"
owner = "user"
[[files]]
text = '{"not": "a placeholder"}'
to = "/etc/app.json"
[process]
env = { ARCH = "{platform.os}-{platform.arch}", JSON = '{{"a":1}}' }
ports = [8080, "53/udp"]
stop-signal = "int"
[metadata]
title = "T"
description = "for {platform.arch}"
revision = "{git.revision}"
[metadata.labels]
"a.b" = "c"
"#;
    let recipe = recipe(RecipeText::parse("r", text));
    let references: Vec<_> = recipe.references.iter().map(|reference| reference.to_string()).collect();
    assert_eq!(references, ["a.example/b:1.4.2", "a.example/b:012345678901", "c.example/d:1.4.2", "c.example/d:012345678901"]);
    assert_eq!(recipe.created, Some(1_795_478_400));
    assert_eq!(Some(recipe.format), Format::numbered(1), "the format before the newest one");
    assert_eq!(recipe.inputs.keys().map(String::as_str).collect::<Vec<_>>(), ["env.VERSION", "git.revision", "git.short"]);
    let Some(part) = recipe.for_platform(&Platform::linux("arm", Some("v7"))) else { panic!("no such platform") };
    let FilesSource::Host { from, fixed, glob } = &part.files[0].source else { panic!("files of the host") };
    assert_eq!((from.value.as_str(), fixed.as_str(), glob.as_deref()), ("build/arm/*/bin", "build/arm", Some("*/bin")));
    assert!(matches!(part.files[0].to.value, Destination::In(_)) && part.files[0].owner.uid == 65532);
    assert!(matches!(&part.files[1].source, FilesSource::Text(text) if text.value == r#"{"not": "a placeholder"}"#));
    assert_eq!(part.process.env["ARCH"].value, "linux-arm");
    assert_eq!(part.process.env["JSON"].value, r#"{"a":1}"#);
    assert_eq!(part.process.ports.iter().map(ToString::to_string).collect::<Vec<_>>(), ["53/udp", "8080/tcp"]);
    assert_eq!(part.process.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(part.labels["a.b"], "c");
    assert_eq!(part.annotations["org.opencontainers.image.description"], "for arm");
    assert_eq!(
        recipe.shared_annotations().keys().map(String::as_str).collect::<Vec<_>>(),
        ["org.opencontainers.image.revision", "org.opencontainers.image.title"]
    );
}

#[test]
fn arguments_go_before_the_recipe() {
    let mut text = RecipeText::parse("r", GOOD);
    for argument in [
        "image.tags=1.4",
        "image.tags[]=x",
        "user.uid=10001",
        "metadata.labels.\"a.b\"=c=d",
        "files[].from=dist",
        "files[0].to=/app",
        "metadata.version=2",
    ] {
        text.set(argument);
    }
    text.set("process.entrypoint[0]={env.VERSION}");
    text.label("org.opencontainers.image.source=https://a.example");
    text.platforms(["linux/arm64,linux/amd64", "linux/s390x"]);
    let recipe = recipe(text);
    assert_eq!(recipe.references.iter().map(|reference| reference.to_string()).collect::<Vec<_>>(), ["a.example/b:1.4", "a.example/b:x"]);
    assert_eq!(recipe.platforms.len(), 3);
    assert_eq!(recipe.user.owner.uid, 10001);
    let part = &recipe.parts()[0];
    assert_eq!((part.labels["a.b"].as_str(), part.labels["org.opencontainers.image.version"].as_str()), ("c=d", "2"));
    assert_eq!(part.annotations["org.opencontainers.image.source"], "https://a.example");
    assert_eq!(part.process.entrypoint.as_ref().map(|list| list.value.clone()), Some(vec!["1.4.2".to_owned()]));
    assert_eq!(part.files.len(), 1);

    let mut text = RecipeText::parse("r", &GOOD.replace("name =", "tags = [\"7\"]\nname ="));
    text.tag("x.example/y:1");
    text.tag("x.example/z");
    let references: Vec<_> = self::recipe(text).references.iter().map(|reference| reference.to_string()).collect();
    assert_eq!(references, ["x.example/y:1", "x.example/z:7"]);
}

#[test]
fn the_schema_file_is_the_one_of_the_types() {
    let file = include_str!("../../hardened.schema.json");
    assert_eq!(file, json_schema_text(), "run `hardened schema > hardened.schema.json`");
}

#[test]
fn the_reference_for_people_is_the_one_of_the_schema() {
    let page = include_str!("../../docs/RECIPE.md");
    assert!(page == hardened::recipe::reference(), "run `hardened schema --markdown > docs/RECIPE.md`");
}

/// A recipe that says nothing but what it must.
const LEAST: &str = r#"
[base]
debian = { packages = ["libc6"], archives = [{ url = "https://deb.example.no", suite = "stable", keys = ["a.asc"] }], suite = "trixie" }

[[files]]
from = "app"
to = "/app"

[[links]]
path = "/b"
target = "/app"

[[directories]]
path = "/d"

[process]
entrypoint = ["/app"]
healthcheck = { command = ["/app"] }

[[unproved]]
path = "/a"
needs = "b"
reason = "c"
"#;

/// Returns everything that a recipe means, without where it is written.
fn meaning(text: &str) -> String {
    let meaning = format!("{:?}", recipe(RecipeText::parse("r", text))).replace(&format!("{text:?}"), "");
    let mut pieces = meaning.split("Some(Span { source: SourceText { name: \"r\", text:  }, range: ");
    let mut told = pieces.next().unwrap().to_owned();
    for piece in pieces {
        told.push_str("None");
        told.push_str(piece.split_once(" })").unwrap().1);
    }
    // Whether the mode is written decides a note only, about special bits of the project's folders that are left out.
    told.replace("directory_mode: Some(493)", "directory_mode: None")
}

fn table_at<'a>(root: &'a mut toml::Value, path: &[&str]) -> &'a mut toml::Table {
    let found = path.iter().fold(root, |at, key| {
        let table = at.as_table_mut().unwrap();
        let next = table.entry(*key).or_insert_with(|| toml::Table::new().into());
        if let toml::Value::Array(_) = next { &mut next.as_array_mut().unwrap()[0] } else { next }
    });
    found.as_table_mut().unwrap()
}

/// Returns each table of the schema with its path: `base`, `debian`.
fn tables_of_schema() -> Vec<(Vec<&'static str>, serde_json::Value)> {
    let schema: serde_json::Value = serde_json::from_str(&json_schema_text()).unwrap();
    let paths: [(&[&str], &str); 13] = [
        (&[], ""),
        (&["image"], "ImageKeys"),
        (&["base"], "BaseKeys"),
        (&["base", "debian"], "DebianKeys"),
        (&["base", "debian", "archives"], "ArchiveKeys"),
        (&["user"], "UserKeys"),
        (&["files"], "FilesKeys"),
        (&["links"], "LinkKeys"),
        (&["directories"], "DirectoryKeys"),
        (&["process"], "ProcessKeys"),
        (&["process", "healthcheck"], "HealthcheckKeys"),
        (&["layers"], "LayersKeys"),
        (&["unproved"], "UnprovedKeys"),
    ];
    let of = |name: &str| if name.is_empty() { schema.clone() } else { schema["$defs"][name].clone() };
    paths.into_iter().map(|(path, name)| (path.to_vec(), of(name))).collect()
}

#[test]
fn each_default_of_the_schema_is_what_a_recipe_without_the_key_means() {
    let least = meaning(LEAST);
    let mut checked = 0;
    for (path, table) in tables_of_schema() {
        for (key, property) in table["properties"].as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            let mut written: toml::Value = toml::Value::Table(LEAST.parse().unwrap());
            let value = toml::Value::try_from(default.clone()).unwrap();
            table_at(&mut written, &path).insert(key.clone(), value);
            assert_eq!(meaning(&toml::to_string(&written).unwrap()), least, "{path:?} {key}");
            checked += 1;
        }
    }
    assert!(checked > 14, "{checked}");
}

#[test]
fn each_required_key_of_the_schema_is_missed() {
    recipe(RecipeText::parse("r", LEAST));
    let mut checked = 0;
    for (path, table) in tables_of_schema() {
        let required = table.get("required").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        for key in required.iter().map(|key| key.as_str().unwrap()) {
            let mut written: toml::Value = toml::Value::Table(LEAST.parse().unwrap());
            table_at(&mut written, &path).remove(key).unwrap();
            let text = toml::to_string(&written).unwrap();
            assert!(read(RecipeText::parse("r", &text), &Fixed).is_err(), "{path:?} {key}");
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn the_recipes_here_name_the_schema() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = fs::read_dir(top.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = examples.filter(|path| path.join("hardened.toml").exists()).chain([top.to_owned()]).collect();
    assert!(folders.len() > 7, "{folders:?}");
    for folder in folders {
        let recipe = fs::read_to_string(folder.join("hardened.toml")).unwrap();
        let named = recipe.lines().next().and_then(|line| line.strip_prefix("#:schema ")).unwrap();
        let schema = fs::read_to_string(folder.join(named)).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        assert_eq!(schema, json_schema_text(), "{}", folder.display());
    }
}

#[test]
fn the_readme_shows_the_example_as_it_is() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(top.join("README.md")).unwrap();
    for (name, language) in [("Dockerfile", "dockerfile"), ("hardened.toml", "toml")] {
        let text = fs::read_to_string(top.join("examples/node-api").join(name)).unwrap();
        let text = text.strip_prefix("#:schema ../../hardened.schema.json\n").unwrap_or(&text);
        assert!(readme.contains(&format!("```{language}\n{text}```\n")), "{name} of examples/node-api is not what README shows");
    }
}

#[test]
fn a_base_can_be_exchanged_from_the_command_line() {
    let mut text = RecipeText::parse("r", GOOD);
    for argument in ["base.static=false", "base.layout=vendor/base"] {
        text.set(argument);
    }
    assert_eq!(recipe(text).base.value, Base::Layout("vendor/base".to_owned()));
    let mut text = RecipeText::parse("r", GOOD);
    for argument in ["base.static=false", "base.debian.flavour=python3", "base.debian.packages[]=libpq5"] {
        text.set(argument);
    }
    let Base::Debian(base) = recipe(text).base.value else { panic!("packages") };
    assert!(base.wanted.contains_key("python3") && base.wanted.contains_key("libpq5"));
    assert_eq!(base.suite.as_deref(), Some("trixie"));
}

#[test]
fn health_checks_have_an_interval_for_their_start() {
    let keys = "[process.healthcheck]\ncommand = [\"/app\"]\nstart-period = \"30s\"\nstart-interval = \"1s500ms\"\n";
    let recipe = recipe(RecipeText::parse("r", &format!("{GOOD}{keys}")));
    let check = recipe.parts()[0].process.healthcheck.clone().unwrap();
    assert_eq!(check.start_interval, Some(std::time::Duration::from_millis(1500)));
}

#[test]
fn variables_of_the_base_are_put_in_once_it_is_known() {
    let text = r#"
[image]
name = "a.example/b"
[base]
image = "gcr.io/x/y:z"
[process]
entrypoint = ["{image.env.JAVA_HOME}/bin/java", "-jar", "/a{platform.arch}:{image.env.PATH}"]
command = ["{image.env.NONE}"]
env = { PATH = "/app/bin:{image.env.PATH}:{ image.env.JAVA_HOME }/bin", BRACE = "{{image.env.PATH}}" }
"#;
    let recipe = recipe(RecipeText::parse("r", text));
    let base = |none: Option<&'static str>| {
        move |name: &str| match name {
            "PATH" => Some("/bin:{env.X}"),
            "JAVA_HOME" => Some("/jdk"),
            _ => none,
        }
    };
    let process = recipe.parts()[0].with_base_variables(base(Some("æ"))).unwrap().process;
    assert_eq!(process.entrypoint.unwrap().value, ["/jdk/bin/java", "-jar", "/aamd64:/bin:{env.X}"]);
    assert_eq!(process.command.unwrap().value, ["æ"]);
    assert_eq!(process.env["PATH"].value, "/app/bin:/bin:{env.X}:/jdk/bin");
    assert_eq!(process.env["BRACE"].value, "{image.env.PATH}");
    let missing = recipe.parts()[0].with_base_variables(base(None)).unwrap_err();
    let (name, span) = (missing[0].value.as_str(), missing[0].span.as_ref().unwrap());
    assert_eq!((missing.len(), name, span.source.text.get(span.range.clone())), (1, "NONE", Some("{image.env.NONE}")));
}
