//! Checks the recipe against its JSON Schema: unknown keys, wrong types, unknown words.

use serde_json::{Map, Value};

use super::node::{Entry, Node, NodeKind, Origin};
use super::schema::{RecipeKeys, json_schema, resolved};
use crate::diagnostic::{Diagnostic, LookAlikes, Span, nearest, snippet};

/// The longest list that is read: elements are compared with each other.
const LONGEST_LIST: usize = 4096;

/// Words of other tools, and our key for each.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("cmd", "command"),
    ("args", "command"),
    ("expose", "ports"),
    ("src", "from"),
    ("source", "from"),
    ("dest", "to"),
    ("dst", "to"),
    ("destination", "to"),
    ("chmod", "mode"),
    ("chown", "owner"),
    ("environment", "env"),
    ("working-dir", "workdir"),
    ("working_dir", "workdir"),
];

/// Reads the keys that are well formed. The others become faults, and count as not written; one that is misspelt
/// is taken under its right name, so that it is not called missing and its value is checked too.
///
/// An element of a list with a fault is read as an empty one, and noted in `read_otherwise`: nothing more is to be said about it.
pub(super) fn keys(root: &mut Node, faults: &mut Vec<Diagnostic>, read_otherwise: &mut Vec<Span>) -> RecipeKeys {
    let schema = json_schema();
    let mut walk = Walk { faults, read_otherwise };
    let value = walk.value(root, schema, &KeyPath::default()).unwrap_or_default();
    match serde_json::from_value(value) {
        Ok(keys) => keys,
        Err(error) => {
            // The walk accepted something that the types refuse: a fault of this program, which is reported like one of the recipe.
            faults.push(Diagnostic::error(format!("the recipe does not have the form of its schema: {error}")));
            RecipeKeys::default()
        }
    }
}

/// Where the walk is, as a dotted key of TOML.
#[derive(Default)]
struct KeyPath {
    path: String,
    /// The last key of it.
    name: String,
    /// Whether it is one of a list of tables.
    list: bool,
}

impl KeyPath {
    fn key(&self, name: &str) -> Self {
        let name = snippet::key(name);
        let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
        Self { path, name, list: false }
    }

    fn element(&self) -> Self {
        Self { path: self.path.clone(), name: self.name.clone(), list: true }
    }

    /// Returns how a table here is called.
    fn table(&self) -> String {
        match (self.path.as_str(), self.list) {
            ("", _) => "the recipe".to_owned(),
            (path, true) => format!("`[[{path}]]`"),
            (path, false) => format!("`[{path}]`"),
        }
    }
}

/// What a key takes.
enum Form {
    Text,
    Choice(Vec<&'static str>),
    Integer,
    Boolean,
    List(&'static Value),
    Table(&'static Value),
}

struct Walk<'f> {
    faults: &'f mut Vec<Diagnostic>,
    /// The values with a fault for which something else is read.
    read_otherwise: &'f mut Vec<Span>,
}

impl Walk<'_> {
    /// Returns the value as JSON, or `None` when it is none that the schema takes.
    fn value(&mut self, node: &mut Node, schema: &'static Value, at: &KeyPath) -> Option<Value> {
        let mut forms = Vec::new();
        Self::forms(schema, &mut forms);
        let argument = node.origin == Origin::Argument;
        for form in &forms {
            match (form, &mut node.kind) {
                (Form::Text, NodeKind::String(text) | NodeKind::Datetime(text)) => return Some(text.clone().into()),
                (Form::Integer, NodeKind::Integer(number)) => return Some((*number).into()),
                (Form::Boolean, NodeKind::Boolean(boolean)) => return Some((*boolean).into()),
                (Form::Choice(choices), NodeKind::String(text)) => return self.choice(&node.span, choices, text, at),
                (Form::List(_), NodeKind::List(nodes)) if nodes.len() > LONGEST_LIST => {
                    let message = format!("`{}` has more than {LONGEST_LIST} elements", at.path);
                    let fault = Diagnostic::error(message).at(Some(&node.span), "too many");
                    self.faults.push(fault.hint("name folders and patterns instead of single files"));
                    return None;
                }
                (Form::List(items), NodeKind::List(nodes)) => {
                    let element = at.element();
                    let stand_in = Self::stand_in(items);
                    let value = |node: &mut Node| {
                        let value = self.value(node, items, &element);
                        value.or_else(|| {
                            // One element left out would move the others to wrong positions, and they are checked as well.
                            self.read_otherwise.push(node.span.clone());
                            stand_in.clone()
                        })
                    };
                    return Some(Value::Array(nodes.iter_mut().filter_map(value).collect()));
                }
                (Form::Table(table), NodeKind::Table(_)) => return Some(self.table(node, table, at)),
                _ => {}
            }
        }
        let scalar = !matches!(node.kind, NodeKind::List(_) | NodeKind::Table(_));
        if argument && scalar && forms.iter().any(|form| matches!(form, Form::Text)) {
            return Some(node.raw().into());
        }
        if argument && scalar {
            let items = forms.iter().find_map(|form| if let Form::List(items) = form { Some(*items) } else { None });
            if let Some(items) = items {
                return self.value(node, items, at).map(|value| Value::Array(vec![value]));
            }
        }
        self.wrong_type(node, schema, &forms, at);
        None
    }

    /// Collects what a schema takes, through references and choices.
    fn forms(schema: &'static Value, forms: &mut Vec<Form>) {
        if schema.get("$ref").is_some() {
            Self::forms(resolved(schema), forms);
        }
        let words =
            |list: &'static Value| -> Vec<&'static str> { list.as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
        if let Some(list) = schema.get("enum") {
            forms.push(Form::Choice(words(list)));
            return;
        }
        for choices in ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(*key)?.as_array()) {
            let constants: Vec<&str> = choices.iter().filter_map(|choice| choice.get("const")?.as_str()).collect();
            if constants.is_empty() {
                for choice in choices {
                    Self::forms(choice, forms);
                }
            } else {
                forms.push(Form::Choice(constants));
            }
        }
        let types = schema.get("type").map(|name| name.as_str().map_or_else(|| words(name), |name| vec![name])).unwrap_or_default();
        for name in types {
            match name {
                "string" => forms.push(Form::Text),
                "integer" => forms.push(Form::Integer),
                "boolean" => forms.push(Form::Boolean),
                "array" => forms.extend(schema.get("items").map(Form::List)),
                "object" => forms.push(Form::Table(schema)),
                _ => {}
            }
        }
    }

    /// Returns what is read for an element with a fault: an empty text or table. An element of another kind is left out, as none of these has
    /// a meaning by its position.
    fn stand_in(items: &'static Value) -> Option<Value> {
        let mut forms = Vec::new();
        Self::forms(items, &mut forms);
        forms.iter().find_map(|form| match form {
            Form::Text => Some("".into()),
            Form::Table(_) => Some(Value::Object(Map::new())),
            _ => None,
        })
    }

    fn choice(&mut self, span: &Span, choices: &[&str], text: &str, at: &KeyPath) -> Option<Value> {
        if choices.contains(&text) {
            return Some(text.into());
        }
        let hint = match (look_alike(text, choices.iter().copied()), nearest(text, choices.iter().copied())) {
            (Some((meant, characters)), _) => format!("write `\"{meant}\"`: {characters}"),
            (None, Some(near)) => format!("write `\"{near}\"`"),
            (None, None) => format!("write one of {}", quoted(choices.iter().copied())),
        };
        self.faults.push(
            Diagnostic::error(format!("`{}` does not take `{}`", at.path, text.escape_debug()))
                .at(Some(span), "not an allowed value")
                .hint(hint),
        );
        None
    }

    fn table(&mut self, node: &mut Node, schema: &'static Value, at: &KeyPath) -> Value {
        let properties = schema.get("properties").and_then(Value::as_object);
        let more = schema.get("additionalProperties").filter(|more| more.is_object());
        let mut object = Map::new();
        let NodeKind::Table(entries) = &mut node.kind else { return Value::Object(object) };
        if more.is_none() {
            let known = |key: &str| properties.is_some_and(|properties| properties.contains_key(key));
            let unknown: Vec<String> = entries.keys().filter(|key| !known(key)).cloned().collect();
            for key in unknown {
                let Some(entry) = entries.remove(&key) else { continue };
                if let Some(meant) = self.unknown(&key, &entry, properties, at) {
                    entries.entry(meant.to_owned()).or_insert(entry);
                }
            }
        }
        for (key, entry) in entries {
            let Some(schema) = properties.and_then(|properties| properties.get(key)).or(more) else { continue };
            if let Some(value) = self.value(&mut entry.node, schema, &at.key(key)) {
                object.insert(key.clone(), value);
            }
        }
        Value::Object(object)
    }

    /// Reports an unknown key, and returns the one that is meant.
    fn unknown(&mut self, key: &str, entry: &Entry, properties: Option<&'static Map<String, Value>>, at: &KeyPath) -> Option<&'static str> {
        let known = || properties.into_iter().flat_map(Map::keys).map(String::as_str);
        let elsewhere = Self::tables_with(key);
        let other = OTHER_WORDS.iter().find(|(word, _)| *word == key).and_then(|(_, own)| known().find(|name| name == own));
        let look_alike = look_alike(key, known());
        let near = || nearest(key, known()).filter(|near| near.replace('-', "_") == key || elsewhere.is_empty());
        let meant = look_alike.as_ref().map(|(meant, _)| *meant).or(other).or_else(near);
        let hint = match (meant, elsewhere.first()) {
            (Some(meant), _) => match look_alike {
                Some((_, characters)) => format!("write `{meant}`: {characters}"),
                None => format!("write `{meant}`"),
            },
            (None, Some(table)) => format!("`{key}` is a key of {table}"),
            (None, None) => format!("{} has the keys {}", at.table(), quoted(known())),
        };
        let message = format!("unknown key `{}` in {}", key.escape_debug(), at.table());
        self.faults.push(Diagnostic::error(message).at(Some(&entry.key), "not a key here").hint(hint));
        meant
    }

    /// Returns the top-level tables that have a key of this name.
    fn tables_with(key: &str) -> Vec<String> {
        let sections = json_schema().get("properties").and_then(Value::as_object).into_iter().flatten();
        sections
            .filter_map(|(section, schema)| {
                let mut forms = Vec::new();
                Self::forms(schema, &mut forms);
                let (table, list) = match forms.into_iter().next()? {
                    Form::Table(table) => (table, false),
                    Form::List(items) => {
                        let mut inner = Vec::new();
                        Self::forms(items, &mut inner);
                        let Some(Form::Table(table)) = inner.into_iter().next() else { return None };
                        (table, true)
                    }
                    _ => return None,
                };
                table.get("properties")?.get(key)?;
                Some(KeyPath { path: section.clone(), name: section.clone(), list }.table())
            })
            .collect()
    }

    fn wrong_type(&mut self, node: &Node, schema: &Value, forms: &[Form], at: &KeyPath) {
        let expected: Vec<String> = forms.iter().map(Self::form_name).collect();
        let key = at.name.as_str();
        let list_of_tables = forms.iter().any(|form| matches!(form, Form::List(items) if items.get("$ref").is_some()));
        let takes_texts = expected.iter().any(|name| name == "a list of strings");
        let hint = match &node.kind {
            NodeKind::Table(_) if list_of_tables => format!("write the header `[[{}]]`", at.path),
            NodeKind::List(_) if forms.iter().any(|form| matches!(form, Form::Table(_))) && !at.list => {
                format!("write the header `[{}]`", at.path)
            }
            NodeKind::String(text) if takes_texts => {
                let split = matches!(key, "entrypoint" | "command") && !text.contains(['"', '\'', '\\', '$', '|', '&', ';', '>', '<']);
                let words: Vec<Value> = if split { text.split_whitespace().map(Value::from).collect() } else { vec![text.clone().into()] };
                format!("write `{key} = {}`", inline(&Value::Array(words)))
            }
            NodeKind::Integer(_) if expected == ["a string"] && matches!(key, "mode" | "dir-mode") && is_octal(node.raw()) => {
                format!("write `{key} = \"{:0>4}\"`", octal_digits(node.raw()))
            }
            NodeKind::String(text) if expected == ["a whole number"] && text.trim().parse::<i64>().is_ok() => {
                format!("write `{key} = {}`", text.trim())
            }
            NodeKind::Float if expected == ["a whole number"] && is_whole(node.raw()) => {
                format!("write `{key} = {}`", node.raw().split('.').next().unwrap_or_default())
            }
            NodeKind::Integer(_) | NodeKind::Boolean(_) | NodeKind::Float
                if expected == ["a string"] && key != "mode" && key != "dir-mode" =>
            {
                let text = Value::from(node.raw());
                if at.list { format!("write `{}`", inline(&text)) } else { format!("write `{key} = {}`", inline(&text)) }
            }
            _ => match schema.get("examples").and_then(|examples| examples.get(0)) {
                Some(example) => format!("for example `{key} = {}`", inline(example)),
                None => format!("write {}", expected.join(" or ")),
            },
        };
        let subject = if at.list { format!("an element of `{}`", at.path) } else { format!("`{}`", at.path) };
        self.faults.push(
            Diagnostic::error(format!("{subject} takes {}, not {}", expected.join(" or "), node.kind_name()))
                .at(Some(&node.span), format!("{}, not {}", expected.join(" or "), node.kind_name()))
                .hint(hint),
        );
    }

    fn form_name(form: &Form) -> String {
        match form {
            Form::Text => "a string".to_owned(),
            Form::Choice(choices) => format!("one of {}", quoted(choices.iter().copied())),
            Form::Integer => "a whole number".to_owned(),
            Form::Boolean => "`true` or `false`".to_owned(),
            Form::Table(_) => "a table".to_owned(),
            Form::List(items) if items.get("type").is_some_and(|name| name == "string") => "a list of strings".to_owned(),
            Form::List(items) => {
                let tables = resolved(items).get("properties").is_some();
                if tables { "a list of tables".to_owned() } else { "a list".to_owned() }
            }
        }
    }
}

/// Returns the word that is meant by one with letters of other scripts, and says which letters these are.
fn look_alike<'w>(written: &str, mut words: impl Iterator<Item = &'w str>) -> Option<(&'w str, LookAlikes)> {
    let found = LookAlikes::find(written)?;
    words.find(|word| *word == found.plain.trim()).map(|word| (word, found))
}

/// Returns the digits of a mode that was written as a number: those of `644` and of `0o644`.
fn octal_digits(raw: &str) -> &str {
    raw.strip_prefix("0o").unwrap_or(raw)
}

fn is_octal(raw: &str) -> bool {
    let digits = octal_digits(raw);
    (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
}

/// Says whether a number with a fraction has none but zeros: `1000.0`.
fn is_whole(raw: &str) -> bool {
    let zeros = |fraction: &str| !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    raw.split_once('.').is_some_and(|(whole, fraction)| zeros(fraction) && whole.parse::<i64>().is_ok())
}

fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Writes a value as it would stand behind a key.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => snippet::string(text),
        Value::Array(items) => snippet::list(items.iter().map(inline)),
        Value::Object(object) => snippet::table(object.iter().map(|(key, value)| (key.as_str(), inline(value)))),
        other => other.to_string(),
    }
}
