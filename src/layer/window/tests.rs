use super::*;
use crate::rootfs::{Head, writer};

fn window(bytes: &[u8], least: u64) -> Window {
    let mut rest = bytes;
    let read = |buffer: &mut [u8]| {
        let count = buffer.len().min(rest.len()).min(10_000);
        buffer[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        if count == 0 { Err(()) } else { Ok(count) }
    };
    Window::read(bytes.len() as u64, least, read).unwrap()
}

#[test]
fn what_the_loader_needs_is_kept_and_little_else() {
    let elf = writer::Elf { machine: 62, needed: &["libc.so.6"], filling: 20 << 20, ..writer::Elf::default() };
    let mut bytes = elf.write();
    // Behind the dynamic table lies more than is kept of the end, as in a program with symbols for debuggers.
    bytes.resize(bytes.len() + (4 << 20), 0);
    let window = window(&bytes, 0);
    assert!(window.parts.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>() <= FRONT + BACK + (64 << 10));
    assert_eq!(Head::read(&window, bytes.len() as u64).unwrap(), Head::of(&bytes));
    assert_eq!(window.whole(), None);
}

#[test]
fn other_files_are_kept_as_far_as_is_asked() {
    let bytes = vec![b'x'; 30_000];
    assert_eq!(window(&bytes, 0).parts[0].0, 0..4096);
    assert_eq!(window(&bytes, 30_000).whole(), Some(&bytes[..]));
    assert_eq!(window(&bytes[..10], 0).whole(), Some(&bytes[..10]));
    assert_eq!(window(b"", 0).whole(), Some(&b""[..]));
}
