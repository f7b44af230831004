use std::fmt;

use crate::oci::Platform;

/// What a Python extension module or a wheel was built for, as far as its name or tag says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Build {
    /// The interpreter.
    pub(super) python: Option<Python>,
    /// Whether newer versions load it too: the stable ABI (PEP 384).
    pub(super) is_stable: bool,
    /// The system.
    pub(super) system: Option<System>,
}

/// A Python interpreter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Python {
    /// `CPython`, by its version; a free-threaded build has an ABI of its own (PEP 703).
    CPython(Version),
    /// Another implementation, by its name.
    Other(String),
}

/// A version of `CPython`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) is_free_threaded: bool,
}

/// The system that native code is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum System {
    /// Linux.
    Linux {
        /// The architecture, as the kernel calls it: `x86_64`.
        architecture: String,
        /// The C library, where that is said.
        libc: Option<Libc>,
    },
    /// Another one.
    Other(&'static str),
}

/// A C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Libc {
    Glibc,
    Musl,
}

/// An interpreter that modules are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) version: Version,
    /// The architecture as the kernel calls it, where it is known.
    pub(super) architecture: Option<&'static str>,
    pub(super) libc: Option<Libc>,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}{}", self.major, self.minor, if self.is_free_threaded { "t" } else { "" })
    }
}

impl Version {
    /// Reads `313`, `313t` or `36m`.
    pub(super) fn compact(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
        let flags = &text[digits.len()..];
        let (major, minor) = digits.split_at_checked(1)?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()?, is_free_threaded: flags.contains('t') })
    }

    /// Reads `3.13` or `3.13t`.
    pub(super) fn dotted(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let digits = minor.trim_end_matches('t');
        Some(Self { major: major.parse().ok()?, minor: digits.parse().ok()?, is_free_threaded: minor.len() != digits.len() })
    }
}

impl Build {
    /// Reads the name of an extension module (PEP 3149): its name before the first dot, and what it was built for. `None` for other files.
    pub(super) fn of_module(name: &str) -> Option<(&str, Self)> {
        let (stem, tag) = match name.strip_suffix(".so") {
            Some(name) => name.split_once('.').unwrap_or((name, "")),
            None => name.strip_suffix(".pyd")?.split_once('.')?,
        };
        let mut words = tag.split('-');
        let first = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let build = if tag == "abi3" {
            Self { is_stable: true, ..Self::default() }
        } else if first == "cpython" {
            let version = Version::compact(rest.first()?)?;
            Self { python: Some(Python::CPython(version)), is_stable: false, system: system_of(&rest[1..]) }
        } else if let Some(version) = first.strip_prefix("cp").and_then(Version::compact) {
            Self { python: Some(Python::CPython(version)), is_stable: false, system: rest.first().and_then(|word| System::of_tag(word)) }
        } else if first.starts_with("pypy") || first.starts_with("graalpy") {
            let end = first.find(|letter: char| letter.is_ascii_digit()).unwrap_or(first.len());
            let system =
                rest.iter().position(|word| word.contains("86") || word.starts_with("aarch64")).and_then(|at| system_of(&rest[at..]));
            Self { python: Some(Python::Other(other_name(&first[..end]))), is_stable: false, system }
        } else {
            return None;
        };
        Some((stem, build))
    }

    /// Reads the tags of a wheel (PEP 425): `cp311-cp311-manylinux_2_17_x86_64`; each part may hold several, separated by dots.
    pub(super) fn of_tag(tag: &str) -> Vec<Self> {
        let mut parts = tag.trim().split('-');
        let (Some(pythons), Some(abis), Some(platforms)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
        let mut builds = Vec::new();
        for python in pythons.split('.') {
            for abi in abis.split('.') {
                for platform in platforms.split('.') {
                    builds.push(Self::of_tags(python, abi, platform));
                }
            }
        }
        builds
    }

    fn of_tags(python: &str, abi: &str, platform: &str) -> Self {
        let system = System::of_tag(platform);
        let named = |text: &str| text.strip_prefix("cp").and_then(Version::compact).map(Python::CPython);
        let python = match abi {
            "none" => None,
            "abi3" => named(python),
            _ => named(abi).or_else(|| {
                (!abi.starts_with("cp")).then(|| Python::Other(other_name(python.trim_end_matches(|letter: char| letter.is_ascii_digit()))))
            }),
        };
        Self { python, is_stable: abi == "abi3", system }
    }

    /// Says whether an interpreter loads it.
    pub(super) fn fits(&self, target: &Target) -> bool {
        self.fits_version(target) && self.system.as_ref().is_none_or(|system| system.fits(target))
    }

    /// Returns what it was built for and what the interpreter is, as far as the two differ.
    pub(super) fn difference(&self, target: &Target) -> (String, String) {
        let (python, system) = (!self.fits_version(target), self.system.as_ref().is_some_and(|system| !system.fits(target)));
        let only = |python: bool, system: bool| Self {
            python: self.python.clone().filter(|_| python),
            system: self.system.clone().filter(|_| system),
            is_stable: self.is_stable,
        };
        let ours = match (python, system, target.architecture) {
            (false, true, Some(_)) => target.system(),
            (_, true, _) => target.to_string(),
            _ => format!("CPython {}", target.version),
        };
        (only(python, system).to_string(), ours)
    }

    fn fits_version(&self, target: &Target) -> bool {
        match &self.python {
            None => true,
            Some(Python::Other(_)) => false,
            Some(Python::CPython(version)) if self.is_stable => {
                let lowest = (version.major, version.minor);
                version.major == target.version.major
                    && lowest <= (target.version.major, target.version.minor)
                    && !target.version.is_free_threaded
            }
            Some(Python::CPython(version)) => *version == target.version,
        }
    }
}

/// `CPython 3.11`, `CPython 3.13 with musl`, `macOS`.
impl fmt::Display for Build {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let python = match &self.python {
            Some(Python::CPython(version)) if self.is_stable => Some(format!("CPython {version} or newer")),
            Some(Python::CPython(version)) => Some(format!("CPython {version}")),
            Some(Python::Other(name)) => Some(name.escape_debug().to_string()),
            None => None,
        };
        let system = match &self.system {
            Some(System::Linux { architecture, libc }) => Some(format!(
                "{}{}",
                architecture.escape_debug(),
                match libc {
                    Some(Libc::Musl) => " with musl",
                    Some(Libc::Glibc) => " with glibc",
                    None => "",
                }
            )),
            Some(System::Other(name)) => Some((*name).to_owned()),
            None => None,
        };
        out.write_str(&python.into_iter().chain(system).collect::<Vec<_>>().join(" on "))
    }
}

impl Target {
    fn system(&self) -> String {
        let libc = match self.libc {
            Some(Libc::Musl) => " with musl",
            Some(Libc::Glibc) => " with glibc",
            None => "",
        };
        format!("{}{libc}", self.architecture.unwrap_or("another system"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CPython {} on {}", self.version, self.system())
    }
}

impl System {
    /// Reads the platform of a wheel's tag; `None` for `any`.
    fn of_tag(tag: &str) -> Option<Self> {
        let linux = [("manylinux", Some(Libc::Glibc)), ("musllinux", Some(Libc::Musl)), ("linux_", None)];
        if let Some((prefix, libc)) = linux.into_iter().find(|(prefix, _)| tag.starts_with(prefix)) {
            // A version may stand before the architecture: `_2_17_x86_64`, `2014_x86_64`.
            let architecture = tag[prefix.len()..].trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_').to_owned();
            return Some(Self::Linux { architecture, libc });
        }
        match tag {
            _ if tag.starts_with("macosx") => Some(Self::Other("macOS")),
            _ if tag.starts_with("win") => Some(Self::Other("Windows")),
            _ => None,
        }
    }

    fn fits(&self, target: &Target) -> bool {
        match self {
            Self::Other(_) => false,
            Self::Linux { architecture, libc } => {
                let is_ours = target.architecture.is_none_or(|ours| architecture == ours || is_alias(architecture, ours));
                let runs = match (libc, target.libc) {
                    (Some(built), Some(ours)) => *built == ours,
                    _ => true,
                };
                is_ours && runs
            }
        }
    }
}

/// Reads what follows the version in a module's name: `x86_64-linux-gnu`, `darwin`.
fn system_of(words: &[&str]) -> Option<System> {
    match words {
        ["darwin", ..] => Some(System::Other("macOS")),
        [architecture, "linux", libc, ..] => {
            let libc = if libc.starts_with("musl") { Libc::Musl } else { Libc::Glibc };
            Some(System::Linux { architecture: (*architecture).to_owned(), libc: Some(libc) })
        }
        _ => None,
    }
}

fn other_name(name: &str) -> String {
    match name {
        "pp" | "pypy" => "PyPy".to_owned(),
        "graalpy" => "GraalPy".to_owned(),
        other => other.to_owned(),
    }
}

/// Says whether a tag's architecture is another name of one.
fn is_alias(architecture: &str, ours: &str) -> bool {
    match ours {
        "i386" => matches!(architecture, "i686" | "i586" | "x86"),
        "arm" => architecture.starts_with("arm"),
        "ppc64le" => architecture == "powerpc64le",
        _ => false,
    }
}

/// Returns the kernel's name of a platform's architecture, where wheels have one for it.
pub(super) fn architecture(platform: &Platform) -> Option<&'static str> {
    match &*platform.architecture {
        "amd64" => Some("x86_64"),
        "arm64" => Some("aarch64"),
        "386" => Some("i386"),
        "arm" => Some("arm"),
        "ppc64le" => Some("ppc64le"),
        "s390x" => Some("s390x"),
        "riscv64" => Some("riscv64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(version: &str, libc: Libc) -> Target {
        Target { version: Version::dotted(version).unwrap(), architecture: Some("x86_64"), libc: Some(libc) }
    }

    #[test]
    fn modules_say_what_they_are_for() {
        for (name, expected) in [
            ("_m.cpython-311-x86_64-linux-gnu.so", "CPython 3.11 on x86_64 with glibc"),
            ("_m.cpython-313-x86_64-linux-gnu.so", "fits"),
            ("_m.cpython-313t-x86_64-linux-gnu.so", "CPython 3.13t on x86_64 with glibc"),
            ("_m.cpython-313-x86_64-linux-musl.so", "CPython 3.13 on x86_64 with musl"),
            ("_m.cpython-313-aarch64-linux-gnu.so", "CPython 3.13 on aarch64 with glibc"),
            ("_m.cpython-36m-x86_64-linux-gnu.so", "CPython 3.6 on x86_64 with glibc"),
            ("_m.cpython-313-darwin.so", "CPython 3.13 on macOS"),
            ("_m.cp313-win_amd64.pyd", "CPython 3.13 on Windows"),
            ("_m.pypy310-pp73-x86_64-linux-gnu.so", "PyPy on x86_64 with glibc"),
            ("_m.cpython-313.so", "fits"),
            ("_m.abi3.so", "fits"),
            ("_m.so", "no"),
            ("libx-1.2.so", "no"),
            ("libx.so.1", "no"),
            ("m.py", "no"),
        ] {
            let found = Build::of_module(name);
            let told =
                found.map_or(
                    "no".to_owned(),
                    |(_, build)| {
                        if build.fits(&target("3.13", Libc::Glibc)) { "fits".to_owned() } else { build.to_string() }
                    },
                );
            assert_eq!(told, expected, "{name}");
        }
    }

    #[test]
    fn tags_of_wheels_say_what_they_are_for() {
        for (tag, glibc, musl) in [
            ("py3-none-any", true, true),
            ("py2.py3-none-any", true, true),
            ("cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64", true, false),
            ("cp313-cp313-musllinux_1_2_x86_64", false, true),
            ("cp313-cp313-linux_x86_64", true, true),
            ("cp311-cp311-manylinux_2_17_x86_64", false, false),
            ("cp39-abi3-manylinux_2_28_x86_64", true, false),
            ("cp314-abi3-manylinux_2_28_x86_64", false, false),
            ("cp313-cp313t-manylinux_2_28_x86_64", false, false),
            ("py3-none-manylinux1_x86_64", true, false),
            ("py3-none-manylinux2014_aarch64", false, false),
            ("cp313-cp313-macosx_11_0_arm64", false, false),
            ("cp313-cp313-win_amd64", false, false),
            ("pp310-pypy310_pp73-manylinux_2_17_x86_64", false, false),
        ] {
            let fits = |libc| Build::of_tag(tag).iter().any(|build| build.fits(&target("3.13", libc)));
            assert_eq!((fits(Libc::Glibc), fits(Libc::Musl)), (glibc, musl), "{tag}");
        }
    }
}
