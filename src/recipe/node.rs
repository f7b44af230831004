use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{SourceText, Span};

/// A value of the recipe and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) span: Span,
    /// Whether it comes from the command line, where `1.4` may mean the text and `a` a list of one.
    pub(super) origin: Origin,
}

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Recipe,
    Argument,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    String(String),
    Integer(i64),
    Float,
    Boolean(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Entry>),
}

/// A key of a table and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) node: Node,
}

impl Node {
    /// Returns what is marked: a parsed value whose position is relative to `base`.
    pub(super) fn of_value(value: &DeValue<'_>, range: &Range<usize>, source: &Arc<SourceText>, base: usize, origin: Origin) -> Self {
        let kind = match value {
            DeValue::String(text) => NodeKind::String(text.to_string()),
            DeValue::Integer(number) => {
                let limit = if number.as_str().starts_with('-') { i64::MIN } else { i64::MAX };
                // A number that is too large is as wrong as the largest one: no key takes either.
                NodeKind::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(limit))
            }
            DeValue::Float(_) => NodeKind::Float,
            DeValue::Boolean(boolean) => NodeKind::Boolean(*boolean),
            DeValue::Datetime(datetime) => NodeKind::Datetime(datetime.to_string()),
            DeValue::Array(items) => {
                let item = |item: &toml::Spanned<DeValue<'_>>| Self::of_value(item.get_ref(), &item.span(), source, base, origin);
                NodeKind::List(items.iter().map(item).collect())
            }
            DeValue::Table(table) => NodeKind::Table(entries(table, source, base, origin)),
        };
        Self { kind, span: span(range, source, base), origin }
    }

    /// Returns a value from the command line.
    pub(super) fn argument(kind: NodeKind, span: Span) -> Self {
        Self { kind, span, origin: Origin::Argument }
    }

    /// Returns the text as it was written, quotes and all.
    pub(super) fn raw(&self) -> &str {
        self.span.source.text.get(self.span.range.clone()).unwrap_or_default()
    }

    /// Returns the location of a part of a string value; the whole value when escapes make the two differ.
    pub(super) fn part(&self, value: &str, part: &Range<usize>) -> Span {
        let offset = if value.is_empty() { None } else { self.raw().find(value) };
        offset.map_or_else(
            || self.span.clone(),
            |offset| {
                let start = self.span.range.start + offset;
                Span { source: Arc::clone(&self.span.source), range: start + part.start..start + part.end }
            },
        )
    }

    /// Returns how people call this kind of value.
    pub(super) fn kind_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::String(_) => "a string",
            NodeKind::Integer(_) => "a whole number",
            NodeKind::Float => "a number with a fraction",
            NodeKind::Boolean(_) => "`true` or `false`",
            NodeKind::Datetime(_) => "a date or time",
            NodeKind::List(_) => "a list",
            NodeKind::Table(_) => "a table",
        }
    }
}

/// Returns the entries of a parsed table.
pub(super) fn entries(table: &DeTable<'_>, source: &Arc<SourceText>, base: usize, origin: Origin) -> BTreeMap<String, Entry> {
    let entry = |key: &toml::Spanned<std::borrow::Cow<'_, str>>, value: &toml::Spanned<DeValue<'_>>| Entry {
        key: span(&key.span(), source, base),
        node: Node::of_value(value.get_ref(), &value.span(), source, base, origin),
    };
    table.iter().map(|(key, value)| (key.get_ref().to_string(), entry(key, value))).collect()
}

fn span(range: &Range<usize>, source: &Arc<SourceText>, base: usize) -> Span {
    Span { source: Arc::clone(source), range: base + range.start..base + range.end }
}

/// A location in the recipe that may or may not be filled.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) node: Option<&'a Node>,
}

impl<'a> At<'a> {
    /// Goes to a key of a table.
    pub(super) fn key(self, name: &str) -> Self {
        Self { node: self.entry(name).map(|entry| &entry.node) }
    }

    /// Goes to an element of a list. A single value from the command line counts as a list of one.
    pub(super) fn index(self, index: usize) -> Self {
        let node = self.node.and_then(|node| match &node.kind {
            NodeKind::List(items) => items.get(index),
            NodeKind::Table(_) => None,
            _ => Some(node),
        });
        Self { node }
    }

    /// Returns the location of the value.
    pub(super) fn span(self) -> Option<&'a Span> {
        self.node.map(|node| &node.span)
    }

    /// Returns the location of a key's name.
    pub(super) fn key_span(self, name: &str) -> Option<&'a Span> {
        self.entry(name).map(|entry| &entry.key)
    }

    /// Returns a whole number as it is written, which may have more digits than any number that is read.
    pub(super) fn number(self, value: i64) -> String {
        let written = self.node.filter(|node| matches!(node.kind, NodeKind::Integer(_))).map(Node::raw);
        written.map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Says whether anything is written here, right or wrong.
    pub(super) fn is_written(self) -> bool {
        self.node.is_some()
    }

    fn entry(self, name: &str) -> Option<&'a Entry> {
        match &self.node?.kind {
            NodeKind::Table(entries) => entries.get(name),
            _ => None,
        }
    }
}
