mod lookup;
mod roots;
mod wrapper;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::oci::{Config, Digest, Platform};
use crate::recipe::UnprovedEntry;
use crate::rootfs::writer::Elf;
use crate::rootfs::{
    Changeset, Content, ContentFault, Entry, EntryKind, Fact, FactKind, Head, ImagePath, ImageText, LayerEntry, LayerFact, LayerFacts,
    OpenContent, Owner, Rootfs, Stat, TreeId,
};

struct Nothing;

impl OpenContent for Nothing {
    fn read(&self, _: TreeId, _: &[u8], _: Stat, _: u64, _: &mut [u8]) -> Result<(), ContentFault> {
        Err(ContentFault::Changed)
    }
}

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

fn program<'a>(needed: &'a [&'a str]) -> Elf<'a> {
    Elf { machine: 62, interpreter: Some(GLIBC), needed, ..Elf::default() }
}

fn library<'a>(soname: &'a str, needed: &'a [&'a str]) -> Elf<'a> {
    Elf { machine: 62, soname: Some(soname), needed, ..Elf::default() }
}

/// Files of an image, each a file with its content, or a link where the content begins with `>`.
#[derive(Clone)]
struct Image {
    entries: Vec<(ImagePath, Entry)>,
    environment: BTreeMap<String, String>,
    /// Settings of the config.
    settings: BTreeMap<&'static str, serde_json::Value>,
    waivers: Vec<UnprovedEntry>,
    package_files: Vec<ImagePath>,
}

#[derive(Debug)]
struct Packages;

impl FindPackage for Packages {
    fn package_with(&self, name: &str) -> Option<String> {
        let known = [("libssl.so.3", "libssl3t64"), ("/bin/sh", "dash")];
        known.iter().find(|(known, _)| *known == name).map(|(_, package)| (*package).to_owned())
    }
}

impl Image {
    fn empty() -> Self {
        let settings = BTreeMap::from([("Entrypoint", vec!["/app/run"].into())]);
        let environment = BTreeMap::new();
        Self { entries: Vec::new(), environment, settings, waivers: Vec::new(), package_files: Vec::new() }
    }

    /// An image with glibc as Debian has it.
    fn glibc() -> Self {
        let mut loader = library("ld-linux-x86-64.so.2", &[]).write();
        loader.extend(b"\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0");
        let libc = Elf { defines: &["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.36"], ..library("libc.so.6", &["ld-linux-x86-64.so.2"]) };
        Self::empty()
            .with("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", &loader)
            .with("lib64/ld-linux-x86-64.so.2", b">../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
            .with("lib", b">usr/lib")
            .with("usr/lib/x86_64-linux-gnu/libc.so.6", &libc.write())
    }

    fn musl() -> Self {
        Self::empty().with("lib/ld-musl-x86_64.so.1", &library("libc.musl-x86_64.so.1", &[]).write())
    }

    fn with(self, path: &str, content: &[u8]) -> Self {
        self.with_mode(path, content, 0o755)
    }

    fn with_mode(mut self, path: &str, content: &[u8], mode: u16) -> Self {
        let kind = match content.strip_prefix(b">") {
            Some(target) => EntryKind::Symlink(target.into()),
            None => EntryKind::File(Content::Inline(content.into())),
        };
        self.entries.push((ImagePath::new(path.as_bytes()).unwrap(), Entry { kind, mode, owner: Owner::default() }));
        self
    }

    fn setting(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.settings.insert(name, value);
        self
    }

    /// Starts these words instead of `/app/run`.
    fn starts(self, words: &[&str]) -> Self {
        self.setting("Entrypoint", words.into())
    }

    fn elf(self, path: &str, elf: &Elf<'_>) -> Self {
        self.with(path, &elf.write())
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn waive(mut self, path: &str, needs: &str) -> Self {
        self.waivers.push(UnprovedEntry { path: path.to_owned(), needs: needs.to_owned(), reason: "known".to_owned() });
        self
    }

    fn prove(&self) -> Result<Proof, Vec<String>> {
        let (mut entries, folder) = (self.entries.clone(), Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() });
        let folders: BTreeSet<ImagePath> = entries.iter().flat_map(|(path, _)| path.parents()).filter(|path| !path.is_root()).collect();
        entries.extend(folders.into_iter().map(|path| (path, folder.clone())));
        let changeset = Changeset::new(entries);
        let mut rootfs = Rootfs::new();
        rootfs.push(&changeset);
        self.prove_in(&rootfs, &[])
    }

    /// Proves the image as one that was opened: its files are in a foreign layer, of which only facts are known.
    fn prove_opened(&self) -> Result<Proof, Vec<String>> {
        let fact = |(path, entry): &(ImagePath, Entry)| {
            let kind = match &entry.kind {
                EntryKind::File(Content::Inline(bytes)) => {
                    FactKind::File { size: bytes.len() as u64, head: Head::of(bytes), content: None, digest: None }
                }
                EntryKind::Symlink(target) => FactKind::Symlink(ImageText(target.clone())),
                other => panic!("{other:?}"),
            };
            LayerFact { path: path.clone(), fact: LayerEntry::Add(Fact::new(kind, entry.mode, Owner::default())) }
        };
        let facts = LayerFacts { diff_id: Digest::of(b""), size: 0, entries: self.entries.iter().map(fact).collect() };
        let mut rootfs = Rootfs::new();
        rootfs.apply(&facts);
        let files: Vec<ImagePath> = rootfs.paths().cloned().collect();
        self.prove_in(&rootfs, &files)
    }

    fn prove_in(&self, rootfs: &Rootfs<'_>, layer_files: &[ImagePath]) -> Result<Proof, Vec<String>> {
        let platform = Platform::default_target();
        let environment: Vec<String> = self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let with = |config: Config, (name, value): (&&str, &serde_json::Value)| config.with_setting(name, Some(value.clone()));
        let config = self.settings.iter().fold(Config::new(&platform), with).with_setting("Env", Some(environment.into()));
        let options = ProofOptions {
            waivers: self.waivers.clone(),
            packages: Some(&Packages),
            package_files: self.package_files.clone(),
            layer_files: layer_files.to_vec(),
            ..ProofOptions::default()
        };
        let request = ProofRequest {
            platform: &platform,
            config: &config,
            rootfs,
            contents: &Nothing,
            owner: Owner { uid: 65532, gid: 65532 },
            options: &options,
            entrypoint_span: None,
        };
        let text = |fault: &Fault| {
            let diagnostic = fault.diagnostic();
            std::iter::once(diagnostic.message.as_str()).chain(diagnostic.hints.iter().map(String::as_str)).collect::<Vec<_>>().join(" | ")
        };
        prove(&request).map_err(|faults| faults.iter().map(text).collect())
    }

    /// Checks that the image is proved, and that these are among what is reached.
    fn reaches(&self, expected: &[&str]) -> Proof {
        let proof = self.prove().unwrap_or_else(|faults| panic!("{}", faults.join("\n")));
        for path in expected {
            assert!(proof.reached.iter().any(|reached| reached == path), "{path} is not in {:?}", proof.reached);
        }
        proof
    }

    /// Checks that the image is refused, with these texts in the only message.
    fn refused(&self, expected: &[&str]) {
        let faults = self.prove().expect_err("it is refused");
        assert_eq!(faults.len(), 1, "{faults:#?}");
        for text in expected {
            assert!(faults[0].contains(text), "`{text}` is not in {}", faults[0]);
        }
    }
}

#[test]
fn libraries_are_found_where_the_loader_looks() {
    let image = |elf: &Elf<'_>| Image::glibc().elf("app/run", elf);
    let x = library("libx.so.1", &["libc.so.6"]);
    let needs_x = program(&["libx.so.1", "libc.so.6"]);
    let libc = "/usr/lib/x86_64-linux-gnu/libc.so.6";
    image(&program(&["libc.so.6"])).reaches(&["/app/run", libc, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"]);
    image(&needs_x).refused(&["`/app/run` needs the library `libx.so.1`, which is not in the image", "[[unproved]]"]);
    image(&needs_x).elf("usr/lib/libx.so.1", &x).reaches(&["/usr/lib/libx.so.1"]);
    image(&needs_x).elf("app/libx.so.1", &x).refused(&["it is at `/app/libx.so.1`, where the loader does not search"]);
    image(&needs_x).elf("app/libx.so.1", &x).set("LD_LIBRARY_PATH", "/opt:/app").reaches(&["/app/libx.so.1"]);
    let origin = |path| Elf { runpath: Some(path), ..needs_x.clone() };
    image(&origin("$ORIGIN/../own/${LIB}")).elf("own/lib/x86_64-linux-gnu/libx.so.1", &x).reaches(&["/own/lib/x86_64-linux-gnu/libx.so.1"]);
    image(&origin("${ORIGIN}/$PLATFORM")).elf("app/x86_64/libx.so.1", &x).reaches(&["/app/x86_64/libx.so.1"]);
    image(&origin("$ORIGINAL")).elf("app/libx.so.1", &x).refused(&["libx.so.1"]);
    // Lists of older and newer loaders, and `$ORIGIN` of a link is the link's folder.
    let linked = image(&origin("/opt")).with("opt/libx.so.1", b">../real/libx.so.1.2");
    let runpath = Elf { runpath: Some("$ORIGIN"), ..library("libx.so.1", &["liby.so.1"]) };
    linked
        .elf("real/libx.so.1.2", &runpath)
        .elf("opt/liby.so.1", &library("liby.so.1", &[]))
        .reaches(&["/opt/liby.so.1", "/real/libx.so.1.2"]);
}

#[test]
fn a_run_path_is_for_itself_and_an_r_path_for_all_below() {
    let chain = |elf: &Elf<'_>| {
        let x = library("libx.so.1", &["liby.so.1"]);
        Image::glibc().elf("app/run", elf).elf("own/libx.so.1", &x).elf("own/liby.so.1", &library("liby.so.1", &[]))
    };
    let main = program(&["libx.so.1"]);
    chain(&Elf { rpath: Some("/own"), ..main.clone() }).reaches(&["/own/liby.so.1"]);
    chain(&Elf { runpath: Some("/own"), ..main.clone() }).refused(&[
        "`/own/libx.so.1` needs the library `liby.so.1`, which is not in the image (`/app/run` → `/own/libx.so.1`)",
        "it is at `/own/liby.so.1`",
    ]);
    // With both, the older is as if it were not there.
    chain(&Elf { runpath: Some("/nothing"), rpath: Some("/own"), ..main.clone() }).refused(&["libx.so.1"]);
    // A name that is loaded already is not looked for again.
    chain(&Elf { runpath: Some("/own"), ..program(&["libx.so.1", "liby.so.1"]) }).reaches(&["/own/liby.so.1"]);
}

#[test]
fn a_library_for_another_machine_is_passed_by() {
    let other = Elf { machine: 183, ..library("libx.so.1", &[]) };
    let main = Elf { runpath: Some("/first:/second"), ..program(&["libx.so.1"]) };
    let image = Image::glibc().elf("app/run", &main).elf("first/libx.so.1", &other);
    image.refused(&["is found, but cannot be used: `/first/libx.so.1` is for arm64"]);
    let image = Image::glibc().elf("app/run", &main).elf("first/libx.so.1", &other).elf("second/libx.so.1", &library("libx.so.1", &[]));
    image.reaches(&["/second/libx.so.1"]);
    // A linker script where a library should be ends the search.
    let image =
        Image::glibc().elf("app/run", &main).with("first/libx.so.1", b"GROUP ( x )").elf("second/libx.so.1", &library("libx.so.1", &[]));
    image.refused(&["`/first/libx.so.1` is no library"]);
    // musl takes whatever it can open.
    let main = Elf { interpreter: Some(MUSL), ..main };
    let image = Image::musl().elf("app/run", &main).elf("first/libx.so.1", &other).elf("second/libx.so.1", &library("libx.so.1", &[]));
    image.refused(&["`/first/libx.so.1` is for arm64"]);
}

#[test]
fn versions_must_be_defined() {
    let main = |versions| Elf { versions, ..program(&["libc.so.6"]) };
    let image = |elf: &Elf<'_>| Image::glibc().elf("app/run", elf);
    image(&main(&[("libc.so.6", &["GLIBC_2.34", "?GLIBC_2.99"])])).reaches(&[]);
    image(&main(&[("libc.so.6", &["GLIBC_2.34", "GLIBC_2.38"])])).refused(&[
        "`/app/run` needs the version `GLIBC_2.38` of `libc.so.6`, which `/usr/lib/x86_64-linux-gnu/libc.so.6` does not define",
        "the newest that it defines is `GLIBC_2.36`",
    ]);
    // A library without any versions is taken with a word on standard error.
    let x = Elf { versions: &[("libx.so.1", &["X_1"])], ..program(&["libx.so.1"]) };
    let proof = image(&x).elf("usr/lib/libx.so.1", &library("libx.so.1", &[])).reaches(&[]);
    assert_eq!(proof.tallies(Level::Unproved).len(), 1, "{proof:?}");
    // musl does not compare.
    let musl = Elf { interpreter: Some(MUSL), ..x };
    Image::musl().elf("app/run", &musl).elf("usr/lib/libx.so.1", &Elf { defines: &["X_0"], ..library("libx.so.1", &[]) }).reaches(&[]);
}

#[test]
fn musl_looks_where_its_file_says() {
    let main = Elf { interpreter: Some(MUSL), ..program(&["libx.so.1", "libc.musl-x86_64.so.1", "libpthread.so.0"]) };
    let image = || Image::musl().elf("app/run", &main);
    let x = library("libx.so.1", &[]);
    image().elf("usr/local/lib/libx.so.1", &x).reaches(&["/usr/local/lib/libx.so.1", "/lib/ld-musl-x86_64.so.1"]);
    image().elf("opt/libx.so.1", &x).refused(&["libx.so.1"]);
    image().elf("opt/libx.so.1", &x).with("etc/ld-musl-x86_64.path", b"/lib\n/opt\n").reaches(&["/opt/libx.so.1"]);
}

#[test]
fn the_loaders_list_goes_before_its_folders() {
    let list = |name: &str, path: &str| {
        let strings = format!("{name}\0{path}\0");
        let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let entry = [word(0x303), word(72), word(72 + name.len() + 1), word(0), word(0), word(0)].concat();
        [
            b"glibc-ld.so.cache1.1".to_vec(),
            word(1).to_vec(),
            word(strings.len()).to_vec(),
            vec![2, 0, 0, 0],
            vec![0; 16],
            entry,
            strings.into(),
        ]
        .concat()
    };
    let image = || Image::glibc().elf("app/run", &program(&["libx.so.1"])).elf("opt/x/libx.so.1", &library("libx.so.1", &[]));
    image().refused(&["libx.so.1"]);
    image().with("etc/ld.so.cache", &list("libx.so.1", "/opt/x/libx.so.1")).reaches(&["/opt/x/libx.so.1"]);
    // What `ldconfig` would read is not what the loader reads.
    image().with("etc/ld.so.conf", b"/opt/x\n").refused(&["libx.so.1"]);
    image().with("etc/ld.so.cache", &list("libx.so.1", "/gone/libx.so.1")).refused(&["libx.so.1"]);
}

#[test]
fn scripts_lead_on_through_env() {
    let image = |line: &str| {
        let image = Image::glibc().with("app/run", line.as_bytes()).elf("usr/bin/env", &program(&["libc.so.6"]));
        image.elf("opt/bin/node", &program(&["libssl.so.3"])).set("PATH", "/usr/bin:/opt/bin")
    };
    let missing = &["`/opt/bin/node` needs the library `libssl.so.3`", "(`/app/run` → `/opt/bin/node`)", "the package `libssl3t64` has it"];
    image("#!/usr/bin/env node\n").refused(missing);
    image("#!/usr/bin/env -S node --x\n").refused(missing);
    image("#!/opt/bin/node\n").refused(missing);
    image("#!/usr/bin/env node --x\n").refused(&["a program called `node --x`"]);
    image("#!/usr/bin/env python3\n").refused(&["`python3`, which is in no folder of PATH, `/usr/bin:/opt/bin`"]);
    image("#!/usr/bin/env -S PATH=/bin node\n").refused(&["is in no folder of PATH, `/bin`"]);
    image("#!/opt/bin/node\r\n").refused(&["carriage return"]);
    let proof =
        image("#!/usr/bin/env node\n").elf("usr/lib/libssl.so.3", &library("libssl.so.3", &[])).reaches(&["/usr/bin/env", "/opt/bin/node"]);
    assert_eq!(proof.opening, ["/opt/bin/node"]);
}

#[test]
fn packages_are_looked_at_and_their_libraries_may_rely_on_others() {
    let mut image = Image::glibc().elf("app/run", &program(&["libc.so.6"]));
    image = image
        .elf("usr/bin/tool", &program(&["libmissing.so.1"]))
        .elf("usr/lib/jvm/libjava.so", &library("libjava.so", &["libjvm.so", "libgone.so"]));
    image = image
        .elf("usr/lib/jvm/server/libjvm.so", &library("libjvm.so", &[]))
        .elf("usr/lib/arm.so", &Elf { machine: 183, ..library("arm.so", &[]) });
    image = image.with("usr/bin/ldd", b"#!/bin/bash\n");
    let warnings = image.reaches(&[]).tallies(Level::Warning).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        warnings,
        [
            "`/bin/bash` is not in the image; needed by `/usr/bin/ldd`",
            "`libgone.so` is not in the image; needed by `/usr/lib/jvm/libjava.so`",
            "`libmissing.so.1` is not in the image; needed by `/usr/bin/tool`",
        ]
    );
    let names = ["usr/bin/tool", "usr/lib/jvm/libjava.so", "usr/lib/jvm/server/libjvm.so", "usr/lib/arm.so", "usr/bin/ldd", "gone"];
    image.package_files = names.iter().map(|path| ImagePath::new(path.as_bytes()).unwrap()).collect();
    let proof = image.reaches(&[]);
    let lines = |level| proof.tallies(level).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        lines(Level::Warning),
        [
            "`/usr/lib/arm.so` is for arm64, and the image is for linux/amd64",
            "`libgone.so` is not in the image; needed by `/usr/lib/jvm/libjava.so`",
            "`libmissing.so.1` is not in the image; needed by `/usr/bin/tool`",
        ]
    );
    assert_eq!(lines(Level::Information), ["`/bin/bash` is an interpreter that is not in the image; needed by `/usr/bin/ldd`"]);
    let image = image.waive("/usr/**", "lib*.so*").waive("/usr/lib/arm.so", "*").waive("/nothing", "*");
    let proof = image.reaches(&[]);
    assert_eq!(
        (proof.tallies(Level::Waived).len(), proof.idle_waivers.as_slice()),
        (4, &["/nothing needs *".to_owned()][..]),
        "{proof:#?}"
    );
}

#[test]
fn an_opened_image_is_proved_like_a_planned_one() {
    let addon = Elf { machine: 183, ..library("arm.node", &[]) };
    let image = || {
        let image = Image::glibc().elf("app/run", &Elf { runpath: Some("$ORIGIN/lib"), ..program(&["libx.so.1", "libc.so.6"]) });
        image.elf("app/arm.node", &addon).elf("app/more.so", &library("more.so", &["libnone.so"])).with("app/tool", b"#!/bin/bash\n")
    };
    let lacking = image();
    let faults = lacking.prove_opened().unwrap_err();
    assert!(faults[0].starts_with("`/app/run` needs the library `libx.so.1`, which is not in the image"), "{faults:?}");
    assert_eq!(lacking.prove().unwrap_err(), faults);
    let too_new = Elf { versions: &[("libc.so.6", &["GLIBC_2.38"])], ..library("libx.so.1", &["libc.so.6"]) };
    let faults = image().elf("app/lib/libx.so.1", &too_new).prove_opened().unwrap_err();
    assert!(faults[0].contains("needs the version `GLIBC_2.38` of `libc.so.6`"), "{faults:?}");
    let complete = image().elf("app/lib/libx.so.1", &library("libx.so.1", &["libc.so.6"]));
    let proof = complete.prove_opened().unwrap();
    assert!(proof.reached.contains(&"/app/lib/libx.so.1".to_owned()), "{proof:?}");
    assert_eq!((proof.tallies(Level::Warning).len(), proof.tallies(Level::Information).len()), (2, 1), "{proof:?}");
    assert_eq!(complete.prove().unwrap(), proof);
}

/// Keeps everything, and counts how often something was kept.
#[derive(Debug, Default)]
struct Kept(std::cell::RefCell<BTreeMap<Digest, Vec<u8>>>);

impl ProofMemory for Kept {
    fn recall(&self, key: &Digest) -> Option<Vec<u8>> {
        self.0.borrow().get(key).cloned()
    }

    fn keep(&self, key: &Digest, found: &[u8]) {
        self.0.borrow_mut().insert(*key, found.to_vec());
    }
}

#[test]
fn what_is_remembered_depends_on_config_layers_and_files() {
    let platform = Platform::default_target();
    let memory = Kept::default();
    let run = program(&[]).write();
    let entry = Entry { kind: EntryKind::File(Content::Inline(run.into())), mode: 0o755, owner: Owner::default() };
    let changeset = Changeset::new(vec![(ImagePath::new(b"run").unwrap(), entry.clone())]);
    let loader = Fact::new(FactKind::File { size: 1, head: Head::Other, content: None, digest: None }, 0o755, Owner::default());
    let loader = LayerFact { path: ImagePath::new(GLIBC.as_bytes()).unwrap(), fact: LayerEntry::Add(loader) };
    let layer = LayerFacts { diff_id: Digest::of(b"one"), size: 0, entries: vec![loader] };
    let prove = |config: &Config, more: Option<&Changeset>, named: &[&str]| {
        let mut rootfs = Rootfs::new();
        rootfs.apply(&layer);
        rootfs.push(&changeset);
        if let Some(more) = more {
            rootfs.push(more);
        }
        let layer_files = named.iter().map(|path| ImagePath::new(path.as_bytes()).unwrap()).collect();
        let options = ProofOptions { memory: Some(&memory), layer_files, ..ProofOptions::default() };
        let (owner, contents) = (Owner::default(), &Nothing);
        let request =
            ProofRequest { platform: &platform, config, rootfs: &rootfs, contents, owner, options: &options, entrypoint_span: None };
        prove(&request).unwrap();
        memory.0.borrow().len()
    };
    let config = Config::new(&platform).with_setting("Entrypoint", Some(vec!["/run"].into()));
    let config = config.with_diff_ids(vec![layer.diff_id]);
    assert_eq!(prove(&config, None, &[]), 1);
    assert_eq!(prove(&config, None, &[]), 1, "the same is recalled");
    assert_eq!(prove(&config.clone().with_setting("Labels", Some(serde_json::json!({"a": "b"}))), None, &[]), 1, "labels load nothing");
    assert_eq!(prove(&config.clone().with_setting("Env", Some(vec!["PATH=/x"].into())), None, &[]), 2);
    assert_eq!(prove(&config.clone().with_setting("Cmd", Some(vec!["x"].into())), None, &[]), 3);
    assert_eq!(prove(&config.clone().with_diff_ids(vec![Digest::of(b"two")]), None, &[]), 4);
    assert_eq!(prove(&config, None, &["x.so"]), 5);
    let more = Changeset::new(vec![(ImagePath::new(b"more.so").unwrap(), entry)]);
    assert_eq!(prove(&config, Some(&more), &[]), 6);
}

#[test]
fn addons_are_told_apart_from_those_of_other_platforms() {
    let musl = library("m.node", &["libc.musl-x86_64.so.1"]);
    let mut image = Image::glibc().elf("app/run", &program(&["libc.so.6"])).elf("app/m.node", &musl);
    image = image.elf("app/arm.node", &Elf { machine: 183, ..library("arm.node", &["libc.so.6"]) });
    image = image.elf("app/good.node", &library("good.node", &["libc.so.6"])).with("app/data.so", b"no ELF");
    for number in 0..5 {
        image = image.elf(&format!("app/{number}.node"), &library("x.node", &["libnone.so"]));
    }
    let proof = image.reaches(&[]);
    let lines = |level| proof.tallies(level).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        lines(Level::Warning),
        ["`libnone.so` is not in the image; needed by `/app/0.node`, `/app/1.node`, `/app/2.node` and 2 more"]
    );
    assert_eq!(
        lines(Level::Information),
        ["`/app/arm.node` is for arm64, and the image is for linux/amd64", "`/app/m.node` is for musl, and the image has glibc"]
    );
}

#[test]
fn hostile_files_end() {
    // A thousand libraries that each need the next and ask in a thousand folders.
    let folders = (0..3000).map(|number| format!("/{number}")).collect::<Vec<_>>().join(":");
    let names: Vec<String> = (0..1000).map(|number| format!("lib{number}.so")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let main = Elf { runpath: Some(&folders), ..program(&names) };
    let image = Image::glibc().elf("app/run", &main);
    let faults = image.prove().unwrap_err();
    assert!(faults.len() <= 64, "{}", faults.len());
    // One that needs itself, and two that need each other.
    let image = Image::glibc().elf("app/run", &program(&["liba.so", "libb.so"]));
    image
        .elf("usr/lib/liba.so", &library("liba.so", &["liba.so", "libb.so"]))
        .elf("usr/lib/libb.so", &library("libb.so", &["liba.so"]))
        .reaches(&["/usr/lib/libb.so"]);
    // Headers that lie.
    let good = program(&["libc.so.6"]).write();
    for offset in 0..good.len() {
        let mut bytes = good.clone();
        bytes[offset] ^= 0xff;
        let _ = Image::glibc().with("app/run", &bytes).prove();
    }
}
