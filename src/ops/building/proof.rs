use crate::diagnostic::Diagnostic;
use crate::host::cache::Cache;
use crate::linkage::{Level, Proof, ProofMemory};
use crate::oci::Digest;
use crate::ops::Observer;

/// How many remarks of a kind are told; all of them are in the JSON result.
const TOLD: usize = 5;

/// What was found of files that did not change since, in the cache.
#[derive(Debug)]
pub(super) struct Remembering<'a>(pub(super) &'a Cache);

impl ProofMemory for Remembering<'_> {
    fn recall(&self, key: &Digest) -> Option<Vec<u8>> {
        self.0.proof(key)
    }

    fn keep(&self, key: &Digest, found: &[u8]) {
        self.0.write_proof(key, found);
    }
}

/// Tells what a proof could not prove: warnings and notes in a few lines, the rest to those who ask for more.
pub(super) fn tell(proof: &Proof, observer: &dyn Observer) {
    let warnings = proof.tallies(Level::Warning);
    for tally in warnings.iter().take(TOLD) {
        let hint = tally.package.map(|package| format!("the package `{package}` has it: add it to `packages` if this is used"));
        observer.warn(&hint.into_iter().fold(Diagnostic::warning(tally.to_string()), Diagnostic::hint));
    }
    if warnings.len() > TOLD {
        observer.note(&format!(
            "{} more warnings about files that the programs of the image do not load; `--format json` lists all",
            warnings.len() - TOLD
        ));
    }
    for (level, title) in [(Level::Unproved, "not proved"), (Level::Waived, "waived")] {
        let tallies = proof.tallies(level);
        tallies.iter().take(TOLD).for_each(|tally| observer.note(&format!("{title}: {tally}")));
        if tallies.len() > TOLD {
            observer.note(&format!("{title}: {} more; `--format json` lists all", tallies.len() - TOLD));
        }
    }
    for idle in &proof.idle_waivers {
        observer.note(&format!("an `[[unproved]]` entry has no effect: {}", idle.escape_debug()));
    }
    observer.detail(&format!("proved: {} files, {} of them used by the programs that the image starts", proof.proved, proof.reached.len()));
    for path in &proof.opening {
        observer.detail(&format!("not proved: libraries that `{path}` opens by name"));
    }
    for tally in proof.tallies(Level::Information) {
        observer.detail(&tally.to_string());
    }
}
