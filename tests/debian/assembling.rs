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
            "#!/bin/sh\nset -e\nupdate-alternatives --install /usr/bin/editor editor /usr/bin/other 10\nadduser --system other\n",
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
    assert!(said.contains("`postinst` of the package `other` does something that nothing here stands in for (`adduser`)"), "{said}");
    assert!(!said.contains("ca-certificates"), "{said}");
    let files = files_of(&project.path("out"));
    let bundle = [certificate(0), certificate(1), certificate(2)].join("\n") + "\n";
    assert_eq!(text(&files, "etc/ssl/certs/ca-certificates.crt"), bundle);
    assert_eq!(text(&files, "usr/lib/ssl/cert.pem"), "->/etc/ssl/certs/ca-certificates.crt");
    assert!(!files.contains_key("usr/sbin/update-ca-certificates"));
    assert_eq!(text(&files, "etc/localtime"), "->/usr/share/zoneinfo/Etc/UTC");
    assert_eq!(text(&files, "usr/bin/editor"), "->/usr/bin/other");
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
        "debian: accounts, certificates and links 47832774c11e",
    ];
    assert_eq!(sums, expected, "TABLES is {}", hardened::lock::TABLES);
}
