use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::compare::READ;
use super::tree::{Tree, merged};
use crate::mirror::Mirror;
use crate::peer::Peer;

/// What dpkg knows of an installed package.
#[derive(Default)]
pub(super) struct Installed {
    /// Whether every Debian has it.
    pub(super) is_essential: bool,
    /// The names of what it depends on, with all alternatives.
    pub(super) depends: BTreeSet<String>,
    pub(super) provides: BTreeSet<String>,
}

/// A root that apt made, with all scripts run.
pub(super) struct Real {
    pub(super) tree: Tree,
    pub(super) packages: BTreeMap<String, Installed>,
    /// The packages that ship a path.
    pub(super) shipped: BTreeMap<String, BTreeSet<String>>,
}

const STATUS: &str = "var/lib/dpkg/status";
const LISTS: &str = "var/lib/dpkg/info/";

/// Installs packages beside what every Debian has. Nothing but the list of files stays.
pub(super) fn install(mmdebstrap: &Peer, mirror: &Mirror, packages: &[String]) -> Real {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // apt fetches as a user of its own.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let log = folder.path().join("log");
    let mut command = mmdebstrap.command(folder.path(), 1500);
    command.args(["--variant=essential", "--format=tar", "--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io"]);
    command.arg(format!("--include={}", packages.join(","))).args(["trixie", "-"]).args(mirror.sources("trixie"));
    let mut child = command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    let mut tree = Tree::default();
    tree.add(child.stdout.take().unwrap(), |path| path == STATUS || READ.contains(&path) || list_of(path).is_some());
    let status = child.wait().unwrap();
    assert!(status.success(), "{}", fs::read_to_string(&log).unwrap());
    let packages = packages_of(std::str::from_utf8(&tree.texts[STATUS]).unwrap());
    let mut shipped = BTreeMap::<String, BTreeSet<String>>::new();
    for (path, text) in &tree.texts {
        let Some(name) = list_of(path) else { continue };
        for line in std::str::from_utf8(text).unwrap().lines() {
            shipped.entry(merged(line)).or_default().insert(name.to_owned());
        }
    }
    Real { tree, packages, shipped }
}

/// Returns the package whose list of files is at a path.
fn list_of(path: &str) -> Option<&str> {
    path.strip_prefix(LISTS)?.strip_suffix(".list")?.split(':').next()
}

fn packages_of(status: &str) -> BTreeMap<String, Installed> {
    let mut all = BTreeMap::new();
    for stanza in status.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default();
        let names = |name: &str| {
            let words = field(name).split([',', '|']).filter_map(|relation| relation.split_ascii_whitespace().next());
            words.map(|word| word.split(':').next().unwrap().to_owned()).collect::<BTreeSet<String>>()
        };
        if !field("Package").is_empty() {
            let depends = &names("Depends") | &names("Pre-Depends");
            let is_essential = field("Essential") == "yes";
            all.insert(field("Package").to_owned(), Installed { is_essential, depends, provides: names("Provides") });
        }
    }
    all
}

impl Real {
    /// Returns the packages that come with every Debian or with one of these, by what they depend on.
    pub(super) fn coming_with(&self, some: &BTreeSet<String>) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let is_start =
            |name: &str, package: &Installed| package.is_essential || some.contains(name) || !some.is_disjoint(&package.provides);
        let mut left: Vec<&str> =
            self.packages.iter().filter(|(name, package)| is_start(name, package)).map(|(name, _)| name.as_str()).collect();
        while let Some(name) = left.pop() {
            if found.insert(name) {
                let depends = &self.packages[name].depends;
                let is_meant =
                    |(other, package): &(&String, &Installed)| depends.contains(*other) || !depends.is_disjoint(&package.provides);
                left.extend(self.packages.iter().filter(is_meant).map(|(other, _)| other.as_str()));
            }
        }
        found
    }
}
