//! Debian packages (deb(5)): one pass over a `.deb` that gives its control files, what it would install, and the plain `data.tar`.
//!
//! **Invariants.** A package is read as `dpkg-deb` reads it, or it is refused: nothing is in it that only some readers see. Its digest
//! is checked by the reader that it comes from, so nothing of it may be used before the pass has ended well.

mod ar;
mod control;
mod data;
mod unpack;

use std::io::{self, Read, Write};

use self::ar::Ar;
use self::unpack::{Coding, Unpacked};
use super::decompress::Limits;
use super::strict::ArchiveFault;
use crate::rootfs::ImagePath;

use crate::debian::DebFacts;
pub use control::{ControlStanza, control_stanza};

/// The one version of the format (deb(5)).
const FORMAT: &[u8] = b"2.0\n";
/// The names of the archives inside, without what says how they are compressed.
const CONTROL: &str = "control.tar";
const DATA: &str = "data.tar";

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum DebFault {
    /// It cannot be read: the disk, the network or a digest.
    #[error("could not read the package")]
    Read(#[source] io::Error),
    /// It ends in the middle.
    #[error("the package ends early, at byte {0}")]
    Truncated(u64),
    /// It is no package, or one that programs read differently.
    #[error("the file is not a Debian package, at byte {offset}: {reason}")]
    Shape {
        /// Where in the file.
        offset: u64,
        /// What is there.
        reason: String,
    },
    /// An archive inside of it is refused.
    #[error("could not read `{part}` of the package")]
    Archive {
        /// The archive.
        part: &'static str,
        /// Why.
        #[source]
        fault: ArchiveFault,
    },
    /// It holds a file that no package may hold.
    #[error("`{part}` of the package holds `{path}`, which {reason}")]
    Entry {
        /// The archive.
        part: &'static str,
        /// The file.
        path: ImagePath,
        /// What is wrong with it.
        reason: String,
    },
    /// Its control file does not describe a package.
    #[error("the package's control file {0}")]
    Control(String),
    /// Its files could not be put aside.
    #[error("could not store the package's files")]
    Spool(#[source] io::Error),
}

/// Reads a package to its end, and returns what was learned of it. The uncompressed `data.tar` is written to `spool`, where
/// every file's content lies at the offset that is returned. The whole content of each file that `keep` names is returned too.
///
/// # Errors
/// When the package is broken, ambiguous or larger than the limits, when it holds devices, or when `spool` fails.
pub fn read_deb(deb: impl Read, limits: &Limits, keep: &dyn Fn(&ImagePath) -> bool, spool: &mut dyn Write) -> Result<DebFacts, DebFault> {
    let mut ar = Ar::open(deb)?;
    let Some(first) = ar.next_member()? else { return Err(ar.wrong("a package without `debian-binary`")) };
    if first.name != "debian-binary" || first.size != FORMAT.len() as u64 {
        return Err(ar.wrong("the first member is not `debian-binary` with four bytes"));
    }
    let mut format = [0; FORMAT.len()];
    ar.read_exact(&mut format).map_err(|error| ar.fault(error))?;
    if format != FORMAT {
        return Err(ar.wrong(&format!("the format `{}`, and only 2.0 is known", format.escape_ascii())));
    }
    let coding = required(&mut ar, CONTROL)?;
    let control = part(&mut ar, coding, &control::LIMITS, CONTROL, |tar| control::read(tar))?;
    let coding = required(&mut ar, DATA)?;
    let data = part(&mut ar, coding, limits, DATA, |tar| data::read(tar, limits, keep, spool))?;
    while let Some(member) = ar.next_member()? {
        skip(&mut ar, &member.name)?;
    }
    Ok(DebFacts {
        control: control.control,
        md5sums: control.md5sums,
        conffiles: control.conffiles,
        scripts: control.scripts,
        data_size: data.size,
        entries: data.entries,
        kept: data.kept,
    })
}

/// Finds the member that must come next; those whose names begin with `_` may come before it (deb(5)).
fn required<R: Read>(ar: &mut Ar<R>, name: &'static str) -> Result<Coding, DebFault> {
    while let Some(member) = ar.next_member()? {
        let Some(suffix) = member.name.strip_prefix(name) else {
            skip(ar, &member.name)?;
            continue;
        };
        return Coding::of(suffix)
            .ok_or_else(|| ar.wrong(&format!("the member `{}`, whose compression is not gzip, xz or zstd", member.name)));
    }
    Err(ar.wrong(&format!("a package without `{name}`")))
}

fn skip<R: Read>(ar: &mut Ar<R>, name: &str) -> Result<(), DebFault> {
    if !name.starts_with('_') {
        return Err(ar.wrong(&format!("the member `{name}`, which does not belong there")));
    }
    io::copy(ar, &mut io::sink()).map_err(|error| ar.fault(error))?;
    Ok(())
}

/// Reads one of the archives, and makes sure that all of its member was read.
fn part<R: Read, T>(
    ar: &mut Ar<R>,
    coding: Coding,
    limits: &Limits,
    part: &'static str,
    read: impl FnOnce(&mut Unpacked<&mut Ar<R>>) -> Result<T, DebFault>,
) -> Result<T, DebFault> {
    let archive = |error| DebFault::Archive { part, fault: ArchiveFault::Read(error) };
    let result = Unpacked::new(&mut *ar, coding, *limits).map_err(archive).and_then(|mut tar| {
        let found = read(&mut tar)?;
        tar.finish().map_err(archive)?;
        Ok(found)
    });
    // A package that ends in a member makes every decoder fail in its own words.
    if ar.has_ended() { Err(DebFault::Truncated(ar.position())) } else { result }
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
