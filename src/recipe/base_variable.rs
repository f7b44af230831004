use super::model::{PlatformRecipe, Process, ProcessText, Spanned};

impl PlatformRecipe {
    /// Returns the recipe with the values of the base's variables in its texts. `variable` returns the value of one.
    ///
    /// # Errors
    /// The variables that the base does not have.
    pub fn with_base_variables<'a>(&self, variable: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Vec<&Spanned<String>>> {
        let mut filled = self.clone();
        let mut missing = Vec::new();
        // From the back to the front, so that the offsets of those before stay right.
        for wanted in self.process.base_variables.iter().rev() {
            match variable(&wanted.name) {
                Some(value) => {
                    if let Some(text) = filled.process.text(&wanted.text) {
                        text.insert_str(wanted.offset, value);
                    }
                }
                None => missing.push(&wanted.name),
            }
        }
        missing.reverse();
        filled.process.base_variables.clear();
        if missing.is_empty() { Ok(filled) } else { Err(missing) }
    }
}

impl Process {
    fn text(&mut self, which: &ProcessText) -> Option<&mut String> {
        match which {
            ProcessText::Environment(name) => self.env.get_mut(name).map(|value| &mut value.value),
            ProcessText::Entrypoint(index) => self.entrypoint.as_mut()?.value.get_mut(*index),
            ProcessText::Command(index) => self.command.as_mut()?.value.get_mut(*index),
            ProcessText::Healthcheck(index) => self.healthcheck.as_mut()?.command.get_mut(*index),
        }
    }
}
