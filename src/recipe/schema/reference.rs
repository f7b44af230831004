use std::fmt::Write as _;

use serde_json::Value;

use super::{json_schema, resolved};
use crate::recipe::shape::inline;

/// The tables in the order in which a recipe is written; the others come after them by name.
const ORDER: &[&str] = &["image", "base", "user", "files", "links", "directories", "process", "metadata", "layers"];

/// Returns the reference of every key as a page in Markdown: its type, its default, its meaning and an example, as the JSON Schema has them.
pub fn reference() -> String {
    let schema = json_schema();
    let mut page = Page { text: String::from("# hardened.toml\n\n") };
    page.paragraph(schema);
    page.text.push_str("This page is `hardened schema --markdown`. A key without “required” and without a default may be left out.\n\n");
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return page.text };
    let order = |key: &str| ORDER.iter().position(|name| *name == key).unwrap_or(ORDER.len());
    let mut keys: Vec<(&String, &Value)> = properties.iter().collect();
    keys.sort_by_key(|(key, _)| order(key));
    let (tables, values): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(_, property)| table_of(property).is_some());
    for (key, property) in values {
        page.key(key, property, schema);
    }
    for (key, property) in tables {
        page.section(key, property);
    }
    page.text.truncate(page.text.trim_end().len());
    page.text.push('\n');
    page.text
}

struct Page {
    text: String,
}

/// Whether a table is written once, `[name]`, or several times, `[[name]]`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    Several,
}

impl Page {
    fn paragraph(&mut self, described: &Value) {
        if let Some(text) = described.get("description").and_then(Value::as_str) {
            self.text.push_str(text);
            self.text.push_str("\n\n");
        }
    }

    /// Writes a table: what it is, its keys, and the tables in it.
    fn section(&mut self, path: &str, property: &'static Value) {
        let Some((table, times)) = table_of(property) else { return };
        let _ = match times {
            Times::Once => write!(self.text, "## `[{path}]`\n\n"),
            Times::Several => write!(self.text, "## `[[{path}]]`\n\n"),
        };
        // The key's line and the table's say the same, one of them with more.
        let length = |described: &Value| described.get("description").and_then(Value::as_str).map_or(0, str::len);
        self.paragraph(if length(property) < length(table) { table } else { property });
        self.exclusive(table);
        let properties = table.get("properties").and_then(Value::as_object).into_iter().flatten();
        let (tables, values): (Vec<_>, Vec<_>) = properties.partition(|(_, value)| table_of(value).is_some());
        for (key, value) in values {
            self.key(key, value, table);
        }
        for (key, value) in tables {
            self.section(&format!("{path}.{key}"), value);
        }
    }

    /// Writes which keys exclude each other.
    fn exclusive(&mut self, table: &Value) {
        let choices = table.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let keys: Vec<String> = choices.filter_map(|choice| Some(format!("`{}`", choice.pointer("/required/0")?.as_str()?))).collect();
        if let [first @ .., last] = keys.as_slice()
            && !first.is_empty()
        {
            let _ = write!(self.text, "It has exactly one of {} and {last}.\n\n", first.join(", "));
        }
    }

    fn key(&mut self, key: &str, property: &'static Value, table: &Value) {
        let _ = write!(self.text, "### `{key}`\n\n{}", takes(property));
        let required = table.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|name| name == key));
        if required {
            self.text.push_str("; required");
        }
        if let Some(default) = property.get("default") {
            let _ = write!(self.text, "; default `{}`", inline(default));
        }
        self.text.push_str("\n\n");
        self.paragraph(property);
        for (value, meaning) in constants(resolved(property)) {
            let _ = writeln!(self.text, "- `\"{value}\"`: {meaning}");
        }
        for (value, meaning) in property.get("items").map(|items| constants(resolved(items))).unwrap_or_default() {
            let _ = writeln!(self.text, "- `\"{value}\"`: {meaning}");
        }
        if self.text.ends_with(".\n") && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
        if let Some(example) = property.pointer("/examples/0") {
            let _ = write!(self.text, "```toml\n{key} = {}\n```\n\n", inline(example));
        }
    }
}

/// Returns the table with keys of its own that a property is, if it is one.
fn table_of(property: &'static Value) -> Option<(&'static Value, Times)> {
    let once = resolved(property);
    if once.get("properties").is_some() {
        return Some((once, Times::Once));
    }
    let items = resolved(once.get("items")?);
    items.get("properties").map(|_| (items, Times::Several))
}

/// Returns what a key takes, in words.
fn takes(property: &'static Value) -> String {
    let schema = resolved(property);
    let choices = schema.get("anyOf").and_then(Value::as_array);
    if let Some(choices) = choices {
        let words: Vec<String> = choices.iter().filter(|choice| choice.get("pattern").is_none()).map(takes).collect();
        return words.join(", or ");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return alternatives(words.iter().filter_map(Value::as_str));
    }
    let constants = constants(schema);
    if !constants.is_empty() {
        return alternatives(constants.iter().map(|(value, _)| *value));
    }
    let bounds = match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" from {least} on"),
        _ => String::new(),
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "a string".to_owned(),
        Some("integer") => format!("an integer{bounds}"),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") => match schema.get("items").map(takes).as_deref() {
            Some("a string") | None => "a list of strings".to_owned(),
            Some(element) => format!("a list, each element {element}"),
        },
        _ => "a table of strings".to_owned(),
    }
}

/// Returns the words that a key takes, each with its meaning.
fn constants(schema: &Value) -> Vec<(&str, &str)> {
    let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    choices.filter_map(|choice| Some((choice.get("const")?.as_str()?, choice.get("description")?.as_str()?))).collect()
}

fn alternatives<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`\"{word}\"`")).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_reference_is_toml() {
        let page = reference();
        let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(examples.len() > 60, "{}", examples.len());
        for example in examples {
            example.parse::<toml::Table>().unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}
