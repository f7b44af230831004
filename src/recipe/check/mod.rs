//! From well-formed keys to their meaning: one file per table of the recipe.

mod base;
mod debian;
mod files;
mod image;
mod metadata;
mod process;
mod unproved;
mod user;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::model::{BaseVariable, PlatformRecipe, ProcessText, Recipe, Spanned};
use super::node::{At, Node};
use super::placeholder::{NAMES, Part, Placeholders, of_platform, parts};
use super::schema::RecipeKeys;
use crate::diagnostic::{Diagnostic, Span, control_in_line, nearest, snippet};
use crate::oci::Platform;
use crate::rootfs::{ImagePath, PathFault};

/// Whether a fault is that something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Yes,
    No,
}

/// Checks all of the recipe. It is `None` when a fault left a value out.
pub(super) fn check(
    root: &Node,
    keys: &RecipeKeys,
    references: &[Node],
    placeholders: &dyn Placeholders,
) -> (Option<Recipe>, Vec<(Diagnostic, Missing)>) {
    let mut check = Check {
        faults: Vec::new(),
        known: BTreeSet::new(),
        placeholders,
        inputs: BTreeMap::new(),
        platform: None,
        process_text: None,
        base_variables: Vec::new(),
        root: String::new(),
        start: &root.span,
    };
    let at = At { node: Some(root) };
    let recipe = check.recipe(at, keys, references);
    (recipe, check.faults)
}

/// Where a fault stands: which text, and its first and last byte there.
type Position = (usize, usize, usize);

/// Collects faults and used inputs.
struct Check<'a> {
    faults: Vec<(Diagnostic, Missing)>,
    /// The messages so far and where they stand: each platform meets most faults again.
    known: BTreeSet<(Option<Position>, String)>,
    placeholders: &'a dyn Placeholders,
    inputs: BTreeMap<String, String>,
    /// The platform whose placeholders may be used; `None` where a value is the same for all.
    platform: Option<Platform>,
    /// The text that is read, where it may name variables of the base.
    process_text: Option<ProcessText>,
    /// The variables of the base that were named.
    base_variables: Vec<BaseVariable>,
    /// The folder that files are taken from, relative to the recipe's own.
    root: String,
    /// The beginning of the recipe, as the location of what is missing.
    start: &'a Span,
}

impl Check<'_> {
    fn recipe(&mut self, at: At<'_>, keys: &RecipeKeys, references: &[Node]) -> Option<Recipe> {
        let root = self.root(at, keys);
        self.root.clone_from(&root.value);
        let image_keys = keys.image.as_ref();
        let image = self.image(at.key("image"), image_keys, references);
        let base = self.base(at, keys.base.as_ref());
        let user = self.user(at.key("user"), keys.user.as_ref());
        let layers = self.layers(at.key("layers"), keys.layers.as_ref());
        let is_static = base.as_ref().is_none_or(|(base, _)| base.value == super::Base::Static);
        let mut recipe_parts = Vec::new();
        for platform in &image.platforms {
            self.platform = Some(platform.value.clone());
            let process = self.process(at.key("process"), keys.process.as_ref());
            if is_static
                && base.is_some()
                && !at.key("process").key("entrypoint").is_written()
                && !at.key("process").key("command").is_written()
            {
                self.missing(
                    at.key("process").span(),
                    "the recipe does not say what to start".to_owned(),
                    "no `entrypoint`",
                    "write `[process]` with `entrypoint = [\"/app/server\"]`; only other bases have a program of their own".to_owned(),
                );
            }
            let (labels, annotations) = self.metadata(at.key("metadata"), keys.metadata.as_ref());
            recipe_parts.push(PlatformRecipe {
                platform: platform.value.clone(),
                files: self.files(at.key("files"), keys.files.as_deref(), user.owner),
                links: self.links(at.key("links"), keys.links.as_deref()),
                directories: self.directories(at.key("directories"), keys.directories.as_deref(), user.owner),
                process,
                unproved: self.unproved(at.key("unproved"), keys.unproved.as_deref()),
                labels,
                annotations,
            });
        }
        self.platform = None;
        let (base, inherit) = base?;
        Some(Recipe {
            root,
            references: image.references,
            platforms: image.platforms,
            format: image.format,
            created: image.created,
            base,
            inherit,
            user,
            layers,
            inputs: std::mem::take(&mut self.inputs),
            parts: recipe_parts,
        })
    }

    fn root(&mut self, at: At<'_>, keys: &RecipeKeys) -> Spanned<String> {
        let span = at.key("root").span().cloned();
        let written = keys.root.as_deref().and_then(|root| self.text(at.key("root"), root)).unwrap_or_default();
        if written.starts_with('/') {
            self.fault(
                span.as_ref(),
                format!("`root` is an absolute path, `{written}`"),
                "not relative",
                "write it relative to the recipe: `root = \"..\"`",
            );
        }
        if written.contains('\0') {
            self.fault(
                span.as_ref(),
                "`root` holds a NUL byte".to_owned(),
                "not a path",
                "write a folder relative to the recipe: `root = \"..\"`",
            );
        }
        let value = written.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
        Spanned { value, span }
    }

    /// Adds an error.
    fn fault(&mut self, span: Option<&Span>, message: String, label: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic::error(message).at(span, label).hint(hint), Missing::No);
    }

    /// Adds a warning.
    fn warn(&mut self, span: Option<&Span>, message: String, label: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic::warning(message).at(span, label).hint(hint), Missing::No);
    }

    /// Adds the error that something is not there, at the table that should have it.
    fn missing(&mut self, span: Option<&Span>, message: String, label: impl Into<String>, hint: impl Into<String>) {
        let span = span.unwrap_or(self.start).clone();
        self.push(Diagnostic::error(message).at(Some(&span), label).hint(hint), Missing::Yes);
    }

    /// Adds a fault once.
    fn push(&mut self, fault: Diagnostic, missing: Missing) {
        let position = fault.location.as_ref().map(|(span, _)| (Arc::as_ptr(&span.source).addr(), span.range.start, span.range.end));
        if self.known.insert((position, fault.message.clone())) {
            self.faults.push((fault, missing));
        }
    }

    /// Fills in the placeholders of a text; `None` after a fault.
    fn text(&mut self, at: At<'_>, written: &str) -> Option<String> {
        let location = |range: &Range<usize>| at.node.map(|node| node.part(written, range));
        let parts = match parts(written) {
            Ok(parts) => parts,
            Err(range) => {
                let brace = &written[range.clone()];
                self.fault(
                    location(&range).as_ref(),
                    format!("a single `{brace}` in a text"),
                    "does not begin or end a placeholder",
                    format!("write `{brace}{brace}` for the character itself, or a placeholder: `{{git.revision}}`"),
                );
                return None;
            }
        };
        let mut text = Some(String::with_capacity(written.len()));
        for part in parts {
            match part {
                Part::Text(literal) => text.iter_mut().for_each(|text| text.push_str(&literal)),
                Part::Name(name, range) if base_variable(&name).is_some() => {
                    let offset = text.as_ref().map_or(0, String::len);
                    if !self.base_variable(&name, location(&range), offset) {
                        text = None;
                    }
                }
                Part::Name(name, range)
                    if written[..range.start].ends_with('$') && !NAMES.contains(&&*name) && !name.starts_with("env.") =>
                {
                    let marked = range.start - 1..range.end;
                    let variable = name.escape_debug();
                    self.fault(
                        location(&marked).as_ref(),
                        format!("`${{{variable}}}` is not expanded: no shell runs between the recipe and the program"),
                        "not a placeholder",
                        format!(
                            "write `{{image.env.{variable}}}` for a variable of the base, `{{env.{variable}}}` for one of this build, or \
                             `${{{{{variable}}}}}` for the text itself"
                        ),
                    );
                    text = None;
                }
                Part::Name(name, range) => match self.placeholder(&name, location(&range).as_ref()) {
                    Some(value) => text.iter_mut().for_each(|text| text.push_str(&value)),
                    None => text = None,
                },
            }
        }
        text
    }

    /// Fills in the placeholders of a text of `[process]`, which may name variables of the base.
    fn process_text(&mut self, at: At<'_>, written: &str, which: ProcessText) -> Option<String> {
        self.process_text = Some(which);
        let text = self.text(at, written);
        self.process_text = None;
        text
    }

    /// Notes a variable of the base, whose value is not known yet. Returns whether one may be named here.
    fn base_variable(&mut self, name: &str, span: Option<Span>, offset: usize) -> bool {
        let (Some(variable), Some(text)) = (base_variable(name), self.process_text.clone()) else {
            self.fault(
                span.as_ref(),
                format!("`{{{}}}` in a value that cannot depend on the base", name.escape_debug()),
                "is known only when the base is known",
                "use it in `process.env`, `process.entrypoint`, `process.command` and `process.healthcheck.command`",
            );
            return false;
        };
        self.base_variables.push(BaseVariable { name: Spanned { value: variable.to_owned(), span }, text, offset });
        true
    }

    fn placeholder(&mut self, name: &str, span: Option<&Span>) -> Option<String> {
        let variable = name.strip_prefix("env.").filter(|variable| !variable.is_empty());
        if !NAMES.contains(&name) && variable.is_none() {
            let names = NAMES.iter().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(", ");
            // Names with the same beginning are told apart by what comes behind it.
            let (group, own) = name.split_once('.').unwrap_or(("", name));
            let of_group = NAMES.iter().filter_map(|known| Some((*known, known.strip_prefix(group)?.strip_prefix('.')?)));
            let of_group: Vec<(&str, &str)> = of_group.collect();
            let near = if of_group.is_empty() {
                nearest(name, NAMES.iter().copied())
            } else {
                let near = nearest(own, of_group.iter().map(|(_, own)| *own));
                of_group.iter().find(|(_, own)| Some(*own) == near).map(|(known, _)| *known)
            };
            let hint = near.map_or_else(
                || format!("there are {names} and `{{env.NAME}}`, and in `process` `{{image.env.NAME}}`; a brace itself is written twice: `{{{{`"),
                |near| format!("write `{{{near}}}`"),
            );
            self.fault(span, format!("unknown placeholder `{{{}}}`", name.escape_debug()), "not a placeholder", hint);
            return None;
        }
        if name.starts_with("platform.") {
            let Some(platform) = &self.platform else {
                self.fault(
                    span,
                    format!("`{{{name}}}` in a value that is the same for all platforms"),
                    "differs from platform to platform",
                    "use it in `files`, `links`, `directories`, `process` and `metadata`",
                );
                return None;
            };
            let value = of_platform(name, platform).unwrap_or_default().to_owned();
            if value.is_empty() {
                let message = format!("`{{{name}}}` is empty for `{platform}`");
                self.fault(span, message, "empty", "use `{platform.arch}`; only some platforms, `linux/arm/v7` for one, have a variant");
                return None;
            }
            return Some(value);
        }
        if let Some(value) = self.inputs.get(name) {
            return Some(value.clone());
        }
        match self.placeholders.value(name) {
            Ok(value) if !value.is_empty() => {
                self.inputs.insert(name.to_owned(), value.clone());
                Some(value)
            }
            Ok(_) => {
                self.fault(span, format!("`{{{name}}}` is empty"), "empty", "set it, or write the value itself");
                None
            }
            Err(fault) => {
                let hint = fault.hint.unwrap_or_else(|| "set it, or write the value itself".to_owned());
                self.fault(span, format!("`{{{name}}}` has no value: {}", fault.reason), "no value", hint);
                None
            }
        }
    }

    /// Fills in the placeholders of all texts of a list. Those with a fault are left out.
    fn texts(&mut self, at: At<'_>, written: &[String]) -> Vec<Spanned<String>> {
        let text = |(index, text): (usize, &String)| {
            Some(Spanned { value: self.text(at.index(index), text)?, span: at.index(index).span().cloned() })
        };
        written.iter().enumerate().filter_map(text).collect()
    }

    /// Refuses control characters, ends of lines among them, in a value that is one line.
    fn one_line(&mut self, at: At<'_>, what: &str, text: &str) {
        let Some(character) = control_in_line(text) else { return };
        let hint = "write it on one line, without tabs: tools show it as it is";
        self.fault(at.span(), format!("`{what}` holds {}", in_words(character)), "holds a control character", hint);
    }

    /// Reads an absolute path in the image.
    fn path(&mut self, at: At<'_>, key: &str, written: &str) -> Option<Spanned<ImagePath>> {
        let text = self.text(at, written)?;
        match ImagePath::absolute(&text) {
            Ok(value) if text.chars().any(char::is_control) => {
                self.one_line(at, key, &text);
                Some(Spanned { value, span: at.span().cloned() })
            }
            Ok(value) => Some(Spanned { value, span: at.span().cloned() }),
            Err(fault) => {
                let hint = match fault {
                    PathFault::Relative => format!("write {}", absolute(key, &text)),
                    PathFault::Parent => "write the path without `..`".to_owned(),
                    PathFault::Nul => "write the path without the NUL byte".to_owned(),
                    PathFault::Long | PathFault::LongName => "write a shorter path".to_owned(),
                };
                let label = if fault == PathFault::Relative { "not absolute" } else { "not a path in an image" };
                self.fault(at.span(), format!("`{key}` is not a path in the image: {fault}"), label, hint);
                None
            }
        }
    }

    /// Reads a mode in octal.
    fn mode(&mut self, at: At<'_>, key: &str, written: Option<&str>) -> Option<u16> {
        let written = written?;
        let digits = written.strip_prefix("0o").unwrap_or(written);
        let octal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let mode = u16::from_str_radix(digits, 8).ok().filter(|mode| octal && *mode <= 0o7777);
        if mode.is_none() {
            let message = format!("`{}` is not a mode", written.escape_debug());
            self.fault(at.span(), message, "not octal", format!("write up to four octal digits: `{key} = \"0644\"`"));
        }
        if mode.is_some_and(|mode| mode & 0o6000 != 0) {
            let message = format!("`{key}` sets the set-user-id or set-group-id bit");
            self.warn(at.span(), message, "runs with its owner's rights", "a hardened process gains no rights; write `\"0755\"`");
        }
        mode
    }

    /// Says that of two equal elements of a list one is too many.
    fn twice<T: PartialEq>(&mut self, list: &str, element: &Spanned<T>, text: &str, earlier: &[Spanned<T>]) -> bool {
        let Some(first) = earlier.iter().find(|other| other.value == element.value) else { return false };
        let fault = Diagnostic::error(format!("`{list}` has `{text}` twice"))
            .at(element.span.as_ref(), "the second")
            .also_at(first.span.as_ref(), "the first")
            .hint("leave one of the two out");
        self.push(fault, Missing::No);
        true
    }
}

/// Returns what a control character is called in messages.
fn in_words(character: char) -> String {
    match character {
        '\0' => "a NUL byte".to_owned(),
        '\n' | '\r' => "an end of a line".to_owned(),
        '\t' => "a tab".to_owned(),
        other => format!("the control character U+{:04X}", u32::from(other)),
    }
}

/// Returns a relative path as an absolute one, as a hint writes it: the path alone where nothing in it must be escaped.
fn absolute(key: &str, path: &str) -> String {
    let mut rest = path.trim_start_matches('/');
    while let Some(shorter) = rest.strip_prefix("./").or_else(|| rest.strip_prefix("../")) {
        rest = shorter;
    }
    let path = format!("/{rest}");
    let written = snippet::path(&path);
    if written == format!("\"{path}\"") { format!("`{path}`") } else { format!("`{key} = {written}`") }
}

/// Returns the variable of the base that a placeholder names; `None` when it is no such placeholder.
fn base_variable(name: &str) -> Option<&str> {
    name.strip_prefix("image.env.").filter(|variable| !variable.is_empty())
}
