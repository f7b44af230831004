use super::*;
use crate::layer::{ArchiveFault, LayerContents, Limits, read_layer};
use crate::oci::{Compression, Digest};
use crate::rootfs::{Device, DeviceKind};

/// A tar with PAX records, a device, a FIFO and files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, size: usize| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_mode(0o640);
        header.set_uid(3);
        header.set_gid(4);
        header
    };
    let capability: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    builder.append_pax_extensions([("SCHILY.xattr.security.capability", capability), ("SCHILY.xattr.user.note", b"\xff\x00")]).unwrap();
    builder.append_data(&mut header(tar::EntryType::Regular, 2), "with-attributes", &b"ab"[..]).unwrap();
    let mut device = header(tar::EntryType::Block, 0);
    device.set_device_major(8).unwrap();
    device.set_device_minor(17).unwrap();
    builder.append_data(&mut device, "dev/sdb1", &b""[..]).unwrap();
    builder.append_data(&mut header(tar::EntryType::Fifo, 0), "run/fifo", &b""[..]).unwrap();
    for (path, content) in files {
        builder.append_data(&mut header(tar::EntryType::Regular, content.len()), path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read(files: &[(&str, &[u8])], collectors: &[&dyn Collector]) -> Result<LayerContents, ArchiveFault> {
    read_layer(&tar(files)[..], Compression::None, &Limits::default(), collectors)
}

#[test]
fn entries_have_attributes_capabilities_and_device_numbers() {
    let entries = read(&[], &[]).unwrap().entries.entries;
    let facts: Vec<_> =
        entries.iter().map(|entry| if let LayerEntry::Add(fact) = &entry.fact { fact } else { panic!("{entry:?}") }).collect();
    assert_eq!(facts[0].attributes.capabilities().map(|found| (found.permitted, found.effective)), Some((1 << 10, true)));
    let note = facts[0].attributes.iter().find(|(name, _)| *name == "user.note").map(|(_, value)| value.to_vec());
    assert_eq!(note, Some(vec![0xff, 0]));
    assert_eq!(facts[1].kind, FactKind::Device(Device { kind: DeviceKind::Block, major: 8, minor: 17 }));
    assert_eq!((&facts[2].kind, facts[2].attributes.is_empty()), (&FactKind::Fifo, true));
    // All of it survives being kept.
    let text = serde_json::to_string(&entries).unwrap();
    assert_eq!(serde_json::from_str::<Vec<crate::rootfs::LayerFact>>(&text).unwrap(), entries);
}

#[test]
fn each_collector_finds_its_own() {
    let dpkg = b"Package: base-files\n";
    let files: [(&str, &[u8]); 4] = [
        ("etc/os-release", b"ID=x\n"),
        ("var/lib/dpkg/status.d/base", dpkg),
        ("var/lib/dpkg/status.d/base.md5sums", b"x"),
        ("start", b"#!/bin/sh -e\n"),
    ];
    let LayerContents { mut entries, collected } = read(&files, &ALL).unwrap();
    let paths = |collector: &dyn Collector| -> Vec<String> {
        let found = collected.of(collector).unwrap();
        found.files.iter().map(|(number, _)| entries.entries[*number as usize].path.to_string()).collect()
    };
    assert_eq!(paths(&TEXTS), ["/etc/os-release"]);
    assert_eq!(paths(&PACKAGES), ["/var/lib/dpkg/status.d/base"]);
    assert_eq!(paths(&Heads), ["/start"]);
    assert_eq!(paths(&Digests).len(), 5);
    collected.join(&mut entries, &ALL).unwrap();
    let LayerEntry::Add(fact) = &entries.entries[4].fact else { panic!("no file") };
    let FactKind::File { content, digest, .. } = &fact.kind else { panic!("{fact:?}") };
    assert_eq!((content.as_deref(), *digest), (std::str::from_utf8(dpkg).ok(), Some(Digest::of(dpkg))));
    // What was not asked for was not collected.
    assert!(read(&files, &STANDARD).unwrap().collected.of(&Digests).is_none());
}

/// Finds something in each file, and may keep little.
struct Greedy;

impl Collector for Greedy {
    fn name(&self) -> &'static str {
        "greedy"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self) -> u64 {
        300
    }

    fn begin(&self, _: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        Some(Box::new(Self))
    }

    fn apply(&self, _: &str, _: &mut FactKind) -> Result<(), serde_json::Error> {
        Ok(())
    }
}

impl FileCollector for Greedy {
    fn take(&mut self, _: &[u8]) -> Wanted {
        Wanted::Enough
    }

    fn finish(self: Box<Self>) -> Option<Box<str>> {
        Some("\"0123456789012345678901234567890123456789\"".into())
    }
}

#[test]
fn a_collector_keeps_no_more_than_it_may() {
    assert!(read(&[("a", b"1"), ("b", b"2")], &[&Greedy]).is_ok());
    let many: Vec<(String, &[u8])> = (0..9).map(|number| (format!("file-{number}"), &b"1"[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    let fault = read(&many, &[&Heads, &Greedy]).unwrap_err();
    assert_eq!(fault.to_string(), "what `greedy` collects of one layer has more than 300 bytes");
}

#[test]
fn results_of_another_layer_or_version_are_not_joined() {
    let LayerContents { mut entries, collected } = read(&[("start", b"#!/bin/sh\n")], &[&Heads]).unwrap();
    assert!(matches!(collected.join(&mut entries, &STANDARD), Err(CollectedFault::Missing("texts"))));
    let mut shorter = entries.clone();
    shorter.entries.truncate(2);
    assert!(matches!(collected.join(&mut shorter, &[&Heads]), Err(CollectedFault::Entry(_))));
    let mut other = collected.clone();
    other.0[0].files[0].1 = "{".into();
    assert!(matches!(other.join(&mut entries, &[&Heads]), Err(CollectedFault::Form(..))));
    other.0[0].version += 1;
    assert!(matches!(other.join(&mut entries, &[&Heads]), Err(CollectedFault::Missing("heads"))));
}
