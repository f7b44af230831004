use std::ops::Range;

use object::elf::{
    EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, ET_DYN, ET_EXEC, PT_DYNAMIC, PT_INTERP, PT_LOAD,
};

use super::encoding::{Encoding, Segment};
use super::{Dynamic, Gap, Source, Stop, dynamic};
use crate::rootfs::Machine;

/// As many bytes of program headers as Linux takes.
const HEADERS: usize = 64 << 10;
/// The longest name of a loader that Linux takes.
const INTERPRETER: u64 = 4096;

/// An ELF program or library.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rootfs) struct Program {
    pub(in crate::rootfs) machine: Machine,
    pub(in crate::rootfs) interpreter: Option<String>,
    pub(in crate::rootfs) dynamic: Option<Dynamic>,
}

/// Reads an ELF file; `None` when it is none that could be executed or loaded.
pub(in crate::rootfs) fn program(source: &Source<'_>) -> Result<Option<Program>, Stop> {
    let Some((encoding, header)) = header(source)? else { return Ok(None) };
    let kind = encoding.half(&header, 16);
    if kind != ET_EXEC.0 && kind != ET_DYN.0 {
        return Ok(None);
    }
    let machine = machine(encoding, encoding.half(&header, 18));
    let mut program = Program { machine, interpreter: None, dynamic: None };
    match parts(source, encoding, &header, &mut program) {
        Ok(()) => {}
        Err(Stop::Gap(gap)) => program.dynamic.get_or_insert_default().gap = Some(gap),
        Err(stop) => return Err(stop),
    }
    Ok(Some(program))
}

fn header(source: &Source<'_>) -> Result<Option<(Encoding, Vec<u8>)>, Stop> {
    if source.size() < 52 {
        return Ok(None);
    }
    let start = source.bytes(0, 16)?;
    let (wide, little) = match (start[4], start[5]) {
        _ if !start.starts_with(b"\x7fELF") => return Ok(None),
        (class @ 1..=2, order @ 1..=2) => (class == 2, order == 1),
        _ => return Ok(None),
    };
    let length = if wide { 64 } else { 52 };
    if source.size() < length {
        return Ok(None);
    }
    Ok(Some((Encoding { wide, little }, source.bytes(0, usize::try_from(length).unwrap_or_default())?)))
}

fn machine(encoding: Encoding, number: u16) -> Machine {
    let known = [
        (EM_X86_64.0, true, "amd64"),
        (EM_AARCH64.0, true, "arm64"),
        (EM_ARM.0, false, "arm"),
        (EM_386.0, false, "386"),
        (EM_S390.0, true, "s390x"),
        (EM_RISCV.0, true, "riscv64"),
        (EM_LOONGARCH.0, true, "loong64"),
    ];
    match known.iter().find(|(other, wide, _)| *other == number && *wide == encoding.wide) {
        Some((_, _, name)) => Machine::Architecture((*name).to_owned()),
        None if number == EM_PPC64.0 && encoding.wide && encoding.little => Machine::Architecture("ppc64le".to_owned()),
        None => Machine::Number(number),
    }
}

/// What the program headers name.
#[derive(Default)]
struct Table {
    loads: Vec<Segment>,
    interpreter: Option<Segment>,
    dynamic: Option<Segment>,
}

/// Reads what the program headers lead to. What was read before a gap stays.
fn parts(source: &Source<'_>, encoding: Encoding, header: &[u8], program: &mut Program) -> Result<(), Stop> {
    let table = table(source, encoding, header)?;
    if let Some(segment) = table.interpreter {
        if segment.size < 2 || segment.size > INTERPRETER {
            return Err(Gap::Broken.into());
        }
        let name = source.bytes(segment.offset, usize::try_from(segment.size).unwrap_or_default())?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        program.interpreter = Some(String::from_utf8_lossy(name).into_owned());
    }
    if let Some(segment) = table.dynamic.filter(|segment| segment.size > 0) {
        let filled = program.dynamic.insert(Dynamic::default());
        dynamic::read(source, encoding, segment, &table.loads, filled)?;
    }
    Ok(())
}

fn table(source: &Source<'_>, encoding: Encoding, header: &[u8]) -> Result<Table, Stop> {
    let (offset, length, count) = if encoding.wide { (32, 54, 56) } else { (28, 42, 44) };
    let (offset, length, count) = (encoding.long(header, offset), encoding.half(header, length), encoding.half(header, count));
    let (length, least) = (usize::from(length), if encoding.wide { 56 } else { 32 });
    let mut table = Table::default();
    if count == 0 {
        return Ok(table);
    }
    if length < least {
        return Err(Gap::Broken.into());
    }
    let whole = length * usize::from(count);
    if whole > HEADERS {
        return Err(Gap::Limit.into());
    }
    for entry in source.bytes(offset, whole)?.chunks_exact(length) {
        let (offset, address, size) = if encoding.wide { (8, 16, 32) } else { (4, 8, 16) };
        let segment =
            Segment { offset: encoding.long(entry, offset), address: encoding.long(entry, address), size: encoding.long(entry, size) };
        match encoding.word(entry, 0) {
            kind if kind == PT_LOAD.0 => table.loads.push(segment),
            kind if kind == PT_INTERP.0 => table.interpreter = Some(segment),
            kind if kind == PT_DYNAMIC.0 => table.dynamic = Some(segment),
            _ => {}
        }
    }
    Ok(table)
}

/// Returns the range of bytes of an ELF file that holds its dynamic table, from its first bytes; at most 64 KiB long.
/// A reader that passes over a file once must keep them.
pub fn dynamic_range(start: &[u8]) -> Option<Range<u64>> {
    let source = &start;
    let source = Source::new(source, start.len() as u64);
    let (encoding, header) = header(&source).ok()??;
    let segment = table(&source, encoding, &header).ok()?.dynamic?;
    Some(segment.offset..segment.offset.checked_add(segment.size.min(HEADERS as u64))?)
}
