use std::collections::BTreeMap;

use super::{Action, Commands, Followed, Scripts, read};
use crate::base::debian::filter::Filters;
use crate::debian::DebFacts;
use crate::rootfs::{EntryKind, ImagePath, ImageText};

/// Reads a script of a package with these files, and returns its commands with what they would do.
fn steps_of(name: &str, script: &str, text: &str, files: &[&str]) -> Vec<(String, Action)> {
    followed(name, script, text, files).steps.into_iter().map(|step| (step.command, step.action)).collect()
}

/// Follows a script of a package with these files (folders end in a slash).
fn followed(name: &str, script: &str, text: &str, files: &[&str]) -> Followed {
    let kind = |path: &str| if path.ends_with('/') { EntryKind::Directory } else { EntryKind::HardLink(ImagePath::root()) };
    let entries: Vec<(ImagePath, EntryKind)> =
        files.iter().map(|path| (ImagePath::absolute(path.trim_end_matches('/')).unwrap(), kind(path))).collect();
    let scripts = BTreeMap::from([(script.to_owned(), ImageText(text.as_bytes().into()))]);
    let facts =
        DebFacts { control: String::new(), md5sums: None, conffiles: None, scripts, data_size: 0, entries: vec![], kept: BTreeMap::new() };
    let (commands, filters) = (Commands::new().unwrap(), Filters::new(false).unwrap());
    let shipped = entries.iter().map(|(path, kind)| (path, kind)).collect();
    let scripts = Scripts { shipped, commands: &commands, filters: &filters, architecture: "arm64" };
    read(std::iter::once((name, &facts)), scripts)
}

/// Returns the commands of a `postinst` behind its first line.
fn commands_of(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for (command, _) in steps_of("app", "postinst", &format!("#!/bin/sh\n{text}"), &["/usr/bin/app", "/etc/app.d/one", "/etc/app.d/two"]) {
        if commands.last() != Some(&command) {
            commands.push(command);
        }
    }
    commands
}

/// Returns the commands of a `postinst` that generators get, the words of each joined by `|`.
fn known_commands(text: &str) -> Vec<String> {
    let followed = followed("app", "postinst", &format!("#!/bin/sh\n{text}"), &[]);
    followed.commands.iter().map(|command| command.words.join("|")).collect()
}

fn missing(text: &str, files: &[&str]) -> Vec<String> {
    let steps = steps_of("app", "postinst", &format!("#!/bin/sh\n{text}"), files);
    steps.into_iter().filter(|(_, action)| matches!(action, Action::Missing { .. })).map(|(command, _)| command).collect()
}

#[test]
fn scripts_are_followed_as_at_a_first_installation() {
    for (text, expected) in [
        // The branch of a first configuration alone, with its patterns.
        ("case \"$1\" in\n (configure|reconfigure) one;;\n abort-*) two ;;\n triggered)\n three\nesac", &["one"][..]),
        ("if [ \"$1\" = triggered ]; then one; elif test x$1 = xconfigure && [ -z \"$2\" ]; then two; else three; fi", &["two"]),
        // Comparisons of versions without an older one.
        (
            "dpkg --compare-versions \"$2\" lt-nl 2.0 && one\nif dpkg --compare-versions \"$2\" lt 2.0; then two; fi",
            &["dpkg --compare-versions '' lt-nl 2.0", "dpkg --compare-versions '' lt 2.0", "two"],
        ),
        // Functions with arguments, and what follows `exit`.
        (
            "twice() { one \"$1\"; one \"${2:-none}\"; return 0; never; }\ntwice a\ntwice \"b c\" d\nexit 0\nnever",
            &["one a", "one none", "one b c", "one d"],
        ),
        // Loops over words, patterns of files and lines of a here-document; joined lines and comments.
        ("for x in a b\\\n c; do # words\n one $x \\\n  -v; done", &["one a -v", "one b -v", "one c -v"]),
        (
            "for f in /etc/app.d/*; do one ${f##*/} `basename $f`; done",
            &["basename /etc/app.d/one", "one one one", "basename /etc/app.d/two", "one two two"],
        ),
        ("while read a b; do one $b $a; done <<'E'\nx y z\n\nE\ntwo", &["one y z x", "one", "two"]),
        // Values that are computed plainly.
        ("a=$(dpkg --print-architecture); one \"$a\"", &["dpkg --print-architecture", "one arm64"]),
        ("p=50:x.conf\nt=$(echo $p | cut -d: -f2)\none $t", &["echo 50:x.conf", "cut -d: -f2", "one x.conf"]),
        ("a='x y'; one $a \"$a\"; one ${a%% *} \"${a:+set}\" ${b:-$1}", &["one x y x y", "one x set configure"]),
        // Files that are there, and those that cannot be.
        ("[ -x /usr/bin/app ] && one\n[ -e /var/lib/app/old ] && two\n! test -d /etc/app.d/none || three", &["one"]),
        // Both ways where a condition is not known; what differs afterwards is not known either.
        ("x=1; if asks; then x=2; one; else two; fi; three $x", &["asks", "one", "two", "three $x"]),
        ("until asks; do one $x; x=1; done", &["asks", "one $x"]),
    ] {
        assert_eq!(commands_of(text), expected, "{text}");
    }
}

#[test]
fn fragments_of_a_script_are_never_taken_for_commands() {
    let text = "set -e\n# a comment; rm -rf /\nold=$(dpkg-query \\\n  --control-path \"app\" postrm 2>/dev/null) || true\necho \"<element \\\"a\\\"> # $old\" >&2\n\
                cat >/etc/app.xml <<XML\nweb.xml\n  -d $1\n\\\\\nXML\nawk '{ print $1\n  done }' /etc/app.conf | sort -u >/dev/null\n";
    let steps = steps_of("app", "postinst", &format!("#! /bin/sh -e\n{text}"), &[]);
    let told: Vec<&str> = steps.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(told[0], "dpkg-query --control-path app postrm");
    assert!(told[1].starts_with("echo <element") && told[2] == "cat > /etc/app.xml" && told[3].starts_with("awk "), "{told:?}");
    assert_eq!((told.len(), told[4]), (5, "sort -u"));
    let Action::Text { text, .. } = &steps[2].1 else { panic!("{:?}", steps[2]) };
    assert_eq!(text, "web.xml\n  -d configure\n\\\n");
}

#[test]
fn generators_get_the_commands_that_run_with_their_words() {
    for (text, expected) in [
        ("a b  c\n", &["a|b|c"][..]),
        ("a \\\n  b; c && d | e\n", &["a|b", "c", "d", "e"]),
        ("/usr/sbin/a --id \"-//X//DTD Y//EN\" 'b c' d\"e\"f\\ g\n", &["a|--id|-//X//DTD Y//EN|b c|def g"]),
        ("for m in a b \\\n  c ; do\n  enable -q $m\ndone\nd\n", &["enable|-q|a", "enable|-q|b", "enable|-q|c", "d"]),
        ("for m in a; do for n in x y; do f $m-${n}.so; done; done", &["f|a-x.so", "f|a-y.so"]),
        // A function runs where it is called, and a condition that is not known takes nothing away.
        (
            "on() { enable \"$1\"; }\nasks && on a\nif off; then on b; fi\noff() { return 1; }\nif off; then on c; fi",
            &["asks", "enable|a", "off", "enable|b"],
        ),
        // A function may have returned before its last command.
        ("on() { if asks; then return 0; fi; return 1; }\nif on; then enable a; fi", &["asks", "enable|a"]),
        ("on() { asks && return 0; exit 1; }\non\nenable a", &["asks", "enable|a"]),
        // Of a command with a word that is not known nothing is told.
        ("for m in $(asks); do enable $m; done\nenable $(asks) b; enable c", &["asks", "asks", "enable|c"]),
        ("[ \"$1\" = triggered ] && a\nb", &["b"]),
        ("", &[]),
    ] {
        assert_eq!(known_commands(text), expected, "{text}");
    }
}

#[test]
fn effects_that_are_written_plainly_are_read() {
    let path = |text: &str| ImagePath::absolute(text).unwrap();
    let files = &["/usr/share/app/a.conf", "/usr/share/app/site/", "/usr/share/app/site/x", "/usr/share/app/site/y/z", "/etc/app/"];
    for (text, expected) in [
        ("mkdir -p -m 0750 /var/lib/app", Action::Folder { path: path("/var/lib/app"), mode: 0o750, written: false }),
        ("install -d -oapp -o app -m 2750 /var/log/app", Action::Folder { path: path("/var/log/app"), mode: 0o2750, written: true }),
        (
            "ucf --three-way /usr/share/app/a.conf /etc/app.conf",
            Action::Copy { from: path("/usr/share/app/a.conf"), to: path("/etc/app.conf") },
        ),
        ("cp -p /usr/share/app/a.conf /etc/app", Action::Copy { from: path("/usr/share/app/a.conf"), to: path("/etc/app/a.conf") }),
        ("cp -r /usr/share/app/site /var/www", Action::Copy { from: path("/usr/share/app/site/x"), to: path("/var/www/x") }),
        ("ln -s ../share/app /usr/lib/app", Action::Link { path: path("/usr/lib/app"), target: "../share/app".to_owned() }),
        ("echo a b > /etc/app/new", Action::Text { path: path("/etc/app/new"), text: "a b\n".to_owned(), appends: false }),
        ("chown -R app:adm /var/spool/app", Action::Written { path: path("/var/spool/app") }),
        ("chmod 1777 /var/spool/app", Action::Mode { path: path("/var/spool/app"), mode: 0o1777 }),
    ] {
        let steps = steps_of("app", "postinst", &format!("#!/bin/sh\n{text}\n"), files);
        assert_eq!(steps.first().map(|(_, action)| action), Some(&expected), "{text}");
    }
}

#[test]
fn what_does_no_harm_says_why() {
    for text in [
        "ldconfig",
        "rm -rf /var/lib/app/old",
        "rm -f \"$(mktemp)\"",
        "mv /etc/app.old /etc/app.bak",
        "mkdir /run/app",
        "touch /var/log/app.log",
        ". /usr/share/debconf/confmodule\ndb_get app/question\n[ \"$RET\" = true ] && rm -f /etc/app.flag",
        "deb-systemd-helper unmask app.service >/dev/null || true",
        "dpkg-divert --package app --rename --divert /usr/bin/a.old /usr/bin/a",
        "usermod -a -G ssl-cert app",
        "ucf /usr/share/app/default /etc/default/app",
        "find /var/lib/app -type f -exec chmod 640 {} +",
        "/usr/lib/glib-2.0/gio-querymodules /usr/lib/gio/modules",
        "fc-cache -s -f > /var/log/fonts.log",
    ] {
        assert_eq!(missing(text, &["/usr/share/app/default"]), Vec::<String>::new(), "{text}");
    }
    // The package's own postinst chooses links by answers that nobody gives.
    let steps = steps_of("fontconfig-config", "postinst", "#!/bin/sh\nln -s $AVAILABLE/a /etc/fonts/conf.d/a\n", &[]);
    assert!(matches!(&steps[0].1, Action::Harmless { why } if why.contains("hinting")), "{steps:?}");
}

#[test]
fn what_is_not_made_is_missing() {
    for (text, files, expected) in [
        ("app-setup --all", &[][..], "app-setup --all"),
        ("mkdir /var/lib/$(app-name)", &[], "mkdir /var/lib/$(…)"),
        ("sed -i s/a/b/ /etc/app.conf", &["/etc/app.conf"], "sed -i s/a/b/ /etc/app.conf"),
        ("rm /usr/share/app/a", &["/usr/share/app/a"], "rm /usr/share/app/a"),
        (
            "update-alternatives --install /usr/bin/x x /usr/bin/x-$(app-version) 5",
            &[],
            "update-alternatives --install /usr/bin/x x /usr/bin/x-$(…) 5",
        ),
        ("adduser --system \"$(app-user)\"", &[], "adduser --system $(…)"),
        ("if true; then", &[], "#!/bin/sh"),
        ("f() { f; }\nf", &[], "#!/bin/sh"),
    ] {
        assert_eq!(missing(text, files), [expected], "{text}");
    }
    for (script, text) in [("postinst", "#!/usr/bin/perl\nprint 1;\n"), ("preinst", "\u{7f}ELF")] {
        assert!(matches!(steps_of("app", script, text, &[])[0].1, Action::Missing { .. }), "{text}");
    }
    // A file is made only under a condition that is not known.
    let steps = steps_of("app", "preinst", "#!/bin/sh\nasks && echo a > /etc/app.conf\n", &[]);
    assert!(matches!(&steps[1].1, Action::Makes { file, .. } if file == "etc/app.conf"), "{steps:?}");
}

#[test]
fn scripts_that_go_on_without_end_have_an_end() {
    let nested = "$(".repeat(5000);
    let many = format!("case $1 in {} esac", "a) ;; ".repeat(60_000));
    let chain = format!("true {}", "&& true ".repeat(60_000));
    let loops = "for a in 1 2 3 4 5 6 7 8 9; do ".repeat(12) + "x;" + &" done;".repeat(12);
    let stars = format!("case {} in {}b) ;; esac", "a".repeat(300), "*a".repeat(200));
    for text in [nested.as_str(), &many, &chain, &loops, &stars, "while read x; do y; done", "x() { x | x; }; x"] {
        let _ = steps_of("app", "postinst", &format!("#!/bin/sh\n{text}\n"), &[]);
    }
}

#[test]
fn scripts_that_end_anywhere_are_read_to_their_end() {
    let text = "case \"$1\" in configure) a=${b:-`c \\`d\\` \"e $(f 'g' <<-H\n\t$i ${j##*/} $((k + 1))\n\tH\n)\"`};; esac\nl() { m >> /n 2>&1 || ! o & }\n\
                while read p; do [ -e \"$p\" ] && q; done < /r | s\nfor t in u v\\\n w; do { x; } > /y; done\n";
    for end in 0..=text.len() {
        let _ = steps_of("app", "postinst", &format!("#!/bin/sh\n{}", &text[..end]), &["/y"]);
    }
}
