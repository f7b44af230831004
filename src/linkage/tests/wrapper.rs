//! Which program is behind a script whose shell is not in the image.

use serde_json::json;

use super::*;

fn image(script: &str, text: &str) -> Image {
    Image::glibc().set("PATH", "/usr/bin").with(script, text.as_bytes()).starts(&[&format!("/{script}")])
}

#[test]
fn the_program_behind_a_wrapper_is_named() {
    let app = program(&["libc.so.6"]);
    let wrapper = "#!/bin/sh\nLIB=/usr/lib/app\nexport APP_HOME=$LIB\nexec $LIB/app.bin \"$@\"\n";
    image("usr/bin/app", wrapper).elf("usr/lib/app/app.bin", &app).refused(&[
        "the entrypoint `/usr/bin/app` needs the interpreter `/bin/sh`, which is not in the image",
        "`/usr/bin/app` is a wrapper that starts `/usr/lib/app/app.bin`",
        "write `\"/usr/lib/app/app.bin\"` in place of `\"/usr/bin/app\"`, and `env = { APP_HOME = \"/usr/lib/app\" }` as the wrapper sets them",
    ]);
    // A program is named only where it is there, and a wrapper of a wrapper is followed.
    let faults = image("usr/bin/app", wrapper).prove().unwrap_err();
    assert!(faults.len() == 1 && !faults[0].contains("wrapper"), "{faults:?}");
    let chain = image("usr/bin/more", "#!/bin/bash\nexec app --more \"$@\"\n").with("usr/bin/app", wrapper.as_bytes());
    chain.elf("usr/lib/app/app.bin", &app).refused(&[
        "`/usr/bin/more` is a wrapper that starts `/usr/lib/app/app.bin`",
        "write `\"/usr/lib/app/app.bin\", \"--more\"` in place of `\"/usr/bin/more\"`",
    ]);
    let partly = image("usr/bin/app", "#!/bin/sh\nexec java $OPTIONS -jar app.jar\n").elf("usr/bin/java", &app);
    partly.refused(&["write `\"/usr/bin/java\"` in place of `\"/usr/bin/app\"`, with the other arguments"]);
    let round = image("usr/bin/a", "#!/bin/sh\nexec b\n").with("usr/bin/b", b"#!/bin/sh\nexec a\n").prove().unwrap_err();
    assert!(!round[0].contains("wrapper"), "{round:?}");
    // Where the shell is there, the shell is what is started.
    image("usr/bin/app", wrapper).elf("bin/sh", &app).reaches(&["/bin/sh"]);
    let check = image("usr/bin/app", wrapper).elf("usr/lib/app/app.bin", &app).starts(&["/usr/lib/app/app.bin"]);
    check
        .setting("Healthcheck", json!({"Test": ["CMD", "app"]}))
        .refused(&["write `\"/usr/lib/app/app.bin\"` in place of `\"app\"`", "`process.healthcheck`"]);
}

#[test]
fn wrappers_that_are_well_known_need_not_be_read() {
    let app = program(&["libc.so.6"]);
    let behind = |script: &str, program: &str, text: &str| {
        image(script, text).elf(program, &app).refused(&[&format!("is a wrapper that starts `/{program}`")]);
    };
    behind("usr/bin/chromium", "usr/lib/chromium/chromium", "#!/bin/sh\ncase x in esac\n");
    behind("usr/lib/libreoffice/program/soffice", "usr/lib/libreoffice/program/soffice.bin", "#!/bin/sh\n");
    behind("usr/sbin/apache2ctl", "usr/sbin/apache2", "#!/bin/sh\n$HTTPD \"$@\"\n");
    behind("usr/lib/erlang/bin/erl", "usr/lib/erlang/erts-15.2.7/bin/erlexec", "#!/bin/sh\n");
    // `psql` is a link to a Perl program that all commands share.
    let psql = image("usr/share/postgresql-common/pg_wrapper", "#!/usr/bin/perl\n")
        .with("usr/bin/psql", b">../share/postgresql-common/pg_wrapper");
    let psql = psql.elf("usr/lib/postgresql/15/bin/psql", &app).elf("usr/lib/postgresql/17/bin/psql", &app).starts(&["psql", "-l"]);
    psql.refused(&[
        "the entrypoint `psql` needs the interpreter `/usr/bin/perl`",
        "is a wrapper that starts `/usr/lib/postgresql/17/bin/psql`",
    ]);
}

#[test]
fn a_missing_shell_is_told_with_both_ways_out() {
    let app = program(&["libc.so.6"]);
    let script = "#!/bin/sh\nexec /app/server --port 80\n";
    image("app/start.sh", script).elf("app/server", &app).refused(&[
        "`/app/start.sh` is a wrapper that starts `/app/server`",
        "write `\"/app/server\", \"--port\", \"80\"` in place of `\"/app/start.sh\"`",
        "or add `/bin/sh` by its package: `packages = [\"dash\"]` in `base.debian`",
    ]);
    image("app/start.sh", "#!/bin/sh\nset -e\nexec node server.js\n").refused(&[
        "needs the interpreter `/bin/sh`, which is not in the image",
        "`/app/start.sh` would start `node`",
        "name the program `node` in place of the script",
        "or add `/bin/sh` by its package",
    ]);
    // What a package does not have is not told so.
    let other = image("app/start.x", "#!/opt/shell\n").prove().unwrap_err();
    assert!(!other[0].contains("packages") && other[0].contains("choose a base that has `/opt/shell`"), "{other:?}");
}

#[test]
fn the_python_of_a_virtual_environment_is_not_in_it() {
    let environment = || {
        Image::glibc()
            .with("app/.venv/pyvenv.cfg", b"home = /usr/bin")
            .with("app/.venv/bin/python", b">/home/dev/python3.13")
            .with("app/.venv/lib/python3.13/site-packages", b">x")
            .with("app/.venv/bin/gunicorn", b"#!/home/dev/app/.venv/bin/python3\n")
    };
    let hint = "with `env = { PYTHONPATH = \"/app/.venv/lib/python3.13/site-packages\" }`";
    environment().starts(&["/app/.venv/bin/python"]).refused(&["it leads to `/home/dev/python3.13`", hint]);
    environment().starts(&["/app/.venv/bin/gunicorn"]).refused(&["needs the interpreter `/home/dev/app/.venv/bin/python3`", hint]);
}
