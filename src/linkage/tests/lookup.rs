//! How a program is found of which only the name is given.

use super::*;

fn image() -> Image {
    Image::glibc().set("PATH", "/one:/two:/three").starts(&["tool"])
}

#[test]
fn a_bare_name_skips_what_cannot_be_executed() {
    let tool = program(&["libc.so.6"]).write();
    let good = |image: Image| image.with("three/tool", &tool).reaches(&["/three/tool"]);
    // A folder, a file without the permission, one that only its owner may execute, and links that lead to nothing or around.
    good(image().with("one/tool/x", b"").with_mode("two/tool", &tool, 0o644));
    let proof = good(image().with_mode("one/tool", &tool, 0o700).with("two/tool", b">/gone"));
    let warning =
        "`/one/tool` is before `/three/tool` in PATH and the user may not execute it: runc built with Go before 1.20 selects it, and fails";
    assert_eq!(proof.tallies(Level::Warning).iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
    good(image().with("one/tool", b">tool").with("two", b">/gone"));
    // A link to what can be executed is as good as that.
    let linked = image().with_mode("one/tool", &tool, 0o600).with("two/tool", b">../opt/tool.1").with("opt/tool.1", &tool);
    linked.with("three/tool", b"no program").reaches(&["/opt/tool.1"]);
    // Only permissions count in the search: what is found first must be a program.
    image().with("one/tool", b"no program").with("three/tool", &tool).refused(&["the entrypoint `tool` is not a program: `/one/tool`"]);
}

#[test]
fn what_was_passed_over_is_named_with_the_reason() {
    let tool = program(&["libc.so.6"]).write();
    image().refused(&["the entrypoint `tool` is in no folder of PATH, `/one:/two:/three`"]);
    image().with("one/tool/x", b"").with_mode("two/tool", &tool, 0o640).with("three/tool", b">/gone").refused(&[
        "the entrypoint `tool` is found in PATH, `/one:/two:/three`, only where the user 65532:65532 may not execute it",
        "`/one/tool` is a folder, `/two/tool` has the mode 0640 and belongs to 0:0, `/three/tool` is a link to `/gone`, which is not in the image",
    ]);
    image().with("one/tool", b">tool").refused(&["is part of a loop of symbolic links"]);
}

#[test]
fn an_empty_folder_of_path_is_the_working_folder() {
    let tool = program(&["libc.so.6"]).write();
    let at_work = |path: &str| Image::glibc().set("PATH", path).setting("WorkingDir", "/work".into()).with("work/tool", &tool);
    // `env` takes it, and runc does not start it.
    for path in [":/usr/bin", "/usr/bin::/opt", "/usr/bin:", "."] {
        let script = at_work(path).elf("usr/bin/env", &program(&[])).with("app/run", b"#!/usr/bin/env tool\n");
        script.reaches(&["/work/tool"]);
        at_work(path).starts(&["tool"]).refused(&["is found at `/work/tool` in a folder of PATH", "that is not absolute: runc refuses it"]);
    }
    at_work("").starts(&["tool"]).refused(&["is in no folder of PATH, ``"]);
    at_work("/work").starts(&["tool"]).reaches(&["/work/tool"]);
    at_work("/usr/bin").starts(&["./tool"]).reaches(&["/work/tool"]);
}
