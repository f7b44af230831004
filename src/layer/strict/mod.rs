use std::io::{self, Read};

use super::collect::{CollectedFault, CollectorFull};
use super::header::padded;
use super::number::number;
use super::pax::Records;
use crate::rootfs::{Attributes, Device, DeviceKind, ImagePath, PathFault};

/// How large an extended header may be (CVE-2022-2879: unbounded PAX headers).
const EXTENSION_LIMIT: u64 = 1 << 20;

/// What a size field of eleven octal digits holds at most.
const FULL: u64 = (1 << 33) - 1;
/// How many bytes the target of a symbolic link has at least that Linux does not make (`PATH_MAX`, `path_resolution(7)`).
const TARGET_LIMIT: usize = 4096;
/// The largest numbers of a device that Linux has: twelve bits and twenty (containerd 0205398ac).
const DEVICE: (u64, u64) = ((1 << 12) - 1, (1 << 20) - 1);

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// It cannot be read: the disk, the network, the compression or a limit.
    #[error("could not read the archive")]
    Read(#[source] io::Error),
    /// It ends in the middle of an entry.
    #[error("the archive ends early, at byte {0}")]
    Truncated(u64),
    /// Programs differ in how they read it, so nobody knows what a container would hold.
    #[error("the archive is ambiguous at byte {offset}: {reason}")]
    Ambiguous {
        /// Where in the tar.
        offset: u64,
        /// What is there.
        reason: String,
    },
    /// An entry's path is none.
    #[error("the archive holds a bad path at byte {offset}: `{path}`: {fault}")]
    Path {
        /// Where in the tar.
        offset: u64,
        /// The path, escaped.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// A link leads out of the image, or to nothing.
    #[error("the link `{path}` at byte {offset} {reason}")]
    Link {
        /// Where in the tar.
        offset: u64,
        /// The link.
        path: ImagePath,
        /// What is wrong with it.
        reason: String,
    },
    /// It holds more entries than any image needs.
    #[error("the archive holds more than {0} entries")]
    Entries(u64),
    /// Its names and link targets take more memory than those of any image.
    #[error("the archive's names, link targets and accounts take more than {0} bytes")]
    Kept(u64),
    /// A collector found more than it may keep.
    #[error(transparent)]
    Collector(CollectorFull),
    /// What a collector found does not fit the archive.
    #[error("could not combine the facts about the archive's files")]
    Collected(#[source] CollectedFault),
}

/// What an entry of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// Another name of an earlier entry that is no folder.
    HardLink(ImagePath),
    /// A device.
    Device(Device),
    /// A FIFO.
    Fifo,
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The path.
    pub path: ImagePath,
    /// What it is.
    pub kind: MemberKind,
    /// The size of the content in bytes; 0 for all but files.
    pub size: u64,
    /// The permission bits.
    pub mode: u16,
    /// The owner's user.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// The extended attributes.
    pub attributes: Attributes,
    /// Where its header begins in the tar.
    pub offset: u64,
}

/// Reads a tar that has one meaning: what GNU tar, bsdtar, Python and Go would read differently is refused,
/// so that nothing can be hidden from us and be in the container (notes on a differential of six readers).
pub struct StrictTar<R> {
    source: R,
    position: u64,
    /// The bytes of the current member that are left, content and padding apart.
    content: u64,
    padding: u64,
}

#[derive(Default)]
struct Extensions {
    records: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> StrictTar<R> {
    /// Wraps a reader of a plain tar.
    pub fn new(source: R) -> Self {
        Self { source, position: 0, content: 0, padding: 0 }
    }

    /// Returns the reader.
    pub fn into_source(self) -> R {
        self.source
    }

    /// Returns how many bytes were read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the next member, and skips what is left of the one before. After the last one the archive is read to
    /// its very end, where nothing but zeros may stand.
    ///
    /// # Errors
    /// When the archive is broken or ambiguous.
    pub fn next_member(&mut self) -> Result<Option<Member>, ArchiveFault> {
        self.skip()?;
        let mut extensions = Extensions::default();
        loop {
            let offset = self.position;
            let Some(header) = self.header()? else {
                if extensions.is_some() {
                    return Err(ambiguous(offset, "an extended header without an entry"));
                }
                return Ok(None);
            };
            check_header(&header, offset)?;
            let size = number(&header[124..136]).ok_or_else(|| ambiguous(offset, "a size that is not a number"))?;
            match header[156] {
                kind @ (b'x' | b'g' | b'L' | b'K') => {
                    let bytes = self.extension(size, offset)?;
                    extensions.take(kind, &bytes, offset)?;
                }
                _ => return self.member(&header, size, extensions, offset).map(Some),
            }
        }
    }

    fn member(&mut self, header: &[u8; 512], size: u64, extensions: Extensions, offset: u64) -> Result<Member, ArchiveFault> {
        let is_link = matches!(header[156], b'1' | b'2');
        if !is_link
            && (extensions.long_link.is_some() || extensions.records.as_ref().is_some_and(|records| records.bytes("linkpath").is_some()))
        {
            return Err(ambiguous(offset, "a link's target on an entry that is not a link"));
        }
        let mut fields = Fields::read(header, size, extensions, offset)?;
        if fields.path.is_empty() {
            return Err(ambiguous(offset, "an entry without a name"));
        }
        let path = ImagePath::new(&fields.path).map_err(|fault| bad_path(offset, &fields.path, fault))?;
        if !matches!(header[156], b'0' | 0 | b'7' | b'S') && fields.size != 0 {
            // Go, Python and bsdtar read what follows as a header, the others skip it: a file could hide there.
            return Err(ambiguous(offset, "an entry that is not a file and has a size"));
        }
        let slash = fields.path.ends_with(b"/");
        let kind = match header[156] {
            b'0' | 0 | b'7' if slash => return Err(ambiguous(offset, "a regular file whose name ends with a slash")),
            b'0' | 0 | b'7' => MemberKind::File,
            b'1' => MemberKind::HardLink(ImagePath::new(&fields.link).map_err(|fault| bad_path(offset, &fields.link, fault))?),
            b'2' if fields.link.is_empty() => return Err(ambiguous(offset, "a symbolic link to nothing")),
            b'2' if fields.link.len() >= TARGET_LIMIT => return Err(ambiguous(offset, "a link's target that is longer than Linux allows")),
            b'2' => MemberKind::Symlink(std::mem::take(&mut fields.link)),
            b'3' | b'4' => MemberKind::Device(device(header, offset)?),
            b'6' => MemberKind::Fifo,
            b'5' => MemberKind::Directory,
            b'S' => return Err(ambiguous(offset, "a sparse file")),
            other => return Err(ambiguous(offset, &format!("an entry of the unknown type `{}`", other.escape_ascii()))),
        };
        if path.is_root() && kind != MemberKind::Directory {
            return Err(ambiguous(offset, "a root that is not a folder"));
        }
        self.content = fields.size;
        self.padding = padded(fields.size) - fields.size;
        let Fields { size, mode, uid, gid, attributes, .. } = fields;
        Ok(Member { path, kind, size, mode, uid, gid, attributes, offset })
    }

    /// Reads the content of the current member.
    ///
    /// # Errors
    /// When the archive ends early.
    pub fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveFault> {
        let room = buffer.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let count = retry(|| self.source.read(&mut buffer[..room])).map_err(ArchiveFault::Read)?;
        if count == 0 {
            return Err(ArchiveFault::Truncated(self.position));
        }
        self.position += count as u64;
        self.content -= count as u64;
        Ok(count)
    }

    fn skip(&mut self) -> Result<(), ArchiveFault> {
        self.content += std::mem::take(&mut self.padding);
        let mut buffer = [0; 16 << 10];
        while self.read_content(&mut buffer)? > 0 {}
        Ok(())
    }

    fn extension(&mut self, size: u64, offset: u64) -> Result<Vec<u8>, ArchiveFault> {
        if size > EXTENSION_LIMIT {
            return Err(ambiguous(offset, "an extended header of more than 1 MiB"));
        }
        self.content = size;
        self.padding = padded(size) - size;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += self.read_content(&mut bytes[filled..])?;
        }
        self.skip()?;
        Ok(bytes)
    }

    /// Reads a header; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<[u8; 512]>, ArchiveFault> {
        let start = self.position;
        let Some(header) = self.block()? else { return Ok(None) };
        if header.iter().any(|byte| *byte != 0) {
            return Ok(Some(header));
        }
        // After one empty block GNU tar, Python and bsdtar stop, and Go fails if the next one is not empty too. All of them take a lone one
        // before the end of the file for the end.
        while let Some(block) = self.block()? {
            if block.iter().any(|byte| *byte != 0) {
                return Err(ambiguous(start, "content after the end of the archive"));
            }
        }
        Ok(None)
    }

    fn block(&mut self) -> Result<Option<[u8; 512]>, ArchiveFault> {
        let mut block = [0; 512];
        let mut filled = 0;
        while filled < block.len() {
            let count = retry(|| self.source.read(&mut block[filled..])).map_err(ArchiveFault::Read)?;
            if count == 0 && filled == 0 {
                return Ok(None);
            }
            if count == 0 {
                return Err(ArchiveFault::Truncated(self.position));
            }
            self.position += count as u64;
            filled += count;
        }
        Ok(Some(block))
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Extensions {
    fn is_some(&self) -> bool {
        self.records.is_some() || self.long_name.is_some() || self.long_link.is_some()
    }

    fn take(&mut self, kind: u8, bytes: &[u8], offset: u64) -> Result<(), ArchiveFault> {
        let twice = match kind {
            b'g' => {
                // A global header changes all entries for some readers and none for others; git writes one with a comment.
                let records = Records::read(bytes).map_err(|reason| ambiguous(offset, &reason))?;
                return if records.only_comments() { Ok(()) } else { Err(ambiguous(offset, "a global PAX header")) };
            }
            b'x' => self.records.replace(Records::read(bytes).map_err(|reason| ambiguous(offset, &reason))?).is_some(),
            b'L' => self.long_name.replace(until_nul(bytes, offset)?).is_some(),
            _ => self.long_link.replace(until_nul(bytes, offset)?).is_some(),
        };
        if twice { Err(ambiguous(offset, "two extended headers of one kind for one entry")) } else { Ok(()) }
    }
}

/// A GNU long name ends with one NUL and has none inside.
fn until_nul(bytes: &[u8], offset: u64) -> Result<Vec<u8>, ArchiveFault> {
    let name = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if name.contains(&0) || name.is_empty() { Err(ambiguous(offset, "a GNU long name with a NUL inside")) } else { Ok(name.to_vec()) }
}

/// The fields of a header, with what extended headers say instead.
struct Fields {
    path: Vec<u8>,
    link: Vec<u8>,
    size: u64,
    mode: u16,
    uid: u32,
    gid: u32,
    attributes: Attributes,
}

impl Fields {
    fn read(header: &[u8; 512], size: u64, extensions: Extensions, offset: u64) -> Result<Self, ArchiveFault> {
        let Extensions { records, long_name, long_link } = extensions;
        // A size of the PAX header is that of the entry for some readers, and of the long name before it for others.
        if records.is_some() && (long_name.is_some() || long_link.is_some()) {
            return Err(ambiguous(offset, "PAX and GNU headers for one entry"));
        }
        let records = records.unwrap_or_default();
        check_times(&records).map_err(|reason| ambiguous(offset, &reason))?;
        let wrong = |reason: String| ambiguous(offset, &reason);
        let both = |pax: Option<&[u8]>, gnu: Option<Vec<u8>>, own: Vec<u8>| match (pax, gnu) {
            (Some([]), _) => Err(ambiguous(offset, "an empty PAX name")),
            (Some(pax), _) => Ok(pax.to_vec()),
            (None, Some(gnu)) => Ok(gnu),
            (None, None) => Ok(own),
        };
        let pax_size = records.number("size").map_err(wrong)?;
        let size = match pax_size {
            // Only a size that the field cannot hold may differ from it, and the field is empty or full then
            // (RUSTSEC-2026-0068, CVE-2025-62518).
            Some(pax) if pax != size && (pax < 1 << 33 || !matches!(size, 0 | FULL)) => {
                return Err(ambiguous(offset, "a PAX size that differs from the header's"));
            }
            Some(pax) => pax,
            None => size,
        };
        let id = |key: &str, field: &[u8]| {
            let own = number(field).ok_or_else(|| ambiguous(offset, &format!("a {key} that is not a number")))?;
            let id = records.number(key).map_err(wrong)?.unwrap_or(own);
            u32::try_from(id).map_err(|_| ambiguous(offset, &format!("a {key} above 32 bits")))
        };
        let mode = number(&header[100..108]).ok_or_else(|| ambiguous(offset, "a mode that is not a number"))?;
        let path = both(records.bytes("path"), long_name, own_name(header))?;
        let link = both(records.bytes("linkpath"), long_link, field(&header[157..257]).to_vec())?;
        // Python decodes what is in a character set of its own by the machine's locale, the others take the bytes.
        if records.has_character_set() && [&path, &link].iter().any(|name| std::str::from_utf8(name).is_err()) {
            return Err(ambiguous(offset, "a name in a PAX character set that is not UTF-8"));
        }
        Ok(Self {
            path,
            link,
            size,
            // Some writers put the type of the file into the mode; the permissions are the lowest bits.
            mode: (mode & 0o7777) as u16,
            uid: id("uid", &header[108..116])?,
            gid: id("gid", &header[116..124])?,
            attributes: records.attributes(),
        })
    }
}

fn field(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn own_name(header: &[u8; 512]) -> Vec<u8> {
    let name = field(&header[..100]);
    // GNU keeps times where ustar has the prefix.
    let prefix = if is_posix(header) { field(&header[345..500]) } else { &[] };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn is_posix(header: &[u8; 512]) -> bool {
    &header[257..263] == b"ustar\0"
}

fn check_header(header: &[u8; 512], offset: u64) -> Result<(), ArchiveFault> {
    if !is_posix(header) && &header[257..265] != b"ustar  \0" {
        return Err(ambiguous(offset, "a header that is neither POSIX nor GNU"));
    }
    // star keeps times at the end of the prefix, and only Go looks for its mark.
    if is_posix(header) && &header[508..512] == b"tar\0" {
        return Err(ambiguous(offset, "a header of star"));
    }
    // GNU keeps times, an offset and sparse regions where POSIX has the prefix, which Python puts before the name all the same.
    if !is_posix(header) && header[345..500].iter().any(|byte| *byte != 0) {
        return Err(ambiguous(offset, "a GNU header with content in place of the prefix"));
    }
    // Also of an extended header, whose own fields mean nothing: where one is no number, Go and Python stop, and GNU tar goes on.
    for (what, field) in [("mode", 100..108), ("uid", 108..116), ("gid", 116..124), ("device", 329..337), ("device", 337..345)] {
        if number(&header[field]).is_none() {
            return Err(ambiguous(offset, &format!("a {what} that is not a number")));
        }
    }
    // A time before 1970 is negative, in base 256; beyond 64 bits Go stops.
    let time = &header[136..148];
    let is_negative = time.starts_with(&[0xff; 4]) && time[4] >= 0x80;
    if number(time).is_none() && !is_negative {
        return Err(ambiguous(offset, "a time that is not a number"));
    }
    let sum: u64 = header.iter().enumerate().map(|(index, byte)| if (148..156).contains(&index) { 32 } else { u64::from(*byte) }).sum();
    if number(&header[148..156]) == Some(sum) { Ok(()) } else { Err(ambiguous(offset, "a header with a wrong checksum")) }
}

/// Checks the times, which we do not use, and which others refuse a whole archive for.
fn check_times(records: &Records) -> Result<(), String> {
    for key in ["mtime", "atime", "ctime"] {
        records.time(key)?;
    }
    Ok(())
}

/// Reads the numbers of a device.
fn device(header: &[u8; 512], offset: u64) -> Result<Device, ArchiveFault> {
    let field = |field: &[u8]| number(field).ok_or_else(|| ambiguous(offset, "a device that is not a number"));
    let (major, minor) = (field(&header[329..337])?, field(&header[337..345])?);
    let linux = (u32::try_from(major), u32::try_from(minor));
    let (Ok(major_number), Ok(minor_number)) = linux else { return Err(unknown_device(major, minor, offset)) };
    if major > DEVICE.0 || minor > DEVICE.1 {
        return Err(unknown_device(major, minor, offset));
    }
    let kind = if header[156] == b'3' { DeviceKind::Character } else { DeviceKind::Block };
    Ok(Device { kind, major: major_number, minor: minor_number })
}

fn unknown_device(major: u64, minor: u64, offset: u64) -> ArchiveFault {
    ambiguous(offset, &format!("a device with the numbers {major} and {minor}, which Linux does not have"))
}

fn ambiguous(offset: u64, reason: &str) -> ArchiveFault {
    ArchiveFault::Ambiguous { offset, reason: reason.to_owned() }
}

fn bad_path(offset: u64, path: &[u8], fault: PathFault) -> ArchiveFault {
    let path: String = path.escape_ascii().to_string().chars().take(200).collect();
    ArchiveFault::Path { offset, path, fault }
}

#[cfg(test)]
mod tests;
