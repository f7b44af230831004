use object::Endianness;
use object::elf::{
    EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, FileHeader32, FileHeader64, PT_INTERP,
};
use object::read::elf::{FileHeader, ProgramHeader};
use serde::{Deserialize, Serialize};

/// How many bytes from the beginning of a file decide what it is.
pub const HEAD_BYTES: usize = 4096;

/// What a file is, as the kernel sees it when it is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// An ELF program or library.
    Elf {
        /// The machine that it is for.
        machine: Machine,
        /// The ELF interpreter, for a dynamically linked program.
        interpreter: Option<String>,
    },
    /// A script: `#!`, the interpreter and at most one argument (execve(2)).
    Script {
        /// The interpreter.
        interpreter: String,
        /// The argument.
        argument: Option<String>,
    },
    /// Anything else.
    Other,
    /// Its first bytes have not been read.
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

impl Head {
    /// Looks at the first bytes of a file, [`HEAD_BYTES`] of them where there are as many.
    pub fn of(bytes: &[u8]) -> Self {
        if let Some(line) = bytes.strip_prefix(b"#!") {
            return script(line);
        }
        if !bytes.starts_with(b"\x7fELF") {
            return Self::Other;
        }
        match bytes.get(4) {
            Some(1) => FileHeader32::<Endianness>::parse(bytes).map_or(Self::Other, |header| elf(header, bytes)),
            Some(2) => FileHeader64::<Endianness>::parse(bytes).map_or(Self::Other, |header| elf(header, bytes)),
            _ => Self::Other,
        }
    }
}

fn script(line: &[u8]) -> Head {
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    let line = String::from_utf8_lossy(&line[..end]);
    let line = line.trim_matches([' ', '\t', '\r']);
    match line.split_once([' ', '\t']) {
        _ if line.is_empty() => Head::Other,
        Some((interpreter, argument)) => {
            Head::Script { interpreter: interpreter.to_owned(), argument: Some(argument.trim_start_matches([' ', '\t']).to_owned()) }
        }
        None => Head::Script { interpreter: line.to_owned(), argument: None },
    }
}

fn elf<Header: FileHeader<Endian = Endianness>>(header: &Header, bytes: &[u8]) -> Head {
    let Ok(endian) = header.endian() else { return Head::Other };
    let little = endian == Endianness::Little;
    let architecture = match (header.e_machine(endian), header.is_class_64()) {
        (EM_X86_64, _) => Some("amd64"),
        (EM_AARCH64, true) => Some("arm64"),
        (EM_ARM, false) => Some("arm"),
        (EM_386, false) => Some("386"),
        (EM_PPC64, true) if little => Some("ppc64le"),
        (EM_S390, true) => Some("s390x"),
        (EM_RISCV, true) => Some("riscv64"),
        (EM_LOONGARCH, true) => Some("loong64"),
        _ => None,
    };
    let machine = architecture.map_or(Machine::Number(header.e_machine(endian).0), |name| Machine::Architecture(name.to_owned()));
    // The program headers of every linker in use follow the header, so the first page holds them and the interpreter's name.
    let interpreter = header.program_headers(endian, bytes).ok().and_then(|headers| {
        let segment = headers.iter().find(|segment| segment.p_type(endian) == PT_INTERP)?;
        let start = usize::try_from(segment.p_offset(endian).into()).ok()?;
        let name = bytes.get(start..start.checked_add(usize::try_from(segment.p_filesz(endian).into()).ok()?)?)?;
        Some(String::from_utf8_lossy(name.split(|byte| *byte == 0).next()?).into_owned())
    });
    Head::Elf { machine, interpreter }
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
            (b"#!/bin/sh\r\n", script("/bin/sh", None)),
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
        let Head::Elf { machine, .. } = Head::of(&bytes[..HEAD_BYTES]) else { panic!("no ELF") };
        let expected = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        assert_eq!(machine, Machine::Architecture(expected.to_owned()));
        Ok(())
    }
}
