//! The targets of `fuzz/` run over their corpora and over what is like them, with the stable toolchain and in bounded time. The same code is
//! driven without bounds by `cargo fuzz run TARGET`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/targets/archive.rs"]
mod archive;
#[path = "../fuzz/targets/auth_file.rs"]
mod auth_file;
#[path = "../fuzz/targets/challenge.rs"]
mod challenge;
#[path = "../fuzz/targets/config.rs"]
mod config;
#[path = "../fuzz/targets/deb.rs"]
mod deb;
#[path = "../fuzz/targets/elf.rs"]
mod elf;
#[path = "../fuzz/targets/globs.rs"]
mod globs;
#[path = "../fuzz/targets/gzip.rs"]
mod gzip;
#[path = "../fuzz/targets/headers.rs"]
mod headers;
#[path = "../fuzz/targets/index.rs"]
mod index;
#[path = "../fuzz/targets/inrelease.rs"]
mod inrelease;
#[path = "../fuzz/targets/json.rs"]
mod json;
#[path = "../fuzz/targets/lock.rs"]
mod lock;
#[path = "../fuzz/targets/manifest.rs"]
mod manifest;
#[path = "../fuzz/targets/packages.rs"]
mod packages;
#[path = "../fuzz/targets/private_key.rs"]
mod private_key;
#[path = "../fuzz/targets/recipe.rs"]
mod recipe;
#[path = "../fuzz/targets/record.rs"]
mod record;
#[path = "../fuzz/targets/reference.rs"]
mod reference;
#[path = "../fuzz/targets/relations.rs"]
mod relations;
#[path = "../fuzz/targets/tar.rs"]
mod tar;
#[path = "../fuzz/targets/zstd.rs"]
mod zstd;

/// A target: its name, what it does with an input, and how many changed inputs it is given for each seed. Those that read files or check
/// signatures are slow.
type Target = (&'static str, fn(&[u8]), u64);

const TARGETS: &[Target] = &[
    ("archive", archive::run, 40),
    ("auth_file", auth_file::run, 200),
    ("challenge", challenge::run, 200),
    ("config", config::run, 200),
    ("deb", deb::run, 200),
    ("elf", elf::run, 200),
    ("globs", globs::run, 40),
    ("gzip", gzip::run, 200),
    ("headers", headers::run, 200),
    ("index", index::run, 200),
    ("inrelease", inrelease::run, 12),
    ("json", json::run, 200),
    ("lock", lock::run, 200),
    ("manifest", manifest::run, 200),
    ("packages", packages::run, 200),
    ("private_key", private_key::run, 200),
    ("recipe", recipe::run, 200),
    ("record", record::run, 200),
    ("reference", reference::run, 200),
    ("relations", relations::run, 200),
    ("tar", tar::run, 200),
    ("zstd", zstd::run, 200),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.map(|name| name.trim_end_matches(".rs").to_owned()).collect()
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"\0\xff\x7f\x80\x1b\n\r \"\\/.:=-+*?[]{}(),;|&<>@%#09azAZ";
        if self.below(2) == 0 { TELLING[self.below(TELLING.len())] } else { u8::try_from(self.below(256)).unwrap() }
    }

    /// Changes an input at one to four positions.
    fn changed(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let offset = self.below(bytes.len() + 1);
            let length = self.below(64).min(bytes.len() - offset);
            match self.below(7) {
                0 => bytes.truncate(offset),
                1 => drop(bytes.drain(offset..offset + length)),
                2 => bytes.insert(offset, self.byte()),
                3 => {
                    let again = bytes[offset..offset + length].to_vec();
                    bytes.splice(offset..offset, again);
                }
                4 if !other.is_empty() => {
                    let from = self.below(other.len());
                    let piece = other[from..(from + 1 + self.below(512)).min(other.len())].to_vec();
                    bytes.splice(offset..offset + length, piece);
                }
                5 => bytes.iter_mut().skip(offset).take(8).for_each(|byte| *byte = if *byte == 0xff { 0 } else { 0xff }),
                _ => {
                    if let Some(byte) = bytes.get_mut(offset) {
                        *byte = self.byte();
                    }
                }
            }
        }
        bytes
    }
}

#[test]
fn every_target_survives_its_corpus_and_what_is_like_it() {
    for (number, (name, run, count)) in (1..).zip(TARGETS) {
        let folder = fuzz().join("corpus").join(name);
        let seeds: Vec<Vec<u8>> = names(&folder).iter().map(|seed| fs::read(folder.join(seed)).unwrap()).collect();
        assert!(!seeds.is_empty(), "{name} has no corpus");
        run(b"");
        let mut numbers = Numbers(number);
        for seed in &seeds {
            assert!(seed.len() < 64 << 10, "{name}: a seed is small");
            run(seed);
            for _ in 0..*count {
                let other = &seeds[numbers.below(seeds.len())];
                run(&numbers.changed(seed, other));
            }
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(targets, names(&fuzz().join("targets")));
    assert_eq!(targets, names(&fuzz().join("corpus")));
    assert_eq!(targets, names(&fuzz().join("fuzz_targets")));
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        let program = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("../targets/{name}.rs")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
}
