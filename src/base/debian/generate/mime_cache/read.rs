use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;

use super::magic::{Magic, NAMESPACE, number_up_to_100};
use super::tree_magic::TreeMagic;
use crate::base::debian::generate::xml::{XmlFault, XmlText};

/// The pattern that stands for `<glob-deleteall/>`.
pub(super) const NO_GLOBS: &str = "__NOGLOBS__";

/// A pattern of file names that a type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    pub(super) kind: String,
    /// From 0 to 100.
    pub(super) weight: u32,
    pub(super) is_case_sensitive: bool,
}

/// All that descriptions say.
#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) types: BTreeSet<String>,
    /// Types by their other names.
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) parents: BTreeMap<String, Vec<String>>,
    pub(super) globs: BTreeMap<String, Vec<Glob>>,
    pub(super) magic: Vec<Magic>,
    pub(super) tree_magic: Vec<TreeMagic>,
    /// Types by the namespace and the name of a document's root element, with a space between.
    pub(super) namespaces: BTreeMap<String, String>,
    pub(super) icons: BTreeMap<String, String>,
    pub(super) generic_icons: BTreeMap<String, String>,
}

impl Database {
    /// Adds what a file describes. What it says replaces what earlier files said, where there can only be one.
    pub(super) fn read(&mut self, content: &[u8]) -> Result<(), XmlFault> {
        let text = XmlText::new(content)?;
        let document = text.document()?;
        let root = document.root_element();
        if !root.has_tag_name((NAMESPACE, "mime-info")) {
            return Ok(());
        }
        for node in root.children().filter(|node| node.has_tag_name((NAMESPACE, "mime-type"))) {
            let Some(kind) = node.attribute("type").filter(|kind| kind.matches('/').count() == 1) else { continue };
            self.types.insert(kind.to_owned());
            for field in node.children().filter(|field| field.is_element() && field.tag_name().namespace() == Some(NAMESPACE)) {
                if self.field(kind, field).is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Adds one statement about a type; `None` when it is broken, which ends the type's description.
    fn field(&mut self, kind: &str, field: Node<'_, '_>) -> Option<()> {
        let kind = kind.to_owned();
        match field.tag_name().name() {
            "glob" => {
                let is_case_sensitive = field.attribute("case-sensitive") == Some("true");
                let weight = number_up_to_100(field.attribute("weight"))?;
                let pattern = field.attribute("pattern").filter(|pattern| !pattern.is_empty())?;
                let pattern = if is_case_sensitive { pattern.to_owned() } else { pattern.to_ascii_lowercase() };
                self.globs.entry(pattern).or_default().push(Glob { kind, weight, is_case_sensitive });
            }
            "glob-deleteall" => {
                self.globs.entry(NO_GLOBS.to_owned()).or_default().push(Glob { kind, weight: 0, is_case_sensitive: false });
            }
            "magic" => self.magic.push(Magic::read(field, &kind)?),
            "treemagic" => self.tree_magic.push(TreeMagic::read(field, &kind)?),
            "magic-deleteall" => self.magic.push(Magic::forgetting(&kind)),
            name @ ("alias" | "sub-class-of") => {
                let other = field.attribute("type").filter(|other| other.contains('/'))?.to_owned();
                if name == "alias" {
                    self.aliases.insert(other, kind);
                } else {
                    self.parents.entry(kind).or_default().push(other);
                }
            }
            "root-XML" => {
                let (namespace, name) = (field.attribute("namespaceURI")?, field.attribute("localName")?);
                let has_space = [namespace, name].iter().any(|text| text.contains([' ', '\n']));
                let is_empty = namespace.is_empty() && name.is_empty();
                if has_space || is_empty {
                    return None;
                }
                self.namespaces.insert(format!("{namespace} {name}"), kind);
            }
            "icon" => drop(field.attribute("name").map(|icon| self.icons.insert(kind, icon.to_owned()))),
            "generic-icon" => drop(field.attribute("name").map(|icon| self.generic_icons.insert(kind, icon.to_owned()))),
            _ => {}
        }
        Some(())
    }

    /// Returns what is looked for in contents, in the order in which readers look: what forgets earlier rules, then by priority, then by name.
    pub(super) fn ordered_magic(&self) -> Vec<&Magic> {
        let mut ordered: Vec<&Magic> = self.magic.iter().collect();
        ordered.sort_by(|one, other| {
            let by_priority = || other.priority.cmp(&one.priority).then_with(|| one.kind.split('/').cmp(other.kind.split('/')));
            other.forgets.cmp(&one.forgets).then_with(|| if one.forgets { std::cmp::Ordering::Equal } else { by_priority() })
        });
        ordered
    }
}
