//! A lock.

use hardened::lock::Lock;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Lock::parse("hardened.lock", text) {
        Ok(lock) => assert_eq!(Lock::parse("hardened.lock", &lock.to_text()).ok().as_ref(), Some(&lock), "what is written is read"),
        Err(faults) => {
            let shown = hardened::cli::screen::render(&faults, hardened::cli::screen::Colors::Never, 100);
            assert!(!shown.contains(|character: char| character.is_control() && character != '\n'), "nothing speaks to the terminal");
        }
    }
}
