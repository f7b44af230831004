//! Programs small enough to be written by hand, so that an image for another processor needs no compiler for it.

/// Returns a static program for `amd64` or `arm64` that prints a text and ends.
pub(crate) fn program(architecture: &str, text: &str) -> Vec<u8> {
    let (machine, code) = match architecture {
        "amd64" => (62_u16, amd64(text.len())),
        "arm64" => (183, arm64(text.len())),
        other => panic!("no program for {other}"),
    };
    const ADDRESS: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + (code.len() + text.len()) as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |file: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|value| file.extend(value.to_le_bytes()));
    let words = |file: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|value| file.extend(value.to_le_bytes()));
    let longs = |file: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|value| file.extend(value.to_le_bytes()));
    // e_type EXEC, e_machine; e_version; e_entry, e_phoff, e_shoff; e_flags; the sizes and counts of headers.
    halves(&mut file, &[2, machine]);
    words(&mut file, &[1]);
    longs(&mut file, &[ADDRESS + HEADERS, 64, 0]);
    words(&mut file, &[0]);
    halves(&mut file, &[64, 56, 1, 64, 0, 0]);
    // One segment, PT_LOAD, readable and executable: the whole file.
    words(&mut file, &[1, 5]);
    longs(&mut file, &[0, ADDRESS, ADDRESS, size, size, 0x1_0000]);
    file.extend(code);
    file.extend(text.as_bytes());
    file
}

/// write(1, text, length); exit(0).
fn amd64(length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_le_bytes();
    let mut code = vec![0xbf, 1, 0, 0, 0, 0xba];
    code.extend(length);
    code.extend([0xb8, 1, 0, 0, 0]);
    // lea rsi, [rip + …]: over what follows, to the text.
    let rest = [0x0f, 0x05, 0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    code.extend([0x48, 0x8d, 0x35, u8::try_from(rest.len()).unwrap(), 0, 0, 0]);
    code.extend(rest);
    code
}

/// write(1, text, length); exit(0).
fn arm64(length: usize) -> Vec<u8> {
    let load = |register: u32, value: usize| 0xd280_0000 | (u32::try_from(value).unwrap() << 5) | register;
    let call = 0xd400_0001_u32;
    // adr x1, …: seven instructions on, after the code.
    let address_of_text = 0x1000_0000_u32 | (7 << 5) | 1;
    let code = [load(0, 1), address_of_text, load(2, length), load(8, 64), call, load(0, 0), load(8, 93), call];
    code.iter().flat_map(|instruction| instruction.to_le_bytes()).collect()
}
