//! Sixteen builds on one cache, which is pruned meanwhile.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::made::Numbers;
use crate::options::Options;
use crate::run::{hardened, measured};
use crate::workshop::{Workshop, noise, wrong};

/// So many states a project goes through.
const STATES: u64 = 3;

pub(crate) fn run(options: &Options) -> bool {
    let (work, time) = (options.work(), options.time(600));
    let cache = work.path().join("cache");
    let (builds, failed, other, prunes) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    let running = || begun.elapsed() < time;
    thread::scope(|scope| {
        for worker in 0..options.workers(16) {
            let (folder, cache, builds, failed, other) = (work.path().join(worker.to_string()), &cache, &builds, &failed, &other);
            scope.spawn(move || {
                // Half of the projects are the same as another one, so that two builds make the same thing at once.
                let seed = options.seed * 1000 + worker / 2;
                let workshop = Workshop::eight(&folder, cache, 150_000, seed);
                let apply = |state: u64| {
                    let content = noise(&mut Numbers(seed * 10 + state), 150_000);
                    fs::write(folder.join(format!("part-{}", state % 6)), content).unwrap();
                    fs::write(folder.join("part-5"), state.to_string()).unwrap();
                };
                // From one state to the next and around, so that each is always reached from the same one.
                (0..STATES).for_each(apply);
                let own = folder.join("own-cache");
                let digest = |state| {
                    apply(state);
                    measured(hardened(&folder, &own, ["build", "-o", "oci:own"])).digest()
                };
                let expected: Vec<String> = (0..STATES).map(digest).collect();
                let mut state = 0;
                while running() {
                    apply(state);
                    let ran = workshop.run(&["build", "-o", "oci:out:1"]);
                    builds.fetch_add(1, Ordering::Relaxed);
                    if !ran.good {
                        failed.fetch_add(1, Ordering::Relaxed);
                        println!("  a build failed: {}", ran.err.trim_end());
                    } else if ran.digest() != expected[usize::try_from(state).unwrap()] {
                        other.fetch_add(1, Ordering::Relaxed);
                        println!("  a build made {}", ran.out.trim_end());
                    }
                    if builds.load(Ordering::Relaxed).is_multiple_of(7) {
                        let _ = fs::remove_dir_all(folder.join("out"));
                    }
                    state = (state + 1) % STATES;
                }
            });
        }
        scope.spawn(|| {
            while running() {
                prune(work.path(), &cache, prunes.fetch_add(1, Ordering::Relaxed), &failed);
            }
        });
    });
    let bad = wrong(&cache.join("blobs"));
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "concurrent: {} builds by {} at once, {} prunes and checks; failed {}, wrong {}, bad files {}; {:.0} s",
        load(&builds),
        options.workers(16),
        load(&prunes),
        load(&failed),
        load(&other),
        bad.len(),
        begun.elapsed().as_secs_f64()
    );
    load(&failed) + load(&other) == 0 && bad.is_empty() && load(&builds) > 0
}

/// Prunes the cache, or checks it, by turns.
fn prune(folder: &Path, cache: &Path, number: u64, failed: &AtomicU64) {
    let rules: [&[&str]; 3] = [&["cache", "prune", "--yes"], &["cache", "prune", "--keep", "2MB"], &["cache", "check"]];
    let rule = rules[usize::try_from(number % 3).unwrap()];
    let ran = measured(hardened(folder, cache, rule));
    if !ran.good {
        failed.fetch_add(1, Ordering::Relaxed);
        println!("  {} failed: {}", rule.join(" "), ran.err.trim_end());
    }
    thread::sleep(Duration::from_millis(300));
}
