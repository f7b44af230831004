//! What becomes of packages in an image.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::debs::{DATE, Mirror, deb};
use super::{Project, app, elf, files_of, layers_of, program, text};

fn certificate(number: usize) -> String {
    let base64 = STANDARD.encode(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[number]);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", lines.join("\n"))
}

#[test]
fn files_land_below_a_merged_usr_and_documentation_is_left_out() {
    let package = app("")
        .file("lib/x86_64-linux-gnu/libold.so.1", b"library")
        .file("lib/x86_64-linux-gnu/libold.so", b"->libold.so.1")
        .file("sbin/tool", b"->../usr/share/tool")
        .file("usr/share/tool", b"tool")
        .file("usr/share/doc/app/copyright", b"licence")
        .file("usr/share/doc/app/changelog.gz", b"old news")
        .file("usr/share/man/man1/app.1.gz", b"manual")
        .file("etc/init.d/app", b"service");
    let project = Project::new(&[package], "packages = [\"app\"]");
    let files = project.files(&[]);
    assert_eq!(text(&files, "lib"), "->usr/lib");
    assert_eq!(text(&files, "bin"), "->usr/bin");
    assert_eq!(text(&files, "usr/lib/x86_64-linux-gnu/libold.so.1"), "library");
    assert_eq!(text(&files, "usr/lib/x86_64-linux-gnu/libold.so"), "->libold.so.1");
    assert_eq!(text(&files, "usr/sbin/tool"), "->/usr/share/tool");
    assert_eq!(text(&files, "usr/share/doc/app/copyright"), "licence");
    for gone in [
        "usr/share/doc/app/changelog.gz",
        "usr/share/man/man1/app.1.gz",
        "usr/share/man",
        "etc/init.d/app",
        "etc/init.d",
        "lib/x86_64-linux-gnu",
    ] {
        assert!(!files.contains_key(gone), "{gone}");
    }
    assert_eq!(files["tmp"].mode & 0o7777, 0o1777);
    assert!(text(&files, "etc/passwd").contains("nonroot:x:65532:65532:"));
    assert!(text(&files, "etc/nsswitch.conf").contains("hosts: files dns"));
    let built: serde_json::Value = serde_json::from_str(&project.good(&["build", "--format", "json", "-o", "oci:out"])).unwrap();
    let filters: Vec<&str> =
        built["debian"][0]["filters"].as_array().unwrap().iter().map(|filter| filter["name"].as_str().unwrap()).collect();
    assert_eq!(filters, ["documentation", "services"]);
}

#[test]
fn scanners_find_every_package() {
    let project = Project::new(&[app("libone"), deb("libone", "1:2-3")], "packages = [\"app\"]");
    let files = project.files(&[]);
    let stanza = text(&files, "var/lib/dpkg/status.d/libone");
    assert!(stanza.starts_with("Package: libone\nVersion: 1:2-3\nArchitecture: amd64\n"), "{stanza}");
    assert!(!stanza.contains("Status:"));
    assert!(files.contains_key("var/lib/dpkg/status.d/app"));
}

#[test]
fn what_scripts_would_have_made_is_made_and_the_rest_is_told() {
    let certificates = deb("ca-certificates", "1")
        .script("postinst", "#!/bin/sh\nupdate-ca-certificates\n")
        .file("usr/share/ca-certificates/mozilla/B.crt", certificate(1).as_bytes())
        .file("usr/share/ca-certificates/mozilla/A.crt", format!("{}\n", certificate(0)).as_bytes())
        .file("usr/sbin/update-ca-certificates", b"#!/bin/sh\n");
    let other = deb("other", "1")
        .script(
            "postinst",
            "#!/bin/sh\nset -e\nupdate-alternatives --install /usr/bin/editor editor /usr/bin/other 10\nadduser --system other\nother-setup --all\n",
        )
        .program("usr/bin/other", &program());
    let time = deb("tzdata", "1").script("postinst", "#!/bin/sh\nln -s x y\n").file("usr/share/zoneinfo/Etc/UTC", b"TZif");
    let project = Project::new(
        &[app("ca-certificates, other, tzdata"), certificates, other, time],
        "packages = [\"app\"]\ncertificates = [\"corp.pem\"]",
    );
    fs::write(project.path("corp.pem"), certificate(2)).unwrap();
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("warning")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("the package `other`"), "{said}");
    assert!(
        said.contains("the image lacks what `other-setup --all` makes, as `postinst` of the package `other` is not run (line 5)"),
        "{said}"
    );
    let files = files_of(&project.path("out"));
    let bundle = [certificate(0), certificate(1), certificate(2)].join("\n") + "\n";
    assert_eq!(text(&files, "etc/ssl/certs/ca-certificates.crt"), bundle);
    assert_eq!(text(&files, "usr/lib/ssl/cert.pem"), "->/etc/ssl/certs/ca-certificates.crt");
    assert!(!files.contains_key("usr/sbin/update-ca-certificates"));
    assert_eq!(text(&files, "etc/localtime"), "->/usr/share/zoneinfo/Etc/UTC");
    assert_eq!(text(&files, "usr/bin/editor"), "->/usr/bin/other");
}

/// Has an interpreter below `/lib64`, which `libc6` has below `/usr` (Debian since trixie) and whose link only `base-files` ships.
#[test]
fn merged_folders_are_linked_without_the_package_that_ships_the_links() {
    let loader = elf::Elf { machine: 62, soname: Some("ld-linux-x86-64.so.2"), ..elf::Elf::default() }.write();
    let program = elf::Elf { machine: 62, interpreter: Some("/lib64/ld-linux-x86-64.so.2"), ..elf::Elf::default() }.write();
    let packages = [
        deb("app", "1").field("Depends: libc6").program("usr/bin/app", &program),
        deb("libc6", "2").program("usr/lib64/ld-linux-x86-64.so.2", &loader),
    ];
    let project = Project::new(&packages, "packages = [\"app\"]");
    let files = project.files(&[]);
    for name in ["bin", "lib", "lib64", "sbin"] {
        assert_eq!(text(&files, name), format!("->usr/{name}"));
    }
    assert!(!files.contains_key("lib32") && !files.contains_key("libx32"));
}

#[test]
fn alternatives_that_a_loop_sets_up_are_links() {
    let script = "#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then\n  for tool in resize crop \\\n      turn; do\n    \
                  update-alternatives --install /usr/bin/$tool $tool /usr/bin/${tool}.big 40 \\\n      \
                  --slave /usr/share/man/man1/$tool.1.gz $tool.1.gz /usr/share/man/man1/$tool.big.1.gz\n  done\nfi\n\
                  update-alternatives --install /usr/bin/$(chosen) chosen /usr/bin/resize.big 1\n";
    let pictures = deb("pictures", "1")
        .script("postinst", script)
        .program("usr/bin/resize.big", &program())
        .program("usr/bin/crop.big", &program())
        .program("usr/bin/turn.big", &program());
    let project = Project::new(&[app("pictures"), pictures], "packages = [\"app\"]");
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let files = files_of(&project.path("out"));
    for name in ["resize", "crop", "turn"] {
        assert_eq!(text(&files, &format!("usr/bin/{name}")), format!("->/usr/bin/{name}.big"));
    }
    // What cannot be computed is told.
    assert!(said.contains("the package `pictures`") && said.contains("/usr/bin/$(…)"), "{said}");
    let told = project.good(&["explain", "package", "pictures", "--offline"]);
    for expected in [
        "postinst, line 6: update-alternatives --install /usr/bin/resize resize /usr/bin/resize.big 40",
        "made (links of `update-alternatives`)",
        "harmless (the target of the link is not in the image)",
        "missing: /usr/bin/$(…), an alternative with a path that the script computes",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    assert!(!said.contains("resize"), "{said}");
}

#[test]
fn configuration_files_are_copied_from_templates() {
    let script = "#!/bin/sh\nset -e\nfor name in one two; do\n  ucf --three-way --debconf-ok /usr/share/server/$name.conf /etc/server/$name.conf\ndone\n\
                  # Automatically added by dh_ucf/13\nif [ \"$1\" = \"configure\" ]; then\n  ucf \"/usr/share/doc/server/log.conf\" \"/etc/server/log.conf\"\nfi\n# End automatically added section\n\
                  ucf $(mktemp) /etc/server/computed.conf\n";
    let server = deb("server", "1")
        .script("postinst", script)
        .file("usr/share/server/one.conf", b"one")
        .file("usr/share/server/two.conf", b"two")
        .file("usr/share/doc/server/log.conf", b"log");
    let project = Project::new(&[app("server"), server], "packages = [\"app\"]");
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    let files = files_of(&project.path("out"));
    for name in ["one", "two", "log"] {
        assert_eq!(text(&files, &format!("etc/server/{name}.conf")), name);
    }
    assert!(!files.contains_key("usr/share/doc/server/log.conf"));
    assert!(said.contains("`/etc/server/computed.conf`"), "{said}");
}

#[test]
fn a_file_that_is_made_empty_still_misses_what_a_command_writes_into_it() {
    let script = "#!/bin/sh\nset -e\ntouch /etc/odbcinst.ini\nodbcinst -i -d -f /usr/share/drivers/template\nglib-compile-schemas /usr/share/glib-2.0/schemas\n";
    let project = Project::new(&[app("drivers"), deb("drivers", "1").script("postinst", script)], "packages = [\"app\"]");
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the image lacks `/etc/odbcinst.ini`, as `postinst` of the package `drivers` is not run (line 4)"), "{said}");
    // Nothing is there that the other command would read.
    assert!(!said.contains("gschemas.compiled"), "{said}");
    assert_eq!(text(&files_of(&project.path("out")), "etc/odbcinst.ini"), "");
}

#[test]
fn accounts_of_packages_and_of_every_debian_system_are_there() {
    let script = "#!/bin/sh\nset -e\nif ! getent passwd db >/dev/null; then\n  adduser --system --group --home /var/lib/db --no-create-home db\nfi\n\
                  useradd --system --uid 119 --gid www-data web || true\n";
    let server = deb("server", "1").script("postinst", script).file(
        "usr/lib/sysusers.d/server.conf",
        b"# accounts\nu queue 217 \"Queue of jobs\" /var/spool/queue\ng readers -\nm queue readers\n",
    );
    let project = Project::new(&[app("server"), server], "packages = [\"app\"]");
    let files = project.files(&[]);
    let passwd = text(&files, "etc/passwd");
    for account in ["www-data:x:33:33:", "proxy:x:13:13:", "web:x:119:33:", "queue:x:217:217:", "nonroot:x:65532:65532:"] {
        assert!(passwd.lines().any(|line| line.starts_with(account)), "{account} {passwd}");
    }
    let number = passwd.lines().find_map(|line| line.strip_prefix("db:x:")).unwrap();
    let number: u32 = number.split(':').next().unwrap().parse().unwrap();
    assert!((400..900).contains(&number) && passwd.contains(&format!("db:x:{number}:{number}:db:/var/lib/db:")), "{passwd}");
    let group = text(&files, "etc/group");
    assert!(group.contains("readers:x:") && group.contains("nogroup:x:65534:"), "{group}");
    assert!(!files.contains_key("usr/lib/sysusers.d/server.conf"));
    // The number of an account depends on its name alone.
    let other = Project::new(
        &[app("server"), deb("server", "2").script("postinst", "#!/bin/sh\nadduser --system --group db\n")],
        "packages = [\"app\"]",
    );
    assert!(text(&other.files(&[]), "etc/passwd").contains(&format!("db:x:{number}:{number}:")));
}

#[test]
fn folders_of_services_are_roots_and_told() {
    let script = "#!/bin/sh\nset -e\nmkdir -p /var/lib/server/data /run/server\nchown server:server /var/lib/server\nchmod 750 /var/lib/server\n\
                  install -d -o server -g adm -m 2750 /var/log/server\nln -s data /var/lib/server/current\n";
    let server = deb("server", "1").script("postinst", script).file(
        "usr/lib/tmpfiles.d/server.conf",
        b"d /run/server 0755 server server -\nd /var/cache/server 0700 server server - -\nL /var/lib/server/old - - - - data\n",
    );
    let project = Project::new(&[app("server"), server], "packages = [\"app\"]");
    let built: serde_json::Value = serde_json::from_str(&project.good(&["build", "--format", "json", "-o", "oci:out"])).unwrap();
    let files = files_of(&project.path("out"));
    for name in ["var/lib/server", "var/lib/server/data", "var/log/server", "var/cache/server"] {
        assert_eq!(files[name].mode & 0o7777, 0o755, "{name}");
    }
    assert_eq!((text(&files, "var/lib/server/current").as_str(), text(&files, "var/lib/server/old").as_str()), ("->data", "->data"));
    assert!(!files.contains_key("run/server"));
    let written: Vec<&str> =
        built["debian"][0]["written"].as_array().unwrap().iter().map(|folder| folder["path"].as_str().unwrap()).collect();
    assert_eq!(written, ["/var/cache/server", "/var/lib/server", "/var/log/server"]);
}

#[test]
fn a_lock_builds_the_same_image_everywhere() {
    let project = Project::new(&[app("libone"), deb("libone", "1").file("usr/lib/one", &vec![7; 300_000])], "packages = [\"app\"]");
    let build = |more: &[&str]| project.good(&[&["build", "-q", "--locked", "-o", "oci:out"], more].concat());
    project.good(&["lock"]);
    let first = build(&[]);
    project.mirror.asked();
    // With the cache, no network is needed.
    assert_eq!(build(&["--offline"]), first);
    assert!(project.mirror.asked().is_empty());
    // With nothing but the lock, the packages are fetched again, and nothing else.
    fs::remove_dir_all(project.path("cache")).unwrap();
    assert_eq!(build(&[]), first);
    assert!(project.mirror.asked().iter().all(|path| path.starts_with("/pool/")));
    // From where they were vendored, nothing else is needed at all.
    let vendored: serde_json::Value = serde_json::from_str(&project.good(&["vendor", "vendored", "--format", "json"])).unwrap();
    assert_eq!(vendored["location"], "oci:vendored");
    for path in project.mirror.paths("") {
        project.mirror.take(&path);
    }
    for thread in ["1", "3"] {
        fs::remove_dir_all(project.path("cache")).unwrap();
        assert_eq!(build(&["--offline", "--vendored", "oci:vendored", "--threads", thread]), first);
    }
    fs::remove_dir_all(project.path("cache")).unwrap();
    let said = project.bad(3, &["build", "--locked", "--offline", "-o", "oci:out"]);
    assert!(said.contains("could not fetch the package `app` 1.0") && said.contains("--vendored oci:DIR"), "{said}");
    let index: serde_json::Value = serde_json::from_slice(&fs::read(project.path("vendored/index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
}

#[test]
fn layers_are_few_and_an_update_changes_its_own() {
    let name = |number: usize| format!("lib{number:02}");
    let libraries = |updated: usize| {
        let library = |number: usize| {
            deb(&name(number), if number == updated { "2" } else { "1" })
                .file(&format!("usr/lib/{number}"), format!("{number}").repeat(50).as_bytes())
        };
        let mut all: Vec<_> = (0..30).map(library).collect();
        all.push(app(&(0..30).map(name).collect::<Vec<_>>().join(", ")));
        all
    };
    let project = Project::new(&libraries(99), "packages = [\"app\"]\nlayers = 6");
    project.files(&[]);
    let before = layers_of(&project.path("out"));
    assert!(before.len() <= 6, "{before:?}");
    project.mirror.publish(&libraries(7), DATE + 60, "", super::ARCHIVE_KEY);
    project.good(&["lock", "--update", "-q"]);
    project.files(&[]);
    let after = layers_of(&project.path("out"));
    let changed = before.iter().zip(&after).filter(|(one, other)| one != other).count();
    assert_eq!((before.len(), changed), (after.len(), 1));
}

#[test]
fn a_packages_programs_gain_no_rights_and_links_are_kept() {
    let mut package = app("");
    package.files.push(("usr/bin/su".to_owned(), 0o4755, program()));
    let project = Project::new(&[package], "packages = [\"app\"]");
    let files = project.files(&[]);
    assert_eq!(files["usr/bin/su"].mode & 0o7777, 0o755);
    assert_eq!(files["usr/bin/app"].mode & 0o7777, 0o755);
}

#[test]
fn folders_of_packages_keep_their_modes_and_empty_ones_go() {
    let mut package = app("");
    package.files.push(("var/cache/app/".to_owned(), 0o1777, Vec::new()));
    // Something in this folder is left out, and it has a neighbour whose name goes on.
    package.files.push(("usr/lib/app/".to_owned(), 0o750, Vec::new()));
    let package = package
        .file("usr/lib/app/audit/a.so", b"left out")
        .file("usr/lib/app/kept", b"kept")
        .file("usr/lib/app-more/kept", b"kept")
        .file("usr/lib/emptied/audit/a.so", b"left out");
    let project = Project::new(&[package], "packages = [\"app\"]");
    let files = project.files(&[]);
    assert_eq!(files["usr/lib/app"].mode & 0o7777, 0o750);
    assert_eq!(files["var/cache/app"].mode & 0o7777, 0o1777);
    assert!(files.contains_key("usr/lib/app/kept") && files.contains_key("usr/lib/app-more/kept"));
    assert!(!files.contains_key("usr/lib/app/audit") && !files.contains_key("usr/lib/emptied"));
}

#[test]
fn slim_leaves_out_more() {
    let package = app("")
        .file("usr/include/app.h", b"header")
        .file("usr/lib/x86_64-linux-gnu/gconv/BIG5.so", b"rare")
        .file("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", b"common");
    let project = Project::new(&[package], "packages = [\"app\"]");
    assert!(project.files(&[]).contains_key("usr/include/app.h"));
    let files = project.files(&["--set", "base.debian.slim=true"]);
    assert!(!files.contains_key("usr/include/app.h") && !files.contains_key("usr/lib/x86_64-linux-gnu/gconv/BIG5.so"));
    assert!(files.contains_key("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so"));
}

#[test]
fn several_archives_are_joined_and_the_newest_version_wins() {
    let second = Mirror::new(&[deb("libone", "2")]);
    let project = Project::new(&[app("libone"), deb("libone", "1")], "packages = [\"app\"]");
    let recipe = fs::read_to_string(project.path("hardened.toml")).unwrap();
    let more = format!("] }}, {{ url = \"{}\", suite = \"stable\", keys = [\"archive.gpg\"] }}]", second.address);
    fs::write(project.path("hardened.toml"), recipe.replacen("] }]", &more, 1)).unwrap();
    project.good(&["lock"]);
    assert!(project.lock().contains("libone_2_amd64.deb") && project.lock().contains("app_1.0_amd64.deb"));
    project.files(&[]);
}

#[test]
fn an_excluded_library_that_is_needed_is_missed_at_build_time() {
    let loader = elf::Elf { machine: 62, soname: Some("ld-linux-x86-64.so.2"), ..elf::Elf::default() }.write();
    let library = elf::Elf { machine: 62, soname: Some("libone.so.1"), ..elf::Elf::default() }.write();
    let program =
        elf::Elf { machine: 62, interpreter: Some("/lib64/ld-linux-x86-64.so.2"), needed: &["libone.so.1"], ..elf::Elf::default() }.write();
    let packages = [
        deb("app", "1").field("Depends: libone1, libc6").program("usr/bin/app", &program),
        deb("libone1", "1").file("usr/lib/x86_64-linux-gnu/libone.so.1", &library),
        deb("libc6", "2").program("lib64/ld-linux-x86-64.so.2", &loader),
    ];
    let project = Project::new(&packages, "packages = [\"app\"]");
    let files = project.files(&[]);
    assert!(files["etc/ld.so.cache"].content.windows(11).any(|bytes| bytes == b"libone.so.1"));
    assert_eq!(text(&files, "lib64"), "->usr/lib64");
    project.recipe("packages = [\"app\"]\nexclude = [\"libone1\"]");
    let said = project.bad(1, &["build", "-o", "oci:other"]);
    assert!(said.contains("`/usr/bin/app` needs the library `libone.so.1`, which is not in the image"), "{said}");
    assert!(said.contains("the package `libone1` has it"), "{said}");
    assert!(!project.path("other").exists());
}

#[test]
fn what_a_package_misses_and_nothing_reaches_is_a_warning() {
    let static_program = elf::Elf { machine: 62, ..elf::Elf::default() }.write();
    let plugin = elf::Elf { machine: 62, soname: Some("gl.so"), needed: &["libone.so.1"], ..elf::Elf::default() }.write();
    let library = elf::Elf { machine: 62, soname: Some("libone.so.1"), ..elf::Elf::default() }.write();
    let packages = [
        deb("app", "1")
            .field("Depends: libone1")
            .program("usr/bin/app", &static_program)
            .program("usr/bin/script", b"#!/bin/sh\nexec app\n")
            .program("usr/lib/app/app.bin", &static_program)
            .program("usr/bin/wrapper", b"#!/bin/sh\nDIR=/usr/lib/app\nexec $DIR/app.bin \"$@\"\n")
            .file("usr/lib/x86_64-linux-gnu/plugins/gl.so", &plugin),
        deb("libone1", "1").file("usr/lib/x86_64-linux-gnu/libone.so.1", &library),
    ];
    let project = Project::new(&packages, "packages = [\"app\"]\nexclude = [\"libone1\"]");
    let said = |arguments: &[&str]| {
        let output = project.run(arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = said(&["build", "-o", "oci:out"]);
    let warning = "warning: `libone.so.1` is not in the image; needed by `/usr/lib/x86_64-linux-gnu/plugins/gl.so`\n\
                   hint: the package `libone1` has it: add it to `packages` if this is used\n";
    assert!(code == Some(0) && error.contains(warning) && !error.contains("/bin/sh"), "{error}");
    let (_, error) = said(&["-v", "build", "-o", "oci:out"]);
    let line = "`/bin/sh` is an interpreter that is not in the image; needed by `/usr/bin/script` and `/usr/bin/wrapper`";
    assert!(error.contains(line), "{error}");
    let (code, error) = said(&["build", "-o", "oci:other", "--set", "process.entrypoint=[\"wrapper\"]"]);
    let texts = [
        "the entrypoint `wrapper` needs the interpreter `/bin/sh`, which is not in the image",
        "`/usr/bin/wrapper` is a wrapper that starts `/usr/lib/app/app.bin`",
        "write `\"/usr/lib/app/app.bin\"` in place of `\"wrapper\"`",
    ];
    assert!(code == Some(1) && texts.iter().all(|text| error.contains(text)), "{error}");
}

/// What a lock means in bytes. A change needs a raised `lock::TABLES`, or a new `recipe::Format` when it is the layers that changed.
#[test]
fn equal_tables_mean_equal_bytes() {
    let library = elf::Elf { machine: 62, soname: Some("libone.so.1"), ..elf::Elf::default() }.write();
    let packages = [
        app("base-files, ca-certificates, tzdata, libc6, libc-bin, nginx"),
        deb("base-files", "13")
            .file("usr/lib/os-release", b"ID=debian\n")
            .file("lib/old", b"old")
            .file("usr/share/doc/base-files/README", b"x"),
        deb("ca-certificates", "1").file("usr/share/ca-certificates/mozilla/A.crt", certificate(0).as_bytes()),
        deb("tzdata", "1").file("usr/share/zoneinfo/Etc/UTC", b"TZif"),
        deb("libc6", "2").file("usr/lib/x86_64-linux-gnu/libone.so.1", &library).file("usr/lib/x86_64-linux-gnu/gconv/BIG5.so", b"rare"),
        deb("libc-bin", "2").file("usr/share/libc-bin/nsswitch.conf", b"passwd: files\n").file("usr/bin/getent", b"tool"),
        deb("nginx", "1").file("etc/nginx/nginx.conf", b"events {}\n"),
    ];
    let project = Project::new(&packages, "packages = [\"app\", \"libc-bin\"]");
    let built: serde_json::Value = serde_json::from_str(&project.good(&["build", "--format", "json", "-o", "oci:out"])).unwrap();
    let layers = built["platforms"][0]["layers"].as_array().unwrap();
    let sums: Vec<String> =
        layers.iter().map(|layer| format!("{} {}", layer["name"].as_str().unwrap(), &layer["diff-id"].as_str().unwrap()[7..19])).collect();
    let expected = [
        "debian: app 293921f7d7f2",
        "debian: base-files 24c160129f6c",
        "debian: ca-certificates ce1da0b56823",
        "debian: libc-bin e4b4a6257c04",
        "debian: libc6 2f15a125f6b0",
        "debian: nginx 313214b43048",
        "debian: tzdata d09e3c8cceac",
        "debian: accounts, certificates and links 2a217839010c",
    ];
    assert_eq!(sums, expected, "TABLES is {}", hardened::lock::TABLES);
}

#[test]
fn a_shell_among_the_packages_is_said() {
    let shell = deb("dash", "1.0").program("usr/bin/dash", &program());
    let project = Project::new(&[app(""), shell], "packages = [\"app\", \"dash\"]");
    for _ in 0..2 {
        let output = project.run(&["build", "-o", "oci:out", "--format", "json"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("note: the image has a shell: `/usr/bin/dash`\n"), "{said}");
        let built: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(built["platforms"][0]["findings"][0]["rule"], "shell");
    }
    let none = Project::new(&[app("")], "packages = [\"app\"]");
    let output = none.run(&["build", "-o", "oci:out"]);
    assert!(output.status.success() && !String::from_utf8(output.stderr).unwrap().contains("shell"));
}

#[test]
fn files_that_all_may_write_to_and_set_id_programs_are_told() {
    let mut package = app("");
    for (path, mode) in [
        ("usr/bin/raise", 0o4755),
        ("usr/bin/group", 0o2755),
        ("usr/share/open.txt", 0o666),
        ("var/lib/open/", 0o777),
        ("var/lib/sticky/", 0o1777),
        ("var/lib/shared/", 0o2775),
        ("usr/share/doc/app/gone.txt", 0o666),
    ] {
        package.files.push((path.to_owned(), mode, if path.ends_with('/') { Vec::new() } else { b"x".to_vec() }));
    }
    let project = Project::new(&[package], "packages = [\"app\"]");
    let output = project.run(&["build", "-o", "oci:out"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for text in [
        "warning: 4 files of packages give away rights: `/usr/bin/group` (of `app`, set-user-ID or set-group-ID), `/usr/bin/raise`",
        "`/usr/share/open.txt` (of `app`, writable by all), `/var/lib/open` (of `app`, writable by all)",
        "`exclude = [\"app\"]`",
        "`to = \"/usr/share/open.txt\"` in `[[files]]`",
        "bits are not kept in the image",
    ] {
        assert!(said.contains(text), "`{text}` is not in:\n{said}");
    }
    let files = files_of(&project.path("out"));
    assert_eq!((files["usr/bin/raise"].mode & 0o7777, files["usr/share/open.txt"].mode & 0o7777), (0o755, 0o666));
    // What the recipe puts there is not the package's.
    let own = "directories=[{ path = \"/var/lib/open\" }]";
    let output = project.run(&["build", "-o", "oci:out", "--set", own]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("3 files of packages") && !said.contains("/var/lib/open"), "{said}");
}
