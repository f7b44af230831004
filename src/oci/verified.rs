use std::io::{self, Read};

use super::{Descriptor, Digest, Hasher};

/// Reads content and checks it against its descriptor: never a byte past the promised size, and no end of file
/// before size and digest are right.
///
/// A reader that stops early has checked nothing (go-containerregistry d807d512): call [`Verified::finish`], which drains the rest.
pub struct Verified<R> {
    inner: R,
    expected: Digest,
    left: u64,
    hasher: Option<Hasher>,
}

impl<R: Read> Verified<R> {
    /// Wraps a reader of the content that a descriptor names.
    pub fn new(inner: R, descriptor: &Descriptor) -> Self {
        Self { inner, expected: descriptor.digest, left: descriptor.size, hasher: Some(Hasher::default()) }
    }

    /// Reads what is left and checks the whole.
    ///
    /// # Errors
    /// As reading.
    pub fn finish(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink()).map(drop)
    }

    /// Reads the whole content into memory.
    ///
    /// # Errors
    /// As reading, and when the content is larger than `limit` bytes.
    pub fn read_all(mut self, limit: u64) -> io::Result<Vec<u8>> {
        if self.left > limit {
            return Err(invalid(format!("the content has {} bytes, more than {limit}", self.left)));
        }
        // The allocation follows the bytes that come, not the size that was promised.
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        if self.inner.read(&mut [0])? != 0 {
            return Err(invalid(format!("the content of {} is longer than its size says", self.expected)));
        }
        let (actual, _) = hasher.finish();
        if actual == self.expected { Ok(()) } else { Err(invalid(format!("the content's digest is {actual}, not {}", self.expected))) }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return self.end().map(|()| 0);
        }
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..room])?;
        if count == 0 {
            return Err(invalid(format!("the content of {} ends {} bytes early", self.expected, self.left)));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    #[test]
    fn only_the_described_content_ends_well() {
        let descriptor = Descriptor::of(MediaType::Config, b"content");
        for (bytes, good) in [(&b"content"[..], true), (b"contenT", false), (b"conten", false), (b"content!", false), (b"", false)] {
            assert_eq!(Verified::new(bytes, &descriptor).finish().is_ok(), good);
            assert_eq!(Verified::new(bytes, &descriptor).read_all(100).is_ok(), good);
        }
        assert!(Verified::new(&b"content"[..], &descriptor).read_all(3).is_err());
        let empty = Descriptor::of(MediaType::Config, b"");
        assert!(Verified::new(&b""[..], &empty).finish().is_ok());
        assert!(Verified::new(&b"x"[..], &empty).finish().is_err());
    }
}
