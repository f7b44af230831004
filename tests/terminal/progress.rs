//! Progress, while it lasts and after it.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::SlowBase;
use crate::screen::{Narrowing, Screen};
use crate::terminal::Terminal;

const PAUSE: Duration = Duration::from_millis(500);

fn command(base: &SlowBase, arguments: &[&str], terminal: &str) -> Command {
    let mut command = base.sandbox.command(arguments);
    command.env("TERM", terminal);
    command
}

fn run(base: &SlowBase, arguments: &[&str], columns: u16) -> (String, Screen) {
    let screen = Screen::new(usize::from(columns), Narrowing::Breaks);
    let (code, bytes, screen) = Terminal::start(command(base, arguments, "xterm-256color"), columns, screen).end();
    assert_eq!(code, Some(0), "{bytes}");
    (bytes, screen)
}

#[test]
fn total_and_time_left_are_readable_at_every_width() {
    for columns in [50, 80, 200] {
        let base = SlowBase::new(8, PAUSE);
        let (bytes, screen) = run(&base, &["build", "-o", "oci:image"], columns);
        assert!(bytes.contains("\u{1b}[1m"), "{bytes}");
        assert_eq!(screen.cut, 0, "{bytes}");
        let is_whole = |line: &&String| line.starts_with("fetching 8 lay") && line.contains("/763 B") && line.ends_with(" s left");
        assert!(screen.seen.iter().any(|line| is_whole(&line)), "{columns}: {:#?}", screen.seen);
        // What lasts longer than some seconds is told when it is done; all that was drawn is gone.
        let text = screen.lines().join("\n");
        assert!(text.starts_with("fetched 8 layers of the base, ") && text.contains("\nbuilt sha256:"), "{text}");
        assert!(text.ends_with("\nwrote oci:image") && !text.contains("fetching"), "{text}");
    }
}

#[test]
fn without_colours_the_lines_are_the_same() {
    let base = SlowBase::new(3, PAUSE);
    for arguments in [&["ls", &base.name(), "--color", "never"][..], &["ls", &base.name()]] {
        let mut command = command(&base, arguments, "xterm-256color");
        if arguments.len() == 2 {
            command.env("NO_COLOR", "1");
        }
        std::fs::remove_dir_all(base.sandbox.path("cache")).ok();
        let (code, bytes, screen) = Terminal::start(command, 80, Screen::new(80, Narrowing::Cuts)).end();
        assert_eq!(code, Some(0), "{bytes}");
        assert!(!bytes.contains("m\u{1b}") && !bytes.contains("\u{1b}[0m"), "{bytes}");
        assert!(screen.seen.iter().any(|line| line.starts_with("fetching 3 layers of")), "{:#?}", screen.seen);
        assert_eq!(screen.lines(), Vec::<String>::new());
    }
}

#[test]
fn a_terminal_that_cannot_draw_gets_lines() {
    let base = SlowBase::new(8, PAUSE);
    let (code, bytes, _) = Terminal::start(command(&base, &["ls", &base.name()], "dumb"), 80, Screen::new(80, Narrowing::Cuts)).end();
    assert_eq!(code, Some(0), "{bytes}");
    assert!(!bytes.contains('\u{1b}'), "{bytes}");
    let lines: Vec<&str> = bytes.lines().collect();
    assert!(lines[0].starts_with("fetching 8 layers of") && lines[1].starts_with("fetched 8 layers of"), "{lines:#?}");
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

#[test]
fn nothing_is_left_behind_when_the_terminal_is_resized() {
    for narrowing in [Narrowing::Cuts, Narrowing::Breaks] {
        let base = SlowBase::new(8, PAUSE);
        let started = command(&base, &["build", "-o", "oci:image"], "xterm-256color");
        let mut terminal = Terminal::start(started, 80, Screen::new(80, narrowing));
        terminal.wait_for("fetching 8 layers");
        for columns in [50, 200, 40] {
            terminal.resize(columns);
            std::thread::sleep(Duration::from_millis(300));
        }
        let (code, bytes, screen) = terminal.end();
        assert_eq!(code, Some(0), "{bytes}");
        let text = screen.lines().join("\n");
        assert!(!text.contains("fetching") && text.starts_with("fetched 8 layers of"), "{narrowing:?}: {text}");
    }
}

#[test]
fn an_interrupted_run_clears_its_lines_and_says_so() {
    for (signal, code, word) in [(Signal::INT, 130, "interrupted"), (Signal::TERM, 143, "terminated"), (Signal::HUP, 129, "hung up")] {
        let base = SlowBase::new(3, Duration::from_mins(1));
        let started = command(&base, &["build", "-o", "oci:image"], "xterm-256color");
        let mut terminal = Terminal::start(started, 80, Screen::new(80, Narrowing::Breaks));
        terminal.wait_for("fetching 3 layers");
        let begun = Instant::now();
        terminal.signal(signal);
        let (ended, bytes, screen) = terminal.end();
        assert_eq!(ended, Some(code), "{bytes}");
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(screen.lines(), [format!("{word} while fetching 3 layers of the base")]);
    }
}

#[test]
fn an_interruption_does_not_wait_for_a_pipe_that_nobody_reads() {
    let base = SlowBase::new(3, Duration::from_mins(1));
    let (reader, writer) = std::io::pipe().unwrap();
    // The pipe is filled to its last byte.
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while std::io::Write::write(&mut &writer, &[b'x'; 1024]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut command = command(&base, &["build", "-o", "oci:image"], "xterm");
    let mut child = command.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    // By now it says that the fetching lasts, and hangs.
    std::thread::sleep(Duration::from_secs(5));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
    let begun = Instant::now();
    let code = child.wait().unwrap().code();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(code, Some(130));
    drop(reader);
}

#[test]
fn a_step_that_waits_is_told_in_a_file_every_ten_seconds() {
    let base = SlowBase::new(1, Duration::from_secs(20));
    let log = base.sandbox.path("log");
    let mut command = command(&base, &["build", "-o", "oci:image"], "xterm-256color");
    let status = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).status().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(!text.contains(['\u{1b}', '\r']), "{text}");
    // That the server does not answer is told besides, by the request that waits for it.
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("waiting for `")).collect();
    // A machine that does much else says it later.
    let told = |line: &str| -> Option<u64> {
        let (_, after) = line.split_once(" of the base, 0/217 B, ")?;
        after.split_once(" s").and_then(|(seconds, _)| seconds.parse().ok())
    };
    assert!(lines[0].starts_with("fetching layer ") && lines[0].ends_with(" s"), "{text}");
    assert!(lines[1].starts_with("still fetching layer ") && lines[1].contains(" s, nothing moved for 1"), "{text}");
    assert!(
        matches!((told(lines[0]), told(lines[1])), (Some(first), Some(next)) if (3..8).contains(&first) && next >= first + 10),
        "{text}"
    );
    assert!(lines[2].starts_with("fetched layer ") && lines[2].ends_with(" s)"), "{text}");
    assert_eq!(lines[3], "wrote hardened.lock", "{text}");
    assert!(lines[4].starts_with("built ") && lines.len() == 6, "{text}");
    // What takes no time says nothing of its steps, and `--quiet` nothing at all.
    for (more, expected) in [(&[][..], 2), (&["-q"], 0)] {
        let ran = base.sandbox.run(&[&["build", "-o", "oci:image"], more].concat()).succeeds();
        assert_eq!(ran.err.lines().count(), expected, "{}", ran.err);
    }
}

#[test]
fn a_registry_that_answers_nothing_is_named_while_it_is_waited_for() {
    let base = SlowBase::new(1, Duration::ZERO);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("{}/x:1", silent.local_addr().unwrap());
    let started = command(&base, &["inspect", &name], "xterm-256color");
    let mut terminal = Terminal::start(started, 80, Screen::new(80, Narrowing::Breaks));
    terminal.wait_for(&format!("looking up {name}"));
    terminal.signal(Signal::INT);
    let (code, _, screen) = terminal.end();
    assert_eq!((code, screen.lines()), (Some(130), vec![format!("interrupted while looking up {name}")]));
}

#[test]
fn locking_says_which_archive_it_waits_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}/debian", silent.local_addr().unwrap());
    let sandbox = crate::sandbox::Sandbox::new("debian = { suite = \"trixie\", packages = [\"bash\"] }");
    let mut command = sandbox.command(&["lock", "--debian-mirror", &mirror]);
    command.env("TERM", "xterm-256color");
    let mut terminal = Terminal::start(command, 80, Screen::new(80, Narrowing::Breaks));
    terminal.wait_for("looking up Debian's signed lists: trixie");
    terminal.signal(Signal::TERM);
    let (code, _, screen) = terminal.end();
    assert_eq!((code, screen.lines()), (Some(143), vec!["terminated while looking up Debian's signed lists".to_owned()]));
}

#[test]
fn only_what_goes_to_a_registry_is_pushed() {
    let base = SlowBase::new(2, Duration::ZERO);
    let target = format!("{}/copy:1", base.test.host());
    let ran = base.sandbox.run(&["build", "-v", "-o", "oci:image", "-o", "oci-archive:image.tar"]).succeeds();
    assert!(
        !ran.err.contains("push") && ran.err.contains(" to oci:image (") && ran.err.contains("wrote oci-archive:image.tar"),
        "{}",
        ran.err
    );
    let ran = base.sandbox.run(&["push", "-v", "oci:image", &target]).succeeds();
    assert!(ran.err.contains(&format!(" to {}/copy (", base.test.host())) && !ran.err.contains("wrote"), "{}", ran.err);
}
