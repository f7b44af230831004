//! `hardened init`: a recipe for each kind of folder, which builds at the first try.

use std::fs;

use crate::elf::Elf;
use crate::images::Image;
use crate::project::program;
use crate::registry::TestRegistry;
use crate::sandbox::{Ran, Sandbox};

/// A base with all that the flavours of Debian packages start.
fn base(test: &TestRegistry) -> String {
    let mut tar = tar::Builder::new(Vec::new());
    let passwd = b"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n".to_vec();
    let mut files = vec![("etc/passwd", passwd), ("etc/group", b"root:x:0:\nnonroot:x:65532:\n".to_vec())];
    files.extend(["usr/bin/python3", "usr/bin/node", "usr/bin/java", "usr/sbin/nginx"].map(|path| (path, program(62))));
    files.push(("lib64/ld-linux-x86-64.so.2", Elf { machine: 62, soname: Some("ld-linux-x86-64.so.2"), ..Elf::default() }.write()));
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, &*content).unwrap();
    }
    Image::of("amd64", tar.into_inner().unwrap()).tag(test, "base", "1");
    format!("{}/base:1", test.host())
}

/// A folder with these files, and nothing else.
fn folder(files: &[(&str, &[u8])]) -> Sandbox {
    let sandbox = Sandbox::of("");
    fs::remove_file(sandbox.path("hardened.toml")).unwrap();
    fs::remove_file(sandbox.path("app")).unwrap();
    for (name, content) in files {
        sandbox.write(name, content);
        if content.starts_with(b"\x7fELF") {
            sandbox.executable(name);
        }
    }
    sandbox
}

/// Returns the commands that a run names as the next ones.
fn next(ran: &Ran) -> Vec<String> {
    ran.err.lines().filter_map(|line| Some(line.strip_prefix("next: ")?.split("  (").next()?.to_owned())).collect()
}

/// Writes a recipe, checks what it says and which commands come first, makes what these make, and builds the image as the last one says.
fn builds(sandbox: &Sandbox, recipe: &[&str], first: &[&str], made: &[&str]) -> Ran {
    let ran = sandbox.run(&["init"]).succeeds();
    let text = sandbox.read("hardened.toml");
    for part in recipe {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let commands = next(&ran);
    assert_eq!(commands[..commands.len() - 1], *first, "{}", ran.err);
    for name in made {
        sandbox.write(name, &program(62));
        sandbox.executable(name);
    }
    let registry = TestRegistry::start();
    let mut words: Vec<&str> = commands[commands.len() - 1].split(' ').skip(1).collect();
    let replaced = format!("base={{ image = \"{}\" }}", base(&registry));
    if !text.contains("\nstatic = true") {
        words.extend(["--set", &replaced]);
    }
    // The programs that tests make are for one architecture.
    words.extend(["--platform", "linux/amd64"]);
    let built = sandbox.run(&words).succeeds();
    assert!(!built.err.contains("warning"), "{}\n{text}", built.err);
    assert!(sandbox.has("image/index.json"), "{words:?}");
    assert!(sandbox.read("hardened.schema.json").contains("\"$schema\""));
    ran
}

fn listed(sandbox: &Sandbox, path: &str) -> String {
    sandbox.run(&["ls", "oci:image", path]).succeeds().out
}

#[test]
fn a_folder_with_a_jar() {
    for (path, beside) in [
        ("app.jar", "app-sources.jar"),
        ("target/shop-1.2.jar", "target/original-shop-1.2.jar"),
        ("build/libs/shop-1.2.jar", "build/libs/shop-1.2-plain.jar"),
    ] {
        let sandbox = folder(&[
            (path, b"PK jar"),
            (beside, b"PK a longer jar"),
            ("src/main/resources/application.properties", b"a=1\nserver.port = 9090\n"),
        ]);
        builds(&sandbox, &[&format!("from = \"{path}\""), "flavour = \"java\"", "ports = [9090]", "\"-jar\", \"/app/app.jar\""], &[], &[]);
        assert!(path == "app.jar" || sandbox.read("hardened.toml").contains("tags = [\"1.2\"]"));
    }
    let pom = "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><parent><version>7</version></parent><artifactId>shop</artifactId><version>1.2</version></project>";
    builds(
        &folder(&[("pom.xml", pom.as_bytes())]),
        &["from = \"target/shop-1.2.jar\"", "team/shop\""],
        &["mvn -q package"],
        &["target/shop-1.2.jar"],
    );
    let gradle: &[(&str, &[u8])] =
        &[("build.gradle.kts", b"version = \"3.1\"\n"), ("settings.gradle.kts", b"rootProject.name = \"api\"\n"), ("gradlew", b"#!")];
    builds(
        &folder(gradle),
        &["from = \"build/libs/api-3.1.jar\"", "version = \"3.1\""],
        &["./gradlew -q assemble"],
        &["build/libs/api-3.1.jar"],
    );
}

#[test]
fn a_folder_with_a_program() {
    let is_static = folder(&[("bin/server", &program(62)), ("README.md", b"x"), ("run.sh", b"#!/bin/sh\n")]);
    builds(&is_static, &["static = true", "from = \"bin/server\"", "entrypoint = [\"/usr/bin/server\"]", "linux/amd64"], &[], &[]);
    let linked = Elf { machine: 62, interpreter: Some("/lib64/ld-linux-x86-64.so.2"), ..Elf::default() }.write();
    builds(&folder(&[("server", &linked)]), &["flavour = \"cc\"", "from = \"server\""], &[], &[]);
    let arm = folder(&[("server", &program(183))]);
    arm.run(&["init"]).succeeds();
    assert!(arm.read("hardened.toml").contains("platforms = [\"linux/arm64\"]"));
    arm.run(&["build", "-o", "oci:image"]).succeeds();
}

#[test]
fn a_folder_with_a_cargo_project() {
    let processor = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
    let triple = format!("{processor}-unknown-linux-gnu");
    let manifest =
        "[package]\nname = \"shop-api\"\nversion = \"0.3.1\"\nedition = \"2024\"\nlicense = \"MIT\"\ndescription = \"Two\\nlines {x}\"\n";
    let command = format!("RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target {triple}");
    let path = format!("target/{triple}/release/shop-api");
    let recipe = [
        &format!("from = \"{path}\""),
        "static = true",
        "team/shop-api\"",
        "tags = [\"0.3.1\"]",
        "licenses = \"MIT\"",
        "\"Two lines {{x}}\"",
    ];
    builds(&folder(&[("Cargo.toml", manifest.as_bytes()), ("src/main.rs", b"fn main() {}")]), &recipe, &[&command], &[&path]);
    // The program's name is not the package's.
    let named = format!("{manifest}[[bin]]\nname = \"served\"\npath = \"src/main.rs\"\n");
    let path = format!("target/{triple}/release/served");
    builds(&folder(&[("Cargo.toml", named.as_bytes()), ("src/main.rs", b"")]), &[&format!("from = \"{path}\"")], &[&command], &[&path]);
    // A workspace.
    let workspace = b"[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nversion = \"2.0.0\"\n";
    let member = b"[package]\nname = \"tool\"\nversion.workspace = true\n";
    let library = b"[package]\nname = \"library\"\n";
    let files: &[(&str, &[u8])] = &[
        ("Cargo.toml", workspace),
        ("crates/a/Cargo.toml", library),
        ("crates/a/src/lib.rs", b""),
        ("crates/b/Cargo.toml", member),
        ("crates/b/src/main.rs", b""),
    ];
    builds(&folder(files), &["tags = [\"2.0.0\"]"], &[&format!("{command} --bin tool")], &[&format!("target/{triple}/release/tool")]);
    // One that is built.
    let built = folder(&[("Cargo.toml", manifest.as_bytes()), ("src/main.rs", b""), ("target/release/shop-api", &program(62))]);
    builds(&built, &["from = \"target/release/shop-api\"", "version = \"0.3.1\""], &[], &[]);
}

#[test]
fn a_folder_with_a_go_project() {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let command = format!("CGO_ENABLED=0 GOOS=linux GOARCH={architecture} go build -trimpath -o bin/api");
    let main = b"// A server.\npackage main\n\nfunc main() {}\n";
    let root = folder(&[("go.mod", b"module example.no/shop/api/v2\n\ngo 1.24\n"), ("main.go", main)]);
    builds(&root, &["from = \"bin/api\"", "static = true", "team/api\""], &[&format!("{command} .")], &["bin/api"]);
    let commands = folder(&[("go.mod", b"module api\n"), ("lib.go", b"package api\n"), ("cmd/api/main.go", main), ("cmd/a/a.go", main)]);
    builds(&commands, &["from = \"bin/api\""], &[&format!("{command} ./cmd/api")], &["bin/api"]);
    let built = folder(&[("go.mod", b"module example.no/api\n"), ("main.go", main), ("api", &program(62))]);
    builds(&built, &["from = \"api\""], &[], &[]);
}

#[test]
fn a_folder_with_index_html() {
    let sandbox = folder(&[("index.html", b"<p>x"), ("style.css", b"p{}"), (".git/config", b"x")]);
    builds(&sandbox, &["flavour = \"nginx\"", "from = \".\"", "ports = [8080]", "listen 8080;"], &[], &[]);
    let all = listed(&sandbox, "/srv/public");
    assert!(all.contains("index.html") && all.contains("style.css") && !all.contains("hardened") && !all.contains(".git"), "{all}");
    let own = folder(&[("dist/index.html", b"<p>x"), ("nginx.conf", b"events {}")]);
    builds(&own, &["from = \"dist\"", "from = \"nginx.conf\"", "# ports"], &[], &[]);
}

#[test]
fn a_folder_with_app_py() {
    let sandbox = folder(&[("app.py", b"print(1)"), ("views/a.html", b"x"), ("__pycache__/app.pyc", b"x")]);
    builds(&sandbox, &["flavour = \"python3\"", "entrypoint = [\"/usr/bin/python3\", \"/app/app.py\"]", "# ports"], &[], &[]);
    assert!(listed(&sandbox, "/app/views").contains("a.html"));
    assert!(!listed(&sandbox, "/app").contains("__pycache__"));
    let project = b"[project]\nname = \"shop-api\"\nversion = \"2.1\"\ndependencies = [\"flask>=3\", \"rich\"]\n[project.scripts]\nserve = \"shop_api.web:run\"\n";
    let install = "pip install --target site-packages --python-version 3.13 --only-binary :all: 'flask>=3' rich";
    let scripts = folder(&[("pyproject.toml", project), ("src/shop_api/web.py", b"def run(): pass")]);
    let code = "\"-c\", \"import sys; from shop_api.web import run; sys.exit(run())\"";
    builds(&scripts, &[code, "from = \"src\"", "tags = [\"2.1\"]", "team/shop-api\""], &[install], &["site-packages/flask/__init__.py"]);
    let package = folder(&[("pyproject.toml", project), ("shop_api/__main__.py", b""), ("requirements.txt", b"# none\n\nflask==3.0\n")]);
    let install = "pip install --target site-packages --python-version 3.13 --only-binary :all: -r requirements.txt";
    builds(&package, &["\"-m\", \"shop_api\""], &[install], &["site-packages/flask/__init__.py"]);
}

#[test]
fn a_folder_with_package_json() {
    let manifest = b"{\"name\": \"@shop/api\", \"version\": \"1.4.2\", \"license\": \"MIT\", \"main\": \"lib/main.js\", \"scripts\": {\"start\": \"NODE_ENV=x node --enable-source-maps server.js --port 80\"}}";
    let sandbox = folder(&[("package.json", manifest), ("server.js", b"1"), ("lib/main.js", b"1"), ("test/x.js", b"1")]);
    let entrypoint = "\"/usr/bin/node\", \"--enable-source-maps\", \"/app/server.js\", \"--port\", \"80\"";
    builds(&sandbox, &["flavour = \"nodejs\"", entrypoint, "team/api\"", "tags = [\"1.4.2\"]", "title = \"@shop/api\""], &[], &[]);
    let all = listed(&sandbox, "/app");
    assert!(all.contains("lib") && all.contains("package.json") && !all.contains("hardened") && !all.contains("test"), "{all}");
    let main = b"{\"main\": \"lib/main\", \"dependencies\": {\"express\": \"5\"}}";
    let sandbox = folder(&[("package.json", main), ("lib/main.js", b"1"), ("package-lock.json", b"{}")]);
    builds(&sandbox, &["\"/app/lib/main\"]", "from = \"node_modules\""], &["npm ci --omit=dev"], &["node_modules/express/index.js"]);
    let bin = b"{\"bin\": {\"tool\": \"./tool.mjs\"}}";
    builds(&folder(&[("package.json", bin), ("tool.mjs", b"1")]), &["\"/app/tool.mjs\""], &[], &[]);
    let built = b"{\"main\": \"dist/a.js\", \"scripts\": {\"build\": \"tsc\"}}";
    builds(
        &folder(&[("package.json", built), ("src/a.ts", b"1")]),
        &["\"/app/dist/a.js\""],
        &["npm install && npm run build"],
        &["dist/a.js"],
    );
}

#[test]
fn a_folder_with_package_json_and_no_program() {
    let manifest = b"{\"name\": \"shop\", \"version\": \"1.2.0\", \"main\": \"server.js\"}";
    let sandbox = folder(&[("package.json", manifest)]);
    let ran = sandbox.run(&["init"]).succeeds();
    let text = sandbox.read("hardened.toml");
    for part in ["team/shop\"", "tags = [\"1.2.0\"]", "\"/usr/bin/node\", \"/app/server.js\""] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(next(&ran).is_empty() && ran.err.contains("note: `server.js` is not here"), "{}", ran.err);
}

#[test]
fn a_folder_with_a_dockerfile() {
    let dockerfile = b"FROM golang AS build\nEXPOSE 1\nFROM python:3.13-slim\nCOPY . /app\nEXPOSE 8000/tcp $PORT 53/udp\nCMD [\"python\", \"/app/app.py\"]\n";
    let ran = builds(&folder(&[("Dockerfile", dockerfile), ("app.py", b"1")]), &["ports = [8000]", "/app/app.py"], &[], &[]);
    for text in ["note: `Dockerfile` is not read by `hardened build`", "`COPY` becomes `[[files]]`"] {
        assert!(ran.err.contains(text), "{}", ran.err);
    }
    // Where nothing else says what the program is, the image does.
    let sandbox = folder(&[("Containerfile", b"FROM --platform=linux/amd64 node:20\nCMD [\"npm\", \"start\"]\n")]);
    let ran = sandbox.run(&["init"]).succeeds();
    assert!(sandbox.read("hardened.toml").contains("flavour = \"nodejs\""));
    assert!(ran.err.contains("note: `Containerfile` is not read") && ran.err.contains("`server.js` are not here"), "{}", ran.err);
}

#[test]
fn nothing_is_overwritten_and_the_schema_is_written_once() {
    let sandbox = folder(&[("services/my api/index.html", b"x"), ("services/my api/hardened.schema.json", b"mine")]);
    let ran = sandbox.run(&["init", "services/my api", "--format", "json"]).succeeds();
    let json = ran.json();
    assert_eq!((&json["schema"], &json["template"]), (&serde_json::Value::Null, &"nginx".into()));
    assert_eq!(json["next"], serde_json::json!(["hardened build 'services/my api' -o oci:image"]));
    assert!(!ran.err.contains("hardened.schema.json"), "{}", ran.err);
    assert_eq!(sandbox.read("services/my api/hardened.schema.json"), "mine");
    let before = sandbox.read("services/my api/hardened.toml");
    sandbox.run(&["init", "services/my api"]).fails(2, &["is there already"]);
    assert_eq!(sandbox.read("services/my api/hardened.toml"), before);
    // A link to nothing is something that is there.
    let linked = folder(&[]);
    std::os::unix::fs::symlink("elsewhere", linked.path("hardened.toml")).unwrap();
    linked.run(&["init"]).fails(2, &["is there already"]);
    assert!(!linked.has("elsewhere") && !linked.has("hardened.schema.json"));
    // A command that could not work yet is not the next one.
    for arguments in [&["init", "--template", "static"][..], &["init"]] {
        let ran = folder(&[]).run(arguments).succeeds();
        assert!(ran.err.contains("wrote ./hardened.schema.json") && ran.err.contains("note: `app` is not here"), "{}", ran.err);
        assert!(next(&ran).is_empty() && ran.err.contains("then: `hardened build -o oci:image`"), "{}", ran.err);
    }
    let ran = folder(&[("app", &program(62))]).run(&["init", "--template", "static"]).succeeds();
    assert_eq!(next(&ran), ["hardened build -o oci:image"], "{}", ran.err);
}
