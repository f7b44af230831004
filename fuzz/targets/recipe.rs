//! A recipe.

use hardened::recipe::{PlaceholderFault, Placeholders, RecipeText, read};

struct Fixed;

impl Placeholders for Fixed {
    fn value(&self, name: &str) -> Result<String, PlaceholderFault> {
        if name.len().is_multiple_of(2) { Ok("value".to_owned()) } else { Err(PlaceholderFault { reason: "none".to_owned(), hint: None }) }
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let faults = match read(RecipeText::parse("hardened.toml", text), &Fixed) {
        Ok((_, warnings)) => warnings,
        Err(faults) => faults,
    };
    let shown = hardened::cli::screen::render(&faults, hardened::cli::screen::Colors::Never, 100);
    assert!(!shown.contains(|character: char| character.is_control() && character != '\n'), "nothing speaks to the terminal");
}
