use std::collections::BTreeMap;

use roxmltree::Node;

use super::gvdb::{Item, Table};
use super::key::{Key, Names, NamesOf, Translated};
use super::text::parse;
use super::variant::{Kind, Value, boxed};
use crate::base::debian::generate::xml::XmlText;

/// How deep schemas may extend each other.
const EXTENDS: usize = 32;

/// A group of settings.
#[derive(Debug, Default)]
struct Schema {
    path: Option<String>,
    domain: Option<String>,
    extends: Option<String>,
    list_of: Option<String>,
    keys: BTreeMap<String, Key>,
    /// The schemas of groups inside, by their names, which end with a slash.
    children: BTreeMap<String, String>,
}

/// All schemas, and the lists of names that their keys refer to.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    by_id: BTreeMap<String, Schema>,
    enumerations: BTreeMap<String, Names>,
    flags: BTreeMap<String, Names>,
}

impl Schemas {
    /// Adds what a file says.
    pub(super) fn read(&mut self, content: &[u8]) -> Result<(), String> {
        let text = XmlText::new(content).map_err(|fault| fault.to_string())?;
        let document = text.document().map_err(|fault| fault.to_string())?;
        let root = document.root_element();
        if root.tag_name().name() != "schemalist" {
            return Err(format!("is a `{}`, not a `schemalist`", root.tag_name().name()));
        }
        for node in elements(root) {
            match node.tag_name().name() {
                "schema" => self.schema(node, root.attribute("gettext-domain"))?,
                "enum" => drop(self.enumerations.insert(required(node, "id")?.to_owned(), names(node, NamesOf::Enumeration)?)),
                "flags" => drop(self.flags.insert(required(node, "id")?.to_owned(), names(node, NamesOf::Flags)?)),
                other => return Err(format!("has an element `{other}` in its `schemalist`")),
            }
        }
        Ok(())
    }

    fn schema(&mut self, node: Node<'_, '_>, domain: Option<&str>) -> Result<(), String> {
        let id = required(node, "id")?;
        let text = |name: &str| node.attribute(name).map(str::to_owned);
        let mut schema = Schema {
            path: text("path"),
            domain: text("gettext-domain").or_else(|| domain.map(str::to_owned)),
            extends: text("extends"),
            list_of: text("list-of"),
            ..Schema::default()
        };
        if let Some(extends) = &schema.extends {
            let Some(parent) = self.by_id.get(extends) else {
                return Err(format!("extends the schema `{extends}`, which is not defined before it"));
            };
            schema.list_of = schema.list_of.or_else(|| parent.list_of.clone());
        }
        if self.by_id.contains_key(id) {
            return Err(format!("has the schema `{id}`, which is already defined"));
        }
        for element in elements(node) {
            let name = required(element, "name")?;
            match element.tag_name().name() {
                "key" => {
                    let key = self.key(element).map_err(|fault| format!("{fault} (key `{name}` of `{id}`)"))?;
                    schema.keys.insert(name.to_owned(), key);
                }
                "override" => {
                    let original = schema.extends.as_deref().and_then(|parent| self.inherited(parent, name));
                    let mut key =
                        original.ok_or_else(|| format!("overrides the key `{name}`, which `{id}` does not inherit"))?.overridden();
                    default(element, &mut key)?;
                    schema.keys.insert(name.to_owned(), key);
                }
                "child" => drop(schema.children.insert(format!("{name}/"), required(element, "schema")?.to_owned())),
                other => return Err(format!("has an element `{other}` in the schema `{id}`")),
            }
        }
        self.by_id.insert(id.to_owned(), schema);
        Ok(())
    }

    /// Returns a key of a schema, or of one that it extends.
    fn inherited(&self, schema: &str, key: &str) -> Option<&Key> {
        let parents = std::iter::successors(self.by_id.get(schema), |schema| self.by_id.get(schema.extends.as_deref()?));
        parents.take(EXTENDS).find_map(|schema| schema.keys.get(key))
    }

    fn key(&self, node: Node<'_, '_>) -> Result<Key, String> {
        let (of, lists) = match (node.attribute("enum"), node.attribute("flags")) {
            (Some(id), _) => (Some((id, NamesOf::Enumeration, "s")), &self.enumerations),
            (None, Some(id)) => (Some((id, NamesOf::Flags, "as")), &self.flags),
            (None, None) => (None, &self.flags),
        };
        let mut key = if let Some((id, names_of, kind)) = of {
            let names = lists.get(id).ok_or_else(|| format!("refers to the names `{id}`, which are not defined before it"))?;
            Key::new(kind_of(kind)?, names_of, names.clone())
        } else {
            Key::new(kind_of(required(node, "type")?)?, NamesOf::Choices, Names::default())
        };
        for element in elements(node) {
            match element.tag_name().name() {
                "default" => default(element, &mut key)?,
                "range" => range(element, &mut key)?,
                "choices" => {
                    for choice in elements(element) {
                        let value = required(choice, "value")?;
                        key.names.add(value, 0).ok_or_else(|| format!("has the choice `{value}` twice, or it is too long"))?;
                    }
                }
                "aliases" => {
                    for alias in elements(element) {
                        let (value, target) = (required(alias, "value")?, required(alias, "target")?);
                        key.names
                            .add_alias(value, target)
                            .ok_or_else(|| format!("has the alias `{value}` for an undefined value, or the alias is too long"))?;
                    }
                }
                "summary" | "description" => {}
                other => return Err(format!("has an element `{other}`")),
            }
        }
        match &key.default {
            None => Err("has no default".to_owned()),
            Some(value) if !key.allows(value) => Err("has a default value that its range or choices do not allow".to_owned()),
            Some(_) => Ok(key),
        }
    }

    /// Returns a key that an override names.
    pub(super) fn key_mut(&mut self, schema: &str, key: &str) -> Option<&mut Key> {
        self.by_id.get_mut(schema)?.keys.get_mut(key)
    }

    /// Returns the table of the file.
    pub(super) fn table(&self) -> Table {
        Table { items: self.by_id.iter().map(|(id, schema)| (id.clone(), Item::Table(schema.table()))).collect() }
    }
}

impl Schema {
    fn table(&self) -> Table {
        let mut items = BTreeMap::new();
        let text = |text: &str| Item::Value(boxed(&Kind::Text(b's'), &Value::Text(text.to_owned())));
        for (name, key) in &self.keys {
            if let Some((kind, value)) = key.stored() {
                items.insert(name.clone(), Item::Value(boxed(&kind, &value)));
            }
        }
        items.extend(self.children.iter().map(|(name, schema)| (name.clone(), text(schema))));
        // Only what is translated needs the domain of the translations.
        let domain = self.domain.as_ref().filter(|_| self.keys.values().any(|key| key.translated.is_some()));
        for (name, value) in
            [(".path", &self.path), (".extends", &self.extends), (".list-of", &self.list_of), (".gettext-domain", &domain.cloned())]
        {
            items.extend(value.as_ref().map(|value| (name.to_owned(), text(value))));
        }
        Table { items }
    }
}

/// Returns the elements inside of one, without those of foreign namespaces.
fn elements<'a, 't>(node: Node<'a, 't>) -> impl Iterator<Item = Node<'a, 't>> {
    node.children().filter(|node| node.is_element() && node.tag_name().namespace().is_none())
}

fn required<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, String> {
    node.attribute(name).ok_or_else(|| format!("has an element `{}` without `{name}`", node.tag_name().name()))
}

fn kind_of(text: &str) -> Result<Kind, String> {
    Kind::read(text).ok_or_else(|| format!("has the type `{text}`, which is not a GVariant type"))
}

/// Reads `<value nick="" value=""/>` of a list of names.
fn names(node: Node<'_, '_>, of: NamesOf) -> Result<Names, String> {
    let mut names = Names::default();
    for value in elements(node) {
        let (nick, written) = (required(value, "nick")?, required(value, "value")?);
        let fault = || format!("has the name `{nick}` with the number `{written}`, which cannot be");
        let number = parse(written, &Kind::Whole(b'x')).map_err(|_| fault())?;
        let Value::Whole(number) = number else { return Err(fault()) };
        let bits = match of {
            // An enumeration's number is signed, and stored as its bits.
            NamesOf::Enumeration => i32::try_from(number).map_err(|_| fault())?.cast_unsigned(),
            _ => u32::try_from(number).map_err(|_| fault())?,
        };
        // No flags are an empty array.
        if of == NamesOf::Flags && bits == 0 {
            continue;
        }
        names.add(nick, bits).ok_or_else(fault)?;
    }
    Ok(names)
}

/// Reads a default, and how it is translated.
fn default(node: Node<'_, '_>, key: &mut Key) -> Result<(), String> {
    let text: String = node.children().filter(Node::is_text).filter_map(|node| node.text()).collect();
    key.default = Some(parse(&text, &key.kind)?);
    let category = match node.attribute("l10n") {
        Some("messages") => b'm',
        Some("time") => b't',
        Some(other) => return Err(format!("has translations of the kind `{other}`")),
        None => return Ok(()),
    };
    key.translated = Some(Translated { category, context: node.attribute("context").map(str::to_owned), text });
    Ok(())
}

/// Reads a range; an end that is not written is that of the type.
fn range(node: Node<'_, '_>, key: &mut Key) -> Result<(), String> {
    let (least, greatest) = match &key.kind {
        Kind::Whole(letter) if *letter != b'h' => {
            let (_, least, greatest) = Kind::whole(*letter);
            (Value::Whole(least), Value::Whole(greatest))
        }
        Kind::Double => (Value::Double(f64::NEG_INFINITY), Value::Double(f64::INFINITY)),
        other => return Err(format!("has a range, and the type `{}` has none", other.text())),
    };
    let end = |name: &str, otherwise: Value| node.attribute(name).map_or(Ok(otherwise), |text| parse(text, &key.kind));
    key.range = Some((end("min", least)?, end("max", greatest)?));
    Ok(())
}
