//! kill -9 at random moments of build, push, pull and prune.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::made::Numbers;
use crate::options::Options;
use crate::registry::{Guard, TestRegistry};
use crate::run::{hardened, measured};
use crate::workshop::{Workshop, files, wrong};

#[derive(Default)]
struct Tally {
    kills: AtomicU64,
    /// Kills that came before the run had ended by itself.
    landed: AtomicU64,
    failed: AtomicU64,
    other: AtomicU64,
    bad: AtomicU64,
    litter: AtomicU64,
}

pub(crate) fn run(options: &Options) -> bool {
    let count = options.count.unwrap_or(5000);
    let (work, tally, next, begun) = (options.work(), Tally::default(), AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for worker in 0..options.workers(4) {
            let (work, tally, next) = (work.path().join(worker.to_string()), &tally, &next);
            scope.spawn(move || {
                let mut bench = Bench::new(&work, options.seed * 1000 + worker);
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    bench.kill_one(tally);
                }
            });
        }
    });
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "kills: {} kills, {} of them before the end; next runs that failed {}, with another digest {}; bad files under a digest's name {}, litter after the next run {}; {:.0} s",
        load(&tally.kills),
        load(&tally.landed),
        load(&tally.failed),
        load(&tally.other),
        load(&tally.bad),
        load(&tally.litter),
        begun.elapsed().as_secs_f64()
    );
    [&tally.failed, &tally.other, &tally.bad, &tally.litter].iter().all(|count| load(count) == 0)
}

/// A project that is built, pushed, pulled and pruned, over and over.
struct Bench {
    workshop: Workshop,
    registry: TestRegistry,
    numbers: Numbers,
    expected: String,
    rounds: u64,
    /// How long each kind of run takes, in microseconds.
    lasts: [u64; 4],
}

const VERBS: [&str; 4] = ["build", "push", "pull", "prune"];

impl Bench {
    fn new(folder: &Path, seed: u64) -> Self {
        let workshop = Workshop::eight(&folder.join("project"), &folder.join("cache"), 200_000, seed);
        let expected = workshop.run(&["build", "-o", "oci:out:1"]).digest();
        let mut bench = Self { workshop, registry: registry(), numbers: Numbers(seed), expected, rounds: 0, lasts: [0; 4] };
        for kind in 0..4 {
            bench.prepare(kind);
            let begun = Instant::now();
            assert!(measured(bench.command(kind)).good);
            bench.lasts[kind] = u64::try_from(begun.elapsed().as_micros()).unwrap();
        }
        bench
    }

    fn command(&self, kind: usize) -> std::process::Command {
        let tag = format!("{}/soak/image:1", self.registry.host());
        let arguments: Vec<&str> = match VERBS[kind] {
            "build" => vec!["build", "-o", "oci:out:1", "-o", "oci-archive:out.tar"],
            "push" => vec!["build", "--push", "-t", &tag],
            "pull" => vec!["push", &tag, "oci:pulled:1"],
            _ => vec!["cache", "prune", "--yes"],
        };
        hardened(&self.workshop.folder, &self.workshop.cache, arguments)
    }

    /// Takes away what a run of this kind makes, so that it has something to do.
    fn prepare(&mut self, kind: usize) {
        let folder = &self.workshop.folder;
        if self.numbers.below(2) == 0 {
            let _ = fs::remove_dir_all(&self.workshop.cache);
        }
        match VERBS[kind] {
            "build" => {
                let _ = fs::remove_dir_all(folder.join("out"));
                let _ = fs::remove_file(folder.join("out.tar"));
            }
            "push" => self.registry = registry(),
            "pull" => {
                let _ = fs::remove_dir_all(folder.join("pulled"));
                let tag = format!("{}/soak/image:1", self.registry.host());
                if self.registry.manifest("soak/image", "1").is_none() {
                    assert!(self.workshop.run(&["build", "--push", "-t", &tag]).good);
                }
            }
            _ => {
                self.workshop.run(&["build", "-o", "oci:out:1"]);
            }
        }
    }

    fn kill_one(&mut self, tally: &Tally) {
        self.rounds += 1;
        if self.rounds.is_multiple_of(50) {
            self.registry = registry();
        }
        let kind = usize::try_from(self.numbers.below(4)).unwrap();
        self.prepare(kind);
        let mut child = self.command(kind).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(self.numbers.below(self.lasts[kind] * 5 / 4)));
        let landed = child.try_wait().unwrap().is_none();
        let _ = child.kill();
        let _ = child.wait();
        tally.kills.fetch_add(1, Ordering::Relaxed);
        tally.landed.fetch_add(u64::from(landed), Ordering::Relaxed);
        Self::count(&tally.bad, "a bad file under a digest's name", self.bad());
        if let Some(manifest) = self.registry.manifest("soak/image", "1") {
            // A tag is moved last, or not at all.
            let whole = hardened::oci::Digest::of(&manifest).to_string() == self.expected;
            Self::count(&tally.bad, "a tag with another image", if whole { vec![] } else { vec![PathBuf::from("soak/image:1")] });
        }
        let again = measured(self.command(kind));
        let digest = if VERBS[kind] == "prune" { again.good.then(|| self.expected.clone()) } else { Some(again.out.trim_end().to_owned()) };
        if !again.good {
            tally.failed.fetch_add(1, Ordering::Relaxed);
            println!("  the run after a killed {} failed: {}", VERBS[kind], again.err.trim_end());
        } else if VERBS[kind] != "pull" && digest.is_none_or(|digest| !digest.ends_with(&self.expected)) {
            tally.other.fetch_add(1, Ordering::Relaxed);
            println!("  the run after a killed {} made {}", VERBS[kind], again.out.trim_end());
        }
        if VERBS[kind] == "pull" {
            let root = self.workshop.folder.join("pulled/blobs/sha256").join(self.expected.trim_start_matches("sha256:"));
            Self::count(&tally.other, "another image was pulled", if root.is_file() { vec![] } else { vec![root] });
        }
        Self::count(&tally.bad, "a bad file after the next run", self.bad());
        Self::count(&tally.litter, "litter", self.litter());
    }

    fn count(counter: &AtomicU64, what: &str, found: Vec<PathBuf>) {
        for path in found {
            counter.fetch_add(1, Ordering::Relaxed);
            println!("  {what}: {}", path.display());
        }
    }

    fn bad(&self) -> Vec<PathBuf> {
        let folders =
            [self.workshop.cache.join("blobs"), self.workshop.folder.join("out/blobs"), self.workshop.folder.join("pulled/blobs")];
        folders.iter().flat_map(|folder| wrong(folder)).collect()
    }

    fn litter(&self) -> Vec<PathBuf> {
        let folder = &self.workshop.folder;
        let new = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("new-"));
        files(folder).into_iter().filter(new).chain(files(&self.workshop.cache.join("tmp"))).collect()
    }
}

fn registry() -> TestRegistry {
    TestRegistry::lasting(Duration::from_hours(2), Guard::Open, |_, _| None)
}
