use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::groups::{Group, Job, files};
use crate::podman::Podman;
use crate::project::Project;

/// What programs of an image work in: the image's root, and a folder with files.
pub(super) struct Sandbox<'a> {
    podman: &'a Podman,
    root: PathBuf,
    folder: PathBuf,
    environment: Vec<String>,
}

impl<'a> Sandbox<'a> {
    /// Prepares a folder with files, in which everyone may write.
    pub(super) fn new(podman: &'a Podman, root: PathBuf, project: &Project, environment: Vec<String>) -> Self {
        let folder = project.path("job");
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files() {
            fs::write(folder.join(name), text).unwrap();
        }
        fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
        Self { podman, root, folder, environment }
    }

    /// Lets all programs of a group work; returns what went wrong.
    pub(super) fn work(&self, group: &Group) -> Vec<String> {
        group.jobs.iter().filter_map(|job| self.job(job)).collect()
    }

    fn job(&self, job: &Job) -> Option<String> {
        let output = if job.beside.is_empty() { self.prepare(job, &["--rm"], &job.run).output().unwrap() } else { self.beside(job) };
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let is_made = |name: &String| fs::metadata(self.folder.join(name)).is_ok_and(|file| file.len() > 0);
        let works = output.status.code() == Some(job.code) && job.says.iter().all(|text| said.contains(text.as_str()));
        (!works || !job.makes.iter().all(is_made)).then(|| format!("{:?} does not work: {}\n{said}", job.run, output.status))
    }

    /// Prepares a container that is locked in, as user 65532.
    fn prepare(&self, job: &Job, flags: &[&str], words: &[String]) -> Command {
        let mut command = self.podman.command(180);
        command.args(["run", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges"]);
        command.args(["--network", "none", "--user", "65532:65532", "--workdir", "/job"]).args(flags);
        command.arg("--volume").arg(format!("{}:/job", self.folder.display()));
        let own = job.environment.iter().map(|(name, value)| format!("{name}={value}"));
        for text in self.environment.iter().cloned().chain(own) {
            command.arg("--env").arg(text);
        }
        command.arg("--rootfs").arg(&self.root).args(words);
        command
    }

    /// Starts a service, and the program in its container until it works.
    fn beside(&self, job: &Job) -> Output {
        let mut command = self.prepare(job, &["--detach", "--timeout", "120"], &job.beside);
        let output = command.output().unwrap();
        if !output.status.success() {
            return output;
        }
        let id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let end = Instant::now() + Duration::from_secs(60);
        let mut output = loop {
            let output = self.podman.command(60).arg("exec").arg(&id).args(&job.run).output().unwrap();
            if output.status.code() == Some(job.code) || Instant::now() > end {
                break output;
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        let mut logs = self.podman.command(60).arg("logs").arg(&id).output().unwrap();
        output.stderr.append(&mut logs.stdout);
        output.stderr.append(&mut logs.stderr);
        let _ = self.podman.command(60).args(["rm", "--force", "--time", "2", &id]).output();
        output
    }
}
