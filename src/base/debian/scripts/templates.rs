use super::follow::Call;
use super::paths::{no_use, target};
use super::root::Root;
use super::step::Action;
use crate::base::debian::filter::path_text;

/// The options of ucf that take a word (ucf(1)).
const WITH_WORD: &[&str] = &["--src-dir", "--sum-file", "--state-dir", "-s", "-S"];

/// Reads `ucf [options] SOURCE DESTINATION`: on a new system it copies.
pub(super) fn template(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let mut operands = Vec::new();
    let mut words = call.words.iter().skip(1);
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "-p" | "--purge" | "-h" | "--help" => {
                return vec![Action::harmless("unregisters a configuration file, which a new image does not have")];
            }
            option if WITH_WORD.contains(&option) => drop(words.next()),
            option if option.starts_with('-') => {}
            _ => operands.push(word),
        }
    }
    let [source, destination] = operands.as_slice() else {
        return vec![Action::missing(None, "a configuration file that the script computes")];
    };
    if let Some(why) = no_use(&destination.text, root) {
        return vec![Action::Harmless { why }];
    }
    if source.known && destination.known && root.exists(&source.text) {
        // Where the destination is a folder, the file keeps its name.
        let destination = target(&source.text, &destination.text, root);
        if let (Some(from), Some(to)) = (Root::path(&source.text), Root::path(&destination)) {
            return vec![Action::Copy { from, to }];
        }
    }
    let file = Some(destination.text.as_str());
    if destination.known && root.exists(&destination.text) {
        return vec![Action::harmless("the file is in the package already")];
    }
    let needed = "a configuration file that the script creates from answers or other files";
    match Root::path(&destination.text).filter(|_| destination.known) {
        Some(path) => vec![Action::Makes { file: path_text(&path), of: Vec::new(), needed: needed.to_owned() }],
        None => vec![Action::missing(file, needed)],
    }
}
