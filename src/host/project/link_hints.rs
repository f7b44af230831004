use super::host_path::{joined, last_name};
use super::{HostPath, LinkFault};
use crate::diagnostic::snippet;

/// The folder that Node.js takes packages from. What is below it must stay linked: Node.js looks for the packages of a package beside its real
/// path, so a copy in place of a link finds others, or none.
const MODULES: &[u8] = b"node_modules";

/// Says whether an image may do without a link: what is behind it may be no part of the software.
pub(super) fn may_be_left_out(path: &HostPath, target: &HostPath, fault: LinkFault) -> bool {
    let has_hint_of_its_own = is_environment(path.as_bytes()) && fault != LinkFault::Loop;
    let of_node = has(path.as_bytes(), MODULES) || has(target.as_bytes(), MODULES);
    !has_hint_of_its_own
        && match fault {
            LinkFault::Dangling | LinkFault::Loop => true,
            LinkFault::LeavesImage => !of_node,
            LinkFault::LeavesRoot => false,
        }
}

/// Returns what to do about a link that cannot be kept or followed. `exclude` says how it is left out, where that is possible.
pub(super) fn hints(path: &HostPath, target: &HostPath, fault: LinkFault, exclude: Option<&str>) -> Vec<String> {
    if is_environment(path.as_bytes()) && fault != LinkFault::Loop {
        return vec![
            "the Python of a virtual environment is the Python of the host: start the Python of the base, with the environment's `site-packages` in `PYTHONPATH`"
                .to_owned(),
            "or do without the virtual environment: `pip install --target site-packages -r requirements.txt`, and `from = \"site-packages\"`".to_owned(),
        ];
    }
    let of_node = has(path.as_bytes(), MODULES) || has(target.as_bytes(), MODULES);
    let hint = match fault {
        LinkFault::LeavesImage if of_node => return packing(path, target),
        LinkFault::LeavesImage => {
            let leave_out = exclude.unwrap_or("exclude it");
            format!("{leave_out}, or write `symlinks = \"follow\"` to take what it points to")
        }
        LinkFault::LeavesRoot if of_node => {
            "set `root` to the folder of the whole workspace, `root = \"..\"` for example, and add the target of the link \
             with an entry of its own"
                .to_owned()
        }
        LinkFault::LeavesRoot => "write `symlinks = \"follow\"` if the files outside are meant, or `root = \"..\"` at the top of the recipe, and each `from` relative to it".to_owned(),
        LinkFault::Dangling | LinkFault::Loop => {
            exclude.unwrap_or("make the link lead to a file or folder, or take the entry out").to_owned()
        }
    };
    vec![hint]
}

/// Returns how a link of a package and what it leads to are packed, so that both have the same folders above them as in the project.
fn packing(path: &HostPath, target: &HostPath) -> Vec<String> {
    let outside = || vec!["exclude it, or write `root = \"..\"` in the recipe, and add its target as well".to_owned()];
    let Some(target) = normal(path.as_bytes(), target.as_bytes()) else { return outside() };
    let store = target.windows(MODULES.len() + 6).position(|part| part == b"node_modules/.pnpm").map(|at| at + MODULES.len() + 6);
    let Ok(target) = std::str::from_utf8(&target[..store.unwrap_or(target.len())]) else { return outside() };
    let (from, to) = (snippet::path(target), snippet::path(&format!("/app/{target}")));
    vec![
        format!("write a `to` that is as deep as the folder in the project, so that the link becomes `/app/{path}`"),
        format!("and pack what it leads to: a `[[files]]` entry with `from = {from}` and `to = {to}`"),
    ]
}

/// Returns where a relative link leads by the names alone, below the project's folder; `None` where that is outside.
fn normal(link: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let folder = &link[..link.len() - last_name(link).len()];
    let whole = joined(folder.strip_suffix(b"/").unwrap_or(folder), target);
    let mut names: Vec<&[u8]> = Vec::new();
    for name in whole.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    (!target.starts_with(b"/")).then(|| names.join(&b'/'))
}

/// Says whether a path is the interpreter of a virtual environment: `.venv/bin/python3`.
fn is_environment(path: &[u8]) -> bool {
    let name = last_name(path);
    let folder = path[..path.len() - name.len()].strip_suffix(b"/").unwrap_or_default();
    name.starts_with(b"python") && last_name(folder) == b"bin" && folder.len() > b"bin".len()
}

fn has(path: &[u8], name: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|part| part == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::project::FileFault;

    #[test]
    fn no_hint_breaks_a_tree_of_packages() {
        for (path, target, fault, expected) in [
            (
                "a/current",
                "../../../shared",
                LinkFault::LeavesImage,
                "leave it out: write `exclude = [\"/current\"]`, or write `symlinks = \"follow\"`",
            ),
            ("a/current", "/elsewhere", LinkFault::LeavesRoot, "write `symlinks = \"follow\"`"),
            ("node_modules/lib", "../../../lib", LinkFault::LeavesImage, "exclude it, or write `root = \"..\"`"),
            ("api/node_modules/lib", "../../lib", LinkFault::LeavesImage, "from = \"lib\"` and `to = \"/app/lib\"`"),
            (
                "api/node_modules/ms",
                "../../node_modules/.pnpm/ms@2/node_modules/ms",
                LinkFault::LeavesImage,
                "from = \"node_modules/.pnpm\"` and `to = \"/app/node_modules/.pnpm\"`",
            ),
            ("node_modules/lib", "/work/packages/lib", LinkFault::LeavesRoot, "set `root` to the folder of the whole workspace"),
            (".venv/bin/python3", "/usr/bin/python3.11", LinkFault::LeavesRoot, "`PYTHONPATH`"),
            (".venv/bin/python", "/gone/python3.11", LinkFault::Dangling, "`PYTHONPATH`"),
            ("a/x", "gone", LinkFault::Dangling, "leave it out: write `exclude = [\"/x\"]`"),
        ] {
            let (folder, name) = path.split_once('/').unwrap_or(("", path));
            let path_in_entry = HostPath::in_entry(folder.as_bytes(), name.as_bytes());
            let fault = FileFault::Link { path: path_in_entry, target: HostPath::new(target.as_bytes()), fault };
            let hints = fault.hints().join("; ");
            assert!(hints.contains(expected), "{path}: {hints}");
            assert_eq!(hints.contains("follow"), expected.contains("follow"), "{path}: {hints}");
        }
    }
}
