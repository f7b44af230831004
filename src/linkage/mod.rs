//! What the kernel and the dynamic loader would find in an image: programs, interpreters, libraries, symbol versions.
//!
//! What the image starts is proved: its entrypoint or command, what a launcher such as `tini` or `env` starts for it, the program of its
//! health check, and the libraries of `LD_PRELOAD`. So is what must be a folder: a file there keeps a container from starting. A library, symbol version or interpreter that these reach and that is missing is a
//! fault. Other files are looked at as well, those of packages and our own: what they miss is a remark.
//!
//! **Invariants.** The search is the loader's own (ld.so(8); `_dl_map_object` of glibc, `load_library` of musl), over the merged files.
//! What could not be read, or what loads libraries by name, is said to be unproved: it is never taken for proved.
//! Work and memory are bounded, whatever the files claim. A planned image and an opened one are proved alike: all that is known of a
//! file of a foreign layer is in its facts.
//!
//! **To add an architecture**: its loaders and its folder in `loader.rs`. **To add a launcher**: its options in `launch.rs`. **To add a
//! wrapper script that is well known**: a line in `wrapper.rs`.

mod files;
mod folders;
mod launch;
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
mod roots;
mod search;
mod shell;
mod start;
mod started;
mod virtual_environment;
mod waive;
mod wrapper;

pub use folders::{FolderUse, NeededFolder, RecipeLink};
pub use launch::behind_launchers;
pub use prover::prove;
pub use remark::{Level, Proof, Remark, Tally};
pub use request::{Fault, FindPackage, ProofMemory, ProofOptions, ProofRequest};
pub use started::StartedProgram;
pub use virtual_environment::VirtualEnvironment;

#[cfg(test)]
mod tests;
