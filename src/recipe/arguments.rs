//! Arguments of the command line that change the recipe: `--set`, `-t`, `--platform`, `--label`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::node::{Entry, Node, NodeKind, Origin};
use super::parse::RecipeText;
use crate::diagnostic::{Diagnostic, SourceText, Span};

/// One step of a key: `files`, `[0]` or `[]`.
enum Step {
    Name(String),
    Index(usize),
    Append,
}

impl RecipeText {
    /// Sets a key, as `--set KEY=VALUE` does: `user.uid=10001`, `files[0].to=/app`, `image.tags[]=edge`,
    /// `metadata.labels."no.example.team"=shop`. The value is read as TOML where it is TOML, else taken as text.
    pub fn set(&mut self, argument: &str) {
        let source = source("--set", argument);
        match steps(argument) {
            Ok((steps, end)) => {
                let value = value_of(&source, end + 1);
                match value {
                    Ok(value) => self.put(&steps, value, &source),
                    Err(fault) => self.faults.push(*fault),
                }
            }
            Err((range, label)) => self.faults.push(
                Diagnostic::error("`--set` takes `KEY=VALUE`")
                    .at(Some(&Span { source, range }), label)
                    .hint("write `--set image.name=registry.example.no/shop/api`, `--set files[0].to=/app` or `--set image.tags[]=edge`"),
            ),
        }
    }

    /// Replaces names and tags, as `-t NAME:TAG` does. A name without a tag gets the recipe's tags.
    pub fn tag(&mut self, written: &str) {
        self.references.push(text_node(&source("-t", written), 0..written.len()));
    }

    /// Replaces the platforms, as `--platform` does: once for each, or several with commas.
    pub fn platforms<'a>(&mut self, written: impl IntoIterator<Item = &'a str>) {
        let mut nodes = Vec::new();
        let mut first = None;
        for argument in written {
            let source = source("--platform", argument);
            let mut start = 0;
            for part in argument.split(',') {
                nodes.push(text_node(&source, start..start + part.len()));
                start += part.len() + 1;
            }
            first.get_or_insert(source);
        }
        if let Some(source) = first {
            let span = Span { range: 0..source.text.len(), source: Arc::clone(&source) };
            let steps = ["image", "platforms"].map(|name| (Step::Name(name.to_owned()), span.range.clone()));
            self.put(&steps, Node::argument(NodeKind::List(nodes), span), &source);
        }
    }

    /// Sets a label, as `--label KEY=VALUE` does. The labels that `[metadata]` has a key for set that key.
    pub fn label(&mut self, argument: &str) {
        let source = source("--label", argument);
        let Some((key, value)) = argument.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            let span = Span { range: 0..argument.len(), source };
            self.faults.push(
                Diagnostic::error("`--label` takes `KEY=VALUE`")
                    .at(Some(&span), "no key and value")
                    .hint("write `--label no.example.team=shop`"),
            );
            return;
        };
        let known = key
            .strip_prefix("org.opencontainers.image.")
            .filter(|name| super::schema::MetadataKeys::default().named().iter().any(|(known, _)| known == name));
        let path = known.map_or_else(|| vec!["metadata", "labels", key], |known| vec!["metadata", known]);
        let steps: Vec<_> = path.into_iter().map(|name| (Step::Name(name.to_owned()), 0..key.len())).collect();
        let node = text_node(&source, key.len() + 1..key.len() + 1 + value.len());
        self.put(&steps, node, &source);
    }

    fn put(&mut self, steps: &[(Step, Range<usize>)], value: Node, source: &Arc<SourceText>) {
        let mut node = &mut self.root;
        for (step, range) in steps {
            let span = Span { source: Arc::clone(source), range: range.clone() };
            match step {
                Step::Name(name) => {
                    let found = node.kind_name();
                    let NodeKind::Table(entries) = &mut node.kind else {
                        self.faults.push(
                            Diagnostic::error(format!("`{name}` cannot be set inside {found}"))
                                .at(Some(&span), "not in a table")
                                .hint("set the whole value: `--set KEY=VALUE`"),
                        );
                        return;
                    };
                    let empty = || Entry { key: span.clone(), node: Node::argument(NodeKind::Table(BTreeMap::new()), span.clone()) };
                    let entry = entries.entry(name.clone()).or_insert_with(empty);
                    node = &mut entry.node;
                }
                Step::Append | Step::Index(_) => {
                    // `image.tags[]=x` also begins a list that is not there.
                    if matches!(&node.kind, NodeKind::Table(entries) if entries.is_empty()) {
                        node.kind = NodeKind::List(Vec::new());
                    } else if node.origin == Origin::Argument && !matches!(node.kind, NodeKind::List(_) | NodeKind::Table(_)) {
                        // `--set image.tags=a --set image.tags[]=b`: the first counts as a list of one.
                        node.kind = NodeKind::List(vec![node.clone()]);
                    }
                    let found = node.kind_name();
                    let NodeKind::List(items) = &mut node.kind else {
                        self.faults.push(
                            Diagnostic::error(format!("an element cannot be set in {found}"))
                                .at(Some(&span), "not in a list")
                                .hint("set the whole value: `--set KEY=VALUE`"),
                        );
                        return;
                    };
                    let length = items.len();
                    let index = if let Step::Index(index) = step { *index } else { length };
                    if index > length {
                        self.faults.push(
                            Diagnostic::error(format!("the list has {length} elements, and no number {index}"))
                                .at(Some(&span), "no such element")
                                .hint("elements are counted from 0; `[]` adds one at the end"),
                        );
                        return;
                    }
                    if index == length {
                        items.push(Node::argument(NodeKind::Table(BTreeMap::new()), span));
                    }
                    node = &mut items[index];
                }
            }
        }
        *node = value;
    }
}

fn source(name: &str, argument: &str) -> Arc<SourceText> {
    Arc::new(SourceText { name: name.to_owned(), text: argument.to_owned() })
}

fn text_node(source: &Arc<SourceText>, range: Range<usize>) -> Node {
    let text = source.text.get(range.clone()).unwrap_or_default().to_owned();
    Node::argument(NodeKind::String(text), Span { source: Arc::clone(source), range })
}

fn value_of(source: &Arc<SourceText>, start: usize) -> Result<Node, Box<Diagnostic>> {
    let text = source.text.get(start..).unwrap_or_default();
    match DeValue::parse(text) {
        Ok(value) => Ok(Node::of_value(value.get_ref(), &value.span(), source, start, Origin::Argument)),
        Err(error) if text.starts_with(['[', '"', '\'']) => {
            let range = error.span().map_or(start..source.text.len(), |span| start + span.start..start + span.end);
            let fault = Diagnostic::error(format!("not TOML: {}", error.message()));
            let fault = fault.at(Some(&Span { source: Arc::clone(source), range }), "here");
            Err(Box::new(fault.hint("close the bracket or quote, or write the text in quotes: `--set KEY='\"[text\"'`")))
        }
        Err(_) => Ok(text_node(source, start..source.text.len())),
    }
}

/// Steps with their ranges, and the position of the `=`.
type Steps = (Vec<(Step, Range<usize>)>, usize);

fn steps(argument: &str) -> Result<Steps, (Range<usize>, &'static str)> {
    let mut steps = Vec::new();
    let mut position = 0;
    loop {
        let rest = &argument[position..];
        let length = if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
            let inner = rest[1..].find(quote).ok_or((position..argument.len(), "the quote is not closed"))?;
            steps.push((Step::Name(rest[1..=inner].to_owned()), position..position + inner + 2));
            inner + 2
        } else {
            let length = rest.find(['.', '[', '=']).ok_or((0..argument.len(), "no `=`"))?;
            if length == 0 {
                return Err((position..position + 1, "no key before this"));
            }
            steps.push((Step::Name(rest[..length].trim().to_owned()), position..position + length));
            length
        };
        position += length;
        while argument[position..].starts_with('[') {
            let inner = argument[position..].find(']').ok_or((position..argument.len(), "the bracket is not closed"))?;
            let range = position..position + inner + 1;
            let number = &argument[position + 1..position + inner];
            let step = if number.is_empty() {
                Step::Append
            } else {
                Step::Index(number.parse().map_err(|_| (range.clone(), "not the number of an element"))?)
            };
            steps.push((step, range));
            position += inner + 1;
        }
        match argument.as_bytes().get(position) {
            Some(b'=') => return Ok((steps, position)),
            Some(b'.') => position += 1,
            _ => return Err((position.min(argument.len())..argument.len(), "no `=`")),
        }
    }
}
