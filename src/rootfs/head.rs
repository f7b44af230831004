use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ContentFault;
use super::elf::{self, CachedLibrary, Dynamic, ReadAt, Source, Stop};

/// How many bytes of a first line are looked at: more than Linux does.
const LINE: u64 = 4096;

/// What a file is, as the kernel and the dynamic loader see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// An ELF program or library.
    Elf {
        /// The machine that it is for.
        machine: Machine,
        /// The ELF interpreter, for a dynamically linked program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interpreter: Option<String>,
        /// What it asks of the dynamic loader; nothing when it is linked statically.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            serialize_with = "elf::write_shared",
            deserialize_with = "elf::read_shared"
        )]
        dynamic: Option<Arc<Dynamic>>,
    },
    /// A script: `#!`, the interpreter and at most one argument (execve(2)).
    Script {
        /// The interpreter.
        interpreter: String,
        /// The argument.
        argument: Option<String>,
    },
    /// The list of libraries of glibc's loader, `/etc/ld.so.cache`.
    LoaderCache(Vec<CachedLibrary>),
    /// Anything else.
    Other,
    /// It has not been read.
    Unread,
}

/// The machine of an ELF file, by the name of the architecture where images exist for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// An architecture of [`crate::oci::Platform`].
    Architecture(String),
    /// Another one, by its number in the ELF header.
    Number(u16),
}

impl Machine {
    /// Says whether it is that of an architecture.
    pub fn is_for(&self, architecture: &str) -> bool {
        matches!(self, Self::Architecture(name) if name == architecture)
    }

    /// Returns the architecture, or `machine` and the number.
    pub fn name(&self) -> String {
        match self {
            Self::Architecture(name) => name.clone(),
            Self::Number(number) => format!("machine {number}"),
        }
    }
}

impl Head {
    /// Looks at a file of `size` bytes: at its beginning, and for an ELF file at whatever its headers lead to.
    /// It asks for few bytes: a file that begins as no program is read no further.
    ///
    /// # Errors
    /// When the file cannot be read. What was not kept of it is no error, but a [`super::Gap`].
    pub fn read(file: &dyn ReadAt, size: u64) -> Result<Self, ContentFault> {
        match read(&Source::new(file, size), size) {
            Ok(head) => Ok(head),
            Err(Stop::Gap(_)) => Ok(Self::Other),
            Err(Stop::Content(fault)) => Err(fault),
        }
    }

    /// Looks at a whole file that is in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self::read(&bytes, bytes.len() as u64).unwrap_or(Self::Other)
    }

    /// Returns how many foreign bytes it holds in memory.
    pub fn weight(&self) -> usize {
        match self {
            Self::Elf { interpreter, dynamic, .. } => {
                interpreter.as_ref().map_or(0, String::len) + dynamic.as_ref().map_or(0, |dynamic| dynamic.weight())
            }
            Self::Script { interpreter, argument } => interpreter.len() + argument.as_ref().map_or(0, String::len),
            Self::LoaderCache(libraries) => {
                libraries.iter().map(|library| library.name.len() + library.path.len() + size_of::<CachedLibrary>()).sum()
            }
            Self::Other | Self::Unread => 0,
        }
    }
}

fn read(source: &Source<'_>, size: u64) -> Result<Head, Stop> {
    let start = source.bytes(0, usize::try_from(size.min(LINE)).unwrap_or_default())?;
    if let Some(line) = start.strip_prefix(b"#!") {
        return Ok(script(line));
    }
    if start.starts_with(b"\x7fELF") {
        let program = elf::program(source)?.map(|elf::Program { machine, interpreter, dynamic }| {
            let dynamic = dynamic.map(Arc::new);
            Head::Elf { machine, interpreter, dynamic }
        });
        return Ok(program.unwrap_or(Head::Other));
    }
    Ok(elf::loader_cache(source)?.map_or(Head::Other, Head::LoaderCache))
}
fn script(line: &[u8]) -> Head {
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    let line = String::from_utf8_lossy(&line[..end]);
    // A carriage return is no space to the kernel: it belongs to the name, which then leads to nothing.
    let line = line.trim_matches([' ', '\t']);
    match line.split_once([' ', '\t']) {
        _ if line.is_empty() => Head::Other,
        Some((interpreter, argument)) => {
            Head::Script { interpreter: interpreter.to_owned(), argument: Some(argument.trim_start_matches([' ', '\t']).to_owned()) }
        }
        None => Head::Script { interpreter: line.to_owned(), argument: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_as_the_kernel_reads_them() {
        let script = |interpreter: &str, argument: Option<&str>| Head::Script {
            interpreter: interpreter.to_owned(),
            argument: argument.map(str::to_owned),
        };
        for (bytes, expected) in [
            (&b"#!/bin/sh\n"[..], script("/bin/sh", None)),
            (b"#! /usr/bin/env -S node --x\nrest", script("/usr/bin/env", Some("-S node --x"))),
            (b"#!/bin/sh\r\n", script("/bin/sh\r", None)),
            (b"#!", Head::Other),
            (b"\x7fELF", Head::Other),
            (b"\x7fELF\x02\x01\x01\x00garbage", Head::Other),
            (b"", Head::Other),
        ] {
            assert_eq!(Head::of(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_running_program_is_an_elf_of_this_machine() -> std::io::Result<()> {
        let bytes = std::fs::read(std::env::current_exe()?)?;
        let Head::Elf { machine, .. } = Head::of(&bytes) else { panic!("no ELF") };
        let expected = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        assert_eq!(machine, Machine::Architecture(expected.to_owned()));
        Ok(())
    }
}
