//! Popular packages, installed by apt with their scripts run, against an image of the same packages: what scripts made is in the image, or it
//! is said why not. Each main program does a small job under podman.
//!
//! `groups.toml` has the packages and the jobs; `differences.toml` has what may differ, with a reason each. An entry of `differences.toml` that
//! excuses nothing in any group is a failure, when all groups have run.

mod compare;
mod groups;
mod jobs;
mod real;
mod tree;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use self::compare::{Comparison, Differences};
use self::groups::{Group, groups};
use crate::debian::unpack;
use crate::layout::Layout;
use crate::mirror::Mirror;
use crate::peer::{Peer, success};
use crate::podman::Podman;
use crate::project::Project;

/// What groups have come to so far.
#[derive(Default)]
struct Progress {
    groups: BTreeSet<String>,
    used: BTreeSet<usize>,
}

static PROGRESS: Mutex<Option<Progress>> = Mutex::new(None);

/// Builds an image of a group's packages; returns what the build tells.
fn build(mirror: &Mirror, group: &Group) -> (Project, Value) {
    let packages = group.packages.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let recipe = format!(
        "[image]\nname = \"installed/{}\"\nplatforms = [\"linux/amd64\"]\n\n[base]\ndebian = {{ suite = \"trixie\", packages = [{packages}] }}\n\n\
         [process]\nentrypoint = [\"{}\"]\n",
        group.name, group.entrypoint,
    );
    let project = Project::new(&recipe);
    let _turn = Mirror::turn();
    let mut command = project.command_within(900, &["build", "--format", "json", "-o", "oci:out:1"]);
    let told = serde_json::from_str(&success(mirror.offer(&mut command))).unwrap();
    (project, told)
}

/// Compares a group, and lets its programs work.
fn installed(name: &str) {
    let (Some(mirror), Some(mmdebstrap), Some(umoci), Some(podman)) =
        (Mirror::find(), Peer::find("mmdebstrap"), Peer::find("umoci"), Podman::find())
    else {
        return;
    };
    if std::env::consts::ARCH != "x86_64" {
        return;
    }
    let all = groups();
    let group = all.iter().find(|group| group.name == name).unwrap();
    let (project, told) = build(&mirror, group);
    let failures = {
        let real = real::install(&mmdebstrap, &mirror, &group.packages);
        let differences = Differences::read();
        let comparison = Comparison::new(&project, real, &told["debian"][0]);
        let (used, unexplained) = comparison.judge(&differences);
        let mut progress = PROGRESS.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = progress.get_or_insert_default();
        progress.groups.insert(name.to_owned());
        progress.used.extend(used);
        let is_last = all.iter().all(|group| progress.groups.contains(&group.name));
        let idle = if is_last { differences.idle(&progress.used) } else { Vec::new() };
        [unexplained, idle].concat()
    };
    let root = unpack(&umoci, &project);
    let layout = Layout::open(&project.path("out"));
    let config = layout.json(layout.json(&layout.only())["config"]["digest"].as_str().unwrap());
    let environment = config["config"]["Env"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let worked = jobs::Sandbox::new(&podman, root, &project, environment).work(group);
    let failures = [failures, worked].concat();
    assert!(failures.is_empty(), "{name}: {} differences\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn forty_popular_packages_are_compared_and_each_group_works() {
    let groups = groups();
    let packages: BTreeSet<&String> = groups.iter().flat_map(|group| &group.packages).collect();
    assert!(packages.len() >= 40, "{} packages", packages.len());
    for group in &groups {
        assert!(group.jobs.len() >= group.packages.len() / 2, "{}: {} jobs", group.name, group.jobs.len());
    }
}

#[test]
fn databases_are_as_apt_installs_them() {
    installed("databases");
}

#[test]
fn documents_are_as_apt_installs_them() {
    installed("documents");
}

#[test]
fn java_is_as_apt_installs_it() {
    installed("java");
}

#[test]
fn languages_are_as_apt_installs_them() {
    installed("languages");
}

#[test]
fn pictures_are_as_apt_installs_them() {
    installed("pictures");
}

#[test]
fn tools_are_as_apt_installs_them() {
    installed("tools");
}

#[test]
fn web_servers_are_as_apt_installs_them() {
    installed("web");
}
