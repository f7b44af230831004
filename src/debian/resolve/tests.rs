use std::fmt::Write as _;

use super::*;
use crate::debian::index::Limits;

/// Makes an index: one line for each package, `name version [architecture]; Field: value; …`.
fn index(lines: &[&str]) -> Index {
    let mut text = String::new();
    for line in lines {
        let mut parts = line.split("; ");
        let mut words = parts.next().unwrap().split(' ');
        let (name, version, architecture) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or("amd64"));
        let digest = Digest::of(line.as_bytes()).hex();
        writeln!(text, "Package: {name}\nVersion: {version}\nArchitecture: {architecture}").unwrap();
        writeln!(text, "Filename: pool/main/{name}_{version}_{architecture}.deb\nSize: 1\nSHA256: {digest}").unwrap();
        for field in parts {
            writeln!(text, "{field}").unwrap();
        }
        text.push('\n');
    }
    Index::read(text.as_bytes(), &Limits::default()).unwrap()
}

fn wanted(names: &[&str]) -> Vec<Wanted> {
    names
        .iter()
        .map(|text| match text.split_once('=') {
            Some((name, version)) => Wanted { name: name.to_owned(), version: Some(version.parse().unwrap()) },
            None => Wanted { name: (*text).to_owned(), version: None },
        })
        .collect()
}

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn request<'a>(names: &[&str]) -> Request<'a> {
    Request { wanted: wanted(names), ..Request::default() }
}

/// What is in, as `name version label`, and what was left out.
fn names_of(resolution: &Resolution) -> (Vec<String>, Vec<&str>) {
    let packages = resolution.packages.iter().map(|one| format!("{} {} {}", one.name, one.version, one.archive)).collect();
    (packages, resolution.left_out.iter().map(|one| one.name.as_str()).collect())
}

fn names(resolution: &Resolution) -> String {
    resolution.packages.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_closure_follows_both_fields() {
    let main = index(&[
        "app 1; Depends: libb (>= 1), dpkg, missing-data [arm64]; Pre-Depends: libc6",
        "libb 1; Depends: libc6, data",
        "libc6 2.36",
        "data 1 all",
        "dpkg 1; Depends: tar",
        "tar 1; Essential: yes",
        "unused 1",
    ]);
    let resolution = resolve(&[("trixie", &main)], "amd64", &request(&["app"])).unwrap();
    let (packages, left_out) = names_of(&resolution);
    assert_eq!(packages, ["app 1 trixie", "data 1 trixie", "libb 1 trixie", "libc6 2.36 trixie"]);
    assert_eq!(left_out, ["dpkg"]);
    let libc = &resolution.packages[3];
    assert_eq!(libc.wanted_by, [WantedBy::Package("app".into()), WantedBy::Package("libb".into())]);
    assert_eq!((libc.size, libc.source.as_str(), libc.filename.as_str()), (1, "libc6", "pool/main/libc6_2.36_amd64.deb"));
    assert_eq!(resolution.packages[0].wanted_by, [WantedBy::Recipe]);
    assert_eq!(resolution.left_out[0].by, ExcludedBy::BuiltIn("package-manager".into()));
    assert_eq!(resolution.left_out[0].wanted_by, [WantedBy::Package("app".into())]);
    assert!(resolution.choices.is_empty());
}

#[test]
fn alternatives_are_taken_in_written_order() {
    let main = index(&[
        "app 1; Depends: one | two",
        "one 1",
        "two 1",
        "late 1; Depends: absent | two",
        "skip 1; Depends: dash | two",
        "old 1; Depends: one (>= 2) | two",
        "both 1; Depends: dash | perl",
    ]);
    let indexes = [("trixie", &main)];
    for (wanted, expected) in [
        (&["app"][..], "app one"),
        // What is in already does, also when it comes later in the group.
        (&["app", "two"], "app two"),
        (&["late"], "late two"),
        (&["skip"], "skip two"),
        (&["old"], "old two"),
        (&["old", "one"], "old one two"),
        (&["both"], "both"),
    ] {
        assert_eq!(names(&resolve(&indexes, "amd64", &request(wanted)).unwrap()), expected, "{wanted:?}");
    }
    let resolution = resolve(&indexes, "amd64", &request(&["skip"])).unwrap();
    let choice = &resolution.choices[0];
    assert_eq!((choice.package.as_str(), choice.relation.as_str(), choice.taken.as_deref()), ("skip", "dash | two", Some("two")));
    assert_eq!(choice.passed_over[0].0, "dash");
    assert!(resolution.left_out.is_empty());
    let resolution = resolve(&indexes, "amd64", &request(&["both"])).unwrap();
    assert_eq!((resolution.choices[0].taken.as_deref(), resolution.left_out[0].name.as_str()), (None, "dash"));
}

#[test]
fn what_is_provided_does() {
    let main = index(&[
        "app 1; Depends: service",
        "versioned 1; Depends: service (>= 2)",
        "other 1; Provides: service",
        "second 1; Provides: service (= 2)",
        "tool 1; Depends: shell-like",
        "bash 5; Provides: shell-like",
        "old 1; Provides: gone",
        "old 2",
        "asks 1; Depends: gone",
        "itself 1; Depends: own; Provides: own",
    ]);
    let indexes = [("trixie", &main)];
    for (wanted, expected) in [
        (&["app"][..], Ok("app other")),
        (&["versioned"], Ok("second versioned")),
        (&["app", "versioned"], Ok("app other second versioned")),
        (&["app", "second"], Ok("app second")),
        // The provider is excluded, so the relation is left out by its name.
        (&["tool"], Ok("tool")),
        (&["tool", "bash"], Ok("bash tool")),
        // Only the newest version of a package can come in, and it provides nothing any more.
        (&["asks"], Err(())),
        (&["asks", "old=1"], Ok("asks old")),
        (&["itself"], Ok("itself")),
    ] {
        let found = resolve(&indexes, "amd64", &request(wanted));
        assert_eq!(found.as_ref().map(names).map_err(|_| ()), expected.map(str::to_owned), "{wanted:?} {found:?}");
    }
    let resolution = resolve(&indexes, "amd64", &request(&["tool"])).unwrap();
    assert_eq!(resolution.left_out[0].name, "bash");
    let resolution = resolve(&indexes, "amd64", &request(&["app"])).unwrap();
    assert_eq!(resolution.choices[0].taken.as_deref(), Some("other"));
}

#[test]
fn the_newest_of_all_indexes_or_the_exact_one_is_taken() {
    let main = index(&["libc6 2.36-9", "app 1; Depends: libc6", "same 1"]);
    let security = index(&["libc6 2.36-9+deb12u1", "same 1"]);
    let indexes = [("bookworm", &main), ("bookworm-security", &security)];
    for (wanted, expected) in [
        (&["app"][..], &["app 1 bookworm", "libc6 2.36-9+deb12u1 bookworm-security"][..]),
        (&["app", "libc6=2.36-9"], &["app 1 bookworm", "libc6 2.36-9 bookworm"]),
        (&["libc6", "libc6=2.36-9"], &["libc6 2.36-9 bookworm"]),
        (&["same"], &["same 1 bookworm"]),
    ] {
        assert_eq!(names_of(&resolve(&indexes, "amd64", &request(wanted)).unwrap()).0, expected, "{wanted:?}");
    }
    let fault = resolve(&indexes, "amd64", &request(&["libc6=2.37"])).unwrap_err();
    assert_eq!(fault.to_string(), "there is no version 2.37 of `libc6`, only 2.36-9+deb12u1 (bookworm-security), 2.36-9 (bookworm)");
    let fault = resolve(&indexes, "amd64", &request(&["libc6=2.37", "libc6=2.36-9"])).unwrap_err();
    assert!(matches!(fault, ResolveFault::TwoVersions { .. }), "{fault}");
}

#[test]
fn architectures_and_qualifiers_count() {
    let main = index(&[
        "app 1; Depends: python3:any, lib [arm64], lib [!amd64]",
        "python3 3.11; Multi-Arch: allowed",
        "foreign 1; Depends: lib:arm64",
        "either 1; Depends: lib:arm64 | python3:amd64",
        "lib 1 arm64",
        "needs 1; Depends: lib",
    ]);
    let indexes = [("trixie", &main)];
    assert_eq!(names(&resolve(&indexes, "amd64", &request(&["app"])).unwrap()), "app python3");
    assert_eq!(names(&resolve(&indexes, "amd64", &request(&["either"])).unwrap()), "either python3");
    for wanted in ["foreign", "needs"] {
        assert!(matches!(resolve(&indexes, "amd64", &request(&[wanted])), Err(ResolveFault::Unsatisfiable { .. })), "{wanted}");
    }
    let fault = resolve(&indexes, "amd64", &request(&["lib"])).unwrap_err();
    assert_eq!(fault.to_string(), "there is no package `lib` for `amd64`; it exists as: version 1 for `arm64` in trixie");
}

#[test]
fn the_recipe_excludes_and_keeps() {
    let main = index(&["app 1; Depends: dpkg, libx", "dpkg 1; Depends: tar, libz", "tar 1", "libx 1; Depends: liby", "liby 1", "libz 1"]);
    let indexes = [("trixie", &main)];
    for (recipe, exclude, keep, expected, left_out) in [
        (&["app"][..], &[][..], &[][..], "app libx liby", &["dpkg"][..]),
        (&["app"], &[], &["dpkg"], "app dpkg libx liby libz", &["tar"]),
        (&["app"], &[], &["dpkg", "t*"], "app dpkg libx liby libz tar", &[]),
        (&["app"], &["libx"], &[], "app", &["dpkg", "libx"]),
        (&["app"], &["lib*"], &["libx"], "app libx", &["dpkg", "liby"]),
        // Who names a package gets it.
        (&["app", "dpkg"], &["dpkg"], &[], "app dpkg libx liby libz", &["tar"]),
    ] {
        let request = Request { wanted: wanted(recipe), exclude: patterns(exclude), keep: patterns(keep), elsewhere: Vec::new() };
        let resolution = resolve(&indexes, "amd64", &request).unwrap();
        assert_eq!(
            (names(&resolution).as_str(), names_of(&resolution).1.as_slice()),
            (expected, left_out),
            "{recipe:?} {exclude:?} {keep:?}"
        );
    }
    let request = Request { exclude: patterns(&["libx"]), ..request(&["app"]) };
    let resolution = resolve(&indexes, "amd64", &request).unwrap();
    assert_eq!((&resolution.left_out[1].by, resolution.left_out[1].reason.as_str()), (&ExcludedBy::Recipe, "the recipe excludes it"));
}

#[test]
fn the_order_of_the_wanted_list_does_not_matter() {
    let main =
        index(&["aa 1; Depends: xx | yy", "bb 1; Depends: yy | xx", "cc 1; Depends: zz, xx | yy", "xx 1", "yy 1", "zz 1; Depends: yy"]);
    let indexes = [("trixie", &main)];
    let expected = resolve(&indexes, "amd64", &request(&["aa", "bb", "cc"])).unwrap();
    for order in [["bb", "aa", "cc"], ["cc", "bb", "aa"], ["bb", "cc", "aa"]] {
        assert_eq!(resolve(&indexes, "amd64", &request(&order)).unwrap(), expected);
    }
    assert_eq!(names(&expected), "aa bb cc xx yy zz");
}

#[test]
fn circles_end() {
    let main = index(&["aa 1; Depends: bb", "bb 1; Depends: cc; Pre-Depends: aa", "cc 1; Depends: cc, aa"]);
    assert_eq!(names(&resolve(&[("trixie", &main)], "amd64", &request(&["bb"])).unwrap()), "aa bb cc");
}

#[test]
fn what_can_not_be_had_is_told_with_its_chain() {
    let main = index(&[
        "app 1; Depends: middle",
        "middle 1; Depends: lib (>= 2) | other",
        "lib 1.9",
        "pin 1; Depends: lib (= 1.8)",
        "lib 1.8",
        "broken 1; Depends: lib (> 1)",
        "python3-requests 1",
        "virtual-user 1; Provides: virtual",
    ]);
    let backports = index(&["newer 2"]);
    let indexes = [("trixie", &main)];
    for (wanted, expected) in [
        (
            &["app"][..],
            "`app` → `middle` needs `lib (>= 2) | other`, which cannot be satisfied: `lib (>= 2)`: there is only 1.9 (trixie), 1.8 (trixie); `other`: no package has or provides this name and version",
        ),
        (&["lib", "pin"], "`pin` needs `lib (= 1.8)`, which cannot be satisfied: `lib (= 1.8)`: version 1.9 is already selected"),
        (&["broken"], "the field `Depends` of `broken` can't be read: `> 1` does not begin with `<<`, `<=`, `=`, `>=` or `>>` (byte 5)"),
        (&["python3-request"], "there is no package `python3-request` for `amd64`"),
        (&["newer"], "there is no package `newer` for `amd64`; it exists as: version 2 for `amd64` in trixie-backports"),
    ] {
        let request = Request { elsewhere: vec![("trixie-backports", &backports)], ..request(wanted) };
        assert_eq!(resolve(&indexes, "amd64", &request).unwrap_err().to_string(), expected);
    }
    let hint = |name| resolve(&indexes, "amd64", &request(&[name])).unwrap_err().hint();
    assert_eq!(hint("python3-request").as_deref(), Some("similar names: `python3-requests`"));
    assert_eq!(hint("python").as_deref(), Some("similar names: `python3-requests`"));
    assert_eq!(hint("virtual").as_deref(), Some("name one that provides it: `virtual-user`"));
    assert_eq!(hint("zzzzzz"), None);
    // A version that the recipe pins is the one that others get.
    assert_eq!(names(&resolve(&indexes, "amd64", &request(&["lib=1.8", "pin"])).unwrap()), "lib pin");
}

#[test]
fn what_a_package_of_a_rule_needs_of_that_rule_comes_along() {
    let main = index(&[
        "dbus 1; Depends: dbus-daemon, adduser",
        "dbus-daemon 1; Depends: dbus-bin",
        "dbus-bin 1",
        "adduser 1",
        "app 1; Depends: dbus",
        "exim4-daemon-light 1; Depends: exim4-base",
        "exim4-base 1; Depends: exim4-config | exim4-config-2",
        "exim4-config 1",
    ]);
    let indexes = [("trixie", &main)];
    for (wanted, keep, expected, left_out) in [
        (&["dbus"][..], &[][..], "dbus dbus-bin dbus-daemon", &["adduser"][..]),
        (&["app"], &[], "app", &["dbus"]),
        (&["app"], &["dbus"], "app dbus dbus-bin dbus-daemon", &["adduser"]),
        (&["exim4-daemon-light"], &[], "exim4-base exim4-config exim4-daemon-light", &[]),
    ] {
        let request = Request { keep: patterns(keep), ..request(wanted) };
        let resolution = resolve(&indexes, "amd64", &request).unwrap();
        assert_eq!((names(&resolution).as_str(), names_of(&resolution).1.as_slice()), (expected, left_out), "{wanted:?}");
    }
}

#[test]
fn naming_a_language_lifts_its_rule_for_what_is_written_in_it() {
    let main = index(&[
        "perl 5; Depends: perl-base, perl-modules-5.40",
        "perl-base 5",
        "perl-modules-5.40 5",
        "starman 1; Depends: perl, libplack-perl",
        "libplack-perl 1; Depends: libdevel-perl",
        "libdevel-perl 1",
        "libdbd-pg-perl 1; Depends: perl, perl-dbdabi-94",
        "libdbi-perl 1; Provides: perl-dbdabi-94",
        "git 2; Depends: perl, liberror-perl",
        "liberror-perl 1",
    ]);
    let indexes = [("trixie", &main)];
    for (wanted, expected) in [
        (&["perl"][..], "perl perl-base perl-modules-5.40"),
        (&["perl", "starman"], "libdevel-perl libplack-perl perl perl-base perl-modules-5.40 starman"),
        (&["libdbd-pg-perl"], "libdbd-pg-perl libdbi-perl perl perl-base perl-modules-5.40"),
        (&["git"], "git"),
        (&["git", "perl-base"], "git liberror-perl perl perl-base perl-modules-5.40"),
    ] {
        assert_eq!(names(&resolve(&indexes, "amd64", &request(wanted)).unwrap()), expected, "{wanted:?}");
    }
    let resolution = resolve(&indexes, "amd64", &request(&["git"])).unwrap();
    assert_eq!(names_of(&resolution).1, ["liberror-perl", "perl"]);
}

#[test]
fn what_comes_in_anyway_does_for_alternatives() {
    let main = index(&[
        // The alternatives stand before what satisfies the second of them.
        "flask 1 all; Depends: importlib | supported (>= 3.10), python",
        "importlib 1 all; Depends: zipp",
        "zipp 1 all",
        "python 3.13; Provides: supported (= 3.13)",
        // It comes in by a package that is looked at later.
        "web 1 all; Depends: flask | other, server",
        "server 1 all; Depends: other",
        "other 1 all",
        "virtual 1; Depends: mail, python",
        "postbox 1; Provides: mail",
        "python-mail 1; Provides: mail",
    ]);
    let indexes = [("trixie", &main)];
    for (wanted, expected) in [
        (&["flask"][..], "flask python"),
        (&["web"], "other server web"),
        (&["virtual"], "postbox python virtual"),
        (&["virtual", "python-mail"], "python python-mail virtual"),
    ] {
        assert_eq!(names(&resolve(&indexes, "amd64", &request(wanted)).unwrap()), expected, "{wanted:?}");
    }
}

#[test]
fn python_has_the_parts_of_libc_bin_also_without_a_flavour() {
    let with = index(&[
        "python3 3.13; Depends: libpython3.13-minimal",
        "libpython3.13-minimal 3.13; Depends: libc6",
        "libc6 2",
        "libc-bin 2; Depends: libc6",
        "jq 1; Depends: libc6",
    ]);
    let without = index(&["python3 3.13; Depends: libpython3.13-minimal", "libpython3.13-minimal 3.13"]);
    let resolution = resolve(&[("trixie", &with)], "amd64", &request(&["python3"])).unwrap();
    assert_eq!(names(&resolution), "libc-bin libc6 libpython3.13-minimal python3");
    assert_eq!(resolution.packages[0].wanted_by, [WantedBy::Package("libpython3.13-minimal".into())]);
    assert_eq!(names(&resolve(&[("trixie", &with)], "amd64", &request(&["jq"])).unwrap()), "jq libc6");
    // Where it cannot be had, that is told.
    let excluded = Request { exclude: patterns(&["libc-bin"]), ..request(&["python3"]) };
    for (index, request, by) in
        [(&with, excluded, ExcludedBy::Recipe), (&without, request(&["python3"]), ExcludedBy::BuiltIn("libc-tools".into()))]
    {
        let resolution = resolve(&[("trixie", index)], "amd64", &request).unwrap();
        assert_eq!((resolution.left_out[0].name.as_str(), &resolution.left_out[0].by), ("libc-bin", &by));
    }
}

#[test]
fn all_packages_that_are_not_there_are_told_at_once() {
    let main = index(&["libc6 2.36-9", "nginx 1", "python3 3.13"]);
    let fault = resolve(&[("trixie", &main)], "amd64", &request(&["libc6=1", "ngnix", "nginx", "pyton3"])).unwrap_err();
    let told: Vec<String> = fault.each().iter().map(|fault| format!("{fault} | {}", fault.hint().unwrap())).collect();
    assert_eq!(
        told,
        [
            "there is no version 1 of `libc6`, only 2.36-9 (trixie) | write `libc6` without a version for the newest one, and let the lock pin it",
            "there is no package `ngnix` for `amd64` | similar names: `nginx`",
            "there is no package `pyton3` for `amd64` | similar names: `python3`",
        ]
    );
    assert_eq!(resolve(&[("trixie", &main)], "amd64", &request(&["ngnix"])).unwrap_err().each().len(), 1);
}
