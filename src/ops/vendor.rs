//! `hardened vendor`: all that a lock names, copied to a layout, archive or registry of the user's.
//!
//! Packages become the layers of an OCI artifact, each under its own digest; a base image is copied as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostic::ExternalError;
use crate::image::Artifact;
use crate::lock::{LockedChoice, LockedPackage, lock_path};
use crate::oci::{Descriptor, MediaType, RawManifest, Selector};
use crate::store::{Blobs, Location, Publication};

use super::debian::{PACKAGE_TYPE, descriptor, fetch};
use super::layers::CachedSource;
use super::lock::{self, LockUse};
use super::recipe::{self, OpenRecipe};
use super::repair::repaired;
use super::{Failure, RecipeRequest, Run, base, carry, push};

/// The type of the artifact.
const ARTIFACT: &str = "application/vnd.hardened.vendored.v1";
/// The annotation that names a layer's file (image-spec, `annotations.md`).
const TITLE: &str = "org.opencontainers.image.title";

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Vendored {
    /// The location of the copy, as `--vendored` takes it.
    pub location: String,
    /// The packages.
    pub packages: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The base image, if the base is one.
    pub image: Option<String>,
}

/// Copies all that the lock of a recipe names. A missing lock is written once it is copied, and a stale one is refused.
///
/// # Errors
/// When something cannot be had, or the destination refuses it.
pub fn vendor(to: &Location, request: &RecipeRequest, run: Run<'_>) -> Result<Vendored, Failure> {
    repaired(run, |run| vendor_once(to, request, run))
}

fn vendor_once(to: &Location, request: &RecipeRequest, run: Run<'_>) -> Result<Vendored, Failure> {
    let open = recipe::open(request, &run.tools.environment, run.observer)?;
    let how = if lock_path(&request.file).exists() { LockUse::Require } else { LockUse::Keep };
    let found = lock::settle(&open, &request.file, how, &[], run)?;
    let vendored = copy(to, &open, &found.choice, run)?;
    found.lock.write(run)?;
    Ok(vendored)
}

fn copy(to: &Location, open: &OpenRecipe, choice: &LockedChoice, run: Run<'_>) -> Result<Vendored, Failure> {
    match choice {
        LockedChoice::Static { .. } => {
            Err(Failure::wrong("the base is part of this program: there is nothing to copy")
                .hint("`hardened build --offline` works already"))
        }
        LockedChoice::Image { reference, pin } => {
            let from = Location::Registry(reference.name.at(pin.digest));
            let pushed = push::push(&from, std::slice::from_ref(to), run)?;
            Ok(Vendored { location: to.to_string(), packages: 0, bytes: 0, image: Some(pushed.digest) })
        }
        LockedChoice::Layout { path, pin } => {
            let (folder, _) = base::layout_of(&open.folder, path);
            let from = Location::Layout(folder, Some(Selector::Digest(pin.digest)));
            let pushed = push::push(&from, std::slice::from_ref(to), run)?;
            Ok(Vendored { location: to.to_string(), packages: 0, bytes: 0, image: Some(pushed.digest) })
        }
        LockedChoice::Debian(locked) => {
            let packages: Vec<&LockedPackage> = locked.all_packages().into_values().collect();
            fetch(&packages, run)?;
            write(to, &packages, run)
        }
    }
}

fn write(to: &Location, packages: &[&LockedPackage], run: Run<'_>) -> Result<Vendored, Failure> {
    let failed = |fault: Box<dyn std::error::Error + Send + Sync>| {
        Failure::from(ExternalError::new("could not describe the packages").caused_by(fault))
    };
    let mut blobs = Blobs::new();
    let mut layers = Vec::new();
    for package in packages {
        let blob = descriptor(package);
        let source = CachedSource::find(&run.tools.cache, &blob).ok_or_else(|| failed("the cache lost a package".into()))?;
        let file = package.path.rsplit('/').next().unwrap_or(&package.path).to_owned();
        let annotations = BTreeMap::from([(TITLE.to_owned(), file)]);
        layers.push(Descriptor { annotations, ..Descriptor::new(MediaType::from(PACKAGE_TYPE), package.digest, package.size) });
        blobs.insert(blob.digest, (blob, Arc::new(source)));
    }
    let bytes = layers.iter().map(|layer| layer.size).sum();
    let artifact = Artifact { artifact_type: ARTIFACT.to_owned(), layers, subject: None, annotations: BTreeMap::new() };
    let root = RawManifest::from(&artifact.manifest().map_err(|fault| failed(fault.into()))?);
    blobs.insert(Artifact::empty().digest, (Artifact::empty(), Arc::new(Artifact::EMPTY.to_vec())));
    carry::write(to, &Publication::single(root, blobs), run)?;
    Ok(Vendored { location: to.to_string(), packages: packages.len(), bytes, image: None })
}
