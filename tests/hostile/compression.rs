//! Compressed bytes that come to too much, to nothing, or to no end.

use std::io::{self, Read};

use hardened::layer::{Decompressed, Limits, read_facts};
use hardened::oci::Compression;

use crate::images::gzip;
use crate::tar_bytes::Tar;
use crate::told;

/// Reads to the end, and returns how many bytes came out and how it ended.
fn drain(source: impl Read, compression: Compression, limits: Limits) -> (u64, Result<(), String>) {
    let mut decompressed = match Decompressed::new(source, compression, limits) {
        Ok(decompressed) => decompressed,
        Err(error) => return (0, Err(error.to_string())),
    };
    let (mut count, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        match decompressed.read(&mut buffer) {
            Ok(0) => return (count, Ok(())),
            Ok(more) => count += more as u64,
            Err(error) => return (count, Err(error.to_string())),
        }
    }
}

/// The same bytes again and again, so many of them, and how many were taken.
struct Repeated<'a> {
    piece: &'a [u8],
    offset: usize,
    left: u64,
    taken: &'a std::cell::Cell<u64>,
}

impl Read for Repeated<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap());
        for byte in &mut buffer[..room] {
            *byte = self.piece[self.offset];
            self.offset = (self.offset + 1) % self.piece.len();
        }
        self.left -= room as u64;
        self.taken.set(self.taken.get() + room as u64);
        Ok(room)
    }
}

#[test]
fn bombs() {
    let zeros = vec![0; 16 << 20];
    let frame = zstd::encode_all(&zeros[..], 19).unwrap();
    let limits = Limits { free: 8 << 20, ratio: 100, ..Limits::default() };
    for (name, blob, compression) in [
        ("gzip", gzip(&zeros), Compression::Gzip),
        ("zstd", frame.clone(), Compression::Zstd),
        ("gzip, in many members", gzip(&zeros[..1 << 20]).repeat(64), Compression::Gzip),
        ("zstd, in many frames", frame.repeat(64), Compression::Zstd),
    ] {
        let (produced, end) = drain(&blob[..], compression, limits);
        assert!(end.is_err_and(|message| message.contains("unpacks to more than")), "{name}");
        assert!(produced <= (8 << 20) + 100 * blob.len() as u64 + (64 << 10), "{name}: {produced}");
    }
    // The real limits hold as well: a megabyte of gzip is a gigabyte of zeros.
    let taken = std::cell::Cell::new(0);
    let member = gzip(&vec![0; 64 << 20]);
    let source = Repeated { piece: &member, offset: 0, left: 64 * member.len() as u64, taken: &taken };
    let (produced, end) = drain(source, Compression::Gzip, Limits::default());
    assert!(end.is_err() && produced < 600 << 20, "{produced}");
    // As a tar: one file of zeros, and the reader says what it is.
    let bomb = Tar::new().entry("zeros", b'0', 1 << 30, "").raw(&vec![0; 32 << 20]).bytes();
    let fault = read_facts(&gzip(&bomb)[..], Compression::Gzip, &limits).unwrap_err();
    assert!(told(&fault).contains("unpacks to more than"), "{}", told(&fault));
}

#[test]
fn layers_that_are_larger_than_anything() {
    let taken = std::cell::Cell::new(0);
    let source = Repeated { piece: &[1], offset: 0, left: 1 << 40, taken: &taken };
    let (produced, end) = drain(source, Compression::None, Limits { bytes: 4 << 20, ..Limits::default() });
    assert!(end.is_err() && produced <= (4 << 20) + (64 << 10) && taken.get() < 5 << 20, "{produced}");
}

#[test]
fn streams_that_never_come_to_anything() {
    let skippable = [&0x184d_2a50_u32.to_le_bytes()[..], &4096_u32.to_le_bytes(), &[7; 4096]].concat();
    let named = {
        let mut member = gzip(b"");
        member[3] |= 8;
        member.splice(10..10, [b'n'; 2000].into_iter().chain([0]));
        member
    };
    for (name, piece, compression) in [
        ("empty members", gzip(b""), Compression::Gzip),
        ("empty members with long names", named, Compression::Gzip),
        ("skippable frames", skippable, Compression::Zstd),
        ("empty frames", zstd::encode_all(&b""[..], 3).unwrap(), Compression::Zstd),
    ] {
        let taken = std::cell::Cell::new(0);
        let source = Repeated { piece: &piece, offset: 0, left: 1 << 40, taken: &taken };
        let (produced, end) = drain(source, compression, Limits { idle: 1 << 20, ..Limits::default() });
        assert!(end.as_ref().is_err_and(|message| message.contains("produce almost no output")), "{name}: {end:?}");
        assert!(produced == 0 && taken.get() < 2 << 20, "{name}: {} taken", taken.get());
    }
    // What real writers put between frames passes: an index of a few megabytes.
    let table = [&0x184d_2a50_u32.to_le_bytes()[..], &(4_u32 << 20).to_le_bytes(), &vec![7; 4 << 20]].concat();
    let blob = [zstd::encode_all(&b"content"[..], 3).unwrap(), table].concat();
    assert_eq!(drain(&blob[..], Compression::Zstd, Limits::default()), (7, Ok(())));
}

#[test]
fn windows_that_are_larger_than_memory() {
    // Magic, a descriptor without a content size, a window of 2^41 bytes, and one empty last block.
    for exponent in [18_u8, 21, 31] {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 1, 0, 0];
        let (_, end) = drain(&frame[..], Compression::Zstd, Limits::default());
        assert!(end.is_err(), "a window of 2^{} bytes", u32::from(exponent) + 10);
    }
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3, 1, 0, 0];
    assert_eq!(drain(&frame[..], Compression::Zstd, Limits::default()).1, Ok(()));
    let limits = Limits { window_log: 20, ..Limits::default() };
    assert!(drain(&frame[..], Compression::Zstd, limits).1.is_err());
    // A dictionary that nobody has.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 1, 0, 42, 1, 0, 0];
    assert!(drain(&frame[..], Compression::Zstd, Limits::default()).1.is_err());
}

#[test]
fn frames_that_are_broken_anywhere() {
    let content: Vec<u8> = (0..40_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[..2].to_vec()).collect();
    for (blob, compression) in [(gzip(&content), Compression::Gzip), (zstd_checked(&content), Compression::Zstd)] {
        for cut in (0..blob.len()).step_by(997).skip(1) {
            assert!(drain(&blob[..cut], compression, Limits::default()).1.is_err(), "{compression:?} cut at {cut}");
        }
        for offset in (0..blob.len()).step_by(997) {
            let mut broken = blob.clone();
            broken[offset] ^= 0x10;
            let (_, end) = drain(&broken[..], compression, Limits::default());
            // The time and the system in a gzip header mean nothing.
            assert!(end.is_err() || offset < 10, "{compression:?} broken at {offset}");
        }
        for behind in [&b"rubbish"[..], &[0], &[0x1f, 0x8b]] {
            assert!(drain(&[&blob, behind].concat()[..], compression, Limits::default()).1.is_err(), "{compression:?} {behind:?}");
        }
    }
}

fn zstd_checked(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    io::Write::write_all(&mut encoder, content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_named_otherwise_than_it_is() {
    let tar = Tar::new().file("a", b"x").end();
    let (zipped, frame) = (gzip(&tar), zstd::encode_all(&tar[..], 3).unwrap());
    for (blob, compression) in [
        (&zipped, Compression::None),
        (&zipped, Compression::Zstd),
        (&frame, Compression::None),
        (&frame, Compression::Gzip),
        (&tar, Compression::Gzip),
        (&tar, Compression::Zstd),
    ] {
        let fault = read_facts(&blob[..], compression, &Limits::default()).unwrap_err();
        assert!(told(&fault).contains("and its content is"), "{}", told(&fault));
    }
    // A gzip inside of a gzip is no tar.
    assert!(read_facts(&gzip(&zipped)[..], Compression::Gzip, &Limits::default()).is_err());
}
