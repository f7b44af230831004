use std::fmt;

use super::name::{is_architecture, is_package_name};
use super::version::{Version, VersionFault};

/// The longest relation field that is read, in bytes.
const FIELD_LIMIT: usize = 256 * 1024;

/// One group of a relation field: any one of its alternatives is enough (policy 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The alternatives in written order; never empty.
    pub alternatives: Vec<Alternative>,
}

/// One package that would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The package's name, or a name that packages provide.
    pub name: String,
    /// What stands after the colon.
    pub qualifier: Option<Qualifier>,
    /// Which versions do.
    pub constraint: Option<Constraint>,
    /// The architectures for which it counts; empty means all.
    pub architectures: Architectures,
}

/// What stands after a package name's colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Qualifier {
    /// `:any`, a package of any architecture that allows it.
    Any,
    /// `:amd64` and the like.
    Architecture(String),
}

/// Which versions do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// How they compare.
    pub operator: Operator,
    /// To what.
    pub version: Version,
}

/// How two versions compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`.
    Earlier,
    /// `<=`.
    EarlierOrEqual,
    /// `=`.
    Equal,
    /// `>=`.
    LaterOrEqual,
    /// `>>`.
    Later,
}

/// The architectures that an alternative is restricted to, `[amd64 arm64]` or `[!i386]`; none means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Architectures {
    /// Their names, or wildcards (`linux-any`, `any`).
    pub names: Vec<String>,
    /// Whether the names are the ones that are left out.
    pub negated: bool,
}

/// A name that a package provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// The name.
    pub name: String,
    /// The version, for relations that want one.
    pub version: Option<Version>,
}

/// A relation field that can't be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (byte {offset})")]
pub struct RelationFault {
    /// The byte of the field's value, counted from zero.
    pub offset: usize,
    /// What is wrong there.
    pub problem: RelationProblem,
}

/// What is wrong in a relation field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelationProblem {
    /// The field is longer than is read.
    #[error("a relation field of more than 262144 bytes")]
    Long,
    /// Nothing stands between two separators.
    #[error("an alternative is empty")]
    Empty,
    /// It is no package name.
    #[error("`{0}` is not a package name")]
    Name(String),
    /// What stands after the colon is no architecture.
    #[error("`{0}` is not an architecture")]
    Architecture(String),
    /// It is none of the five operators.
    #[error("`{0}` does not begin with `<<`, `<=`, `=`, `>=` or `>>`")]
    Operator(String),
    /// It is no version.
    #[error("`{text}` is not a version: {fault}")]
    Version {
        /// What was written.
        text: String,
        /// What is wrong with it.
        fault: VersionFault,
    },
    /// A bracket is opened and not closed.
    #[error("`{0}` is not closed")]
    Open(char),
    /// Some architectures are negated and others not.
    #[error("architectures are partly negated")]
    Mixed,
    /// Something follows that does not belong there.
    #[error("`{0}` does not belong here")]
    Rest(String),
    /// A `Provides` has alternatives, a qualifier, or an operator that is not `=`.
    #[error("`{0}` is not a valid entry of `Provides`")]
    Provided(String),
}

impl Relation {
    /// Reads a field such as `Depends`: groups separated by commas, alternatives by `|`. An empty field has no groups, and a comma may end it.
    pub fn parse(text: &str) -> Result<Vec<Self>, RelationFault> {
        if text.len() > FIELD_LIMIT {
            return Err(RelationFault { offset: FIELD_LIMIT, problem: RelationProblem::Long });
        }
        let mut relations = Vec::new();
        for group in pieces(text, 0, ',') {
            let (offset, group) = group;
            if group.trim().is_empty() {
                // Only the end of the field may be bare: nothing, or a comma that ends it.
                if offset + group.len() == text.len() {
                    continue;
                }
                return Err(RelationFault { offset, problem: RelationProblem::Empty });
            }
            let alternatives =
                pieces(group, offset, '|').map(|(offset, piece)| Alternative::parse(piece, offset)).collect::<Result<_, _>>()?;
            relations.push(Self { alternatives });
        }
        Ok(relations)
    }
}

/// Cuts a text at each separator; each piece comes with its offset in the whole field.
fn pieces(text: &str, base: usize, separator: char) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = base;
    text.split(separator).map(move |piece| {
        let start = offset;
        offset += piece.len() + separator.len_utf8();
        (start, piece)
    })
}

/// The rest of an alternative while it is read.
struct Rest<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Rest<'a> {
    fn skip_space(&mut self) {
        let trimmed = self.text.trim_start_matches([' ', '\t', '\n']);
        self.offset += self.text.len() - trimmed.len();
        self.text = trimmed;
    }

    fn fault(&self, problem: RelationProblem) -> RelationFault {
        RelationFault { offset: self.offset, problem }
    }

    /// Takes as long as the characters belong to a word.
    fn word(&mut self) -> &'a str {
        let end = self.text.find([' ', '\t', '\n', '(', '[', ':', '<']).unwrap_or(self.text.len());
        self.take(end)
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.text.split_at(bytes);
        self.offset += bytes;
        self.text = rest;
        taken
    }

    /// Takes what stands in brackets, when there are some here.
    fn bracketed(&mut self, open: char, close: char) -> Result<Option<(usize, &'a str)>, RelationFault> {
        self.skip_space();
        if !self.text.starts_with(open) {
            return Ok(None);
        }
        let end = self.text.find(close).ok_or_else(|| self.fault(RelationProblem::Open(open)))?;
        let offset = self.offset + 1;
        let taken = self.take(end + 1);
        Ok(Some((offset, &taken[1..end])))
    }
}

/// What a message shows of a text that others wrote.
fn escaped(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

impl Alternative {
    fn parse(text: &str, offset: usize) -> Result<Self, RelationFault> {
        let mut rest = Rest { text, offset };
        rest.skip_space();
        if rest.text.is_empty() {
            return Err(rest.fault(RelationProblem::Empty));
        }
        let at = rest.offset;
        let name = rest.word();
        if !is_package_name(name) {
            return Err(RelationFault { offset: at, problem: RelationProblem::Name(escaped(name)) });
        }
        let qualifier = if rest.text.starts_with(':') {
            rest.take(1);
            let at = rest.offset;
            Some(match rest.word() {
                "any" => Qualifier::Any,
                architecture if is_architecture(architecture) => Qualifier::Architecture(architecture.to_owned()),
                other => return Err(RelationFault { offset: at, problem: RelationProblem::Architecture(escaped(other)) }),
            })
        } else {
            None
        };
        let constraint = match rest.bracketed('(', ')')? {
            Some((offset, inner)) => Some(Constraint::parse(inner, offset)?),
            None => None,
        };
        let architectures = match rest.bracketed('[', ']')? {
            Some((offset, inner)) => Architectures::parse(inner, offset)?,
            None => Architectures::default(),
        };
        rest.skip_space();
        if !rest.text.is_empty() {
            return Err(rest.fault(RelationProblem::Rest(escaped(rest.text))));
        }
        Ok(Self { name: name.to_owned(), qualifier, constraint, architectures })
    }
}

impl Constraint {
    fn parse(text: &str, offset: usize) -> Result<Self, RelationFault> {
        let mut rest = Rest { text, offset };
        rest.skip_space();
        let (operator, length) = match rest.text.as_bytes() {
            [b'<', b'<', ..] => (Operator::Earlier, 2),
            [b'<', b'=', ..] => (Operator::EarlierOrEqual, 2),
            [b'>', b'=', ..] => (Operator::LaterOrEqual, 2),
            [b'>', b'>', ..] => (Operator::Later, 2),
            [b'=', ..] => (Operator::Equal, 1),
            // A lone `<` or `>` once meant `<=` and `>=`, which is not what it says.
            _ => return Err(rest.fault(RelationProblem::Operator(escaped(rest.text)))),
        };
        rest.take(length);
        rest.skip_space();
        let written = rest.text.trim_end_matches([' ', '\t', '\n']);
        let version = written.parse().map_err(|fault| rest.fault(RelationProblem::Version { text: escaped(written), fault }))?;
        Ok(Self { operator, version })
    }

    /// Says whether a version does.
    pub fn allows(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }
}

impl Architectures {
    fn parse(text: &str, offset: usize) -> Result<Self, RelationFault> {
        let fault = |problem| Err(RelationFault { offset, problem });
        let mut found = Self::default();
        for (position, word) in text.split_ascii_whitespace().enumerate() {
            let (negated, name) = word.strip_prefix('!').map_or((false, word), |name| (true, name));
            if !is_architecture(name) {
                return fault(RelationProblem::Architecture(escaped(name)));
            }
            if position > 0 && negated != found.negated {
                return fault(RelationProblem::Mixed);
            }
            found.negated = negated;
            found.names.push(name.to_owned());
        }
        if found.names.is_empty() { fault(RelationProblem::Empty) } else { Ok(found) }
    }

    /// Says whether an alternative with this restriction counts for an architecture.
    pub fn hold_for(&self, architecture: &str) -> bool {
        let is_named = self.names.iter().any(|name| {
            name == architecture || name == "any" || name == "linux-any" || name.strip_prefix("any-").is_some_and(|cpu| cpu == architecture)
        });
        self.names.is_empty() || is_named != self.negated
    }
}

impl Provided {
    /// Reads a `Provides` field: names separated by commas, each with `(= version)` or without.
    pub fn parse(text: &str) -> Result<Vec<Self>, RelationFault> {
        let mut provided = Vec::new();
        for relation in Relation::parse(text)? {
            let fault = || RelationFault { offset: 0, problem: RelationProblem::Provided(escaped(&relation.to_string())) };
            // A package may say that it provides a name of one architecture; only the name counts here, as packages of one are looked at.
            let [Alternative { name, constraint, architectures, .. }] = relation.alternatives.as_slice() else { return Err(fault()) };
            if !architectures.names.is_empty() {
                return Err(fault());
            }
            let version = match constraint {
                None => None,
                Some(Constraint { operator: Operator::Equal, version }) => Some(version.clone()),
                Some(_) => return Err(fault()),
            };
            provided.push(Self { name: name.clone(), version });
        }
        Ok(provided)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, alternative) in self.alternatives.iter().enumerate() {
            write!(formatter, "{}{alternative}", if position > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match &self.qualifier {
            Some(Qualifier::Any) => formatter.write_str(":any")?,
            Some(Qualifier::Architecture(architecture)) => write!(formatter, ":{architecture}")?,
            None => {}
        }
        if let Some(constraint) = &self.constraint {
            write!(formatter, " ({constraint})")?;
        }
        if !self.architectures.names.is_empty() {
            let negation = if self.architectures.negated { "!" } else { "" };
            let names: Vec<String> = self.architectures.names.iter().map(|name| format!("{negation}{name}")).collect();
            write!(formatter, " [{}]", names.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.operator, self.version)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_groups_of_alternatives() {
        for (text, expected) in [
            ("", ""),
            ("libc6", "libc6"),
            ("libc6 (>= 2.34), zlib1g(>=1:1.1.4)", "libc6 (>= 2.34), zlib1g (>= 1:1.1.4)"),
            ("debconf (>= 0.5)|debconf-2.0 ,\n ucf,", "debconf (>= 0.5) | debconf-2.0, ucf"),
            ("python3:any, libx:arm64 (<< 2~)", "python3:any, libx:arm64 (<< 2~)"),
            ("aa (= 1) [amd64 arm64], bb [!i386 !any-arm]", "aa (= 1) [amd64 arm64], bb [!i386 !any-arm]"),
            ("aa (<= 1), bb (>> 1)", "aa (<= 1), bb (>> 1)"),
        ] {
            let relations = Relation::parse(text).unwrap();
            let shown: Vec<String> = relations.iter().map(Relation::to_string).collect();
            assert_eq!(shown.join(", "), expected, "{text:?}");
            assert_eq!(Relation::parse(expected).unwrap(), relations);
        }
    }

    #[test]
    fn what_is_no_relation_is_refused_with_its_place() {
        let long = " ".repeat(FIELD_LIMIT + 1);
        for (text, offset, problem) in [
            (",", 0, RelationProblem::Empty),
            ("aa,,bb", 3, RelationProblem::Empty),
            ("aa || bb", 4, RelationProblem::Empty),
            ("aa |", 4, RelationProblem::Empty),
            ("aa, Bb", 4, RelationProblem::Name("Bb".into())),
            ("aa (", 3, RelationProblem::Open('(')),
            ("aa (>= 1", 3, RelationProblem::Open('(')),
            ("aa [amd64", 3, RelationProblem::Open('[')),
            ("aa (1)", 4, RelationProblem::Operator("1".into())),
            ("aa (> 1)", 4, RelationProblem::Operator("> 1".into())),
            ("aa (>= )", 7, RelationProblem::Version { text: String::new(), fault: VersionFault::Empty }),
            ("aa (= 1 2)", 6, RelationProblem::Version { text: "1 2".into(), fault: VersionFault::Character(' ') }),
            ("aa:", 3, RelationProblem::Architecture(String::new())),
            ("aa:AMD", 3, RelationProblem::Architecture("AMD".into())),
            ("aa []", 4, RelationProblem::Empty),
            ("aa [amd64 !i386]", 4, RelationProblem::Mixed),
            ("aa <!nocheck>", 3, RelationProblem::Rest("<!nocheck>".into())),
            ("aa bb", 3, RelationProblem::Rest("bb".into())),
            ("aa (= 1) (= 2)", 9, RelationProblem::Rest("(= 2)".into())),
            ("aa\u{0}", 0, RelationProblem::Name("aa\\0".into())),
            (long.as_str(), FIELD_LIMIT, RelationProblem::Long),
        ] {
            assert_eq!(Relation::parse(text), Err(RelationFault { offset, problem }), "{:?}", text.get(..20).unwrap_or(text));
        }
    }

    #[test]
    fn constraints_compare() {
        for (relation, version, expected) in [
            ("aa (<< 1.0)", "0.9", true),
            ("aa (<< 1.0)", "1.0", false),
            ("aa (<= 1.0)", "1.0-0", true),
            ("aa (= 1.0)", "1.00", true),
            ("aa (= 1.0)", "1.0-1", false),
            ("aa (>= 1.0)", "1.0~rc1", false),
            ("aa (>> 1.0)", "1.0-1", true),
            ("aa (>> 1.0)", "1.0", false),
        ] {
            let constraint = Relation::parse(relation).unwrap()[0].alternatives[0].constraint.clone().unwrap();
            assert_eq!(constraint.allows(&version.parse().unwrap()), expected, "{relation} with {version}");
        }
    }

    #[test]
    fn architectures_restrict() {
        for (relation, expected) in [
            ("aa", true),
            ("aa [amd64]", true),
            ("aa [arm64]", false),
            ("aa [!arm64]", true),
            ("aa [!amd64]", false),
            ("aa [any]", true),
            ("aa [linux-any]", true),
            ("aa [any-amd64]", true),
            ("aa [hurd-any]", false),
        ] {
            let found = Relation::parse(relation).unwrap();
            assert_eq!(found[0].alternatives[0].architectures.hold_for("amd64"), expected, "{relation}");
        }
    }

    #[test]
    fn provides_are_names_with_one_version() {
        let names: Vec<_> = Provided::parse("awk, libfoo (= 2:1), bar:amd64")
            .unwrap()
            .into_iter()
            .map(|one| (one.name, one.version.map(|one| one.to_string())))
            .collect();
        assert_eq!(names, [("awk".to_owned(), None), ("libfoo".to_owned(), Some("2:1".to_owned())), ("bar".to_owned(), None)]);
        for bad in ["aa | bb", "aa (>= 1)", "aa [amd64]", "aa bb"] {
            assert!(Provided::parse(bad).is_err(), "{bad}");
        }
    }
}
