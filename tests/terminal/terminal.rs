//! A pseudo-terminal, and the program that runs in it.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::screen::Screen;

/// A program whose standard error is a pseudo-terminal, and its standard output another file.
pub(crate) struct Terminal {
    controller: OwnedFd,
    child: Child,
    read: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    screen: Screen,
    shown: usize,
}

impl Terminal {
    pub(crate) fn start(mut command: Command, columns: u16, screen: Screen) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, vec![]).unwrap();
        let program_side = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        resize(&controller, columns);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(program_side);
        let child = command.spawn().unwrap();
        // The command holds the program's side open, and reading ends when nobody does.
        drop(command);
        let read: Arc<Mutex<Vec<u8>>> = Arc::default();
        let mut source = File::from(controller.try_clone().unwrap());
        let sink = Arc::clone(&read);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { controller, child, read, reader: Some(reader), screen, shown: 0 }
    }

    /// Shows what has come so far.
    fn show(&mut self) {
        let bytes = self.read.lock().unwrap();
        self.screen.write(&bytes[self.shown..]);
        self.shown = bytes.len();
    }

    /// Waits until a line on the screen has this in it.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            self.show();
            if self.screen.lines().iter().any(|line| line.contains(text)) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "`{text}` never came: {:#?}", self.screen.lines());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn resize(&mut self, columns: u16) {
        // What comes while the size changes may have been drawn for either.
        resize(&self.controller, columns);
        self.show();
        self.screen.resize(usize::from(columns));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end, and returns the exit code, what was written in all, and the screen.
    pub(crate) fn end(mut self) -> (Option<i32>, String, Screen) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code();
        self.reader.take().unwrap().join().unwrap();
        self.show();
        let bytes = String::from_utf8_lossy(&self.read.lock().unwrap()).into_owned();
        (code, bytes, self.screen)
    }
}

fn resize(controller: &OwnedFd, columns: u16) {
    tcsetwinsize(controller, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}
