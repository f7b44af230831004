use std::ops::Range;

use object::elf::{
    EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, ET_DYN, ET_EXEC, PT_DYNAMIC, PT_INTERP, PT_LOAD,
};

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

/// How numbers are written in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) wide: bool,
    little: bool,
}

impl Form {
    pub(super) fn half(self, bytes: &[u8], at: usize) -> u16 {
        u16::try_from(self.number(bytes, at, 2)).unwrap_or_default()
    }

    pub(super) fn word(self, bytes: &[u8], at: usize) -> u32 {
        u32::try_from(self.number(bytes, at, 4)).unwrap_or_default()
    }

    /// Reads an address or size: 4 or 8 bytes, by the file's class.
    pub(super) fn long(self, bytes: &[u8], at: usize) -> u64 {
        self.number(bytes, at, if self.wide { 8 } else { 4 })
    }

    fn number(self, bytes: &[u8], at: usize, length: usize) -> u64 {
        let bytes = bytes.get(at..at + length).unwrap_or_default().iter();
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.little { bytes.rev().fold(0, add) } else { bytes.fold(0, add) }
    }
}

/// A part of the file, and where it lies in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) size: u64,
}

/// Reads an ELF file; `None` when it is none that could be executed or loaded.
pub(in crate::rootfs) fn program(source: &Source<'_>) -> Result<Option<Program>, Stop> {
    let Some((form, header)) = header(source)? else { return Ok(None) };
    let kind = form.half(&header, 16);
    if kind != ET_EXEC.0 && kind != ET_DYN.0 {
        return Ok(None);
    }
    let machine = machine(form, form.half(&header, 18));
    let mut program = Program { machine, interpreter: None, dynamic: None };
    match parts(source, form, &header, &mut program) {
        Ok(()) => {}
        Err(Stop::Gap(gap)) => program.dynamic.get_or_insert_default().gap = Some(gap),
        Err(stop) => return Err(stop),
    }
    Ok(Some(program))
}

fn header(source: &Source<'_>) -> Result<Option<(Form, Vec<u8>)>, Stop> {
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
    Ok(Some((Form { wide, little }, source.bytes(0, usize::try_from(length).unwrap_or_default())?)))
}

fn machine(form: Form, number: u16) -> Machine {
    let known = [
        (EM_X86_64.0, true, "amd64"),
        (EM_AARCH64.0, true, "arm64"),
        (EM_ARM.0, false, "arm"),
        (EM_386.0, false, "386"),
        (EM_S390.0, true, "s390x"),
        (EM_RISCV.0, true, "riscv64"),
        (EM_LOONGARCH.0, true, "loong64"),
    ];
    match known.iter().find(|(other, wide, _)| *other == number && *wide == form.wide) {
        Some((_, _, name)) => Machine::Architecture((*name).to_owned()),
        None if number == EM_PPC64.0 && form.wide && form.little => Machine::Architecture("ppc64le".to_owned()),
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
fn parts(source: &Source<'_>, form: Form, header: &[u8], program: &mut Program) -> Result<(), Stop> {
    let table = table(source, form, header)?;
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
        dynamic::read(source, form, segment, &table.loads, filled)?;
    }
    Ok(())
}

fn table(source: &Source<'_>, form: Form, header: &[u8]) -> Result<Table, Stop> {
    let (place, length, count) = if form.wide { (32, 54, 56) } else { (28, 42, 44) };
    let (offset, length, count) = (form.long(header, place), form.half(header, length), form.half(header, count));
    let (length, least) = (usize::from(length), if form.wide { 56 } else { 32 });
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
        let (offset, address, size) = if form.wide { (8, 16, 32) } else { (4, 8, 16) };
        let segment = Segment { offset: form.long(entry, offset), address: form.long(entry, address), size: form.long(entry, size) };
        match form.word(entry, 0) {
            kind if kind == PT_LOAD.0 => table.loads.push(segment),
            kind if kind == PT_INTERP.0 => table.interpreter = Some(segment),
            kind if kind == PT_DYNAMIC.0 => table.dynamic = Some(segment),
            _ => {}
        }
    }
    Ok(table)
}

/// Returns which bytes of an ELF file hold its dynamic table, by what its first bytes say; at most 64 KiB are asked for.
/// Whoever reads a file once, from its beginning to its end, keeps them.
pub fn dynamic_range(start: &[u8]) -> Option<Range<u64>> {
    let source = &start;
    let source = Source::new(source, start.len() as u64);
    let (form, header) = header(&source).ok()??;
    let segment = table(&source, form, &header).ok()?.dynamic?;
    Some(segment.offset..segment.offset.checked_add(segment.size.min(HEADERS as u64))?)
}
