//! Many builds, one cache.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::made::Numbers;
use crate::sandbox::{Ran, Sandbox, cached};

#[test]
fn f24_two_dozen_builds_share_a_cache_that_is_pruned_meanwhile() {
    let mut numbers = Numbers(24);
    let sandboxes: Vec<Sandbox> = (0..4).map(|_| Sandbox::new("static = true")).collect();
    let cache = tempfile::TempDir::new().unwrap();
    for (number, sandbox) in sandboxes.iter().enumerate() {
        for file in 0..6 {
            // Some files are the same everywhere, so that builds want to write the same content at once.
            let content = if file < 3 { Numbers(file).bytes(200_000) } else { numbers.bytes(200_000) };
            sandbox.write(&format!("tree/{file}"), &content);
        }
        sandbox.write("tree/number", number.to_string().as_bytes());
    }
    let expected: Vec<String> = sandboxes.iter().map(|sandbox| sandbox.run(&["build", "-o", "oci:expected"]).succeeds().digest()).collect();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut rounds = 0;
            while !ended.load(Ordering::Relaxed) {
                let prune: &[&str] = if rounds % 2 == 0 { &["cache", "prune", "--yes"] } else { &["cache", "prune", "--keep", "500KB"] };
                sandboxes[0].run_with(cache.path(), prune).succeeds();
                sandboxes[0].run_with(cache.path(), &["cache", "check"]).succeeds();
                rounds += 1;
            }
            rounds
        });
        let builds: Vec<_> = (0..24_usize)
            .map(|number| {
                let (sandbox, expected, cache) = (&sandboxes[number % 4], &expected[number % 4], cache.path());
                scope.spawn(move || {
                    for round in 0..3 {
                        let out = format!("oci:out-{number}-{round}");
                        let mut command = sandbox.command(&["build", "-o", &out]);
                        let ran = Ran::of(command.env("HARDENED_CACHE_DIR", cache).output().unwrap()).succeeds();
                        assert_eq!(ran.digest(), *expected, "build {number}, round {round}");
                    }
                })
            })
            .collect();
        let outcomes: Vec<_> = builds.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended.store(true, Ordering::Relaxed);
        assert!(pruner.join().unwrap() > 0);
        assert!(outcomes.iter().all(Result::is_ok), "a build failed; its message is above");
    });
    assert!(cached(cache.path()).iter().all(|(_, good)| *good));
    assert_eq!(sandboxes[0].run_with(cache.path(), &["build", "-o", "oci:last"]).succeeds().digest(), expected[0]);
}
