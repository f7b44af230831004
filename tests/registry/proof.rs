//! What an image starts finds all that it is linked to, or is refused before anything is written.

use std::path::Path;

use hardened::image::Image as OpenedImage;
use hardened::layer::{Limits, read_facts};
use hardened::linkage::{Level, Proof, ProofOptions, ProofRequest, prove};
use hardened::oci::{Config, MANIFEST_LIMIT, Manifest, Parsed, Store};
use hardened::rootfs::{ContentFault, ImagePath, OpenContent, Owner, Rootfs, Stat, TreeId};
use hardened::store::layout::Layout;

use crate::elf::Elf;
use crate::images::Image;
use crate::registry::TestRegistry;
use crate::sandbox::{Ran, Sandbox};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const LIBC: &str = "usr/lib/x86_64-linux-gnu/libc.so.6";

fn program<'a>(needed: &'a [&'a str]) -> Elf<'a> {
    Elf { machine: 62, interpreter: Some(LOADER), needed, ..Elf::default() }
}

fn library<'a>(soname: &'a str, needed: &'a [&'a str]) -> Elf<'a> {
    Elf { machine: 62, soname: Some(soname), needed, ..Elf::default() }
}

/// A tar of files that anybody may execute.
fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, &**content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A sandbox whose base has a loader and a C library as in Debian, and more files.
struct Proving {
    sandbox: Sandbox,
    _registry: TestRegistry,
}

impl Proving {
    fn new(more: &[(&str, Vec<u8>)], rest: &str) -> Self {
        let registry = TestRegistry::start();
        let mut loader = library("ld-linux-x86-64.so.2", &[]).write();
        loader.extend(b"\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0");
        let libc = Elf { defines: &["GLIBC_2.2.5", "GLIBC_2.36"], ..library("libc.so.6", &["ld-linux-x86-64.so.2"]) };
        let mut files = vec![
            ("etc/passwd", b"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n".to_vec()),
            ("etc/group", b"root:x:0:\nnonroot:x:65532:\n".to_vec()),
            ("lib64/ld-linux-x86-64.so.2", loader),
            (LIBC, libc.write()),
        ];
        files.extend(more.iter().cloned());
        Image::of("amd64", tar(&files)).tag(&registry, "base", "1");
        let recipe = format!(
            "[image]\nname = \"registry.example.no/shop/api\"\n[base]\nimage = \"{}/base:1\"\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n{rest}",
            registry.host()
        );
        let sandbox = Sandbox::of(&recipe);
        std::fs::remove_file(sandbox.path("app")).unwrap();
        Self { sandbox, _registry: registry }
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.sandbox.write(&format!("app/{name}"), content);
        self.sandbox.executable(&format!("app/{name}"));
        self
    }

    fn elf(self, name: &str, elf: &Elf<'_>) -> Self {
        self.file(name, &elf.write())
    }

    fn build(&self) -> Ran {
        self.sandbox.run(&["build", "-o", "oci:out", "--format", "json"])
    }

    fn refused(&self, texts: &[&str]) {
        self.build().fails(1, texts);
        assert!(!self.sandbox.has("out"), "something was written");
    }

    fn proof(&self) -> (serde_json::Value, String) {
        let built = self.build().succeeds();
        (built.json()["platforms"][0]["proof"].clone(), built.err)
    }
}

const RUN: &str = "[process]\nentrypoint = [\"/app/run\"]\n";

#[test]
fn a_missing_library_or_version_is_told_with_the_way_to_it() {
    let proving = Proving::new(&[], RUN).elf("run", &program(&["libx.so.1", "libc.so.6"]));
    proving.refused(&["`/app/run` needs the library `libx.so.1`, which is not in the image", "hardened.toml:9:14", "[[unproved]]"]);
    let proving = proving.elf("lib/libx.so.1", &library("libx.so.1", &["liby.so.2"]));
    proving.refused(&["it is at `/app/lib/libx.so.1`, where the loader does not search"]);
    let proving = proving.elf("run", &Elf { runpath: Some("$ORIGIN/lib"), ..program(&["libx.so.1", "libc.so.6"]) });
    proving.refused(&["`/app/lib/libx.so.1` needs the library `liby.so.2`", "(`/app/run` → `/app/lib/libx.so.1`)"]);
    let too_new = Elf { versions: &[("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.38"])], ..library("libx.so.1", &["libc.so.6"]) };
    let proving = proving.elf("lib/libx.so.1", &too_new);
    proving.refused(&[
        "needs the version `GLIBC_2.38` of `libc.so.6`",
        "`/usr/lib/x86_64-linux-gnu/libc.so.6` does not define",
        "`GLIBC_2.36`",
    ]);
    let fitting = Elf { versions: &[("libc.so.6", &["GLIBC_2.36"])], imports: &["dlopen"], ..library("libx.so.1", &["libc.so.6"]) };
    let (proof, error) = proving.elf("lib/libx.so.1", &fitting).proof();
    let reached = ["/app/lib/libx.so.1", "/app/run", "/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6"];
    assert_eq!(proof["reached"], serde_json::json!(reached));
    assert_eq!(proof["opening"], serde_json::json!(["/app/lib/libx.so.1"]));
    assert_eq!(proof["findings"], serde_json::json!([]), "{error}");
}

#[test]
fn libraries_of_the_base_are_proved_as_they_went_by() {
    let base = |elf: Elf<'_>| {
        let mut bytes = elf.write();
        // As if symbols for debuggers stood there.
        bytes.resize(bytes.len() + (4 << 20), 0);
        [("usr/lib/libfar.so.1", bytes)]
    };
    let proving = |elf| Proving::new(&base(elf), RUN).elf("run", &program(&["libfar.so.1"]));
    let far = || library("libfar.so.1", &["libnone.so.1"]);
    // The table of what is needed may be far behind the names.
    proving(Elf { filling: 16 << 20, ..far() }).refused(&["`/usr/lib/libfar.so.1` needs the library `libnone.so.1`"]);
    // Where the names are further behind than is kept of a layer, nothing is claimed.
    let (proof, error) = proving(Elf { lead: 9 << 20, ..far() }).proof();
    assert_eq!(proof["findings"][0]["level"], "unproved");
    assert!(error.contains("not proved: `/usr/lib/libfar.so.1` has its tables at offsets that hardened does not read"), "{error}");
}

#[test]
fn a_library_for_another_processor_that_comes_first() {
    let other = Elf { machine: 183, ..library("libx.so.1", &[]) };
    let base = [("usr/lib/libx.so.1", library("libx.so.1", &[]).write()), ("usr/lib/x86_64-linux-gnu/libx.so.1", other.write())];
    let (proof, _) = Proving::new(&base, RUN).elf("run", &program(&["libx.so.1"])).proof();
    assert!(proof["reached"].as_array().unwrap().contains(&"/usr/lib/libx.so.1".into()), "{proof}");
    Proving::new(&base[1..], RUN).elf("run", &program(&["libx.so.1"])).refused(&["`/usr/lib/x86_64-linux-gnu/libx.so.1` is for arm64"]);
}

#[test]
fn the_environment_and_env_lead_on() {
    let rest = format!("{RUN}env = {{ PATH = \"/app/bin:/usr/bin\", LD_LIBRARY_PATH = \"/app/lib\" }}\n");
    let base = [("usr/bin/env", program(&["libc.so.6"]).write())];
    let proving = || Proving::new(&base, &rest).file("run", b"#!/usr/bin/env -S tool --quick\n");
    proving().refused(&["`tool`, which is in no folder of PATH, `/app/bin:/usr/bin`"]);
    let proving = proving().elf("bin/tool", &program(&["libx.so.1"]));
    proving.refused(&["`/app/bin/tool` needs the library `libx.so.1`", "(`/app/run` → `/app/bin/tool`)"]);
    let (proof, _) = proving.elf("lib/libx.so.1", &library("libx.so.1", &[])).proof();
    assert!(proof["reached"].as_array().unwrap().contains(&"/app/lib/libx.so.1".into()), "{proof}");
}

#[test]
fn all_that_is_started_is_proved() {
    let libc = program(&["libc.so.6"]);
    let preload = format!("{RUN}env = {{ LD_PRELOAD = \"libhook.so.1\" }}\n");
    let proving = Proving::new(&[], &preload).elf("run", &libc);
    proving.refused(&["`LD_PRELOAD` names the library `libhook.so.1`, which is not in the image", "hardened.toml:10:", "named here"]);
    let proving = Proving::new(&[], &format!("{RUN}healthcheck = {{ command = [\"/app/check\"] }}\n")).elf("run", &libc);
    proving.refused(&["the health check's program `/app/check` is not in the image"]);
    let proving = proving.elf("check", &program(&["libx.so.1"]));
    proving.refused(&["the health check could not run: `/app/check` needs the library `libx.so.1`"]);
    let (proof, _) = proving.elf("check", &libc).proof();
    assert!(proof["reached"].as_array().unwrap().contains(&"/app/check".into()), "{proof}");
    // A launcher is in the base, its program goes on in the command, and PATH is the launcher's own.
    let rest = "[process]\nentrypoint = [\"tini\", \"-g\", \"--\"]\ncommand = [\"env\", \"PATH=/app\", \"run\"]\n";
    let base = [("usr/bin/tini", libc.write()), ("usr/bin/env", libc.write())];
    let proving = Proving::new(&base, rest);
    proving.sandbox.write("app/other", b"");
    proving
        .refused(&["the entrypoint `tini` starts `env`, which starts `run`, which is in no folder of PATH, `/app`", "hardened.toml:9:14"]);
    let proving = proving.elf("run", &program(&["libx.so.1"]));
    proving.refused(&["`/app/run` needs the library `libx.so.1`", "(`/usr/bin/tini` → `/usr/bin/env` → `/app/run`)"]);
    assert_eq!(proving.elf("run", &libc).proof().0["findings"], serde_json::json!([]));
}

#[test]
fn who_knows_better_says_so() {
    let waiver = |needs: &str| format!("{RUN}[[unproved]]\npath = \"/app/*\"\nneeds = \"{needs}\"\nreason = \"the host's driver\"\n");
    let proving = |rest: &str| Proving::new(&[], rest).elf("run", &program(&["libcuda.so.1", "libc.so.6"]));
    proving(&waiver("libother.so.*")).refused(&["libcuda.so.1"]);
    let (proof, error) = proving(&waiver("libcuda.so.*")).proof();
    assert_eq!(proof["findings"][0]["level"], "waived");
    assert!(
        error.contains("note: waived: `libcuda.so.1` is not in the image, which is waived: the host's driver; needed by `/app/run`"),
        "{error}"
    );
    let idle = Proving::new(&[], &waiver("libcuda.so.*")).elf("run", &program(&["libc.so.6"]));
    assert!(idle.proof().1.contains("an `[[unproved]]` entry has no effect: /app/* needs libcuda.so.*"));
    for (wrong, text) in [("needs = \"\"", "is empty"), ("needs = \"[\"", "is not a pattern"), ("", "has no `needs`")] {
        let recipe = format!("{RUN}[[unproved]]\npath = \"app\"\n{wrong}\nreason = \"x\"\n");
        Proving::new(&[], &recipe).elf("run", &program(&[])).build().fails(2, &[text, "write `path = \"/app\"`"]);
    }
}

#[test]
fn addons_are_warnings_and_not_read_again() {
    let proving =
        Proving::new(&[], RUN).elf("run", &program(&["libc.so.6"])).elf("arm.node", &Elf { machine: 183, ..library("arm.node", &[]) });
    let mut proving = proving.elf("musl.node", &library("musl.node", &["libc.musl-x86_64.so.1"])).file("tool", b"#!/bin/bash\n");
    for number in 0..12 {
        proving = proving.elf(&format!("{number:02}.so"), &library("x.so", &["libnone.so.1"]));
    }
    let (proof, error) = proving.proof();
    assert!(
        error.contains("warning: `libnone.so.1` is not in the image; needed by `/app/00.so`, `/app/01.so`, `/app/02.so` and 9 more"),
        "{error}"
    );
    assert!(error.contains("warning: `/bin/bash` is not in the image; needed by `/app/tool`"), "{error}");
    assert!(!error.contains("musl") && !error.contains("arm64"), "{error}");
    let count = |level| proof["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == level).count();
    assert_eq!((count("warning"), count("information")), (13, 2), "{proof}");
    crate::project::settle();
    let first = proving.proof().0;
    let proofs = || std::fs::read_dir(proving.sandbox.path("cache/proofs-1")).unwrap().count();
    let kept = proofs();
    assert_eq!((proving.proof().0, proofs()), (first, kept));
    let proving = proving.file("tool", b"#!/bin/zsh\n");
    crate::project::settle();
    assert!(proving.proof().1.contains("`/bin/zsh` is not in the image"));
}

#[test]
fn hostile_files_get_an_answer() {
    let good =
        Elf { runpath: Some("$ORIGIN"), versions: &[("libc.so.6", &["GLIBC_2.36"])], ..program(&["libc.so.6", "libx.so.1"]) }.write();
    let mut numbers = crate::project::made::Numbers(7);
    for _ in 0..40 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            let place = usize::try_from(numbers.below(bytes.len() as u64)).unwrap();
            bytes[place] = u8::try_from(numbers.below(256)).unwrap();
        }
        let ran = Proving::new(&[], RUN).file("run", &bytes).elf("libx.so.1", &library("libx.so.1", &["libx.so.1"])).build();
        assert!(matches!(ran.code, Some(0 | 1)) && !ran.err.contains("panicked"), "{:?}\n{}", ran.code, ran.err);
    }
}

/// Has no file to read: all that is proved is in layers.
struct Nothing;

impl OpenContent for Nothing {
    fn read(&self, _: TreeId, _: &[u8], _: Stat, _: u64, _: &mut [u8]) -> Result<(), ContentFault> {
        Err(ContentFault::Changed)
    }
}

/// Opens the only image of a layout, and proves it by its layers alone.
fn prove_layout(folder: &Path) -> Result<Proof, Vec<String>> {
    let layout = Layout::open(folder).unwrap();
    let manifest: Parsed<Manifest> = layout.read_only_manifest().unwrap().parse().unwrap();
    let config = layout.open_blob(&manifest.view().config).unwrap().read_all(MANIFEST_LIMIT).unwrap();
    let config = Parsed::<Config>::read_described(&config, &manifest.view().config).unwrap();
    let image = OpenedImage::open(manifest, config).unwrap();
    let mut rootfs = Rootfs::new();
    for layer in image.layers() {
        let compression = layer.descriptor.media_type.layer_compression().unwrap();
        let facts = read_facts(layout.open_blob(&layer.descriptor).unwrap(), compression, &Limits::default()).unwrap();
        assert_eq!(facts.diff_id, layer.diff_id);
        rootfs.apply(&facts);
    }
    let config = image.config().view();
    let layer_files: Vec<ImagePath> = rootfs.paths().cloned().collect();
    let request = ProofRequest {
        platform: config.platform(),
        config,
        rootfs: &rootfs,
        contents: &Nothing,
        owner: Owner { uid: 65532, gid: 65532 },
        options: &ProofOptions { layer_files, ..ProofOptions::default() },
        entrypoint_span: None,
    };
    prove(&request).map_err(|faults| faults.iter().map(|fault| fault.diagnostic().message.clone()).collect())
}

#[test]
fn an_image_that_was_opened_is_proved_by_its_layers() {
    let waiver = "[[unproved]]\npath = \"/app/*\"\nneeds = \"libx.so.1\"\nreason = \"built to lack it\"\n";
    let proving = Proving::new(&[], &format!("{RUN}{waiver}")).elf("run", &program(&["libx.so.1", "libc.so.6"]));
    let proving = proving.elf("arm.node", &Elf { machine: 183, ..library("arm.node", &[]) }).file("tool", b"#!/bin/bash\n");
    proving.build().succeeds();
    let faults = prove_layout(&proving.sandbox.path("out")).unwrap_err();
    assert_eq!(faults, ["`/app/run` needs the library `libx.so.1`, which is not in the image"]);
    std::fs::remove_dir_all(proving.sandbox.path("out")).unwrap();
    let proving = proving.elf("run", &Elf { runpath: Some("$ORIGIN"), ..program(&["libx.so.1", "libc.so.6"]) });
    let proving = proving.elf("libx.so.1", &library("libx.so.1", &["libc.so.6"]));
    let (of_build, _) = proving.proof();
    let opened = prove_layout(&proving.sandbox.path("out")).unwrap();
    assert_eq!(serde_json::to_value(&opened.reached).unwrap(), of_build["reached"]);
    assert_eq!(serde_json::to_value(&opened.remarks).unwrap(), of_build["findings"]);
    assert_eq!((opened.tallies(Level::Warning).len(), opened.tallies(Level::Information).len()), (1, 1), "{opened:?}");
}
