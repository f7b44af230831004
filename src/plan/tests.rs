use std::collections::BTreeMap;

use super::*;
use crate::linkage::ProofOptions;
use crate::oci::{Compression, Config, Digest};
use crate::recipe::{Spanned, UserChoice};
use crate::rootfs::{
    Content, ContentFault, Entry, EntryKind, Fact, FactKind, Head, ImagePath, ImageText, LayerEntry, LayerFact, LayerFacts, Machine, Owner,
    Stat, TreeId,
};

struct Nothing;

impl OpenContent for Nothing {
    fn read(&self, _: TreeId, _: &[u8], _: Stat, _: u64, _: &mut [u8]) -> Result<(), ContentFault> {
        Err(ContentFault::Changed)
    }
}

fn path(text: &str) -> ImagePath {
    ImagePath::new(text.as_bytes()).unwrap()
}

/// Builds a base whose `/bin` is a link, with a loader, a shell for arm64, and accounts.
fn base_layer() -> LayerFacts {
    let fact = |mode, kind| LayerEntry::Add(Fact::new(kind, mode, Owner::default()));
    let elf = |name: &str| {
        let machine = Machine::Architecture(name.to_owned());
        FactKind::File { size: 9, head: Head::Elf { machine, interpreter: None, dynamic: None }, content: None, digest: None }
    };
    let text = |text: &str| FactKind::File { size: 9, head: Head::Other, content: Some(text.into()), digest: None };
    let entries = vec![
        ("usr", fact(0o755, FactKind::Directory)),
        ("usr/bin", fact(0o755, FactKind::Directory)),
        ("usr/lib", fact(0o755, FactKind::Directory)),
        ("usr/lib/loader.so", fact(0o755, elf("amd64"))),
        ("usr/bin/sh", fact(0o755, elf("arm64"))),
        ("usr/bin/node", fact(0o755, elf("amd64"))),
        ("bin", fact(0o777, FactKind::Symlink(ImageText((*b"usr/bin").into())))),
        ("tmp", fact(0o1777, FactKind::Directory)),
        ("secret", fact(0o700, FactKind::Directory)),
        ("secret/tool", fact(0o755, elf("amd64"))),
        ("etc", fact(0o755, FactKind::Directory)),
        ("etc/passwd", fact(0o644, text("root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n"))),
        ("etc/group", fact(0o644, text("root:x:0:\nnode:x:1000:\n"))),
    ];
    let entries = entries.into_iter().map(|(name, fact)| LayerFact { path: path(name), fact }).collect();
    LayerFacts { diff_id: Digest::of(b""), size: 0, entries }
}

fn file(content: &[u8], mode: u16) -> Entry {
    Entry { kind: EntryKind::File(Content::Inline(content.into())), mode, owner: Owner::default() }
}

fn source(name: &str, entries: &[(&str, Entry)]) -> Source {
    let entries = entries.iter().map(|(name, entry)| (path(name), entry.clone())).collect();
    Source { name: name.to_owned(), span: None, layer: None, replace: false, entries }
}

fn user(name: &str, id: u32) -> UserChoice {
    UserChoice {
        name: Spanned { value: name.to_owned(), span: None },
        owner: Owner { uid: id, gid: id },
        group: name.to_owned(),
        home: Spanned { value: path(&format!("home/{name}")), span: None },
        root_reason: None,
    }
}

fn request<'a>(sources: Vec<Source>, entrypoint: &[&str]) -> PlanRequest<'a> {
    let platform = Platform::default_target();
    let mut base_files = Rootfs::new();
    base_files.apply(&base_layer());
    let config = Config::new(&platform).with_setting("Env", Some(serde_json::json!(["PATH=/usr/bin"])));
    PlanRequest {
        base: BaseImage { config, layers: vec![], written: vec![], annotations: BTreeMap::new(), dropped: vec![] },
        platform,
        base_files,
        user: user("nonroot", 65532),
        sources,
        writable: vec![],
        settings: Settings { entrypoint: Some(entrypoint.iter().map(|word| (*word).to_owned()).collect()), ..Settings::default() },
        split: Split::Off,
        compressor: Compressor::new(crate::recipe::Format::NEWEST, Compression::Gzip, None).unwrap(),
        proof: ProofOptions::default(),
        entrypoint_span: None,
    }
}

fn planned(request: PlanRequest<'_>) -> Result<Vec<String>, Vec<String>> {
    let show = |(path, entry): &(ImagePath, Entry)| format!("{path} {:o} {}:{}", entry.mode, entry.owner.uid, entry.owner.gid);
    Plan::new(request, &Nothing)
        .map(|plan| {
            plan.layers
                .iter()
                .flat_map(|layer| std::iter::once(format!("- {}", layer.name)).chain(layer.changeset.entries().iter().map(show)))
                .collect()
        })
        .map_err(|faults| faults.iter().map(|fault| fault.diagnostic().message.clone()).collect())
}

#[test]
fn paths_land_behind_the_base_links_and_folders_keep_their_modes() {
    let sources = vec![
        source("a", &[("bin/tool", file(b"x", 0o644))]),
        source("b", &[("tmp/x", file(b"x", 0o644)), ("new/deep/y", file(b"", 0o600))]),
    ];
    let lines = planned(request(sources, &["node"])).unwrap();
    assert_eq!(
        lines,
        [
            "- accounts and folders",
            "/etc 755 0:0",
            "/etc/group 644 0:0",
            "/etc/passwd 644 0:0",
            "/home 755 0:0",
            "/home/nonroot 700 65532:65532",
            "- a",
            "/usr 755 0:0",
            "/usr/bin 755 0:0",
            "/usr/bin/tool 644 0:0",
            "- b",
            "/new 755 0:0",
            "/new/deep 755 0:0",
            "/new/deep/y 600 0:0",
            "/tmp 1777 0:0",
            "/tmp/x 644 0:0",
        ]
    );
}

#[test]
fn accounts_that_the_base_has_add_nothing() {
    let mut known = request(vec![], &["/bin/node"]);
    known.user = user("node", 1000);
    assert_eq!(planned(known), Ok(vec![]));
    let mut taken = request(vec![], &["/bin/node"]);
    taken.user.name.value = "node".to_owned();
    assert_eq!(planned(taken), Err(vec!["the user `node` has the uid 1000 in the base, and 65532 in the recipe".to_owned()]));
}

#[test]
fn folders_to_write_to_belong_to_the_user() {
    let mut request = request(vec![], &["node"]);
    request.user = user("node", 1000);
    request.writable = vec![(path("tmp"), None), (path("data/cache"), None)];
    request.settings.working_directory = Some("/work".to_owned());
    assert_eq!(planned(request).unwrap(), ["- accounts and folders", "/data 755 0:0", "/data/cache 755 1000:1000", "/work 755 0:0"]);
}

#[test]
fn entries_that_exclude_each_other_are_all_named() {
    let sources = || {
        vec![
            source("a", &[("app", file(b"1", 0o644)), ("x", file(b"1", 0o644))]),
            source("b", &[("x", file(b"2", 0o644)), ("app/inner", file(b"2", 0o644)), ("usr", file(b"", 0o644))]),
        ]
    };
    assert_eq!(
        planned(request(sources(), &["node"])),
        Err(vec![
            "`/usr` is a folder in the base, and a file by this entry".to_owned(),
            "two entries for `/x`: `a` and `b`".to_owned(),
            "`/app` is not a folder in `a`, and `b` puts files below it".to_owned(),
        ])
    );
    let mut replaced = vec![source("a", &[("x", file(b"1", 0o644))]), source("b", &[("x", file(b"2", 0o600))])];
    replaced[1].replace = true;
    let lines = planned(request(replaced, &["node"])).unwrap();
    assert!(lines.ends_with(&["- b".to_owned(), "/x 600 0:0".to_owned()]) && !lines.contains(&"- a".to_owned()), "{lines:?}");
}

#[test]
fn a_replaced_file_leaves_its_other_names() {
    let link = |to: &str| Entry { kind: EntryKind::HardLink(path(to)), mode: 0o644, owner: Owner::default() };
    let mut sources =
        vec![source("a", &[("x", file(b"1", 0o644)), ("y", link("x")), ("z", link("x"))]), source("b", &[("x", file(b"2", 0o644))])];
    sources[1].replace = true;
    let plan = Plan::new(request(sources, &["node"]), &Nothing).unwrap();
    let changeset = &plan.layers[1].changeset;
    assert_eq!(changeset.entry(&path("y")).unwrap().kind, EntryKind::File(Content::Inline((*b"1").into())));
    assert_eq!(changeset.entry(&path("z")).unwrap().kind, EntryKind::HardLink(path("y")));
}

#[test]
fn groups_share_a_layer() {
    let mut sources =
        vec![source("a", &[("a", file(b"", 0o644))]), source("b", &[("b", file(b"", 0o644))]), source("c", &[("c", file(b"", 0o644))])];
    sources[0].layer = Some("one".to_owned());
    sources[2].layer = Some("one".to_owned());
    let lines = planned(request(sources, &["node"])).unwrap();
    assert_eq!(lines[lines.len() - 5..], ["- a, c", "/a 644 0:0", "/c 644 0:0", "- b", "/b 644 0:0"]);
}

#[test]
fn what_could_not_start_is_refused() {
    let script = |line: &str| vec![source("a", &[("app", file(line.as_bytes(), 0o755))])];
    let cases = [
        (script("#!/bin/node --x\n"), vec!["/app"], ""),
        (vec![], vec!["node"], ""),
        (vec![], vec!["/bin/node"], ""),
        (vec![], vec![], "nothing to start"),
        (vec![], vec!["missing"], "in no folder of PATH"),
        (vec![], vec!["/missing"], "is not in the image"),
        (vec![], vec!["/tmp"], "is not a file"),
        (vec![], vec!["/bin/sh"], "is a program for arm64, and the image is for linux/amd64"),
        (vec![], vec!["/secret/tool"], "cannot be reached by the user 65532"),
        (script("#!/bin/sh\n"), vec!["/app"], "is a program for arm64"),
        (
            script("#!/bin/bash\n"),
            vec!["/app"],
            "needs the interpreter `/bin/bash`, which is not in the image: it leads to `/usr/bin/bash`",
        ),
        (script("#!node\n"), vec!["/app"], "not an absolute path"),
        (script("#!/app\n"), vec!["/app"], "more than 4 interpreters"),
        (script("echo hello\n"), vec!["/app"], "neither an ELF file nor a script that begins with `#!`"),
        (vec![source("a", &[("app", file(b"#!/bin/node\n", 0o644))])], vec!["/app"], "has the mode 0644 and belongs to 0:0"),
        (vec![source("a", &[("app", file(b"#!/bin/node\n", 0o711))])], vec!["/app"], "may not be executed"),
    ];
    for (sources, entrypoint, expected) in cases {
        let found = planned(request(sources, &entrypoint));
        match found {
            Ok(_) => assert!(expected.is_empty(), "{entrypoint:?} should be refused: {expected}"),
            Err(messages) => {
                assert!(!expected.is_empty() && messages.len() == 1 && messages[0].contains(expected), "{entrypoint:?}: {messages:?}");
            }
        }
    }
}
