//! What messages say of letters, numbers, points in time and faults without a location of their own.

use hardened::diagnostic::Diagnostic;
use hardened::recipe::{RecipeText, read};

use crate::{Fixed, GOOD};

/// Checks the faults of a recipe: message, marked text and label, and hints of each.
fn told(text: &[u8], expected: &[&str]) {
    let Err(found) = read(RecipeText::of_bytes("r", text), &Fixed) else { panic!("no fault") };
    let told = |fault: &Diagnostic| {
        let located = fault.location.as_ref().map(|(span, label)| {
            let (line, column) = span.line_and_column();
            let marked = &span.source.text[span.range.clone()];
            format!("{line}:{column} <{}> {label}", marked.chars().take(30).collect::<String>())
        });
        format!("{} | {} | {}", fault.message, located.unwrap_or_default(), fault.hints.join(" "))
    };
    let found: Vec<String> = found.iter().map(told).collect();
    assert_eq!(found, expected, "\n{}", String::from_utf8_lossy(text));
}

#[test]
fn a_letter_that_looks_like_another_is_named() {
    for (from, to, expected) in [
        (
            "name =",
            "n\u{430}me =",
            "not TOML: `n\u{430}me` has characters that only look like others | 2:1 <n\u{430}me> looks like another | write `name`: character 2, \
             `\u{430}`, is U+0430 (Cyrillic), not `a`",
        ),
        (
            "name =",
            "\"n\u{430}m\u{435}\" =",
            "unknown key `n\u{430}m\u{435}` in `[image]` | 2:1 <\"n\u{430}m\u{435}\"> not a key here | write `name`: character 2, `\u{430}`, is \
             U+0430 (Cyrillic), not `a`; character 4, `\u{435}`, is U+0435 (Cyrillic), not `e`",
        ),
        (
            "[base]",
            "[b\u{ff41}se]",
            "not TOML: `b\u{ff41}se` has characters that only look like others | 3:2 <b\u{ff41}se> looks like another | write `base`: character 2, \
             `\u{ff41}`, is U+FF41 (full-width), not `a`",
        ),
        (
            "static = true",
            "static \u{ff1d} true",
            "not TOML: `\u{ff1d}` has characters that only look like others | 4:8 <\u{ff1d}> looks like another | write `=`: character 1, `\u{ff1d}`, \
             is U+FF1D (full-width), not `=`",
        ),
        (
            "name = \"a.example/b\"",
            "name = \u{201c}a.example/b\u{201d}",
            "not TOML: `\u{201c}a.example/b\u{201d}` has characters that only look like others | 2:8 <\u{201c}a.example/b\u{201d}> looks like another | \
             write `\"a.example/b\"`: character 1, `\u{201c}`, is U+201C, not `\"`; character 13, `\u{201d}`, is U+201D, not `\"`",
        ),
        (
            "entrypoint",
            "entry\u{200b}point",
            "not TOML: `entry\\u{200b}point` has characters that only look like others | 6:1 <entry\u{200b}point> looks like another | write \
             `entrypoint`: character 6 is invisible, U+200B",
        ),
    ] {
        assert!(GOOD.contains(from));
        told(GOOD.replacen(from, to, 1).as_bytes(), &[expected]);
    }
    let words = GOOD.to_owned() + "[layers]\ncompression = \"zst\u{501}\"\n";
    let expected = "`layers.compression` does not take `zst\u{501}` | 8:15 <\"zst\u{501}\"> not an allowed value | write `\"zstd\"`: character 4, \
                    `\u{501}`, is U+0501 (Cyrillic), not `d`";
    told(words.as_bytes(), &[expected]);
}

#[test]
fn what_cannot_be_read_has_a_position() {
    let mut latin = GOOD.as_bytes().to_vec();
    latin.extend(b"[metadata]\ntitle = \"\xc3\xa6\xe6\"\nversion = 1\n");
    let offset = GOOD.len() + 23 - 1;
    let expected = format!(
        "the recipe is not UTF-8: the byte 0xE6 in line 8, column 11, at offset {offset} | 8:11 <\u{fffd}> not UTF-8 | save it as UTF-8: if it is \
         ISO 8859-1, this byte is `\u{e6}`"
    );
    let version = "`metadata.version` takes a string, not a whole number | 9:11 <1> a string, not a whole number | write `version = \"1\"`";
    told(&latin, &[&expected, version]);
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(GOOD.bytes().flat_map(|byte| [byte, 0])).collect();
    let expected = "the recipe is not UTF-8: the byte 0xFF in line 1, column 1, at offset 0 | 1:1 <\u{fffd}> not UTF-8 | it begins as UTF-16 does: save it as UTF-8";
    told(&wide, &[expected]);
    let deep = "the keys and values of a recipe lie at most six levels deep: take the brackets or dots out";
    let keys = GOOD.to_owned() + &vec!["a"; 100].join(".") + " = 1\n[metadata]\ntitle = 1\n";
    let title = "`metadata.title` takes a string, not a whole number | 9:9 <1> a string, not a whole number | write `title = \"1\"`";
    told(keys.as_bytes(), &[&format!("not TOML: nested too deeply | 7:1 <{}> too deep | {deep}", "a.".repeat(15)), title]);
    let values = GOOD.to_owned() + "x = " + &"[".repeat(200);
    told(values.as_bytes(), &[&format!("not TOML: nested too deeply | 7:85 <[> too deep | {deep}")]);
    let large = GOOD.to_owned() + &"#".repeat(1 << 20);
    let expected = format!(
        "the recipe has {} bytes, and at most 1048576 are read |  | put large texts into files, and name them with `from`",
        large.len()
    );
    told(large.as_bytes(), &[&expected]);
}

#[test]
fn a_value_that_is_not_there_is_no_value_of_toml() {
    let hint = "leave the key out, or write an empty text: `\"\"`";
    for (more, written, position) in [
        ("[metadata]\nlabels = { a = null }", "null", "8:16"),
        ("[metadata]\nlabels = { a = \"x\", b = None }", "None", "8:25"),
        ("[metadata]\ntitle = nil", "nil", "8:9"),
        ("command = [\"a\", undefined]", "undefined", "7:17"),
        ("workdir = ~", "~", "7:11"),
    ] {
        let expected = format!("not TOML: there is no `{written}` in it | {position} <{written}> no value | {hint}");
        told((GOOD.to_owned() + more).as_bytes(), &[&expected]);
    }
}

#[test]
fn numbers_are_told_as_they_are_written() {
    for (more, expected) in [
        (
            "[user]\nuid = 99999999999999999999",
            "`user.uid` is 99999999999999999999 | 8:7 <99999999999999999999> out of range | write a number from 1 to 2147483647: `uid = 10001`",
        ),
        (
            "[user]\ngid = 0xFFFF_FFFF_FFFF_FFFF_FF",
            "`user.gid` is 0xFFFF_FFFF_FFFF_FFFF_FF | 8:7 <0xFFFF_FFFF_FFFF_FFFF_FF> out of range | write a number from 1 to 2147483647: `gid = 10001`",
        ),
        (
            "[user]\nuid = 4294967296",
            "`user.uid` is 4294967296 | 8:7 <4294967296> out of range | write a number from 1 to 2147483647: `uid = 10001`",
        ),
        ("[user]\nuid = -1", "`user.uid` is -1 | 8:7 <-1> out of range | write a number from 1 to 2147483647: `uid = 10001`"),
        (
            "[user]\nuid = 1000.0",
            "`user.uid` takes a whole number, not a number with a fraction | 8:7 <1000.0> a whole number, not a number with a fraction | write `uid = 1000`",
        ),
        (
            "[user]\nuid = \"1000\"",
            "`user.uid` takes a whole number, not a string | 8:7 <\"1000\"> a whole number, not a string | write `uid = 1000`",
        ),
        (
            "[user]\nuid = 007",
            "not TOML: unexpected leading zero | 8:7 <0> expected nothing | write a mode as a text, `\"007\"`, and any other number without the zero, `7`",
        ),
        (
            "ports = [99999999999999999999]",
            "`99999999999999999999` is not a port | 7:10 <99999999999999999999> not a port | write a number from 1 to 65535, `8080`, or with a protocol `\"53/udp\"`",
        ),
        (
            "[layers]\nlevel = 99999999999999999999",
            "gzip has no level 99999999999999999999 | 8:9 <99999999999999999999> out of range | write a level from 1 to 12: `level = 5`",
        ),
        (
            "[[directories]]\npath = \"/d\"\nmode = 0o750",
            "`directories.mode` takes a string, not a whole number | 9:8 <0o750> a string, not a whole number | write `mode = \"0750\"`",
        ),
    ] {
        told((GOOD.to_owned() + more).as_bytes(), &[expected]);
    }
    let created = GOOD.replacen("[base]", "created = 99999999999999999999\n[base]", 1);
    told(
        created.as_bytes(),
        &[
            "`image.created` is after the end of the year 9999 | 3:11 <99999999999999999999> too late | write RFC 3339 with a zone, `created = \"2026-11-24T00:00:00Z\"`, or seconds since 1970",
        ],
    );
}

#[test]
fn all_kinds_of_base_are_named() {
    let base = "static = true\nimage = \"a.example/b\"\ndebian = { flavour = \"base\" }";
    let hint = "keep the one that the image starts from";
    told(
        GOOD.replace("static = true", base).as_bytes(),
        &[&format!("`base` has `static`, `image` and `debian` | 5:1 <image> one too many | {hint}")],
    );
    let base = base.to_owned() + "\nlayout = \"x\"";
    told(
        GOOD.replace("static = true", &base).as_bytes(),
        &[&format!("`base` has `static`, `image`, `layout` and `debian` | 5:1 <image> one too many | {hint}")],
    );
}

#[test]
fn only_what_is_really_near_is_proposed() {
    let list = |signal: &str| {
        let text = GOOD.to_owned() + &format!("stop-signal = \"{signal}\"\n");
        let Err(found) = read(RecipeText::parse("r", &text), &Fixed) else { panic!("no fault: {signal}") };
        found[0].hints.join(" ")
    };
    for (signal, near) in [("SIGTREM", "SIGTERM"), ("TERN", "SIGTERM"), ("sigusr3", "SIGUSR1"), ("SIGHUPP", "SIGHUP")] {
        assert_eq!(list(signal), format!("write `stop-signal = \"{near}\"`"));
    }
    for signal in ["SIGFOO", "FOO", "SIG", "SIGXYZ", "65"] {
        assert!(
            list(signal).starts_with("the signals are `SIGHUP`, ") && list(signal).ends_with("numbers from 1 to 64"),
            "{}",
            list(signal)
        );
    }
    let text = GOOD.to_owned() + "command = [\"{platform.foo}\", \"{git.shrt}\"]\n";
    let Err(found) = read(RecipeText::parse("r", &text), &Fixed) else { panic!("no fault") };
    assert!(found[0].hints[0].starts_with("there are ") && found[1].hints[0] == "write `{git.short}`", "{found:?}");
}

#[test]
fn no_fault_hides_behind_another() {
    let text = "[image]\nname = \"a.example/B\"\ntags = [\"a b\", 5, \"{x\"]\n[base]\nstatic = treu\n[user]\nuid = -1\n[[files]]\nfrom = null\n\
                to = \"x\"\n[process]\nentrypoint = [5, \"a\\u0000\"]\nports = [0, true]\nstop-signal = \"X\"\n";
    let Err(found) = read(RecipeText::parse("r", text), &Fixed) else { panic!("no fault") };
    let lines: Vec<usize> = found.iter().filter_map(|fault| Some(fault.location.as_ref()?.0.line_and_column().0)).collect();
    assert_eq!(lines, [2, 3, 3, 3, 5, 7, 9, 10, 12, 12, 13, 13, 14], "{found:#?}");
}
