use crate::rootfs::ImagePath;

/// A program or script that the image's entrypoint or command executes: the first one, what a launcher such as `tini` or `env` executes
/// for it, or the interpreter of a script's first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedProgram {
    /// Its path as it is executed, links not followed: `/usr/bin/python3`.
    pub named: ImagePath,
    /// Its path without links: `/usr/bin/python3.13`.
    pub real: ImagePath,
    /// Its arguments, without its own name. Those of an interpreter are the argument of the script's first line, the script, and the script's
    /// own.
    pub arguments: Vec<String>,
    /// The working folder, as the config or `env --chdir` sets it; empty where nothing does.
    pub directory: String,
}
