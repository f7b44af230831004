use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::sources::{Generated, Sources, Unlisted};
use crate::base::debian::files::file;
use crate::base::debian::scripts::Step;

/// What `gdk-pixbuf-query-loaders` prints of each loader of Debian, by its file's name: a block ends with an empty line.
const LOADERS: &str = include_str!("pixbuf_loaders.txt");
/// The package that makes the list.
const PACKAGE: &str = "libgdk-pixbuf-2.0-0";
/// The folder of loaders inside of an architecture's folder of libraries, and where they were before architectures had one.
const FOLDER: &str = "gdk-pixbuf-2.0/2.10.0";

/// Returns gdk-pixbuf's list of loaders, without which it opens only what is built into it.
pub(in crate::base::debian) fn loader_list(sources: &Sources<'_>) -> Vec<Generated> {
    let blocks = blocks();
    let folders = sources.library_folders(FOLDER);
    let list = |folder: &String| {
        let mut text = head(sources.upstream_version(PACKAGE));
        for (folder, name) in loaders(sources, folder) {
            if let Some(block) = blocks.get(name.as_str()) {
                // A `String` takes all that is written to it.
                let _ = write!(text, "\"/{folder}/{name}\"\n{block}\n\n");
            }
        }
        (list_in(folder), file(format!("{text}\n").as_bytes()))
    };
    folders.iter().map(list).collect()
}

/// Returns what the lists lack: loaders whose formats are not in the table.
pub(in crate::base::debian) fn unknown_loaders(sources: &Sources<'_>) -> Vec<Step> {
    let blocks = blocks();
    let mut unlisted = Vec::new();
    for folder in sources.library_folders(FOLDER) {
        for (inside, name) in loaders(sources, &folder) {
            if !blocks.contains_key(name.as_str()) {
                let needed = format!(
                    "an entry for `/{inside}/{}`, with image formats that hardened does not know: gdk-pixbuf does not open them",
                    name.escape_debug()
                );
                let (package, command) = (PACKAGE, "gdk-pixbuf-query-loaders --update-cache");
                unlisted.push(Unlisted { package, command, list: list_in(&folder), needed });
            }
        }
    }
    sources.steps(unlisted)
}

/// Returns the loaders of an architecture: each with its folder.
fn loaders(sources: &Sources<'_>, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in [format!("usr/lib/{FOLDER}/loaders"), format!("{folder}/loaders")] {
        let names = sources.names_in(&folder).into_iter().filter(|name| name.strip_suffix(".so").is_some());
        found.extend(names.map(|name| (folder.clone(), name)));
    }
    found
}

fn list_in(folder: &str) -> String {
    format!("{folder}/loaders.cache")
}

fn head(version: &str) -> String {
    format!(
        "# GdkPixbuf Image Loader Modules file\n# Automatically generated file, do not edit\n# Created by gdk-pixbuf-query-loaders from gdk-pixbuf-{version}\n#\n"
    )
}

fn blocks() -> BTreeMap<&'static str, &'static str> {
    LOADERS.split("\n\n").filter_map(|block| block.trim_end().split_once('\n')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_names_a_loader_and_its_types() {
        let blocks = blocks();
        assert!(blocks.len() >= 17, "{:?}", blocks.keys());
        for (name, block) in blocks {
            assert!(name.strip_suffix(".so").is_some() && !name.contains(['/', '"']), "{name}");
            let lines: Vec<&str> = block.lines().collect();
            assert!(lines.len() >= 4 && lines[1].ends_with(" \"\"") && lines[2].ends_with(" \"\""), "{name}: {block}");
            assert!(lines.iter().all(|line| line.starts_with('"')), "{name}: {block}");
        }
    }
}
