//! A value held against a JSON Schema, as far as schemas of results go: every key that is written must be declared.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Returns what is wrong with a value, each with its path.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, schema, value, "", &mut faults);
    faults
}

/// Returns the schema that a reference leads to.
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        schema = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
    }
    schema
}

fn variants(schema: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf"].into_iter().flat_map(|key| schema.get(key).and_then(Value::as_array).into_iter().flatten())
}

/// Returns all keys that an object may have by a schema and by what it is made of.
fn declared(root: &Value, schema: &Value, keys: &mut BTreeSet<String>) {
    let schema = resolved(root, schema);
    keys.extend(schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned());
    let all = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    variants(schema).chain(all).for_each(|part| declared(root, part, keys));
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type `{other}`"),
    }
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    constraints(root, schema, value, at, faults);
    let schema = resolved(root, schema);
    // A schema without a type takes anything.
    let is_open = schema.get("additionalProperties").is_some() || schema.get("type").is_none() && variants(schema).next().is_none();
    let Some(object) = value.as_object().filter(|_| !is_open) else { return };
    let mut keys = BTreeSet::new();
    declared(root, schema, &mut keys);
    faults.extend(object.keys().filter(|key| !keys.contains(*key)).map(|key| format!("{at}/{key} is not declared")));
}

fn constraints(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let schema = resolved(root, schema);
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
        faults.push(format!("{at} is {value}, and should be {types:?}"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        faults.push(format!("{at} is {value}, and should be one of {allowed:?}"));
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        faults.push(format!("{at} is {value}, and should be {constant}"));
    }
    if let Some(object) = value.as_object() {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        faults.extend(required.filter(|key| !object.contains_key(*key)).map(|key| format!("{at}/{key} is missing")));
        for (key, below) in object {
            if let Some(schema) = schema["properties"].get(key).or(schema.get("additionalProperties")) {
                check(root, schema, below, &format!("{at}/{key}"), faults);
            }
        }
    }
    for (index, below) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(schema) = schema["prefixItems"].get(index).or(schema.get("items")) {
            check(root, schema, below, &format!("{at}/{index}"), faults);
        }
    }
    if variants(schema).next().is_some() {
        let wrong = |part| {
            let mut faults = Vec::new();
            constraints(root, part, value, at, &mut faults);
            faults
        };
        let tried: Vec<Vec<String>> = variants(schema).map(wrong).collect();
        if tried.iter().all(|faults| !faults.is_empty()) {
            faults.push(format!("{at} is none of its variants: {tried:?}"));
        }
    }
}

#[test]
fn a_shape_that_differs_is_found() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"type": ["string", "null"]}},
        "oneOf": [{"properties": {"kind": {"const": "x"}}, "required": ["kind"]}],
        "$defs": {"a": {"type": "array", "items": {"enum": ["one"]}}},
    });
    let found = |value: Value| faults(&schema, &value).len();
    assert_eq!(found(serde_json::json!({"a": ["one"], "b": null, "kind": "x"})), 0);
    assert_eq!(found(serde_json::json!({"a": ["two"], "kind": "x"})), 1);
    assert_eq!(found(serde_json::json!({"a": [], "kind": "x", "c": 1})), 1);
    assert_eq!(found(serde_json::json!({"b": 1, "kind": "y"})), 3);
}
