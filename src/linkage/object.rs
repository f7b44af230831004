use std::sync::Arc;

use crate::rootfs::{Dynamic, ImagePath};

use super::files::absolute;

/// Programs that load libraries by name, whatever they are linked to: the beginnings of their names.
const INTERPRETERS: &[&str] = &["python", "node", "java", "ruby", "perl", "php", "deno", "bun", "lua", "R"];

/// A program or library in a process.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// The path by which it was opened: what `$ORIGIN` is taken from.
    pub(super) opened: Vec<u8>,
    /// Its path without links.
    pub(super) real: ImagePath,
    pub(super) dynamic: Arc<Dynamic>,
    /// The names by which it was asked for.
    pub(super) names: Vec<Box<str>>,
    /// What asked for it first.
    pub(super) parent: Option<usize>,
}

impl Object {
    /// Returns a program, or a library that is looked at alone.
    pub(super) fn main(real: ImagePath, dynamic: Arc<Dynamic>) -> Self {
        Self { opened: absolute(&real), real, dynamic, names: Vec::new(), parent: None }
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|own| &**own == name) || self.dynamic.soname.as_deref() == Some(name)
    }

    /// Says whether it may load more than it is linked to.
    pub(super) fn opens_by_name(&self) -> bool {
        let name = String::from_utf8_lossy(self.real.name()).into_owned();
        let is_program = self.parent.is_none() && self.dynamic.soname.is_none();
        self.dynamic.opens_by_name || is_program && INTERPRETERS.iter().any(|interpreter| name.starts_with(interpreter))
    }
}
