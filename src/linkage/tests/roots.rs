//! What is proved: the programs that an image starts, and what they reach.

use serde_json::json;

use super::*;

const LIBC: &[&str] = &["libc.so.6"];

/// An image with launchers, and a program that is complete and one that is not.
fn image() -> Image {
    let mut image = Image::glibc().set("PATH", "/usr/bin").elf("opt/app", &program(LIBC)).elf("opt/bad", &program(&["libssl.so.3"]));
    for launcher in ["tini", "dumb-init", "catatonit", "env"] {
        image = image.elf(&format!("usr/bin/{launcher}"), &program(LIBC));
    }
    image
}

#[test]
fn launchers_lead_to_the_program_behind_them() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for line in [
        "tini -g -- /opt/bad",
        "/usr/bin/tini -p SIGTERM /opt/bad x",
        "dumb-init -r 15:3 -- /opt/bad",
        "catatonit -g -- /opt/bad",
        "env A=1 B=2 /opt/bad",
        "env -i -C /opt ./bad",
        "env -S PATH=/opt bad",
        "env PATH=/opt:/bin bad",
        "tini -- dumb-init -c env A=1 PATH=/opt bad",
    ] {
        let line = words(line);
        let refused = |image: Image| image.refused(&["`/opt/bad` needs the library `libssl.so.3`", "→ `/opt/bad`"]);
        refused(image().setting("Entrypoint", json!(line)));
        // The command goes on where the entrypoint ends, and may be all there is.
        refused(image().setting("Entrypoint", json!(line[..1])).setting("Cmd", json!(line[1..])));
        refused(image().setting("Entrypoint", json!([])).setting("Cmd", json!(line)));
    }
    image().starts(&["tini", "--", "/opt/app"]).reaches(&["/usr/bin/tini", "/opt/app"]);
    // What follows an unknown program are its arguments.
    image().starts(&["/opt/app", "/opt/bad"]).reaches(&["/opt/app"]);
    image().starts(&["tini", "/opt/app", "env", "/opt/bad"]).reaches(&["/opt/app"]);
    // A launcher is known by its file as well, and by the name of a link.
    let linked = image().with("init", b">usr/bin/tini").elf("usr/bin/coreutils", &program(LIBC)).with("bin/env", b">../usr/bin/coreutils");
    linked.clone().starts(&["/init", "/opt/bad"]).refused(&["libssl.so.3"]);
    linked.starts(&["/bin/env", "/opt/bad"]).refused(&["libssl.so.3"]);
}

#[test]
fn what_is_started_is_listed_with_its_paths_and_arguments() {
    let image = image().with("usr/bin/tool", b">../../opt/app").setting("WorkingDir", json!("/work"));
    let listed = |image: &Image| {
        let line = |program: &StartedProgram| {
            let StartedProgram { named, real, arguments, directory } = program;
            format!("{directory}: {named} ({real}) {}", arguments.join(" "))
        };
        image.prove().unwrap().started.iter().map(line).collect::<Vec<_>>()
    };
    let behind_options = image.clone().starts(&["tini", "-p", "SIGTERM", "--", "env", "-C", "/opt", "-u", "X", "tool", "-x"]);
    assert_eq!(
        listed(&behind_options),
        [
            "/work: /usr/bin/tini (/usr/bin/tini) -p SIGTERM -- env -C /opt -u X tool -x",
            "/work: /usr/bin/env (/usr/bin/env) -C /opt -u X tool -x",
            "/opt: /usr/bin/tool (/opt/app) -x",
        ]
    );
    let script = |line: &str| image.clone().with("work/start", format!("#!{line}\n").as_bytes()).starts(&["./start", "a b"]);
    assert_eq!(
        listed(&script("/usr/bin/env -S tool -x")),
        [
            "/work: /work/start (/work/start) a b",
            "/work: /usr/bin/env (/usr/bin/env) -S tool -x /work/start a b",
            "/work: /usr/bin/tool (/opt/app) -x /work/start a b",
        ]
    );
    assert_eq!(listed(&script("/usr/bin/tool -x -y"))[1..], ["/work: /usr/bin/tool (/opt/app) -x -y /work/start a b"]);
    // A health check is no part of it.
    let check = image.clone().starts(&["tool"]).setting("Healthcheck", json!({"Test": ["CMD", "/opt/app"]}));
    assert_eq!(listed(&check), ["/work: /usr/bin/tool (/opt/app) "]);
    // `env` would start the script again, which starts `env`.
    script("/usr/bin/env env").refused(&["a chain of more than 16 programs"]);
}

#[test]
fn a_launcher_without_its_program_is_refused() {
    image().starts(&["tini", "--"]).refused(&["the entrypoint `tini` names no program after `tini`"]);
    image().starts(&["tini", "--", "app"]).refused(&["the entrypoint `tini` starts `app`, which is in no folder of PATH, `/usr/bin`"]);
    image()
        .starts(&["tini", "env", "A=1", "/gone"])
        .refused(&["the entrypoint `tini` starts `env`, which starts `/gone`, which is not in the image"]);
    image().setting("Entrypoint", json!([])).setting("Cmd", json!(["/gone"])).refused(&["the command `/gone` is not in the image"]);
    image().starts(&["tini"; 40]).refused(&["a chain of more than 16 programs"]);
    // What is not known is not taken for proved.
    let proof = image().starts(&["tini", "--new", "/opt/bad"]).reaches(&["/usr/bin/tini"]);
    let unproved = proof.tallies(Level::Unproved);
    assert_eq!(unproved[0].to_string(), "`/usr/bin/tini` gives `tini` the option `--new`, which hardened does not know");
    image().starts(&["env", "A=1"]).reaches(&["/usr/bin/env"]);
}

#[test]
fn variables_that_env_sets_count_for_its_program() {
    let image = || image().elf("own/libssl.so.3", &library("libssl.so.3", &[]));
    image().starts(&["env", "LD_LIBRARY_PATH=/own", "/opt/bad"]).reaches(&["/own/libssl.so.3"]);
    let set = || image().set("LD_LIBRARY_PATH", "/own");
    set().starts(&["/opt/bad"]).reaches(&["/own/libssl.so.3"]);
    set().starts(&["env", "-i", "/opt/bad"]).refused(&["libssl.so.3"]);
    set().starts(&["env", "-u", "LD_LIBRARY_PATH", "/opt/bad"]).refused(&["libssl.so.3"]);
    image().starts(&["env", "LD_PRELOAD=/own/libssl.so.3", "/opt/app"]).reaches(&["/own/libssl.so.3"]);
    image().starts(&["env", "LD_PRELOAD=libgone.so", "/opt/app"]).refused(&["`LD_PRELOAD` names the library `libgone.so`"]);
}

#[test]
fn the_program_of_the_health_check_is_proved() {
    let with = |test: serde_json::Value| image().starts(&["/opt/app"]).setting("Healthcheck", json!({"Test": test}));
    with(json!(["CMD", "/opt/app", "check"])).reaches(&["/opt/app"]);
    with(json!(["NONE"])).reaches(&["/opt/app"]);
    with(json!(["CMD", "curl", "-f"])).refused(&["the health check's program `curl` is in no folder of PATH", "`process.healthcheck`"]);
    with(json!(["CMD", "/opt/bad"])).refused(&["the health check could not run: `/opt/bad` needs the library `libssl.so.3`"]);
    with(json!(["CMD", "env", "A=1", "/opt/bad"])).refused(&["the health check could not run: `/opt/bad` needs"]);
    with(json!(["CMD-SHELL", "curl -f x || exit 1"]))
        .refused(&["the health check is a shell command, and `/bin/sh` is not in the image", "`base.inherit`"]);
    with(json!(["CMD-SHELL", "true"])).elf("bin/sh", &program(LIBC)).reaches(&["/bin/sh"]);
    // Each command is proved, whatever became of the other.
    let faults = with(json!(["CMD", "/no"])).starts(&["/gone"]).prove().unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn each_library_of_ld_preload_is_proved() {
    let hook = library("libhook.so.1", &["libdeep.so.2"]);
    let with = |preload: &str| image().starts(&["/opt/app"]).set("LD_PRELOAD", preload).elf("own/libhook.so.1", &hook);
    let deep = || with("/own/libhook.so.1").elf("usr/lib/libdeep.so.2", &library("libdeep.so.2", &[]));
    deep().reaches(&["/own/libhook.so.1", "/usr/lib/libdeep.so.2", "/opt/app"]);
    with("/own/libhook.so.1").refused(&["`/own/libhook.so.1` needs the library `libdeep.so.2`", "(`/opt/app` → `/own/libhook.so.1`)"]);
    with("libhook.so.1").refused(&["`LD_PRELOAD` names the library `libhook.so.1`", "it is at `/own/libhook.so.1`", "write this path"]);
    deep().set("LD_PRELOAD", "libhook.so.1").set("LD_LIBRARY_PATH", "/own").reaches(&["/own/libhook.so.1"]);
    with("libssl.so.3")
        .refused(&["`LD_PRELOAD` names the library `libssl.so.3`, which is not in the image", "the package `libssl3t64` has it"]);
    let faults = deep().set("LD_PRELOAD", "/gone/a.so:libb.so  /own/libhook.so.1").prove().unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
    // Several programs are one fault, and one that is linked statically leaves it a fault.
    with("libno.so").starts(&["tini", "--", "/opt/app"]).refused(&["`LD_PRELOAD` names the library `libno.so`"]);
    let alone = with("libno.so").elf("opt/static", &Elf { machine: 62, ..Elf::default() }).starts(&["/opt/static"]);
    alone.refused(&["`LD_PRELOAD` names the library `libno.so`"]);
    deep().elf("opt/static", &Elf { machine: 62, ..Elf::default() }).starts(&["/opt/static"]).reaches(&["/usr/lib/libdeep.so.2"]);
    with("libno.so").waive("/opt/app", "libno.so").reaches(&["/opt/app"]);
}

#[test]
fn what_nothing_reaches_is_a_warning_that_names_the_package() {
    let mut image = Image::glibc().elf("opt/app", &program(LIBC)).starts(&["/opt/app"]);
    image = image.elf("usr/lib/plugins/gl.so", &library("gl.so", &["libssl.so.3"]));
    image = image.elf("usr/bin/tool", &program(&["libssl.so.3", "libother.so.1"])).with("usr/bin/script", b"#!/bin/sh\n");
    let names = ["usr/lib/plugins/gl.so", "usr/bin/tool", "usr/bin/script", "opt/app"];
    image.package_files = names.iter().map(|path| ImagePath::new(path.as_bytes()).unwrap()).collect();
    let proof = image.reaches(&["/opt/app"]);
    let warnings: Vec<_> = proof.tallies(Level::Warning).into_iter().map(|tally| (tally.to_string(), tally.package)).collect();
    assert_eq!(
        warnings,
        [
            ("`libssl.so.3` is not in the image; needed by `/usr/bin/tool` and `/usr/lib/plugins/gl.so`".to_owned(), Some("libssl3t64")),
            ("`libother.so.1` is not in the image; needed by `/usr/bin/tool`".to_owned(), None),
        ]
    );
    assert_eq!(proof.tallies(Level::Information).len(), 1, "{proof:?}");
    // What is reached is an error all the same.
    image.clone().starts(&["/usr/bin/tool"]).prove().expect_err("the program misses libraries");
    let waived = image.waive("/usr/**", "lib*").reaches(&[]);
    assert_eq!((waived.tallies(Level::Warning).len(), waived.tallies(Level::Waived).len()), (0, 2), "{waived:?}");
}
