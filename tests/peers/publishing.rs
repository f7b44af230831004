//! An image goes to all destinations or to none: each file operation of a publication to two registries, a layout and an archive fails once.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Output;

use crate::elf;
use crate::peer::Peer;
use crate::project::Project;
use crate::registry::Registry;

/// What the layout names before.
const OLD: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// The file operations, and how they fail.
const CALLS: [(&str, &str); 7] = [
    ("write", "ENOSPC"),
    ("fsync", "EIO"),
    ("rename,renameat,renameat2", "EIO"),
    ("openat", "EIO"),
    ("mkdir,mkdirat", "ENOSPC"),
    ("link,linkat", "EIO"),
    ("read,pread64", "EIO"),
];

/// A project with all its destinations.
struct Publication {
    project: Project,
    registries: [Registry; 2],
    runs: usize,
}

impl Publication {
    fn new(platforms: &str) -> Option<Self> {
        let recipe = format!(
            "[image]\nname = \"small\"\nplatforms = {platforms}\n[base]\nstatic = true\n[[files]]\nfrom = \"app-{{platform.arch}}\"\nto = \"/app\"\n[process]\nentrypoint = [\"/app\"]\n"
        );
        let project = Project::new(&recipe);
        let project = ["amd64", "arm64"]
            .into_iter()
            .fold(project, |project, architecture| project.program(&format!("app-{architecture}"), &elf::program(architecture, "small\n")));
        Some(Self { project, registries: [Registry::crane()?, Registry::crane()?], runs: 0 })
    }

    /// The tags of a run: each run has a repository of its own, without any tag.
    fn tags(&self) -> [String; 2] {
        self.registries.each_ref().map(|registry| format!("{}/shop/api-{}:1", registry.address(), self.runs))
    }

    /// Publishes under strace, with these arguments of strace.
    fn publish(&mut self, strace: &Peer, arguments: &[&str]) -> Output {
        self.runs += 1;
        let _ = fs::remove_dir_all(self.project.path("out"));
        fs::create_dir_all(self.project.path("out")).unwrap();
        fs::write(self.project.path("out/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(self.project.path("out/index.json"), OLD).unwrap();
        fs::write(self.project.path("out.tar"), "old").unwrap();
        let mut command = strace.command(&self.project.home(), 120);
        command.args(["-f", "-qq", "-y", "-o"]).arg(self.project.path("trace")).args(arguments).arg(env!("CARGO_BIN_EXE_hardened"));
        command.args(["build", "--push", "-o", "oci:out:1", "-o", "oci-archive:out.tar"]);
        for tag in self.tags() {
            command.args(["-t", &tag]);
        }
        command.current_dir(self.project.path(".")).env("HARDENED_CACHE_DIR", self.project.path("cache")).env("HARDENED_THREADS", "1");
        command.output().unwrap()
    }

    /// Returns the lines of the last trace, one for each call.
    fn trace(&self) -> Vec<String> {
        let trace = fs::read_to_string(self.project.path("trace")).unwrap();
        trace.lines().filter(|line| !line.contains("resumed>")).map(str::to_owned).collect()
    }

    fn is_of_a_file(&self, line: &str) -> bool {
        line.contains(&self.project.path(".").parent().unwrap().display().to_string())
    }

    /// Returns the numbers of the calls of the last run that are about the project's files, from where the destinations are opened on:
    /// what comes before is another test's.
    fn calls(&self) -> Vec<usize> {
        let outputs = self.project.path("out").display().to_string();
        let lines = self.trace();
        let first = lines.iter().position(|line| line.contains(&outputs)).unwrap_or(lines.len());
        (first..lines.len()).filter(|number| self.is_of_a_file(&lines[*number])).map(|number| number + 1).collect()
    }

    /// Names the destinations that have the image under its name.
    fn changed(&self) -> Vec<String> {
        let mut changed = Vec::new();
        if fs::read(self.project.path("out.tar")).unwrap() != b"old" {
            changed.push("oci-archive:out.tar".to_owned());
        }
        if fs::read_to_string(self.project.path("out/index.json")).unwrap() != OLD {
            changed.push("oci:out:1".to_owned());
        }
        for (registry, tag) in self.registries.iter().zip(self.tags()) {
            if is_tagged(registry.address(), &format!("shop/api-{}", self.runs)) {
                changed.push(tag);
            }
        }
        changed
    }

    /// Checks what a run did that met a failure, and says whether it failed.
    fn check(&self, ran: &Output, what: &str) -> bool {
        let err = String::from_utf8_lossy(&ran.stderr);
        let (what, changed) = (format!("{what}: {:?}\n{err}", ran.status), self.changed());
        assert!(!err.contains("panicked") && ran.status.code().is_some_and(|code| code != 101), "{what}");
        if ran.status.success() {
            assert_eq!(changed.len(), 4, "{what}");
            return false;
        }
        // Where nothing can be written to standard error, nothing can be said.
        let is_silent = err.is_empty() && what.contains("inject=write");
        for name in &changed {
            assert!(is_silent || err.contains("published only partly: ") && err.contains(&format!("`{name}`")), "{name} changed; {what}");
        }
        let names = fs::read_dir(self.project.path(".")).unwrap().chain(fs::read_dir(self.project.path("out")).unwrap());
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(names.all(|name| !name.starts_with(".hardened-new-")), "{what}");
        true
    }
}

fn is_tagged(address: &str, repository: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /v2/{repository}/manifests/1 HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap() == "200"
}

#[test]
fn no_name_changes_anywhere_unless_the_publication_reached_its_commit() {
    let Some(strace) = Peer::find("strace") else { return };
    for platforms in ["[\"linux/amd64\"]", "[\"linux/amd64\", \"linux/arm64\"]"] {
        let Some(mut publication) = Publication::new(platforms) else { return };
        let plain = publication.publish(&strace, &["-e", "trace=write"]);
        assert!(plain.status.success() && publication.changed().len() == 4, "{}", String::from_utf8_lossy(&plain.stderr));
        let (mut failed, mut survived) = (0, 0);
        for (call, error) in CALLS {
            publication.publish(&strace, &["-e", &format!("trace={call}")]);
            for number in publication.calls() {
                let inject = format!("inject={call}:error={error}:when={number}");
                let ran = publication.publish(&strace, &["-e", &format!("trace={call}"), "-e", &inject]);
                // Threads take turns as they like: the call that failed may be none of a file.
                if !publication.trace().iter().any(|line| line.contains("(INJECTED)") && publication.is_of_a_file(line)) {
                    continue;
                }
                *(if publication.check(&ran, &inject) { &mut failed } else { &mut survived }) += 1;
            }
        }
        assert!(failed > 10, "{platforms}: {failed} failed, {survived} survived");
        println!("{platforms}: {failed} runs failed, {survived} went on");
    }
}
