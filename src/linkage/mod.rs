//! What the kernel and the dynamic loader would find in an image: programs, interpreters, libraries, symbol versions.
//!
//! What the entrypoint reaches, and files of packages, are proved: a library, symbol version or interpreter that is missing is a fault.
//! Other files are looked at as well: what they miss is a remark, a warning or information when they are for another platform.
//!
//! **Invariants.** The search is the loader's own (ld.so(8); `_dl_map_object` of glibc, `load_library` of musl), over the merged files.
//! What could not be read, or what loads libraries by name, is said to be unproved: it is never taken for proved.
//! Work and memory are bounded, whatever the files claim. A planned image and an opened one are proved alike: all that is known of a
//! file of a foreign layer is in its facts.
//!
//! **To add an architecture**: its loaders and its folder in `loader.rs`.

mod files;
mod load;
mod loader;
mod lookup;
mod object;
mod others;
mod problem;
mod process;
mod prover;
mod remark;
mod request;
mod script;
mod search;
mod start;
mod waive;

pub use prover::prove;
pub use remark::{Level, Proof, Remark, Tally};
pub use request::{Fault, FindPackage, ProofMemory, ProofOptions, ProofRequest};

#[cfg(test)]
mod tests;
