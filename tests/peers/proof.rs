//! What the loader is asked for and what it finds, as others read it: binutils' `readelf`, and the loader itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use hardened::linkage::{self, Proof, ProofOptions, ProofRequest};
use hardened::oci::{Config, Digest, Platform};
use hardened::rootfs::{
    ContentFault, Dynamic, Fact, FactKind, Head, ImagePath, ImageText, LayerEntry, LayerFact, LayerFacts, OpenContent, Owner, ReadAt,
    ReadFault, Rootfs, Stat, TreeId,
};

use crate::bases::Base;
use crate::debian::unpack;
use crate::peer::{Peer, success};
use crate::podman::Podman;
use crate::project::{HELLO, HELLO_SAYS, Project};

/// This machine's libraries and programs, a part of them from all folders.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/sbin", "/usr/lib64"] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        paths.sort();
        found.extend(paths);
    }
    // Programs and libraries, not the objects that are linked to them.
    let is_elf = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF") && matches!(bytes.get(16), Some(2 | 3)));
    found.into_iter().step_by(3).filter(is_elf).collect()
}

fn head(path: &Path) -> (Option<String>, Dynamic) {
    match Head::of(&fs::read(path).unwrap()) {
        Head::Elf { interpreter, dynamic, .. } => (interpreter, dynamic.map(|dynamic| (*dynamic).clone()).unwrap_or_default()),
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// What `readelf -dVlW` says, as we would.
fn read(text: &str) -> (Option<String>, Dynamic) {
    let bracket = |line: &str| Some(line.split_once('[')?.1.rsplit_once(']')?.0.to_owned());
    let mut dynamic = Dynamic::default();
    let (mut interpreter, mut part) = (None, "");
    let mut versions: Vec<(Box<str>, Vec<Box<str>>)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("[Requesting program interpreter: ") {
            interpreter = Some(name.trim_end_matches(']').to_owned());
        }
        for (tag, what) in [("(NEEDED)", 0), ("(FILTER)", 0), ("(SONAME)", 1), ("(RPATH)", 2), ("(RUNPATH)", 3)] {
            if let Some(value) = line.contains(tag).then(|| bracket(line)).flatten() {
                match what {
                    0 => dynamic.needed.push(value.into()),
                    1 => dynamic.soname = Some(value.into()),
                    2 => dynamic.rpath = Some(value.into()),
                    _ => dynamic.runpath = Some(value.into()),
                }
            }
        }
        for (title, name) in [("Version definition section", "d"), ("Version needs section", "n"), ("Version symbols section", "")] {
            if line.starts_with(title) {
                part = name;
            }
        }
        if part == "d" && line.contains("Index:") && !line.contains("Flags: BASE") {
            dynamic.defines.extend(line.split_once("Name: ").map(|(_, name)| name.trim().into()));
        }
        if part == "n"
            && let Some((_, file)) = line.split_once("File: ")
        {
            versions.push((file.split_whitespace().next().unwrap().into(), Vec::new()));
        } else if part == "n"
            && let Some((_, name)) = line.split_once("Name: ")
            && !name.contains("Flags: WEAK")
        {
            versions.last_mut().unwrap().1.push(name.split_whitespace().next().unwrap().into());
        }
    }
    let needed = |(library, versions)| hardened::rootfs::NeededVersions { library, versions };
    dynamic.versions = versions.into_iter().filter(|(_, versions)| !versions.is_empty()).map(needed).collect();
    (interpreter, dynamic)
}

#[test]
fn readelf_reads_the_same() {
    let Some(readelf) = Peer::find("readelf") else { return };
    let home = tempfile::TempDir::new().unwrap();
    let files = files();
    assert!(files.len() > 50, "{}", files.len());
    let mut different = Vec::new();
    let mut seen = BTreeSet::new();
    let mut openers: BTreeMap<bool, usize> = BTreeMap::new();
    for path in files {
        let (interpreter, ours) = head(&path);
        let text = success(readelf.command(home.path(), 60).args(["-dVlW"]).arg(&path));
        let (expected_interpreter, expected) = read(&text);
        let symbols = success(readelf.command(home.path(), 60).args(["--dyn-syms", "-W"]).arg(&path));
        let opens = symbols.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = words.get(7).map(|name| name.split('@').next().unwrap());
            words.get(6) == Some(&"UND") && matches!(name, Some("dlopen" | "dlmopen"))
        });
        *openers.entry(opens).or_default() += 1;
        let expected = Dynamic { opens_by_name: opens, folders: ours.folders.clone(), without_defaults: ours.without_defaults, ..expected };
        if interpreter != expected_interpreter || ours != expected {
            different
                .push(format!("{}:\nours      {interpreter:?} {ours:?}\nreadelf's {expected_interpreter:?} {expected:?}", path.display()));
        }
        seen.insert(path);
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), seen.len(), different.join("\n"));
    assert!(openers.len() == 2, "{openers:?}");
    println!("{} files", seen.len());
}

/// A file of this machine, read where it is asked for.
struct Opened(fs::File);

impl ReadAt for Opened {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault> {
        self.0.read_exact_at(buffer, offset).map_err(|error| ReadFault::Content(error.into()))
    }
}

struct Nothing;

impl OpenContent for Nothing {
    fn read(&self, _: TreeId, _: &[u8], _: Stat, _: u64, _: &mut [u8]) -> Result<(), ContentFault> {
        Err(ContentFault::Changed)
    }
}

/// Adds a file, link or folder of this machine, and what a folder holds.
fn add(path: &Path, depth: usize, entries: &mut Vec<LayerFact>) {
    let Ok(found) = fs::symlink_metadata(path) else { return };
    let kind = if found.is_symlink() {
        FactKind::Symlink(ImageText(fs::read_link(path).unwrap().as_os_str().as_bytes().into()))
    } else if found.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().filter(|_| depth > 0) {
            add(&entry.unwrap().path(), depth - 1, entries);
        }
        FactKind::Directory
    } else {
        let Ok(file) = fs::File::open(path) else { return };
        let head = Head::read(&Opened(file), found.len()).unwrap();
        FactKind::File { size: found.len(), head, content: None, digest: None }
    };
    let owner = Owner { uid: found.uid(), gid: found.gid() };
    let fact = Fact::new(kind, u16::try_from(found.mode() & 0o7777).unwrap(), owner);
    entries.push(LayerFact { path: ImagePath::new(path.as_os_str().as_bytes()).unwrap(), fact: LayerEntry::Add(fact) });
}

/// This machine's libraries, as the layer of a base, and more folders.
fn machine(more: &[&Path]) -> LayerFacts {
    let mut entries = Vec::new();
    for folder in ["/lib", "/lib64", "/bin", "/sbin", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"] {
        add(Path::new(folder), 2, &mut entries);
    }
    add(Path::new("/usr/lib"), 4, &mut entries);
    more.iter().for_each(|path| add(path, 8, &mut entries));
    LayerFacts { diff_id: Digest::of(b""), size: 0, entries }
}

fn prove(facts: &LayerFacts, program: &Path) -> Result<Proof, Vec<String>> {
    let platform = Platform::default_target();
    let mut rootfs = Rootfs::new();
    rootfs.apply(facts);
    let config = Config::new(&platform).with_setting("Entrypoint", Some(vec![program.to_str().unwrap()].into()));
    let request = ProofRequest {
        platform: &platform,
        config: &config,
        rootfs: &rootfs,
        contents: &Nothing,
        owner: Owner::default(),
        options: &ProofOptions::default(),
        entrypoint_span: None,
    };
    linkage::prove(&request).map_err(|faults| faults.iter().map(|fault| fault.diagnostic().message.clone()).collect())
}

/// What the loader says that it would load: the files it found, and the names it did not.
fn ldd(peer: &Peer, home: &Path, program: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let output = peer.command(home, 60).arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let (mut found, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some((name, "not found")) = line.trim().split_once(" => ") {
            missing.insert(name.to_owned());
        } else if let Some((_, version)) = line.split_once("version `") {
            missing.insert(version.split('\'').next().unwrap().to_owned());
        } else if let Some(path) = line.split_whitespace().find(|word| word.starts_with('/') && !word.ends_with(':')) {
            found.insert(fs::canonicalize(path).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.insert(fs::canonicalize(program).unwrap().to_str().unwrap().to_owned());
    (found, missing)
}

#[test]
fn the_loader_finds_the_same_libraries() {
    let Some(peer) = Peer::find("ldd") else { return };
    let home = tempfile::TempDir::new().unwrap();
    let names = [
        "node",
        "openssl",
        "git",
        "curl",
        "gcc",
        "perl",
        "ssh",
        "xz",
        "tar",
        "gpg",
        "gdb",
        "podman",
        "skopeo",
        "buildah",
        "cmake",
        "make",
        "python3",
        "java",
        "bash",
        "ls",
        "grep",
        "as",
        "ld",
        "qemu-aarch64-static",
        "zstd",
        "file",
        "ps",
        "systemctl",
        "apt-get",
        "dpkg",
        "nginx",
        "sqlite3",
        "wget",
        "rsync",
        "less",
        "gpgv",
        "strace",
        "jq",
        "tclsh",
        "mksquashfs",
    ];
    let is_elf = |path: &PathBuf| path.starts_with("/usr") && fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"));
    let found = names.iter().filter_map(|name| fs::canonicalize(Path::new("/usr/bin").join(name)).ok()).filter(is_elf);
    let programs: BTreeSet<PathBuf> = found.collect();
    assert!(programs.len() >= 15, "{programs:?}");
    let facts = machine(&programs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let mut libraries = 0;
    for program in &programs {
        let (expected, missing) = ldd(&peer, home.path(), program);
        assert!(missing.is_empty(), "{}: {missing:?}", program.display());
        let proof = prove(&facts, program).unwrap_or_else(|faults| panic!("{}: {faults:#?}", program.display()));
        let reached: BTreeSet<String> = proof.reached.iter().cloned().collect();
        assert_eq!(reached, expected, "{}", program.display());
        libraries += reached.len();
    }
    println!("{} programs, {libraries} files", programs.len());
}

#[test]
fn the_loader_gives_the_same_verdict_on_what_gcc_links() {
    let (Some(gcc), Some(peer)) = (Peer::find("gcc"), Peer::find("ldd")) else { return };
    let home = tempfile::TempDir::new().unwrap();
    let folder = fs::canonicalize(home.path()).unwrap().join("work");
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for name in ["lib/deep", "other"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("deep.c", "int deep(void) { return 1; }");
    write("shared.c", "int deep(void); int shared(void) { return deep(); }");
    write("main.c", "int shared(void); int main(void) { return shared() - 1; }");
    write("one.map", "SHARED_1.0 { global: shared; local: *; };");
    write("two.map", "SHARED_1.0 { }; SHARED_2.0 { global: shared; local: *; };");
    let link = |arguments: &[&str]| gcc.run(home.path(), arguments);
    let build = |map: &str, own: &str| {
        link(&["-shared", "-fPIC", "-Wl,-soname,libdeep.so.1", "-o", &at("lib/deep/libdeep.so.1"), &at("deep.c")]);
        let map = format!("-Wl,--version-script={}", at(map));
        let (soname, deep) = ("-Wl,-soname,libshared.so.1", at("lib/deep/libdeep.so.1"));
        link(&["-shared", "-fPIC", soname, &map, own, "-o", &at("lib/libshared.so.1"), &at("shared.c"), &deep]);
    };
    let run_path = "-Wl,--enable-new-dtags,-rpath,$ORIGIN";
    let main = |path: &str| {
        let (shared, deep) = (at("lib/libshared.so.1"), format!("-Wl,-rpath-link,{}", at("lib/deep")));
        link(&["-o", &at("main"), &at("main.c"), &shared, &deep, path]);
    };
    let mut verdicts = Vec::new();
    let mut compare = |what: &str| {
        let program = folder.join("main");
        let (expected, missing) = ldd(&peer, home.path(), &program);
        match prove(&machine(&[&folder]), &program) {
            Ok(proof) => {
                assert!(missing.is_empty(), "{what}: ldd misses {missing:?}");
                assert_eq!(proof.reached.into_iter().collect::<BTreeSet<_>>(), expected, "{what}");
            }
            Err(faults) => {
                assert_eq!(faults.len(), missing.len(), "{what}: {faults:?} {missing:?}");
                for name in &missing {
                    assert!(faults.iter().any(|fault| fault.contains(&format!("`{name}`"))), "{what}: {faults:?} {missing:?}");
                }
            }
        }
        verdicts.push(missing.is_empty());
    };
    build("two.map", &format!("{run_path}/deep"));
    main(&format!("{run_path}/lib"));
    compare("each has a run path");
    build("two.map", "-g");
    compare("the run path of the program is not for its libraries");
    main("-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib:$ORIGIN/lib/deep");
    compare("its older path is");
    main("-Wl,--enable-new-dtags,-rpath,$ORIGIN/nowhere");
    compare("nothing is there");
    main(&format!("{run_path}/lib"));
    build("one.map", &format!("{run_path}/deep"));
    compare("the version of the library is too old");
    build("two.map", &format!("{run_path}/../lib/deep"));
    fs::rename(folder.join("lib/libshared.so.1"), folder.join("other/real.so")).unwrap();
    std::os::unix::fs::symlink("../other/real.so", folder.join("lib/libshared.so.1")).unwrap();
    compare("a link, and `..`");
    let mut other = fs::read(folder.join("lib/deep/libdeep.so.1")).unwrap();
    other[18] = 183;
    fs::write(folder.join("lib/libdeep.so.1"), &other).unwrap();
    build("two.map", "-Wl,--enable-new-dtags,-rpath,$ORIGIN:$ORIGIN/deep:$ORIGIN/../lib/deep");
    compare("one for another processor comes first");
    assert_eq!(verdicts, [true, false, true, false, false, true, true]);
}

/// The recipe of an image on a base whose program is `/hello`, with these lines in `[process]`.
fn recipe(process: &str) -> String {
    HELLO.replace("static = true", "layout = \"base\"").replace("entrypoint = [\"/hello\"]", process)
}

/// A project whose base has more files, and the content of the program that is `/hello`.
fn on_base(base: &Base) -> Project {
    let project = Project::hello();
    base.write(&project.path("base"), "amd64");
    project.file("hardened.toml", recipe("entrypoint = [\"/hello\"]"))
}

/// What the proof says of an entrypoint, and what podman and runc do when they are to start the same words in the same files.
fn verdicts(podman: &Podman, project: &Project, settings: &str, words: &[&str]) -> (bool, bool) {
    let write = |process: &str| fs::write(project.path("hardened.toml"), recipe(process)).unwrap();
    write(&format!("entrypoint = {words:?}\n{settings}"));
    let proved = project.command(&["build", "-q", "-o", "oci:proved"]).output().unwrap();
    assert!(matches!(proved.status.code(), Some(0 | 1)), "{words:?}: {}", String::from_utf8_lossy(&proved.stderr));
    write(&format!("entrypoint = [\"/hello\"]\n{settings}"));
    project.hardened(&["build", "-q", "-o", "oci:out:1"]);
    let started = podman.run_program(&format!("oci:{}:1", project.path("out").display()), words[0], &words[1..]);
    (proved.status.success(), started.status.success() && String::from_utf8_lossy(&started.stdout).contains(HELLO_SAYS))
}

#[test]
fn runtimes_set_a_variable_that_the_base_has_twice_to_its_last_value() {
    let (Some(podman), Some(umoci)) = (Podman::find(), Peer::find("umoci")) else { return };
    let hello = fs::read(Project::hello().path("hello")).unwrap();
    let base = Base::new().file("first/early", &hello, 0o755).file("last/late", &hello, 0o755);
    let project = on_base(&base.variable("PATH=/first").variable("PATH=/last"));
    assert_eq!(verdicts(&podman, &project, "", &["early"]), (false, false));
    assert_eq!(verdicts(&podman, &project, "", &["late"]), (true, true));
    let root = unpack(&umoci, &project);
    let config: serde_json::Value = serde_json::from_slice(&fs::read(root.with_file_name("config.json")).unwrap()).unwrap();
    let entries = config["process"]["env"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str);
    assert_eq!(entries.filter(|entry| entry.starts_with("PATH=")).collect::<Vec<_>>(), ["PATH=/last"]);
}

#[test]
fn runtimes_look_up_a_bare_name_as_the_proof_does() {
    let Some(podman) = Podman::find() else { return };
    let hello = fs::read(Project::hello().path("hello")).unwrap();
    let base = Base::new().file("folder/tool/x", b"", 0o644).file("closed/tool", &hello, 0o644);
    let base = base.link("dangling/tool", "/gone").link("linked/tool", "../good/real").file("good/real", &hello, 0o755);
    let project = on_base(&base.file("good/tool", &hello, 0o755));
    for (path, workdir, expected) in [
        ("/folder:/closed:/dangling:/none:/good", "/", true),
        ("/dangling:/linked", "/", true),
        ("/folder:/closed:/dangling:/none", "/", false),
        ("/closed", "/good", false),
        // runc starts nothing that it finds in the working folder.
        (":/good", "/good", false),
        (":/good", "/closed", true),
    ] {
        let settings = format!("workdir = {workdir:?}\nenv = {{ PATH = {path:?} }}\n");
        assert_eq!(verdicts(&podman, &project, &settings, &["tool"]), (expected, expected), "{path} {workdir}");
    }
}

/// Adds a program of this machine to a base, with its libraries where the loader finds them.
fn with_program(base: Base, program: &Peer, name: &str) -> Base {
    let read = |path: &str| fs::read(path).unwrap();
    let mut base = base.file(&format!("usr/bin/{name}"), &fs::read(program.path()).unwrap(), 0o755);
    let ldd = Peer::find("ldd").map(|peer| {
        let home = tempfile::TempDir::new().unwrap();
        String::from_utf8(peer.command(home.path(), 60).arg(program.path()).output().unwrap().stdout).unwrap()
    });
    let text = ldd.unwrap_or_default();
    for path in text.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':')) {
        let inside = if path.starts_with("/usr/") { path[1..].to_owned() } else { format!("usr{path}") };
        base = base.file(&inside, &read(path), 0o755);
    }
    base
}

#[test]
fn launchers_start_the_program_that_the_proof_says() {
    let Some(podman) = Podman::find() else { return };
    let launchers = ["tini", "dumb-init", "catatonit", "env"].map(|name| (name, Peer::find(name)));
    let found = launchers.iter().filter_map(|(name, peer)| Some((*name, peer.as_ref()?)));
    let hello = fs::read(Project::hello().path("hello")).unwrap();
    let base = found.fold(Base::new(), |base, (name, peer)| with_program(base, peer, name)).file("opt/tool", &hello, 0o755);
    let project = on_base(&base);
    let has = |name: &str| launchers.iter().any(|(known, peer)| *known == name && peer.is_some());
    for (line, expected) in [
        ("tini -g -p SIGTERM -- /opt/tool", true),
        ("tini -vv -e 143 /opt/tool", true),
        ("tini -- tool", false),
        ("tini --", false),
        ("dumb-init --rewrite 15:3 -c -- /opt/tool", true),
        ("dumb-init -r 15:3 /opt/gone", false),
        ("catatonit -g -- /opt/tool", true),
        ("catatonit --", false),
        ("env A=1 PATH=/none:/opt tool", true),
        ("env -u PATH -C /opt ./tool", true),
        ("env -i tool", false),
        ("env -S PATH=/opt tool", true),
        ("tini -- env PATH=/opt tool", true),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        if has(words[0]) && has("env") {
            assert_eq!(verdicts(&podman, &project, "", &words), (expected, expected), "{line}");
        }
    }
}
