use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::Environment;

/// How much output of a program is read.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// A program that we start: `git`, or a credential helper that the user configured.
#[derive(Clone)]
pub struct Program {
    name: String,
    environment: Vec<(OsString, OsString)>,
    arguments: Vec<String>,
    folder: Option<PathBuf>,
    timeout: Duration,
}

/// The answer of a program.
#[derive(Debug)]
pub struct ProgramOutput {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, at most 1 MiB.
    pub stdout: Vec<u8>,
}

/// Why a program gave no answer. What it wrote to standard error is not shown: a helper may print credentials there.
#[derive(Debug, thiserror::Error)]
pub enum ProgramFault {
    /// There is no such program on `PATH`.
    #[error("there is no program `{0}` on PATH")]
    Absent(String),
    /// It could not be started or read.
    #[error("the program `{0}` could not be run")]
    Io(String, #[source] io::Error),
    /// It did not end in time, and was stopped.
    #[error("the program `{name}` gave no answer within {} seconds, and was stopped", limit.as_secs())]
    Timeout {
        /// The program.
        name: String,
        /// The limit.
        limit: Duration,
    },
}

impl Program {
    /// Names a program and its arguments; it gets the variables of [`Environment::for_programs`]. No shell is involved.
    pub fn new(name: &str, arguments: &[&str], environment: &Environment) -> Self {
        let environment = environment.for_programs().map(|(name, value)| (name.clone(), value.clone())).collect();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { name: name.to_owned(), environment, arguments, folder: None, timeout: Duration::from_secs(30) }
    }

    /// Runs it in a folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Gives it another time limit than 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs the program with `input` as its standard input.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time. A failing exit status is no error here.
    pub fn run(&self, input: &[u8]) -> Result<ProgramOutput, ProgramFault> {
        #[expect(clippy::disallowed_methods, reason = "nothing else starts programs")]
        let mut command = Command::new(&self.name);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => ProgramFault::Absent(self.name.clone()),
            _ => ProgramFault::Io(self.name.clone(), error),
        };
        let mut child = command.spawn().map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (sender, receiver) = mpsc::channel();
        let input = input.to_vec();
        thread::spawn(move || {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input is no fault.
                let _ = stdin.write_all(&input);
            }
            let mut bytes = Vec::new();
            let read = stdout.map_or(Ok(0), |stdout| stdout.take(OUTPUT_LIMIT).read_to_end(&mut bytes));
            let _ = sender.send(read.map(|_| bytes));
        });
        let Ok(read) = receiver.recv_timeout(self.timeout) else {
            stop(&mut child);
            return Err(ProgramFault::Timeout { name: self.name.clone(), limit: self.timeout });
        };
        if read.is_err() {
            stop(&mut child);
        }
        let status = child.wait().map_err(failed)?;
        Ok(ProgramOutput { status, stdout: read.map_err(failed)? })
    }
}

fn stop(child: &mut Child) {
    // It may have ended by itself in the meantime.
    let _ = child.kill();
    let _ = child.wait();
}
