use super::schema::{json_schema, resolved};
use super::shape::inline;

/// Returns the example that the schema has for a key of the table with this header, as it stands behind the key.
pub(super) fn example(header: &str, key: &str) -> Option<String> {
    let mut table = json_schema();
    for name in header.split('.').map(str::trim).filter(|name| !name.is_empty()) {
        let property = table.get("properties")?.get(name)?;
        // A list has tables of one kind.
        table = resolved(property.get("items").unwrap_or(property));
    }
    table.get("properties")?.get(key)?.get("examples")?.get(0).map(inline)
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
