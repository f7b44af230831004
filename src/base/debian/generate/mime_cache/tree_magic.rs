use roxmltree::Node;

use super::magic::{DEPTH, NAMESPACE, number_up_to_100};

/// What a volume must hold to be of a type, such as a camera's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeMagic {
    /// From 0 to 100.
    pub(super) priority: u32,
    pub(super) kind: String,
    pub(super) rules: Vec<TreeRule>,
}

/// A file that is looked for, and what must be there besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeRule {
    pub(super) path: String,
    /// What it has to be, as the list of rules writes it: `directory,non-empty`.
    pub(super) conditions: String,
    pub(super) inner: Vec<TreeRule>,
}

impl TreeMagic {
    /// Reads `<treemagic>`; `None` when something in it is broken.
    pub(super) fn read(node: Node<'_, '_>, kind: &str) -> Option<Self> {
        Some(Self { priority: number_up_to_100(node.attribute("priority"))?, kind: kind.to_owned(), rules: rules(node, DEPTH)? })
    }
}

fn rules(parent: Node<'_, '_>, depth: usize) -> Option<Vec<TreeRule>> {
    let mut found = Vec::new();
    for node in parent.children().filter(Node::is_element) {
        if depth == 0 || !node.has_tag_name((NAMESPACE, "treematch")) {
            return None;
        }
        let mut conditions = match node.attribute("type") {
            None => "any",
            Some(kind @ ("file" | "directory" | "link")) => kind,
            Some(_) => return None,
        }
        .to_owned();
        for name in ["match-case", "executable", "non-empty"].into_iter().filter(|name| node.attribute(*name) == Some("true")) {
            conditions = format!("{conditions},{name}");
        }
        if let Some(kind) = node.attribute("mimetype") {
            conditions = format!("{conditions},{kind}");
        }
        found.push(TreeRule { path: node.attribute("path")?.to_owned(), conditions, inner: rules(node, depth - 1)? });
    }
    Some(found)
}
