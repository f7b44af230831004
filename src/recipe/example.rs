use std::sync::LazyLock;

use serde_json::Value;

use super::schema::json_schema;
use super::shape::inline;

static SCHEMA: LazyLock<Value> = LazyLock::new(json_schema);

/// Returns the example that the schema has for a key of the table with this header, as it stands behind the key.
pub(super) fn example(header: &str, key: &str) -> Option<String> {
    let mut table: &Value = &SCHEMA;
    for name in header.split('.').map(str::trim).filter(|name| !name.is_empty()) {
        table = table_of(table.get("properties")?.get(name)?)?;
    }
    table.get("properties")?.get(key)?.get("examples")?.get(0).map(inline)
}

/// Returns the table that a schema is, lists, or refers to.
fn table_of(schema: &'static Value) -> Option<&'static Value> {
    let schema = schema.get("items").unwrap_or(schema);
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => SCHEMA.pointer(reference.strip_prefix('#')?),
        None => Some(schema),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_examples_by_their_table() {
        for (header, key, expected) in [
            ("image", "name", Some("\"registry.example.no/shop/api\"")),
            ("user", "name", Some("\"app\"")),
            ("", "root", Some("\"..\"")),
            ("files", "exclude", Some("[\"**/*.map\", \"test/\"]")),
            ("process.healthcheck", "retries", Some("3")),
            ("base.debian.archives", "suite", Some("\"stable\"")),
            ("user", "gone", None),
            ("gone", "name", None),
        ] {
            assert_eq!(example(header, key).as_deref(), expected, "{header} {key}");
        }
    }
}
