use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::RecipeKeys;

static SCHEMA: LazyLock<Value> = LazyLock::new(made);

/// Returns the JSON Schema of the recipe (draft 2020-12), which `hardened schema` prints and editors complete from.
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// Returns the definition that a schema refers to, or the schema itself where it refers to none.
pub(in crate::recipe) fn resolved(schema: &'static Value) -> &'static Value {
    let definition = schema.get("$ref").and_then(Value::as_str).and_then(|name| SCHEMA.pointer(name.strip_prefix('#')?));
    definition.unwrap_or(schema)
}

fn made() -> Value {
    let mut schema = schemars::schema_for!(RecipeKeys).to_value();
    without_null(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), "hardened.toml".into());
        root.insert("$id".to_owned(), "urn:hardened:recipe".into());
    }
    schema
}

/// Returns the JSON Schema as `hardened schema` prints it.
pub fn json_schema_text() -> String {
    format!("{:#}\n", json_schema())
}

/// Drops what is there for Rust's sake: TOML has no null, and integer widths and defaults of null tell an editor nothing.
fn without_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            // A property may be called `format` too.
            if object.get("format").is_some_and(Value::is_string) {
                object.remove("format");
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            one_choice(object);
            object.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

fn one_choice(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        object.extend(only);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(schema: &Value) -> Vec<(String, &Map<String, Value>)> {
        let definitions = schema["$defs"].as_object().into_iter().flatten();
        std::iter::once(("the recipe".to_owned(), schema))
            .chain(definitions.map(|(name, definition)| (name.clone(), definition)))
            .filter_map(|(name, definition)| Some((name, definition.get("properties")?.as_object()?)))
            .collect()
    }

    #[test]
    fn every_key_has_a_doc_line_and_an_example() {
        let schema = json_schema();
        let tables = tables(schema);
        assert!(tables.len() > 9);
        for (table, properties) in tables {
            for (key, property) in properties {
                assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "`{key}` of {table} has no doc line");
                assert!(property["examples"].as_array().is_some_and(|list| !list.is_empty()), "`{key}` of {table} has no example");
            }
        }
    }

    #[test]
    fn nothing_may_be_null() {
        let text = json_schema().to_string();
        assert!(!text.contains("null"), "{text}");
    }
}
