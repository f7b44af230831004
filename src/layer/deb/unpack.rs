use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Read};
use std::rc::Rc;

use lzma_rust2::XzReader;

use crate::layer::decompress::{Decompressed, Limits};
use crate::oci::Compression;

/// How many compressed bytes may come to nothing: an xz index, or the end of a zstd frame. Empty blocks without end are far more.
const QUIET: u64 = 1 << 20;
/// What an xz decoder needs beside its dictionary, in KiB.
const BESIDE_KIB: u32 = 1 << 10;

/// How an archive inside of a package is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

impl Coding {
    /// Reads what follows `.tar` in a member's name.
    pub(super) fn of(suffix: &str) -> Option<Self> {
        match suffix {
            "" => Some(Self::Plain),
            ".gz" => Some(Self::Gzip),
            ".xz" => Some(Self::Xz),
            ".zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Reads the tar inside of a package's member, under limits, and to an end: compressed bytes must give plain ones.
pub(super) struct Unpacked<R: Read> {
    decoder: Decoder<Watched<R>>,
    watch: Rc<Watch>,
    limits: Limits,
    produced: u64,
}

enum Decoder<R: Read> {
    Layer(Box<Decompressed<R>>),
    Xz(Box<XzReader<BufReader<R>>>),
}

#[derive(Default)]
struct Watch {
    consumed: Cell<u64>,
    quiet: Cell<u64>,
}

struct Watched<R> {
    inner: R,
    watch: Rc<Watch>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.quiet.get() > QUIET {
            return Err(invalid("its compressed bytes produce no output"));
        }
        let count = self.inner.read(buffer)?;
        self.watch.consumed.set(self.watch.consumed.get() + count as u64);
        self.watch.quiet.set(self.watch.quiet.get() + count as u64);
        Ok(count)
    }
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(inner: R, coding: Coding, limits: Limits) -> io::Result<Self> {
        let watch = Rc::new(Watch::default());
        let source = Watched { inner, watch: Rc::clone(&watch) };
        let layer = |compression, source| Decompressed::new(source, compression, limits).map(|layer| Decoder::Layer(Box::new(layer)));
        let decoder = match coding {
            Coding::Plain => layer(Compression::None, source)?,
            Coding::Gzip => layer(Compression::Gzip, source)?,
            Coding::Zstd => layer(Compression::Zstd, source)?,
            Coding::Xz => {
                let dictionary_kib = 1 << limits.window_log.clamp(12, 31).saturating_sub(10);
                let source = BufReader::with_capacity(64 << 10, source);
                // dpkg reads one stream, and xz all that follow each other.
                Decoder::Xz(Box::new(XzReader::new_mem_limit(source, false, dictionary_kib + BESIDE_KIB)))
            }
        };
        Ok(Self { decoder, watch, limits, produced: 0 })
    }

    /// Makes sure that nothing is left, neither plain nor compressed.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.read(&mut [0])? > 0 {
            return Err(invalid("it has data after its end"));
        }
        if let Decoder::Xz(decoder) = &mut self.decoder
            && !decoder.inner_mut().fill_buf()?.is_empty()
        {
            return Err(invalid("bytes follow its compressed stream"));
        }
        Ok(())
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match &mut self.decoder {
            Decoder::Layer(decoder) => decoder.read(buffer),
            Decoder::Xz(decoder) => decoder.read(buffer),
        }?;
        if count > 0 {
            self.watch.quiet.set(0);
        }
        self.produced += count as u64;
        self.limits.check(self.watch.consumed.get(), self.produced)?;
        Ok(count)
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
