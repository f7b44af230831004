//! What rules say of an image: the result of a build has it, and what matters is told.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::images::{INDEX, Image, index};
use crate::project::program;
use crate::registry::TestRegistry;
use crate::sandbox::{Ran, Sandbox, recipe};

/// Builds with a recipe that has more keys, in `[process]` first, and returns how it went.
fn build(sandbox: &Sandbox, more: &str) -> Ran {
    sandbox.write("hardened.toml", format!("{}{more}", recipe("static = true")).as_bytes());
    sandbox.run(&["build", "-o", "oci:out", "--format", "json"])
}

/// Returns the messages of a rule, with their levels.
fn found(ran: &Ran, rule: &str) -> Vec<String> {
    let findings = ran.json()["platforms"][0]["findings"].as_array().unwrap().clone();
    let of_rule = findings.iter().filter(|finding| finding["rule"] == rule);
    of_rule.map(|finding| format!("{}: {}", finding["level"].as_str().unwrap(), finding["message"].as_str().unwrap())).collect()
}

fn config(sandbox: &Sandbox) -> Value {
    sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0]["config"]["config"].clone()
}

#[test]
fn names_of_variables_are_warned_of_where_nothing_expands_them() {
    let sandbox = Sandbox::new("static = true");
    let more = "command = [\"--home=$HOME\", \"$NOT_SET\", \"~/data\", \"costs $$HOME\"]\n[process.env]\nPATH = \"/app/bin:$PATH\"\nLOG = \"${{ROOT}}/log\"\nROOT = \"/srv\"\nPRICE = \"$5 $NOT_SET $$ROOT\"\nCACHE = \"/x:~/cache\"\n";
    let ran = build(&sandbox, more).succeeds();
    let messages = [
        "warning: `process.env.CACHE` holds `~/` as literal text: no shell expands it",
        "warning: `process.env.LOG` holds `${ROOT}` as literal text: no shell expands it",
        "warning: `process.env.PATH` holds `$PATH` as literal text: no shell expands it",
        "warning: `process.command` holds `$HOME` as literal text: no shell expands it",
        "warning: `process.command` holds `~/` as literal text: no shell expands it",
    ];
    assert_eq!(found(&ran, "literal-variable"), messages);
    for text in ["hardened.toml:12:8", "write `{image.env.PATH}`", "write its value: `/srv`", "write the value of `HOME` itself"] {
        assert!(ran.err.contains(text), "{text}: {}", ran.err);
    }
    // A warm cache says the same.
    let again = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds();
    assert_eq!(again.json()["platforms"][0]["findings"], ran.json()["platforms"][0]["findings"]);
    assert_eq!(again.err.matches("warning:").count(), ran.err.matches("warning:").count());
}

#[test]
fn what_a_shell_gets_is_not_warned_of() {
    let sandbox = Sandbox::new("static = true");
    for (entrypoint, more, expected) in [
        ("[\"/bin/sh\", \"-c\", \"exec /app $HOME\"]", "", 0),
        ("[\"/bin/sh\", \"-ec\"]", "command = [\"exec /app $HOME\"]\n", 0),
        ("[\"/bin/sh\"]", "command = [\"-x\", \"$HOME\"]\n", 1),
    ] {
        let recipe = recipe("static = true").replace("entrypoint = [\"/app\"]", &format!("entrypoint = {entrypoint}"));
        sandbox.write("hardened.toml", format!("{recipe}{more}[[files]]\nfrom = \"app\"\nto = \"/bin/sh\"\n").as_bytes());
        let ran = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds();
        assert_eq!(found(&ran, "literal-variable").len(), expected, "{entrypoint}: {}", ran.err);
    }
}

#[test]
fn a_variable_of_the_base_is_put_in() {
    let sandbox = Sandbox::new("static = true");
    let more = "command = [\"{image.env.PATH}\"]\nenv = { PATH = \"/app/bin:{image.env.PATH}\" }\n";
    let ran = build(&sandbox, more).succeeds();
    assert!(found(&ran, "literal-variable").is_empty(), "{}", ran.err);
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let config = config(&sandbox);
    assert_eq!(config["Cmd"], json!([path]));
    assert!(config["Env"].as_array().unwrap().contains(&json!(format!("PATH=/app/bin:{path}"))), "{config}");
    build(&sandbox, "env = { A = \"{image.env.PATHS}\", B = \"{image.env.NONE}\" }\n").fails(
        2,
        &[
            "the base has no variable `PATHS` for `linux/amd64`",
            "hardened.toml:10:14",
            "write `{image.env.PATH}`",
            "the base has no variable `NONE`",
            "it has PATH, SSL_CERT_FILE",
        ],
    );
}

#[test]
fn low_ports_are_told_of_to_those_who_ask() {
    let sandbox = Sandbox::new("static = true");
    let ran = build(&sandbox, "ports = [80, \"53/udp\", 8080]\n").succeeds();
    assert_eq!(found(&ran, "low-port"), ["detail: the port `53/udp`, `80/tcp` are below 1024, and the process does not run as root"]);
    assert!(!ran.err.contains("1024"), "{}", ran.err);
    let verbose = sandbox.run(&["build", "-v", "-o", "oci:out"]).succeeds().err;
    assert!(verbose.contains("net.ipv4.ip_unprivileged_port_start") && verbose.contains("Kubernetes does not"), "{verbose}");
    let root = build(&sandbox, "ports = [80]\n[user]\nname = \"root\"\nuid = 0\nallow-root = \"a test\"\n").succeeds();
    assert!(found(&root, "low-port").is_empty());
}

#[test]
fn a_shell_in_the_image_is_said_by_every_build() {
    let sandbox = Sandbox::new("static = true");
    assert!(found(&build(&sandbox, "").succeeds(), "shell").is_empty());
    sandbox.write("completion", b"complete -F x y\n");
    let more = "[[files]]\nfrom = \"app\"\nto = \"/opt/busybox\"\n[[files]]\nfrom = \"completion\"\nto = \"/usr/share/bash\"\nmode = \"0755\"\n[[links]]\npath = \"/opt/sh\"\ntarget = \"busybox\"\n[[links]]\npath = \"/opt/bash\"\ntarget = \"/app\"\n";
    for _ in 0..2 {
        let ran = build(&sandbox, more).succeeds();
        assert_eq!(found(&ran, "shell"), ["note: the image has shells: `/app` (also `/opt/bash`), `/opt/busybox` (also `/opt/sh`)"]);
        assert!(ran.err.contains("note: the image has shells: `/app`"), "{}", ran.err);
    }
    let seen = sandbox.run(&["inspect", "oci:out"]).succeeds().out;
    assert!(seen.contains("shell: /opt/busybox"), "{seen}");
    let seen = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json();
    assert_eq!(seen["images"][0]["shells"], json!(["/app", "/opt/busybox"]));
}

#[test]
fn where_a_health_check_gets_lost_is_said() {
    let sandbox = Sandbox::new("static = true");
    let more = "[process.healthcheck]\ncommand = [\"/app\", \"--check\"]\nstart-period = \"30s\"\nstart-interval = \"2s\"\n";
    let ran = build(&sandbox, more).succeeds();
    assert!(ran.err.contains("note: Podman drops the health check of an OCI image") && ran.err.contains("docker-archive:"), "{}", ran.err);
    assert!(ran.err.contains("podman run --health-cmd '/app --check'"), "{}", ran.err);
    assert_eq!(config(&sandbox)["Healthcheck"]["StartInterval"], json!(2_000_000_000_u64));
    assert!(!ran.err.contains("`start-interval`"), "{}", ran.err);
    let docker = sandbox.run(&["build", "-o", "docker-archive:out.tar", "--format", "json"]).succeeds();
    assert!(found(&docker, "healthcheck").is_empty() && !docker.err.contains("Podman"), "{}", docker.err);
}

#[test]
fn an_interval_for_a_start_without_a_period_is_warned_of() {
    let sandbox = Sandbox::new("static = true");
    let ran = build(&sandbox, "[process.healthcheck]\ncommand = [\"/app\"]\nstart-interval = \"2s\"\n").succeeds();
    assert!(ran.err.contains("warning: `start-interval` of the health check has no effect without `start-period`"), "{}", ran.err);
    assert_eq!(config(&sandbox)["Healthcheck"]["StartInterval"], json!(2_000_000_000_u64));
}

#[test]
fn how_to_run_it_read_only_is_said() {
    let sandbox = Sandbox::new("static = true");
    let more = "writable = [\"/tmp\", \"/var/lib/app\", \"/data/cache\"]\nvolumes = [\"/data\"]\n";
    let ran = build(&sandbox, more).succeeds();
    let line = "note: to run it read-only: podman run --read-only --tmpfs /tmp --tmpfs /var/lib/app -v data:/data oci:out\n";
    assert!(ran.err.contains(line), "{}", ran.err);
    assert!(found(&build(&sandbox, "").succeeds(), "read-only").is_empty());
}

/// A sandbox with a Python interpreter of this version in `usr`, which the recipe packs with `app`.
fn python(version: &str, loader: &str) -> Sandbox {
    let recipe = "[image]\nname = \"registry.example.no/shop/api\"\n[base]\nstatic = true\n[[files]]\nfrom = \"usr\"\nto = \"/usr\"\n[[files]]\nfrom = \"lib\"\nto = \"/app\"\n[process]\nentrypoint = [\"/usr/bin/python3\", \"/srv/main.py\"]\nenv = { PYTHONPATH = \"/app/site\" }\n".to_owned();
    let sandbox = Sandbox::of(&recipe);
    std::fs::create_dir_all(sandbox.path("usr/bin")).unwrap();
    std::fs::copy(sandbox.path("app"), sandbox.path(&format!("usr/bin/python{version}"))).unwrap();
    symlink(format!("python{version}"), sandbox.path("usr/bin/python3")).unwrap();
    sandbox.write(&format!("usr/lib/{loader}"), b"");
    sandbox.write("lib/main.py", b"");
    sandbox
}

fn run(sandbox: &Sandbox) -> Ran {
    sandbox.run(&["build", "-o", "oci:out", "--format", "json"])
}

#[test]
fn python_modules_for_another_interpreter_are_told() {
    let sandbox = python("3.13", "ld-linux-x86-64.so.2");
    sandbox.write("lib/other/_fast.cpython-311-x86_64-linux-gnu.so", b"");
    sandbox.write("lib/other/_slow.cpython-311-x86_64-linux-gnu.so", b"");
    sandbox.write("lib/other/_both.cpython-311-x86_64-linux-gnu.so", b"");
    sandbox.write("lib/other/_both.cpython-313-x86_64-linux-gnu.so", b"");
    sandbox.write("lib/other/_good.abi3.so", b"");
    sandbox.write("lib/other/_musl.cpython-313-x86_64-linux-musl.so", b"");
    let wheel = |name: &str, tag: &str| {
        sandbox.write(&format!("lib/site/{name}.dist-info/WHEEL"), format!("Wheel-Version: 1.0\nTag: {tag}\n").as_bytes());
    };
    wheel("pure-1", "py3-none-any");
    wheel("right-1", "cp313-cp313-manylinux_2_17_x86_64\nTag: cp313-cp313-manylinux2014_x86_64");
    wheel("stable-1", "cp39-abi3-manylinux_2_17_x86_64");
    wheel("alpine-1", "cp313-cp313-musllinux_1_2_x86_64");
    let ran = run(&sandbox).succeeds();
    assert_eq!(
        found(&ran, "python-abi"),
        [
            "warning: 2 Python modules are built for CPython 3.11, and the image has CPython 3.13: `/app/other/_fast.cpython-311-x86_64-linux-gnu.so`",
            "warning: 2 Python modules are built for x86_64 with musl, and the image has x86_64 with glibc: `/app/other/_musl.cpython-313-x86_64-linux-musl.so`",
        ]
    );
    assert!(ran.err.contains("--python-version 3.13 --only-binary :all: --platform manylinux_2_28_x86_64"), "{}", ran.err);
    // Where the entrypoint imports it, it is an error, unless the recipe knows better.
    let module = "site/numpy/core/_math.cpython-311-x86_64-linux-gnu.so";
    sandbox.write(&format!("lib/{module}"), b"");
    wheel("numpy-1", "cp311-cp311-manylinux_2_17_x86_64");
    run(&sandbox).fails(
        1,
        &[
            "a Python module is built for CPython 3.11, and the image has CPython 3.13",
            &format!("/app/{module}`, in a folder from which the entrypoint imports"),
            "needs = \"CPython 3.11\"",
        ],
    );
    let text = sandbox.read("hardened.toml");
    let waiver = "[[unproved]]\npath = \"/app/site/**\"\nneeds = \"CPython 3.*\"\nreason = \"has a substitute\"\n";
    sandbox.write("hardened.toml", format!("{text}{waiver}").as_bytes());
    let ran = run(&sandbox).succeeds();
    assert!(!ran.err.contains("_math") && !ran.err.contains("has no effect"), "{}", ran.err);
}

#[test]
fn a_module_with_its_source_beside_it_is_a_warning() {
    let sandbox = python("3.12", "ld-linux-x86-64.so.2");
    sandbox.write("lib/site/black/__init__.cpython-310-x86_64-linux-gnu.so", b"");
    sandbox.write("lib/site/black/__init__.py", b"");
    let ran = run(&sandbox).succeeds();
    assert_eq!(found(&ran, "python-abi").len(), 1, "{}", ran.err);
}

#[test]
fn an_interpreter_is_found_behind_options_of_launchers() {
    let sandbox = python("3.13", "ld-linux-x86-64.so.2");
    for launcher in ["tini", "env"] {
        std::fs::copy(sandbox.path("app"), sandbox.path(&format!("usr/bin/{launcher}"))).unwrap();
    }
    sandbox.write("lib/_fast.cpython-311-x86_64-linux-gnu.so", b"");
    let text = sandbox.read("hardened.toml");
    for entrypoint in
        ["tini -p SIGTERM -- python3 /app/main.py", "env -u X python3 /app/main.py", "tini -- env -C /app python3 -W ignore main.py"]
    {
        let words: Vec<String> = entrypoint.split(' ').map(|word| format!("{word:?}")).collect();
        let text = text.replace("\"/usr/bin/python3\", \"/srv/main.py\"", &words.join(", "));
        sandbox.write("hardened.toml", text.as_bytes());
        run(&sandbox).fails(1, &["/app/_fast.cpython-311-x86_64-linux-gnu.so`, in a folder from which the entrypoint imports"]);
    }
}

/// A sandbox with a Node.js of this version in `/opt`, and `server.js` and `node_modules` in `/app`.
fn node(version: &str) -> Sandbox {
    let recipe = format!(
        "[image]\nname = \"registry.example.no/shop/api\"\n[base]\nstatic = true\n[[files]]\nfrom = \"app\"\nto = \"/opt/node-v{version}-linux-x64/bin/node\"\n[[files]]\nfrom = \"lib\"\nto = \"/app\"\n[process]\nentrypoint = [\"/opt/node-v{version}-linux-x64/bin/node\", \"/app/server.js\"]\n"
    );
    let sandbox = Sandbox::of(&recipe);
    sandbox.write("lib/server.js", b"");
    sandbox
}

#[test]
fn native_modules_for_another_node_are_told() {
    let sandbox = node("18.20.1");
    let elsewhere = |name: &str| sandbox.write(&format!("lib/../other/{name}"), b"");
    let text = sandbox.read("hardened.toml");
    std::fs::create_dir_all(sandbox.path("other")).unwrap();
    elsewhere("a/prebuilds/linux-x64/node.abi115.node");
    elsewhere("a/prebuilds/darwin-x64/node.abi108.node");
    elsewhere("b/prebuilds/linux-x64/node.abi115.node");
    elsewhere("b/prebuilds/linux-x64/node.abi108.node");
    elsewhere("c/prebuilds/linux-x64/node.napi.node");
    elsewhere("d/prebuilds/linux-x64/node.abi115.node");
    elsewhere("d/build/Release/d.node");
    elsewhere("e/lib/binding/node-v93-linux-x64/e.node");
    let more = "[[files]]\nfrom = \"other\"\nto = \"/srv/other\"\n";
    sandbox.write("hardened.toml", format!("{text}{more}").as_bytes());
    let ran = run(&sandbox).succeeds();
    assert_eq!(
        found(&ran, "node-abi"),
        [
            "warning: a native module is built for Node.js 16 (ABI 93), and the image has Node.js 18 (ABI 108): `/srv/other/e/lib/binding/node-v93-linux-x64/e.node`",
            "warning: a native module is built for Node.js 20 (ABI 115), and the image has Node.js 18 (ABI 108): `/srv/other/a/prebuilds/linux-x64/node.abi115.node`",
        ]
    );
    sandbox.write("lib/node_modules/sqlite/prebuilds/linux-x64/node.abi115.node", b"");
    run(&sandbox).fails(1, &["built for Node.js 20 (ABI 115), and the image has Node.js 18 (ABI 108)", "needs = \"node-v115\"", "npm ci"]);
}

/// A sandbox with these links and files, and entries that pack some of them.
fn links(links: &[(&str, &str)], files: &[&str], entries: &str) -> Sandbox {
    let sandbox = Sandbox::of(&format!("{}{entries}", recipe("static = true")));
    for file in files {
        sandbox.write(file, b"x");
    }
    for (link, target) in links {
        std::fs::create_dir_all(sandbox.path(link).parent().unwrap()).unwrap();
        symlink(target, sandbox.path(link)).unwrap();
    }
    sandbox
}

fn entry(from: &str, to: &str) -> String {
    format!("[[files]]\nfrom = \"{from}\"\nto = \"{to}\"\n")
}

#[test]
fn links_into_a_store_that_is_not_packed_are_told() {
    let store = "node_modules/.pnpm/express@4.18.2/node_modules/express";
    let other = "node_modules/.pnpm/ms@2.0.0/node_modules/ms";
    let sandbox = links(
        &[
            ("packages/api/node_modules/express", &format!("../../../{store}")),
            ("packages/api/node_modules/ms", &format!("../../../{other}")),
        ],
        &[&format!("{store}/index.js"), &format!("{other}/index.js"), "packages/api/server.js"],
        &entry("packages/api", "/srv/packages/api"),
    );
    let ran = run(&sandbox).succeeds();
    assert_eq!(
        found(&ran, "dangling-link"),
        [format!(
            "warning: 2 links into pnpm's store, the first: `/srv/packages/api/node_modules/express` leads to `/srv/{store}`, in the project `{store}`, which is not in the image"
        )]
    );
    let hint = "add a `[[files]]` entry with `from = \"node_modules/.pnpm\"` and `to = \"/srv/node_modules/.pnpm\"`";
    assert!(ran.err.contains(hint) && !ran.err.contains("follow"), "{}", ran.err);
    // What the hint says is enough.
    let text = sandbox.read("hardened.toml");
    sandbox.write("hardened.toml", format!("{text}{}", entry("node_modules/.pnpm", "/srv/node_modules/.pnpm")).as_bytes());
    assert!(found(&run(&sandbox).succeeds(), "dangling-link").is_empty());
}

#[test]
fn links_to_packages_of_a_workspace_are_told() {
    let sandbox = links(
        &[
            ("node_modules/@shop/lib", "../../packages/lib"),
            ("node_modules/@shop/ui", "../../packages/ui"),
            ("node_modules/.bin/ui", "../@shop/ui/cli.js"),
            ("node_modules/.bin/gone", "../gone/cli.js"),
            ("node_modules/here", "real"),
        ],
        &["packages/lib/index.js", "packages/ui/cli.js", "node_modules/real/index.js"],
        &entry("node_modules", "/app2/node_modules"),
    );
    let ran = run(&sandbox).succeeds();
    let messages = found(&ran, "dangling-link");
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0].starts_with("warning: 3 links to packages of the workspace, the first: `/app2/node_modules/.bin/ui`"),
        "{messages:?}"
    );
    for name in ["lib", "ui"] {
        let hint = format!("`from = \"packages/{name}\"` and `to = \"/app2/packages/{name}\"`");
        assert!(ran.err.contains(&hint), "{}", ran.err);
    }
    let text = sandbox.read("hardened.toml");
    let more = [entry("packages/lib", "/app2/packages/lib"), entry("packages/ui", "/app2/packages/ui")].concat();
    sandbox.write("hardened.toml", format!("{text}{more}").as_bytes());
    assert!(found(&run(&sandbox).succeeds(), "dangling-link").is_empty());
}

#[test]
fn the_python_of_a_virtual_environment_is_told() {
    let sandbox = links(
        &[(".venv/bin/python", "/opt/nowhere/python3.13"), (".venv/bin/python3", "python")],
        &[".venv/pyvenv.cfg", ".venv/lib/python3.13/site-packages/a.py"],
        &entry(".venv", "/srv/venv"),
    );
    let ran = run(&sandbox).succeeds();
    assert_eq!(found(&ran, "dangling-link").len(), 1, "{}", ran.err);
    assert!(ran.err.contains("`/srv/venv/bin/python` leads to `/opt/nowhere/python3.13`"), "{}", ran.err);
    assert!(ran.err.contains("PYTHONPATH = \"/srv/venv/lib/python3.13/site-packages\"") && !ran.err.contains("follow"), "{}", ran.err);
}

#[test]
fn a_link_by_a_path_of_this_machine_is_told_as_that() {
    let sandbox = links(&[], &["packages/lib/index.js", "node_modules/x.js"], &entry("node_modules", "/srv/node_modules"));
    symlink(sandbox.path("packages/lib"), sandbox.path("node_modules/lib")).unwrap();
    let ran = run(&sandbox).succeeds();
    assert!(ran.err.contains("make the link relative, and pack `packages/lib` at the path to which the link then points"), "{}", ran.err);
    assert!(!ran.err.contains("to = "), "{}", ran.err);
}

#[test]
fn what_is_left_out_of_its_own_entry_is_told_as_that() {
    let sandbox = links(
        &[("tree/current", "releases/2"), ("tree/node_modules/.bin/tsc", "../typescript/tsc")],
        &["tree/releases/2/a", "tree/node_modules/typescript/tsc"],
        &format!("{}exclude = [\"releases\", \"typescript\"]\n", entry("tree", "/srv")),
    );
    let ran = run(&sandbox).succeeds();
    assert!(ran.err.contains("`tree/releases/2` is left out of the same entry: take it out of `exclude`"), "{}", ran.err);
    let told = found(&ran, "dangling-link");
    assert_eq!((told.len(), ran.err.contains("tsc")), (2, false), "commands are told with `-v` only: {told:?}");
}

#[test]
fn of_a_variable_that_the_base_has_twice_the_last_value_is_put_in() {
    let registry = TestRegistry::start();
    let mut image = Image::new("amd64");
    image.config["config"]["Env"] = json!(["PATH=/first", "A=1", "PATH=/last"]);
    image.tag(&registry, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", registry.host()));
    let text = sandbox.read("hardened.toml");
    sandbox.write("hardened.toml", format!("{text}env = {{ PATH = \"/app/bin:{{image.env.PATH}}\" }}\n").as_bytes());
    run(&sandbox).succeeds();
    let environment = config(&sandbox)["Env"].as_array().unwrap().clone();
    let paths: Vec<_> = environment.iter().filter(|line| line.as_str().unwrap().starts_with("PATH=")).collect();
    assert_eq!(paths, ["PATH=/app/bin:/last"]);
}

#[test]
fn each_platform_gets_the_variables_of_its_own_base() {
    let registry = TestRegistry::start();
    let base = |architecture: &str| {
        let mut image = Image::new(architecture);
        image.config["config"]["Env"] = json!([format!("ROOT=/opt/{architecture}")]);
        image
    };
    let (amd64, arm64) = (base("amd64"), base("arm64"));
    index(&[("amd64", &amd64), ("arm64", &arm64)], INDEX, &registry, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", registry.host()));
    let text = sandbox.read("hardened.toml").replace("from = \"app\"", "from = \"app-{platform.arch}\"");
    std::fs::copy(sandbox.path("app"), sandbox.path("app-amd64")).unwrap();
    sandbox.write("app-arm64", &program(183));
    sandbox.executable("app-arm64");
    sandbox.write("hardened.toml", format!("{text}env = {{ TOOLS = \"{{image.env.ROOT}}/bin\", X = \"$ROOT\" }}\n").as_bytes());
    let ran = sandbox.run(&["build", "--platform", "linux/amd64,linux/arm64", "-o", "oci:out"]).succeeds();
    // What is the same for both platforms is told once.
    assert_eq!(ran.err.matches("`process.env.X` holds `$ROOT`").count(), 1, "{}", ran.err);
    let images = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"].clone();
    for (image, architecture) in images.as_array().unwrap().iter().zip(["amd64", "arm64"]) {
        let environment = image["config"]["config"]["Env"].to_string();
        assert!(environment.contains(&format!("TOOLS=/opt/{architecture}/bin")), "{environment}");
    }
}

#[test]
fn files_of_a_base_that_give_away_rights_are_told() {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, mode, content) in [
        ("etc/passwd", tar::EntryType::Regular, 0o644, "nonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n"),
        ("etc/group", tar::EntryType::Regular, 0o644, "nonroot:x:65532:\n"),
        ("tmp/", tar::EntryType::Directory, 0o1777, ""),
        ("srv/open/", tar::EntryType::Directory, 0o777, ""),
        ("srv/notes", tar::EntryType::Regular, 0o666, "x"),
        ("bin/raise", tar::EntryType::Regular, 0o4755, "x"),
        ("bin/plain", tar::EntryType::Regular, 0o755, "x"),
        ("srv/marked", tar::EntryType::Regular, 0o4644, "x"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let test = TestRegistry::start();
    Image::of("amd64", tar.into_inner().unwrap()).tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    let ran = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds();
    assert_eq!(
        found(&ran, "open-modes"),
        [
            "note: the base has 2 files that all users may write to: `/srv/notes`, `/srv/open`",
            "note: the base has 1 file with set-user-ID, set-group-ID or capabilities (more rights than those of the user): `/bin/raise`",
        ]
    );
}
