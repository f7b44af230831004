use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::oci::Compression;

/// How much a foreign layer may hold. A real layer stays far below; a bomb is stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Uncompressed bytes in all.
    pub bytes: u64,
    /// Entries of the tar.
    pub entries: u64,
    /// Bytes of names, link targets and texts that are kept in memory.
    pub kept: u64,
    /// Uncompressed bytes that are never too many, however few compressed ones they come from.
    pub free: u64,
    /// Uncompressed bytes for each compressed one, beyond the free ones. gzip reaches 1,000 and zstd 3,000 on zeros; real layers stay below 50.
    pub ratio: u64,
    /// Compressed bytes that may go by without bringing as many uncompressed ones: skippable frames, names and comments. Beyond, a stream
    /// of empty members or frames would keep us busy for as long as somebody sends it.
    pub idle: u64,
    /// The logarithm of the largest zstd window: 27 is 128 MiB, what `zstd --long` writes and the `zstd` program reads at most.
    pub window_log: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 128 << 30, entries: 4_000_000, kept: 256 << 20, free: 256 << 20, ratio: 200, idle: 64 << 20, window_log: 27 }
    }
}

impl Limits {
    /// Refuses what unpacks to more than is allowed for as many compressed bytes.
    pub(super) fn check(&self, consumed: u64, produced: u64) -> io::Result<()> {
        let allowed = consumed.saturating_mul(self.ratio).saturating_add(self.free).min(self.bytes);
        if produced > allowed {
            let message = format!("it unpacks to more than {allowed} bytes from {consumed} compressed ones");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(())
    }
}

/// Reads the tar inside of a compressed layer: every gzip member and every zstd frame of it, under limits.
pub struct Decompressed<R: Read> {
    decoder: Decoder<Counted<R>>,
    limits: Limits,
    produced: u64,
}

enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<R>>>),
}

struct Counted<R> {
    inner: R,
    consumed: u64,
    /// How many bytes may be consumed in all, until more are produced.
    allowed: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A decoder asks again and again while nothing comes out, so its progress is watched here.
        if self.consumed > self.allowed {
            let message = format!("{} compressed bytes produce almost no output", self.consumed);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let count = self.inner.read(buffer)?;
        self.consumed += count as u64;
        Ok(count)
    }
}

impl<R: Read> Decompressed<R> {
    /// Wraps a reader of a layer's blob.
    ///
    /// # Errors
    /// When the decoder cannot be made, or the blob does not begin as its compression says.
    pub fn new(blob: R, compression: Compression, limits: Limits) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(64 << 10, Counted { inner: blob, consumed: 0, allowed: limits.idle });
        check_magic(source.fill_buf()?, compression)?;
        let decoder = match compression {
            Compression::None => Decoder::Plain(source),
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
                decoder.window_log_max(limits.window_log)?;
                Decoder::Zstd(Box::new(decoder))
            }
        };
        Ok(Self { decoder, limits, produced: 0 })
    }

    fn consumed(&self) -> u64 {
        match &self.decoder {
            Decoder::Plain(source) => source.get_ref().consumed,
            Decoder::Gzip(decoder) => decoder.get_ref().get_ref().consumed,
            Decoder::Zstd(decoder) => decoder.get_ref().get_ref().consumed,
        }
    }

    /// Returns the blob's reader, to drain it.
    pub fn into_inner(self) -> R {
        let source = match self.decoder {
            Decoder::Plain(source) => source,
            Decoder::Gzip(decoder) => decoder.into_inner(),
            Decoder::Zstd(decoder) => decoder.finish(),
        };
        source.into_inner().inner
    }
}

/// Returns how a layer is compressed that begins with these bytes; four of them tell.
pub fn compression_of(beginning: &[u8]) -> Compression {
    match beginning {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

fn check_magic(beginning: &[u8], compression: Compression) -> io::Result<()> {
    let found = compression_of(beginning);
    if found == compression || beginning.is_empty() {
        return Ok(());
    }
    let name = |compression| match compression {
        Compression::None => "not compressed",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    let message = format!("it is called {}, and its content is {}", name(compression), name(found));
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.decoder {
            Decoder::Plain(source) => source.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        }?;
        self.produced += count as u64;
        let fed = self.produced.saturating_mul(2).saturating_add(self.limits.idle);
        match &mut self.decoder {
            Decoder::Plain(source) => source.get_mut().allowed = fed,
            Decoder::Gzip(decoder) => decoder.get_mut().get_mut().allowed = fed,
            Decoder::Zstd(decoder) => decoder.get_mut().get_mut().allowed = fed,
        }
        self.limits.check(self.consumed(), self.produced)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(blob: &[u8], compression: Compression, limits: Limits) -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        Decompressed::new(blob, compression, limits)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn every_member_and_frame_is_read() {
        let two = [gzip(b"one"), gzip(b"two")].concat();
        assert_eq!(unpack(&two, Compression::Gzip, Limits::default()).unwrap(), b"onetwo");
        let frames = [zstd::encode_all(&b"one"[..], 3).unwrap(), zstd::encode_all(&b"two"[..], 3).unwrap()].concat();
        assert_eq!(unpack(&frames, Compression::Zstd, Limits::default()).unwrap(), b"onetwo");
        assert_eq!(unpack(b"onetwo", Compression::None, Limits::default()).unwrap(), b"onetwo");
    }

    #[test]
    fn broken_and_mislabelled_blobs_are_refused() {
        let whole = gzip(b"some content that is long enough");
        assert!(unpack(&whole[..whole.len() - 3], Compression::Gzip, Limits::default()).is_err());
        assert!(unpack(&[whole.clone(), b"rubbish".to_vec()].concat(), Compression::Gzip, Limits::default()).is_err());
        assert!(unpack(&whole, Compression::Zstd, Limits::default()).is_err());
        assert!(unpack(&whole, Compression::None, Limits::default()).is_err());
        let frame = zstd::encode_all(&b"some content"[..], 3).unwrap();
        assert!(unpack(&frame[..frame.len() - 1], Compression::Zstd, Limits::default()).is_err());
    }

    #[test]
    fn bombs_are_stopped() {
        let limits = Limits { free: 1 << 20, ratio: 100, ..Limits::default() };
        let zeros = vec![0; 64 << 20];
        for (blob, compression) in [(gzip(&zeros), Compression::Gzip), (zstd::encode_all(&zeros[..], 3).unwrap(), Compression::Zstd)] {
            let mut source = Decompressed::new(&blob[..], compression, limits).unwrap();
            assert!(io::copy(&mut source, &mut io::sink()).unwrap_err().to_string().contains("unpacks to more than"));
            assert!(source.produced < 48 << 20);
        }
    }
}
