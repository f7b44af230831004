use hardened::cli::screen::{Colors, render};
use hardened::diagnostic::Diagnostic;
use hardened::recipe::{RecipeText, read};
use proptest::prelude::{ProptestConfig, any, proptest};

use super::{Fixed, GOOD, check, faults};

/// A recipe with nothing but faults, and all of them.
const ALL_FAULTS: (&str, &str) = (
    r#"rot = ".."
[image]
nmae = "x"
tags = "latest"
platforms = ["linux/amd46", "arm64", "linux/arm64", "linux/aarch64"]
entrypoint = ["x"]
[base]
static = true
image = "x"
inherit = ["label"]
[user]
uid = 0
name = "Bad Name"
[[files]]
from = "../x"
to = "app"
mode = "0999"
owner = "me"
[[files]]
text = "a"
[process]
entrypoint = "node server.js --x"
ports = [0, "53/dup", 80, "80/tcp"]
stop_signal = "SIGTERM"
stop-signal = "SIGTEM"
env = { "A=B" = "x", DB_PASSWORD = "y", N = 1 }
[process.healthcheck]
command = []
interval = "30"
[layers]
compression = "gz"
level = 20
[metadata]
title = ""
version = "{env.EMPTY}"
revision = "v{git.revison}"
source = "{git.source}"
zebra = 1
[metadata.labels]
"org.opencontainers.image.title" = "x"
[images]
"#,
    r#"unknown key `rot` in the recipe
  r:1:1 <rot> not a key here
  write `root`
unknown key `nmae` in `[image]`
  r:3:1 <nmae> not a key here
  write `name`
`image.tags` takes a list of strings, not a string
  r:4:8 <"latest"> a list of strings, not a string
  write `tags = ["latest"]`
`linux/amd46` is not a platform: architecture `amd46` is unknown
  r:5:14 <"linux/amd46"> not a platform
  write `linux/amd64`
`arm64` is not a platform: a platform is written `os/architecture` or `os/architecture/variant`
  r:5:29 <"arm64"> not a platform
  write `linux/arm64`
`image.platforms` has `linux/arm64` twice
  r:5:53 <"linux/aarch64"> the second | r:5:38 <"linux/arm64"> the first
  leave one of the two out
unknown key `entrypoint` in `[image]`
  r:6:1 <entrypoint> not a key here
  `entrypoint` is a key of `[process]`
`base` has both `static` and `image`
  r:9:1 <image> one too many | r:8:1 <static> the other
  keep the one that the image starts from
`base.inherit` beside `static`
  r:10:11 <["label"]> nothing to inherit
  remove `inherit`: this base has no such settings
`base.inherit` does not take `label`
  r:10:12 <"label"> not an allowed value
  write `"labels"`
the process would run as root
  r:12:7 <0> this is root
  write another `uid`, 65532 for example, or say why it must be root: `allow-root = "binds port 53, see OPS-12"`
`Bad Name` is not an account's name
  r:13:8 <"Bad Name"> not a name
  write lower-case letters, digits, `_` and `-`, at most 32, beginning with a letter: `name = "app"`
`from` leaves the folder that files are taken from: `../x`
  r:15:8 <"../x"> holds `..`
  write `root = "../.."` at the top of the recipe, and `from` relative to it
`to` is not a path in the image: a path in an image starts with `/`
  r:16:6 <"app"> not absolute
  write `/app`
`0999` is not a mode
  r:17:8 <"0999"> not octal
  write up to four octal digits: `mode = "0644"`
`me` is not an owner
  r:18:9 <"me"> not an owner
  write `"root"`, `"user"` for the one of `[user]`, or numbers: `"10001:10001"`
a `[[files]]` entry has no `to`
  r:19:1 <[[files]]> no `to`
  write `to = "/app"`
`process.entrypoint` takes a list of strings, not a string
  r:22:14 <"node server.js --x"> a list of strings, not a string
  write `entrypoint = ["node", "server.js", "--x"]`
`0` is not a port
  r:23:10 <0> not a port
  write a number from 1 to 65535, `8080`, or with a protocol `"53/udp"`
`dup` is not a protocol
  r:23:13 <"53/dup"> not a protocol
  write `53` for TCP, `"53/udp"` or `"53/sctp"`
`ports` has `80/tcp` twice
  r:23:27 <"80/tcp"> the second | r:23:23 <80> the first
  leave one of the two out
unknown key `stop_signal` in `[process]`
  r:24:1 <stop_signal> not a key here
  write `stop-signal`
`SIGTEM` is not a signal
  r:25:15 <"SIGTEM"> not a signal
  write `stop-signal = "SIGTERM"`
`A=B` is not an environment variable's name
  r:26:9 <"A=B"> not a name
  write letters, digits and `_`: `NODE_ENV = "production"`
warning: `DB_PASSWORD` looks like a credential
  r:26:22 <DB_PASSWORD> written into the image
  everybody who has the image can read it: let the runtime set it, from a secret
`process.env.N` takes a string, not a whole number
  r:26:45 <1> a string, not a whole number
  write `N = "1"`
`healthcheck.command` is empty
  r:28:11 <[]> names no program
  write `healthcheck.command = ["/app/server"]`
`30` is not a time span
  r:29:12 <"30"> not a time span
  write a number and `ms`, `s`, `m` or `h`: `interval = "30s"`
`layers.compression` does not take `gz`
  r:31:15 <"gz"> not an allowed value
  write one of `gzip`, `zstd`
`metadata.title` is empty
  r:34:9 <""> empty
  write a value, or leave the key out
`{env.EMPTY}` is empty
  r:35:12 <{env.EMPTY}> empty
  set it, or write the value itself
unknown placeholder `{git.revison}`
  r:36:14 <{git.revison}> not a placeholder
  write `{git.revision}`
`{git.source}` has no value: it is not set
  r:37:11 <{git.source}> no value
  set it, or write the value itself
unknown key `zebra` in `[metadata]`
  r:38:1 <zebra> not a key here
  `[metadata]` has the keys `annotations`, `authors`, `description`, `documentation`, `labels`, `licenses`, `revision`, `source`, `title`, `url`, `vendor`, `version`
`org.opencontainers.image.title` is set by `metadata.title` too
  r:40:1 <"org.opencontainers.image.title"> the second
  leave one of the two out
unknown key `images` in the recipe
  r:41:2 <images> not a key here
  write `image`"#,
);

#[test]
fn all_faults_are_reported_at_once() {
    check(ALL_FAULTS.0, ALL_FAULTS.1);
}

#[test]
fn faults_of_the_syntax_hide_no_others() {
    check(
        r#"[image]
name
tags = ["a b"]
[files]
from = "x"
[[base]]
static = true
[process]
entrypoint = ["a b"]
writable = ["/", "tmp", "/x/../y"]
x.y = treu
"#,
        r#"not TOML: key with no value
  r:2:5 <> no value
  write `name = "registry.example.no/shop/api"`
`a b` is not a tag: at most 128 characters of `a-z A-Z 0-9 . _ -`, not starting with `.` or `-`
  r:3:9 <"a b"> not a tag
  write `"a-b"`
`files` takes a list of tables, not a table
  r:4:1 <[files]> a list of tables, not a table
  write the header `[[files]]`
`base` takes a table, not a list
  r:6:1 <[[base]]> a table, not a list
  write the header `[base]`
warning: the program of `entrypoint` has a space in its name
  r:9:15 <"a b"> one name, not a command line
  write `entrypoint = ["a", "b"]`
`writable` names the whole image
  r:10:13 <"/"> the root
  name the folders that the process writes to: `/tmp`, `/data`
`writable` is not a path in the image: a path in an image starts with `/`
  r:10:18 <"tmp"> not absolute
  write `/tmp`
`writable` is not a path in the image: it holds `..`
  r:10:25 <"/x/../y"> not a path in an image
  write the path without `..`
unknown key `x` in `[process]`
  r:11:1 <x> not a key here
  `[process]` has the keys `command`, `entrypoint`, `env`, `healthcheck`, `ports`, `stop-signal`, `volumes`, `workdir`, `writable`
not TOML: invalid boolean
  r:11:7 <treu> expected `true`
  write `true` or `false`, or a text in quotes: `"treu"`"#,
    );
}

#[test]
fn an_empty_recipe_lacks_a_base() {
    check(
        "",
        r#"the recipe has no `[base]`
  r:1:1 <> no base
  write `[base]` with `static = true`, `debian = { flavour = "python3" }`, `image = "gcr.io/distroless/cc-debian13:nonroot"` or `layout = "vendor/base"`"#,
    );
}

#[test]
fn arguments_have_places_too() {
    let mut text = RecipeText::parse("r", GOOD);
    for argument in ["image.nam=x", "image.tags=1.4", "image.tags[]=2", "files[0].to=/app", "files[3].to=/app", "user.uid=abc", "nothing"] {
        text.set(argument);
    }
    for argument in ["image.name.x=1", "image.platforms=[1", "=x", "a[x]=1", "a]=1", "\"a=1", "metadata.labels.\"x.y\"="] {
        text.set(argument);
    }
    text.label("no");
    text.tag("b:c@d");
    text.platforms(["linux/arm64,linux/vax"]);
    let found = faults(text);
    let expected = r#"the list has 1 elements, and no number 3
  --set:1:6 <[3]> no such element
  elements are counted from 0; `[]` adds one at the end
`--set` takes `KEY=VALUE`
  --set:1:1 <nothing> no `=`
  write `--set image.name=registry.example.no/shop/api`, `--set files[0].to=/app` or `--set image.tags[]=edge`
`x` cannot be set inside a string
  --set:1:12 <x> not in a table
  set the whole value: `--set KEY=VALUE`
not TOML: unclosed array, expected `]`
  --set:1:19 <> here
  close the bracket or quote, or write the text in quotes: `--set KEY='"[text"'`
`--set` takes `KEY=VALUE`
  --set:1:1 <=> no key before this
  write `--set image.name=registry.example.no/shop/api`, `--set files[0].to=/app` or `--set image.tags[]=edge`
`--set` takes `KEY=VALUE`
  --set:1:2 <[x]> not the number of an element
  write `--set image.name=registry.example.no/shop/api`, `--set files[0].to=/app` or `--set image.tags[]=edge`
`--set` takes `KEY=VALUE`
  --set:1:1 <"a=1> the quote is not closed
  write `--set image.name=registry.example.no/shop/api`, `--set files[0].to=/app` or `--set image.tags[]=edge`
`--label` takes `KEY=VALUE`
  --label:1:1 <no> no key and value
  write `--label no.example.team=shop`
unknown key `a]` in the recipe
  --set:1:1 <a]> not a key here
  the recipe has the keys `base`, `directories`, `files`, `image`, `layers`, `links`, `metadata`, `process`, `root`, `unproved`, `user`
unknown key `nam` in `[image]`
  --set:1:7 <nam> not a key here
  write `name`
`user.uid` takes a whole number, not a string
  --set:1:10 <abc> a whole number, not a string
  for example `uid = 10001`
`linux/vax` is not a platform: architecture `vax` is unknown
  --platform:1:13 <linux/vax> not a platform
  the architectures are `amd64`, `arm64`, `arm`, `386`, `ppc64le`, `s390x`, `riscv64`, `loong64`
`…@d` is not an image reference: a digest is `sha256:` and 64 lowercase hexadecimal digits
  -t:1:1 <b:c@d> not an image name
  write registry, repository: `registry.example.no/shop/api`
a `[[files]]` entry has no `from`
  --set:1:6 <[0]> no `from`
  write `from = "dist"`, or `text = "…"`"#;
    assert_eq!(found, expected, "\n--- found\n{found}\n");
}

/// One fault each: what is replaced in a good recipe and by what, and the fault's message, marked text and hint.
const SINGLE_FAULTS: &[(&str, &str, &str)] = &[
    (
        "a.example/b",
        "https://a.example/b",
        "`https://` starts with a scheme, and an image reference has none | \"https://a.example/b\" | write it without `https://`",
    ),
    (
        "a.example/b",
        "a.example/B",
        "`a.example/B` is not an image reference: a repository is written in lower case | \"a.example/B\" | write it in lower case: `a.example/b`",
    ),
    (
        "a.example/b",
        "a.example/b:1",
        "`a.example/b:1` contains a tag or digest, and only a name is allowed | \"a.example/b:1\" | write `name = \"a.example/b\"` and `tags = [\"1\"]`",
    ),
    ("name =", "names = [\"c.example/d\"]\nname =", "`image` has both `name` and `names` | names | write all of them into `names`"),
    (
        "[base]",
        "tags = [\"{platform.arch}\"]\n[base]",
        "`{platform.arch}` in a value that is the same for all platforms | {platform.arch} | use it in `files`, `links`, `directories`, `process` and `metadata`",
    ),
    (
        "[process]",
        "[process]\nworkdir = \"/a/${HOME}/b\"",
        "`${HOME}` is not expanded: no shell runs between the recipe and the program | ${HOME} | write `{image.env.HOME}` for a variable of the base, `{env.HOME}` for one of this build, or `${{HOME}}` for the text itself",
    ),
    (
        "[base]",
        "tags = [\"{image.env.PATH}\"]\n[base]",
        "`{image.env.PATH}` in a value that cannot depend on the base | {image.env.PATH} | use it in `process.env`, `process.entrypoint`, `process.command` and `process.healthcheck.command`",
    ),
    (
        "[base]",
        "tags = [\"a{b\"]\n[base]",
        "a single `{` in a text | { | write `{{` for the character itself, or a placeholder: `{git.revision}`",
    ),
    (
        "[base]",
        "created = 2026-11-24\n[base]",
        "`image.created` is not a point in time | 2026-11-24 | write RFC 3339 with a zone, `created = \"2026-11-24T00:00:00Z\"`, or seconds since 1970",
    ),
    (
        "[base]",
        "platforms = [\"windows/amd64\"]\n[base]",
        "`windows/amd64` is not a platform: operating system `windows` is not supported, only `linux` | \"windows/amd64\" | write `linux/amd64`: hardened builds images for Linux only",
    ),
    (
        "[base]",
        "format = 3\n[base]",
        "this version of hardened cannot write format 3, only 1 and 2 | 3 | write `format = 2`, or use a release of hardened that supports format 3",
    ),
    (
        "[base]",
        "format = -1\n[base]",
        "this version of hardened cannot write format -1, only 1 and 2 | -1 | write `format = 2`, or use a release of hardened that supports format -1",
    ),
    ("static = true", "static = false", "`base.static` is `false` | false | write `static = true`, or another base instead"),
    (
        "static = true",
        "layout = \"/srv/base\"",
        "`base.layout` is an absolute path | \"/srv/base\" | write it relative to the recipe, so that the recipe works on other machines too: `layout = \"vendor/base\"`",
    ),
    (
        "static = true",
        "image = \"./base\"",
        "`./base` is not an image reference: the part before the first slash is not a host | \"./base\" | a folder is named by `layout = \"./base\"`",
    ),
    ("entrypoint", "cmd", "unknown key `cmd` in `[process]` | cmd | write `command`"),
    (
        "[process]",
        "[user]\nname = \"root\"\n[process]",
        "the user is called `root`, and its number is 65532 | \"root\" | write another name, or `uid = 0` with `allow-root`",
    ),
    (
        "[process]",
        "[user]\nuid = 0\nallow-root = \" \"\n[process]",
        "`user.allow-root` gives no reason | \" \" | write why the process must be root: `allow-root = \"binds port 53, see OPS-12\"`",
    ),
    (
        "[process]",
        "[user]\nuid = 4294967296\n[process]",
        "`user.uid` is 4294967296 | 4294967296 | write a number from 1 to 2147483647: `uid = 10001`",
    ),
    (
        "[process]",
        "[[files]]\nfrom = \"a\"\ntext = \"b\"\nto = \"/c\"\n[process]",
        "a `[[files]]` entry has both `from` and `text` | text | make two entries of it",
    ),
    (
        "[process]",
        "[[files]]\ntext = \"b\"\nto = \"/c/\"\n[process]",
        "`to` of a `text` names a folder | \"/c/\" | write the file's whole path: `to = \"/etc/app/settings.toml\"`",
    ),
    (
        "[process]",
        "[[files]]\nfrom = \"/a\"\nto = \"/c\"\n[process]",
        "`from` is an absolute path: `/a` | \"/a\" | write it relative to the recipe's folder, or to `root`",
    ),
    (
        "[process]",
        "[[files]]\nfrom = \"{platform.variant}\"\nto = \"/c\"\n[process]",
        "`{platform.variant}` is empty for `linux/amd64` | {platform.variant} | use `{platform.arch}`; only some platforms, `linux/arm/v7` for one, have a variant",
    ),
    (
        "[process]",
        "[[links]]\npath = \"/a\"\n[process]",
        "a `[[links]]` entry has no `target` | [[links]] | write `target = \"/app/server\"`",
    ),
    (
        "[process]",
        "[[directories]]\nmode = \"0700\"\n[process]",
        "a `[[directories]]` entry has no `path` | [[directories]] | write `path = \"/var/lib/app\"`",
    ),
    (
        "entrypoint = [\"/app\"]",
        "",
        "the recipe does not say what to start | [process] | write `[process]` with `entrypoint = [\"/app/server\"]`; only other bases have a program of their own",
    ),
    ("\"/app\"", "", "`entrypoint` is empty | [] | write `entrypoint = [\"/app/server\"]`"),
    ("\"/app\"", "1", "an element of `process.entrypoint` takes a string, not a whole number | 1 | write `\"1\"`"),
    ("[process]", "[[files]]\nform = \"x\"\nto = \"/c\"\n[process]", "unknown key `form` in `[[files]]` | form | write `from`"),
];

#[test]
fn single_faults() {
    for (from, to, expected) in SINGLE_FAULTS {
        let text = GOOD.replace(from, to);
        let Err(found) = read(RecipeText::parse("r", &text), &Fixed) else { panic!("no fault: {text}") };
        let marked = |fault: &Diagnostic| {
            fault.location.as_ref().map(|(span, _)| span.source.text[span.range.clone()].to_owned()).unwrap_or_default()
        };
        let found: Vec<_> =
            found.iter().map(|fault| format!("{} | {} | {}", fault.message, marked(fault), fault.hints.join(" "))).collect();
        assert_eq!(found, [*expected], "\n{text}");
    }
}

#[test]
fn floods_of_faults_end() {
    for (text, count, last) in [
        (GOOD.to_owned() + &format!("ports = [{}]", "1,".repeat(100_000)), 1, "`process.ports` has more than 4096 elements"),
        (GOOD.to_owned() + &format!("ports = [{}]", "0,".repeat(4000)), 4000, "`0` is not a port"),
        (
            GOOD.to_owned() + &(0..20_000).map(|key| format!("zebra{key} = 1")).collect::<Vec<_>>().join("\n"),
            20_000,
            "unknown key `zebra19999` in `[process]`",
        ),
    ] {
        let Err(found) = read(RecipeText::parse("r", &text), &Fixed) else { panic!("no fault") };
        assert_eq!((found.len(), found.last().map(|fault| fault.message.as_str())), (count, Some(last)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), argument in any::<String>()) {
        let mut parsed = RecipeText::parse("r", &text);
        parsed.set(&argument);
        parsed.label(&argument);
        parsed.tag(&argument);
        parsed.platforms([argument.as_str()]);
        let found = faults(parsed);
        drop(found);
    }

    #[test]
    fn no_mangled_recipe_makes_the_reader_panic(cut in 0..GOOD.len(), length in 0..40_usize, put in "[a-z\\[\\]{}=\"'.,\n0-9æ]{0,12}") {
        let mut text = GOOD.to_owned();
        let end = (cut + length).min(text.len());
        text.replace_range(cut..end, &put);
        let mut parsed = RecipeText::parse("r", &text);
        parsed.set(&format!("{put}={put}"));
        let list = match read(parsed, &Fixed) {
            Ok((_, warnings)) => warnings,
            Err(faults) => faults,
        };
        drop(render(&list, Colors::Always, 80));
    }
}

#[test]
fn control_characters_are_refused_in_all_that_reaches_the_config() {
    let refused = |line: &str, expected: &str| {
        let text = GOOD.replace("entrypoint = [\"/app\"]\n", &format!("entrypoint = [\"/app\"]\n{line}\n"));
        let found = faults(RecipeText::parse("r", &text));
        assert!(found.contains(expected) && found.contains("control character"), "{line}: {found}");
    };
    for (written, word) in [
        ("\\u0000", "a NUL byte"),
        ("\\u001b[2J", "the control character U+001B"),
        ("\\u009b", "the control character U+009B"),
        ("\\u007f", "the control character U+007F"),
    ] {
        refused(&format!("env = {{ A = \"x{written}\" }}"), &format!("the value of `A` holds {word}"));
        refused(&format!("command = [\"x\", \"y{written}\"]"), &format!("`command` holds {word}"));
        refused(&format!("[process.healthcheck]\ncommand = [\"/app\", \"y{written}\"]"), &format!("`healthcheck.command` holds {word}"));
    }
    for written in ["\\u0000", "\\u001b[2J", "\\u009b", "\\n", "\\t", "\\r"] {
        refused(&format!("[metadata]\ntitle = \"x{written}\""), "`metadata.title` holds");
        refused(&format!("[metadata.labels]\na = \"x{written}\""), "`metadata.labels.a` holds");
        refused(&format!("[metadata.annotations]\na = \"x{written}\""), "`metadata.annotations.a` holds");
    }
    for key in ["workdir = \"/x\\u0007\"", "writable = [\"/x\\n\"]", "volumes = [\"/x\\u001b\"]"] {
        refused(key, &format!("`{}` holds", key.split(' ').next().unwrap_or_default()));
    }
    let mut text = RecipeText::parse("r", GOOD);
    text.label("no.example.team=a\u{1b}b");
    assert!(faults(text).contains("`metadata.labels.no.example.team` holds the control character U+001B"));
    // Scripts and other texts of several lines are arguments and values as any other.
    check(&format!("{GOOD}command = [\"-c\", \"a\\n\\tb\"]\nenv = {{ A = \"x\\r\\ny\" }}\n"), "");
}
