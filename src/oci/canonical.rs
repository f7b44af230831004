use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::Value;

/// How deep a foreign JSON document may be nested.
const DEPTH: usize = 64;

/// Writes a value as compact JSON with the keys of every object in order, so that equal values have equal bytes.
///
/// # Errors
/// Only when the value's own `Serialize` fails, or a map has keys that are no strings.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    // `Value` keeps objects in a BTreeMap; the types of oci-spec keep theirs in a HashMap, whose order changes with each run.
    serde_json::to_vec(&serde_json::to_value(value)?)
}

/// What is wrong with a foreign JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// It is no JSON, or too deep.
    #[error("{0}")]
    Form(String),
    /// An object has a key twice: of the two values, some readers take the first and others the last.
    #[error("the key `{}` occurs twice in one object, at line {line} column {column}", key.escape_debug())]
    DoubledKey {
        /// The key.
        key: String,
        /// The line of the second one, counted from 1.
        line: usize,
        /// The column behind the second one, counted from 1.
        column: usize,
    },
}

/// Reads a JSON document as strictly as a document may be read whose meaning must not depend on the reader:
/// one value, no key twice in an object, at most 64 levels.
///
/// # Errors
/// Says where the document breaks these rules (GHSA-qq97-vm5h-rrhg and its siblings).
pub fn strict_json(bytes: &[u8]) -> Result<Value, JsonFault> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let doubled = RefCell::new(None);
    let value = Strict { depth: DEPTH, doubled: &doubled }.deserialize(&mut deserializer).map_err(|error| match doubled.take() {
        Some(key) => JsonFault::DoubledKey { key, line: error.line(), column: error.column() },
        None => JsonFault::Form(error.to_string()),
    })?;
    deserializer.end().map_err(|error| JsonFault::Form(error.to_string()))?;
    Ok(value)
}

struct Strict<'a> {
    /// How many levels may follow.
    depth: usize,
    /// The key that stands twice, once one was found: the library's errors hold text only.
    doubled: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(format!("nested deeper than {DEPTH} levels")))?;
        Ok(Self { depth, doubled: self.doubled })
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(self.deeper()?)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                self.doubled.replace(Some(key));
                return Err(serde::de::Error::custom("a key occurs twice in one object"));
            }
            let value = map.next_value_seed(self.deeper()?)?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_two_readers_could_read_differently_are_refused() {
        for (text, good) in [
            (r#"{"a":[1,2.5,null,true,"x"]}"#, true),
            (r#"{"a":1,"a":2}"#, false),
            (r#"{"a":{"b":1,"b":1}}"#, false),
            (r#"{"a":1} {"b":2}"#, false),
            (r#"{"a":1"#, false),
            ("", false),
        ] {
            assert_eq!(strict_json(text.as_bytes()).is_ok(), good, "{text}");
        }
        assert!(strict_json(format!("{}{}", "[".repeat(60), "]".repeat(60)).as_bytes()).is_ok());
        assert!(strict_json(format!("{}{}", "[".repeat(70), "]".repeat(70)).as_bytes()).is_err());
    }

    #[test]
    fn equal_values_have_equal_bytes() {
        // Fails when any crate in the graph turns on serde_json's `preserve_order`.
        let value = serde_json::json!({"b": 1, "a": {"d": 1, "c": 2}});
        assert_eq!(canonical_json(&value).ok(), Some(br#"{"a":{"c":2,"d":1},"b":1}"#.to_vec()));
    }
}
