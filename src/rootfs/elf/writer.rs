//! ELF files made by hand for tests: the headers and tables that a dynamic loader reads, and no code.

/// What is written: a program or library of 64 bits, little-endian.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elf<'a> {
    /// 62 is amd64, 183 arm64.
    pub(crate) machine: u16,
    pub(crate) interpreter: Option<&'a str>,
    pub(crate) soname: Option<&'a str>,
    pub(crate) needed: &'a [&'a str],
    pub(crate) rpath: Option<&'a str>,
    pub(crate) runpath: Option<&'a str>,
    /// Versions that are needed: the library, and the versions. One that begins with `?` may be missing.
    pub(crate) versions: &'a [(&'a str, &'a [&'a str])],
    /// Versions that are defined.
    pub(crate) defines: &'a [&'a str],
    /// Symbols that others must define.
    pub(crate) imports: &'a [&'a str],
    /// Bytes before all tables.
    pub(crate) lead: usize,
    /// Bytes behind everything else, before the dynamic table.
    pub(crate) filling: usize,
}

/// Where the file lies in memory.
const ADDRESS: u64 = 0x40_0000;

impl Elf<'_> {
    pub(crate) fn write(&self) -> Vec<u8> {
        let headers = 2 + u64::from(self.interpreter.is_some());
        let mut body = Body { start: 64 + 56 * headers, ..Body::default() };
        let interpreter = self.interpreter.map(|name| body.part(&[name.as_bytes(), b"\0"].concat()));
        body.part(&vec![0; self.lead]);
        let mut strings = Strings { bytes: vec![0] };
        let mut table: Vec<(u64, u64)> = self.needed.iter().map(|name| (1, strings.add(name))).collect();
        for (tag, text) in [(14, self.soname), (15, self.rpath), (29, self.runpath)] {
            table.extend(text.map(|text| (tag, strings.add(text))));
        }
        let mut symbols = vec![0; 24];
        for name in self.imports {
            symbols.extend(u32::try_from(strings.add(name)).unwrap().to_le_bytes());
            symbols.extend([0x12; 1]);
            symbols.extend([0; 19]);
        }
        let count = u32::try_from(symbols.len() / 24).unwrap();
        let hash = [1_u32, count, 0].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let hash = [hash, vec![0; 4 * count as usize]].concat();
        if !self.versions.is_empty() {
            let at = body.part(&needs(self.versions, &mut strings));
            table.extend([(0x6fff_fffe, ADDRESS + at.0), (0x6fff_ffff, self.versions.len() as u64)]);
        }
        if !self.defines.is_empty() {
            let at = body.part(&defines(self.soname.unwrap_or_default(), self.defines, &mut strings));
            table.extend([(0x6fff_fffc, ADDRESS + at.0), (0x6fff_fffd, self.defines.len() as u64 + 1)]);
        }
        let (symbols, hash) = (body.part(&symbols), body.part(&hash));
        let strings = body.part(&strings.bytes);
        table.extend([(4, ADDRESS + hash.0), (5, ADDRESS + strings.0), (6, ADDRESS + symbols.0), (10, strings.1), (11, 24), (0, 0)]);
        body.part(&vec![0; self.filling]);
        let dynamic =
            body.part(&table.iter().flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()).collect::<Vec<_>>());
        let size = body.start + body.bytes.len() as u64;

        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend([3_u16, self.machine].iter().flat_map(|value| value.to_le_bytes()));
        file.extend(1_u32.to_le_bytes());
        file.extend([ADDRESS, 64, 0].iter().flat_map(|value| value.to_le_bytes()));
        file.extend(0_u32.to_le_bytes());
        file.extend([64, 56, u16::try_from(headers).unwrap(), 64, 0, 0].iter().flat_map(|value: &u16| value.to_le_bytes()));
        let mut segment = |kind: u32, (offset, size): (u64, u64)| {
            file.extend([kind, 5].iter().flat_map(|value| value.to_le_bytes()));
            let longs = [offset, ADDRESS + offset, ADDRESS + offset, size, size, 0x1000];
            file.extend(longs.iter().flat_map(|value| value.to_le_bytes()));
        };
        if let Some(part) = interpreter {
            segment(3, part);
        }
        segment(1, (0, size));
        segment(2, dynamic);
        file.extend(body.bytes);
        file
    }
}

#[derive(Default)]
struct Body {
    start: u64,
    bytes: Vec<u8>,
}

impl Body {
    /// Adds a part at a multiple of eight, and returns where it is and how long.
    fn part(&mut self, bytes: &[u8]) -> (u64, u64) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.start + self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        (at, bytes.len() as u64)
    }
}

struct Strings {
    bytes: Vec<u8>,
}

impl Strings {
    fn add(&mut self, text: &str) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        at
    }
}

fn needs(versions: &[(&str, &[&str])], strings: &mut Strings) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, (library, names)) in versions.iter().enumerate() {
        let next = if index + 1 == versions.len() { 0 } else { 16 + 16 * u32::try_from(names.len()).unwrap() };
        bytes.extend(1_u16.to_le_bytes());
        bytes.extend(u16::try_from(names.len()).unwrap().to_le_bytes());
        for word in [u32::try_from(strings.add(library)).unwrap(), 16, next] {
            bytes.extend(word.to_le_bytes());
        }
        for (index, name) in names.iter().enumerate() {
            let weak = name.starts_with('?');
            bytes.extend(0_u32.to_le_bytes());
            bytes.extend(if weak { 2_u16 } else { 0 }.to_le_bytes());
            bytes.extend(u16::try_from(index + 2).unwrap().to_le_bytes());
            let next = if index + 1 == names.len() { 0 } else { 16_u32 };
            for word in [u32::try_from(strings.add(name.trim_start_matches('?'))).unwrap(), next] {
                bytes.extend(word.to_le_bytes());
            }
        }
    }
    bytes
}

fn defines(soname: &str, names: &[&str], strings: &mut Strings) -> Vec<u8> {
    let mut bytes = Vec::new();
    let all: Vec<&str> = std::iter::once(soname).chain(names.iter().copied()).collect();
    for (index, name) in all.iter().enumerate() {
        for half in [1_u16, u16::from(index == 0), u16::try_from(index + 1).unwrap(), 1] {
            bytes.extend(half.to_le_bytes());
        }
        let next = if index + 1 == all.len() { 0 } else { 28_u32 };
        for word in [0, 20, next, u32::try_from(strings.add(name)).unwrap(), 0] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}
