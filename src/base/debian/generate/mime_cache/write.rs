use std::collections::{BTreeMap, BTreeSet};

use super::magic::Rule;
use super::read::{Database, Glob};

/// The length of the header: two halves of a version and ten offsets.
const HEADER: usize = 44;
const MAJOR: u16 = 1;
const MINOR: u16 = 2;
/// The bit beside a weight that says that a pattern tells large letters from small ones.
const CASE_SENSITIVE: u32 = 0x100;

/// Writes the cache (Shared MIME-info Database specification, section 2.8): big-endian, every offset counted from the file's beginning.
pub(super) fn cache(database: &Database) -> Vec<u8> {
    let mut writer = Writer { bytes: vec![0; HEADER], strings: BTreeMap::new() };
    writer.strings(strings(database));
    let mut offsets = Vec::new();
    let mut section = |writer: &mut Writer, write: &dyn Fn(&mut Writer)| {
        offsets.push(writer.offset());
        write(writer);
    };
    section(&mut writer, &|writer| writer.pairs(&database.aliases));
    section(&mut writer, &|writer| writer.parents(&database.parents));
    section(&mut writer, &|writer| writer.globs(&database.globs, Shape::Literal));
    section(&mut writer, &|writer| writer.suffixes(&database.globs));
    section(&mut writer, &|writer| writer.globs(&database.globs, Shape::Pattern));
    section(&mut writer, &|writer| writer.magic(database));
    section(&mut writer, &|writer| writer.namespaces(&database.namespaces));
    section(&mut writer, &|writer| writer.pairs(&database.icons));
    section(&mut writer, &|writer| writer.pairs(&database.generic_icons));
    section(&mut writer, &|writer| {
        writer.number(length(database.types.len()));
        // `update-mime-database` looks these strings up with a newline behind them, finds none and writes 0; no reader uses the list.
        writer.bytes.resize(writer.bytes.len() + 4 * database.types.len(), 0);
    });
    let header = [MAJOR.to_be_bytes(), MINOR.to_be_bytes()].concat().into_iter().chain(offsets.into_iter().flat_map(u32::to_be_bytes));
    for (byte, value) in writer.bytes.iter_mut().zip(header) {
        *byte = value;
    }
    writer.bytes
}

/// What a pattern of file names is to readers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A whole name.
    Literal,
    /// `*` and a literal ending.
    Suffix,
    /// Anything else.
    Pattern,
}

fn shape(pattern: &str) -> Shape {
    let rest = pattern.strip_prefix('*').unwrap_or(pattern);
    match rest.contains(['\\', '[', '?', '*']) {
        true => Shape::Pattern,
        false if rest.len() < pattern.len() => Shape::Suffix,
        false => Shape::Literal,
    }
}

/// Returns all strings that the cache refers to.
fn strings(database: &Database) -> BTreeSet<&str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for (key, value) in database.aliases.iter().chain(&database.icons).chain(&database.generic_icons) {
        found.extend([key.as_str(), value.as_str()]);
    }
    for (kind, parents) in &database.parents {
        found.insert(kind);
        found.extend(parents.iter().map(String::as_str));
    }
    for (pattern, globs) in &database.globs {
        found.extend((shape(pattern) != Shape::Suffix).then_some(pattern.as_str()));
        found.extend(globs.iter().map(|glob| glob.kind.as_str()));
    }
    found.extend(database.magic.iter().map(|magic| magic.kind.as_str()));
    for (root, kind) in &database.namespaces {
        found.extend(root.split(' ').chain([kind.as_str()]));
    }
    found
}

/// A number that counts what is in the cache, whose sources are bounded far below 4 GiB.
fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The endings of names as a tree, by their characters from the last on.
#[derive(Default)]
struct Suffixes<'a> {
    /// The types of names that end here, with their weights and flags.
    types: Vec<(&'a str, u32, u32)>,
    more: BTreeMap<char, Suffixes<'a>>,
}

impl<'a> Suffixes<'a> {
    fn add(&mut self, ending: &str, glob: &'a Glob) {
        let mut node = self;
        for character in ending.chars().rev() {
            node = node.more.entry(character).or_default();
        }
        match node.types.iter_mut().find(|(kind, ..)| *kind == glob.kind) {
            Some((_, weight, _)) => *weight = (*weight).max(glob.weight),
            None => node.types.push((&glob.kind, glob.weight, if glob.is_case_sensitive { CASE_SENSITIVE } else { 0 })),
        }
    }

    fn len(&self) -> usize {
        self.types.len() + self.more.len()
    }
}

struct Writer {
    bytes: Vec<u8>,
    /// Where each string is.
    strings: BTreeMap<String, u32>,
}

impl Writer {
    fn offset(&self) -> u32 {
        length(self.bytes.len())
    }

    fn number(&mut self, number: u32) {
        self.bytes.extend(number.to_be_bytes());
    }

    /// Writes bytes and zeros behind them up to the next four.
    fn padded(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn strings(&mut self, strings: BTreeSet<&str>) {
        for string in strings {
            self.strings.insert(string.to_owned(), self.offset());
            self.padded(&[string.as_bytes(), b"\0"].concat());
        }
    }

    /// Writes where a string is. Every string of the sections is among those of [`strings`].
    fn string(&mut self, string: &str) {
        let offset = self.strings.get(string).copied().unwrap_or_default();
        self.number(offset);
    }

    fn pairs(&mut self, pairs: &BTreeMap<String, String>) {
        self.number(length(pairs.len()));
        for (key, value) in pairs {
            self.string(key);
            self.string(value);
        }
    }

    fn namespaces(&mut self, namespaces: &BTreeMap<String, String>) {
        self.number(length(namespaces.len()));
        for (root, kind) in namespaces {
            for part in root.split(' ').take(2) {
                self.string(part);
            }
            self.string(kind);
        }
    }

    fn parents(&mut self, parents: &BTreeMap<String, Vec<String>>) {
        self.number(length(parents.len()));
        let mut list = self.offset() + length(8 * parents.len());
        for (kind, of) in parents {
            self.string(kind);
            self.number(list);
            list += length(4 + 4 * of.len());
        }
        for of in parents.values() {
            self.number(length(of.len()));
            for parent in of {
                self.string(parent);
            }
        }
    }

    fn globs(&mut self, globs: &BTreeMap<String, Vec<Glob>>, wanted: Shape) {
        let wanted = || globs.iter().filter(|(pattern, _)| shape(pattern) == wanted);
        self.number(length(wanted().map(|(_, globs)| globs.len()).sum()));
        for (pattern, globs) in wanted() {
            for glob in globs {
                self.string(pattern);
                self.string(&glob.kind);
                self.number(glob.weight | if glob.is_case_sensitive { CASE_SENSITIVE } else { 0 });
            }
        }
    }

    fn suffixes(&mut self, globs: &BTreeMap<String, Vec<Glob>>) {
        let mut root = Suffixes::default();
        for (pattern, globs) in globs.iter().filter(|(pattern, _)| shape(pattern) == Shape::Suffix && pattern.len() > 1) {
            for glob in globs {
                root.add(&pattern[1..], glob);
            }
        }
        self.number(length(root.more.len()));
        self.number(self.offset() + 4);
        // One level of the tree behind the other; the children of a node are a row in the next.
        let mut level = vec![&root];
        let mut next_row = self.offset() + length(12 * root.len());
        while !level.is_empty() {
            let mut below = Vec::new();
            for node in level {
                for (kind, weight, flags) in &node.types {
                    self.number(0);
                    self.string(kind);
                    self.number(weight | flags);
                }
                for (character, child) in &node.more {
                    self.number(u32::from(*character));
                    self.number(length(child.len()));
                    self.number(next_row);
                    next_row += length(12 * child.len());
                    below.push(child);
                }
            }
            level = below;
        }
    }

    fn magic(&mut self, database: &Database) {
        let ordered = database.ordered_magic();
        // The rules of one list lie behind each other, and those inside of them behind all of the list.
        let mut rules: Vec<&Rule> = Vec::new();
        let mut firsts = Vec::new();
        for magic in &ordered {
            firsts.push(rules.len());
            lay_out(&magic.rules, &mut rules);
        }
        let extent = |rule: &&Rule| length(rule.value.len()).saturating_add(rule.start).saturating_add(rule.range);
        self.number(length(ordered.len()));
        self.number(rules.iter().map(extent).max().unwrap_or_default());
        self.number(self.offset() + 4);
        let table = self.offset() + length(16 * ordered.len());
        for (magic, first) in ordered.iter().zip(firsts) {
            self.number(magic.priority);
            self.string(&magic.kind);
            self.number(length(magic.rules.len()));
            self.number(table + length(32 * first));
        }
        let offsets: BTreeMap<*const Rule, u32> =
            rules.iter().enumerate().map(|(number, rule)| (std::ptr::from_ref::<Rule>(rule), table + length(32 * number))).collect();
        let mut data = table + length(32 * rules.len());
        for rule in &rules {
            let size = length(rule.value.len());
            for number in [rule.start, rule.range, rule.word, size, data] {
                self.number(number);
            }
            data += size.next_multiple_of(4);
            self.number(if rule.mask.is_some() { data } else { 0 });
            data += if rule.mask.is_some() { size.next_multiple_of(4) } else { 0 };
            self.number(length(rule.inner.len()));
            self.number(rule.inner.first().and_then(|first| offsets.get(&std::ptr::from_ref::<Rule>(first)).copied()).unwrap_or_default());
        }
        for rule in rules {
            self.padded(&rule.value);
            if let Some(mask) = &rule.mask {
                self.padded(mask);
            }
        }
    }
}

/// Puts rules behind each other: those of the list, then those inside of each.
fn lay_out<'a>(list: &'a [Rule], rules: &mut Vec<&'a Rule>) {
    rules.extend(list);
    for rule in list {
        lay_out(&rule.inner, rules);
    }
}
