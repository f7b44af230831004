//! Pushes and pulls through a proxy that fails a part of all requests. Every result is read back and hashed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::proxy::FaultyProxy;
use crate::registry::{Guard, TestRegistry};
use crate::run::{hardened, measured};
use crate::workshop::{Workshop, files, median, wrong};

/// The bytes of each large layer.
const LAYER: u64 = 1 << 20;

/// What came of all runs.
#[derive(Default)]
struct Tally {
    good: AtomicU64,
    /// Runs that said they were good and were not.
    lies: AtomicU64,
    requests: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    most: AtomicU64,
    times: Mutex<Vec<f64>>,
    first_error: Mutex<String>,
}

pub(crate) fn push(options: &Options) -> bool {
    run(options, "push")
}

pub(crate) fn pull(options: &Options) -> bool {
    run(options, "pull")
}

fn run(options: &Options, what: &str) -> bool {
    let (count, percent) = (options.count.unwrap_or(500), options.percent.unwrap_or(30));
    let by = options.by.as_deref().unwrap_or("hardened");
    let work = options.work();
    let workshop = Workshop::eight(&work.path().join("image"), &work.path().join("cache"), LAYER, options.seed);
    let built = workshop.run(&["build", "-o", "oci:out:1"]).digest();
    let size: u64 = files(&workshop.folder.join("out/blobs")).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let (tally, next, begun) = (Tally::default(), AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..options.workers(12) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let trial = Trial { options, number, by, workshop: &workshop, built: &built, work: work.path() };
                    trial.run(what, percent, &tally);
                }
            });
        }
    });
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (good, lies, sent) = (load(&tally.good), load(&tally.lies), load(&tally.sent));
    let of_image = |bytes: u64| f64::from(u32::try_from(bytes * 100 / size).unwrap()) / 100.0;
    println!(
        "{what} by {by}, {percent} % of the requests fail: {good} of {count} good, {lies} wrong; {} of {} requests failed; bytes on average {} and at most {} times the image; {:.1} s in the middle, {:.0} s in all",
        load(&tally.failed),
        load(&tally.requests),
        of_image(sent / count),
        of_image(load(&tally.most)),
        median(tally.times.into_inner().unwrap()),
        begun.elapsed().as_secs_f64()
    );
    let error = tally.first_error.into_inner().unwrap();
    if !error.is_empty() {
        println!("  the first failure: {}", error.trim_end().replace('\n', "\n    "));
    }
    let enough = if percent > 30 { good * 100 >= count * 99 } else { good == count };
    lies == 0 && (by != "hardened" || (enough && sent <= size * count * 3 / 2))
}

struct Trial<'a> {
    options: &'a Options,
    number: u64,
    by: &'a str,
    workshop: &'a Workshop,
    built: &'a str,
    work: &'a Path,
}

impl Trial<'_> {
    fn run(&self, what: &str, percent: u64, tally: &Tally) {
        let inside = self.options.registry.is_none().then(|| TestRegistry::lasting(Duration::from_mins(30), Guard::Open, |_, _| None));
        let upstream = self.options.registry.clone().unwrap_or_else(|| inside.as_ref().unwrap().host().to_owned());
        let proxy = FaultyProxy::start(&upstream, percent, self.options.seed * 1_000_003 + self.number);
        let repository = format!("soak/{}-{}-{}", self.by, self.options.seed, self.number);
        let (direct, through) = (format!("{upstream}/{repository}:1"), format!("{}/{repository}:1", proxy.host()));
        let folder = self.work.join(format!("trial-{}", self.number));
        fs::create_dir_all(&folder).unwrap();
        let layout = self.workshop.folder.join("out");
        if what == "pull" {
            let seeded = measured(hardened(&folder, &self.workshop.cache, ["push", &format!("oci:{}:1", layout.display()), &direct]));
            assert!(seeded.good, "{}", seeded.err);
        }
        let begun = Instant::now();
        let ran = measured(self.command(what, &layout, &through, &folder));
        tally.times.lock().unwrap().push(begun.elapsed().as_secs_f64());
        if ran.good {
            let right = if what == "push" { self.arrived(&direct, &folder) } else { self.is_image(&folder.join("pulled")) };
            if right { &tally.good } else { &tally.lies }.fetch_add(1, Ordering::Relaxed);
        } else {
            tally
                .first_error
                .lock()
                .map(|mut error| {
                    if error.is_empty() {
                        *error = ran.err;
                    }
                })
                .unwrap();
        }
        let (requests, failed) = proxy.requests();
        let (sent, received) = proxy.bytes();
        let moved = if what == "push" { sent } else { received };
        tally.requests.fetch_add(requests, Ordering::Relaxed);
        tally.failed.fetch_add(failed, Ordering::Relaxed);
        tally.sent.fetch_add(moved, Ordering::Relaxed);
        tally.most.fetch_max(moved, Ordering::Relaxed);
        let _ = fs::remove_dir_all(folder);
    }

    fn command(&self, what: &str, layout: &Path, through: &str, folder: &Path) -> Command {
        let pulled = folder.join("pulled");
        let peer = |arguments: &[String]| {
            let mut command = Command::new(self.by);
            command.args(arguments).env("HOME", folder).stdin(Stdio::null());
            command
        };
        let text = |path: &Path| path.display().to_string();
        let skopeo = |from: String, to: String| {
            let flags = ["copy", "--insecure-policy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
            peer(&flags.iter().map(|flag| (*flag).to_owned()).chain([from, to]).collect::<Vec<_>>())
        };
        match (self.by, what) {
            ("hardened", "push") => hardened(folder, &self.workshop.cache, ["push", &format!("oci:{}:1", text(layout)), through]),
            ("hardened", _) => hardened(folder, &self.workshop.cache, ["push", through, &format!("oci:{}:1", text(&pulled))]),
            ("crane", "push") => peer(&["push".to_owned(), "--insecure".to_owned(), text(layout), through.to_owned()]),
            ("crane", _) => {
                let format = ["pull", "--insecure", "--format", "oci"].map(str::to_owned);
                peer(&format.into_iter().chain([through.to_owned(), text(&pulled)]).collect::<Vec<_>>())
            }
            ("skopeo", "push") => skopeo(format!("oci:{}:1", text(layout)), format!("docker://{through}")),
            ("skopeo", _) => skopeo(format!("docker://{through}"), format!("oci:{}:1", text(&pulled))),
            (other, _) => panic!("`{other}` is not known"),
        }
    }

    /// Reads back what was pushed, past the proxy.
    fn arrived(&self, direct: &str, folder: &Path) -> bool {
        let layout = format!("oci:{}:1", folder.join("back").display());
        let back = measured(hardened(folder, &self.workshop.cache, ["push", direct, &layout]));
        back.good && self.is_image(&folder.join("back"))
    }

    /// Says whether a layout holds the whole image: every file is what its name says, and none is missing.
    fn is_image(&self, layout: &Path) -> bool {
        let names = |layout: &Path| {
            let mut names: Vec<_> = files(&layout.join("blobs")).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        wrong(&layout.join("blobs")).is_empty()
            && names(layout) == names(&self.workshop.folder.join("out"))
            && names(layout).iter().any(|name| self.built.ends_with(&*name.to_string_lossy()))
    }
}
