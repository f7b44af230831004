use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Generated, Sources};
use crate::base::debian::files::{file, symlink};

/// How every catalog of `update-xmlcatalog` begins.
const HEAD: &str = "<?xml version=\"1.0\"?>
<!DOCTYPE catalog PUBLIC \"-//OASIS//DTD XML Catalogs V1.0//EN\"
  \"file:///usr/share/xml/schema/xml-core/catalog.dtd\">
<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">
";
/// How the list of SGML catalogs begins.
const SGML_HEAD: &str = "--
## This file is created by update-catalog with update-super.
## Please see update-catalog(8) for how to modify this file.
--
";

/// An identifier that a script adds to a catalog.
#[derive(Debug, PartialEq, Eq)]
struct Addition {
    /// The package's own catalog is `/etc/xml/PACKAGE.xml`.
    package: String,
    /// `public`, `system` or `uri`.
    kind: String,
    id: String,
    /// The file that the package's catalog leads to; without one, the root catalog leads to the package's.
    local: Option<String>,
}

/// Returns the XML catalogs below `/etc/xml`: what scripts add with `update-xmlcatalog`.
pub(in crate::base::debian) fn xml_catalogs(sources: &Sources<'_>) -> Vec<Generated> {
    let additions: Vec<Addition> = sources.commands().filter_map(|(_, words)| addition(words)).collect();
    let mut catalogs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (addition, local) in additions.iter().filter_map(|addition| Some((addition, addition.local.as_deref()?))) {
        if sources.has(local.trim_start_matches('/')) {
            catalogs.entry(&addition.package).or_default().insert(delegate(addition, local));
        }
    }
    let mut root = BTreeSet::new();
    for addition in additions.iter().filter(|addition| addition.local.is_none()) {
        if catalogs.contains_key(addition.package.as_str()) {
            root.insert(delegate(addition, &format!("/etc/xml/{}.xml", addition.package)));
        }
    }
    let mut made: Vec<Generated> =
        catalogs.iter().map(|(package, lines)| (format!("etc/xml/{package}.xml"), file(catalog(lines).as_bytes()))).collect();
    made.push(("etc/xml/catalog".to_owned(), file(catalog(&root).as_bytes())));
    made
}

/// Reads a command that adds to a package's catalog or to the root catalog.
fn addition(words: &[String]) -> Option<Addition> {
    if words[0] != "update-xmlcatalog" || !words.iter().any(|word| word == "--add") {
        return None;
    }
    // What would end the attribute is no identifier.
    let is_plain = |word: &&String| !word.contains(['"', '<', '>', '\n']);
    let value = |option: &str| words.get(words.iter().position(|word| word == option)? + 1).filter(is_plain).cloned();
    let local = value("--local");
    if local.is_none() && !words.iter().any(|word| word == "--root") {
        return None;
    }
    let package = value("--package").filter(|name| !name.contains('/') && name != "catalog")?;
    let kind = value("--type").filter(|kind| matches!(kind.as_str(), "public" | "system" | "uri"))?;
    Some(Addition { package, kind, id: value("--id")?, local })
}

/// Returns the line of a catalog that leads to another.
fn delegate(addition: &Addition, to: &str) -> String {
    let (element, attribute) = match addition.kind.as_str() {
        "public" => ("delegatePublic", "publicIdStartString"),
        "system" => ("delegateSystem", "systemIdStartString"),
        _ => ("delegateURI", "uriStartString"),
    };
    format!("<{element} {attribute}=\"{}\" catalog=\"file://{to}\"/>\n", addition.id)
}

fn catalog(lines: &BTreeSet<String>) -> String {
    let lines: String = lines.iter().map(String::as_str).collect();
    format!("{HEAD}{lines}</catalog>\n")
}

/// Returns the list of all SGML catalogs of `/etc/sgml`, and the link to it: what `update-catalog --update-super` writes.
pub(in crate::base::debian) fn sgml_catalogs(sources: &Sources<'_>) -> Vec<Generated> {
    let mut text = SGML_HEAD.to_owned();
    for name in sources.names_in("etc/sgml") {
        if name.strip_suffix(".cat").is_some_and(|name| !name.is_empty() && !name.starts_with('.')) {
            text.push_str("CATALOG /etc/sgml/");
            text.push_str(&name);
            text.push('\n');
        }
    }
    let list = "var/lib/sgml-base/supercatalog";
    vec![(list.to_owned(), file(text.as_bytes())), ("etc/sgml/catalog".to_owned(), symlink(&format!("/{list}")))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Option<Addition> {
        addition(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    /// Reads `update-xmlcatalog` with words that have no spaces.
    fn words_of(words: &str) -> Option<Addition> {
        read(&words.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn additions_are_read_from_commands() {
        let local = read(&[
            "update-xmlcatalog",
            "--sort",
            "--add",
            "--type",
            "public",
            "--id",
            "-//A//DTD B//EN",
            "--package",
            "docbook-xml",
            "--local",
            "/usr/share/xml/a/catalog.xml",
        ]);
        let local = local.unwrap();
        assert_eq!(
            (local.package.as_str(), local.kind.as_str(), local.local.as_deref()),
            ("docbook-xml", "public", Some("/usr/share/xml/a/catalog.xml"))
        );
        assert_eq!(
            delegate(&local, "/usr/share/xml/a/catalog.xml"),
            "<delegatePublic publicIdStartString=\"-//A//DTD B//EN\" catalog=\"file:///usr/share/xml/a/catalog.xml\"/>\n"
        );
        let root = words_of("update-xmlcatalog --add --type uri --id http://a/ --package p --root").unwrap();
        assert_eq!(delegate(&root, "/etc/xml/p.xml"), "<delegateURI uriStartString=\"http://a/\" catalog=\"file:///etc/xml/p.xml\"/>\n");
        for other in [
            "update-xmlcatalog --del --type uri --id http://a/ --package p --root",
            "update-xmlcatalog --add --type uri --id http://a/ --package p",
            "update-xmlcatalog --add --type file --id a --package p --root",
            "update-xmlcatalog --add --type uri --id a --package ../p --root",
            "update-xmlcatalog --add --type uri --id a\"/><x --package p --root",
            "update-xmlcatalog --add --type uri --package p --root --id",
            "other --add --type uri --id a --package p --root",
        ] {
            assert_eq!(words_of(other), None, "{other}");
        }
    }

    #[test]
    fn catalogs_are_sorted_by_whole_lines() {
        let line =
            |id: &str| delegate(&Addition { package: "p".into(), kind: "system".into(), id: id.into(), local: None }, "/etc/xml/p.xml");
        let lines = BTreeSet::from([line("http://docbook.org/xml/5"), line("http://docbook.org/xml/")]);
        let text = catalog(&lines);
        assert!(text.ends_with(&format!("{}{}</catalog>\n", line("http://docbook.org/xml/"), line("http://docbook.org/xml/5"))), "{text}");
        assert!(text.starts_with("<?xml version=\"1.0\"?>\n<!DOCTYPE catalog PUBLIC"), "{text}");
    }
}
