//! The verbs: one file each. A request in, an outcome out; nothing here prints.

pub mod init;
