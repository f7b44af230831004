//! `hardened cache export` and `import`: what a build remembers, carried to a machine that starts cold.
//!
//! It travels as an OCI artifact: a first layer with what is remembered and learned, and the layers that it speaks of, under their own digests. In the
//! repository of the image, these are there already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::diagnostic::ExternalError;
use crate::host::cache::CachedRecord;
use crate::image::Artifact;
use crate::layer::LayerRecord;
use crate::layer::collect::STANDARD;
use crate::oci::{Descriptor, Digest, Manifest, MediaType, RawManifest};
use crate::store::publish::Transaction;
use crate::store::publish::gate::AcceptAll;
use crate::store::{Blobs, Location, Publication};

use super::destinations::{self, Published};
use super::layer_facts::{self, Counted, LayerReader};
use super::layers::{self, CachedSource};
use super::opened::{self, Opened};
use super::repair::repaired;
use super::watched::Watched;
use super::{Failure, Run, TaskKind};

/// The type of the artifact.
const ARTIFACT: &str = "application/vnd.hardened.cache.v1";
/// The type of its first layer.
const MEMORY: &str = "application/vnd.hardened.cache.memory.v1+json";
/// The largest memory that is read, in bytes.
const MEMORY_LIMIT: u64 = 256 << 20;
/// The largest document of a base that is carried, in bytes, and how many of them.
const DOCUMENTS: (u64, usize) = (1 << 20, 256);

/// The first layer. Other fields are passed over: earlier versions told there what they knew of foreign layers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// What is remembered of our own layers, by key; base64.
    layers: BTreeMap<Digest, String>,
    /// Foreign layers, whose bytes come along. What is known of them is learned again from the bytes.
    #[serde(default)]
    foreign: BTreeSet<Digest>,
    /// Manifests and configs; base64.
    documents: Vec<String>,
}

/// What was carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Carried {
    /// Our own layers.
    pub layers: usize,
    /// Foreign layers: those of bases.
    pub foreign: usize,
    /// The bytes of all layers.
    pub bytes: u64,
    /// What was left out, because it was not what it claimed to be or belongs to another version of hardened.
    pub left_out: usize,
}

/// Copies layers into the cache.
struct Copier<'a> {
    opened: &'a Opened,
    from: &'a Location,
    run: Run<'a>,
}

impl Copier<'_> {
    /// Copies a layer that the cache lacks, and returns how many bytes that took.
    fn copy(&self, layer: &Descriptor) -> Result<u64, Failure> {
        let cache = &self.run.tools.cache;
        if cache.has(layer) {
            return Ok(0);
        }
        let task = self.run.observer.begin(TaskKind::Fetch, &format!("layer {}", layer.digest.short()), Some(layer.size));
        let blob = self.opened.store.open_blob(layer)?;
        cache
            .copy_from(&mut Counted { inner: blob, progress: &*task }, layer)
            .map_err(|error| ExternalError::new(format!("could not read a cache from `{}`", self.from)).caused_by(error))?;
        task.finish("");
        Ok(layer.size)
    }
}

/// Publishes what the cache holds as an artifact.
///
/// # Errors
/// When the destination refuses it.
pub fn export(to: &Location, run: Run<'_>) -> Result<Carried, Failure> {
    repaired(run, |run| export_once(to, run))
}

fn export_once(to: &Location, run: Run<'_>) -> Result<Carried, Failure> {
    let (mut memory, mut carried) = (Memory::default(), Carried { layers: 0, foreign: 0, bytes: 0, left_out: 0 });
    let mut blobs = Blobs::new();
    for (key, record) in run.tools.cache.records() {
        // The machine that imports it compares it with the layer, also where another user wrote it here.
        let bytes = record.into_bytes();
        let known = LayerRecord::read(&bytes).map(|record| record.layer().descriptor.clone());
        let found = known.and_then(|descriptor| CachedSource::find(&run.tools.cache, &descriptor).map(|source| (descriptor, source)));
        let Some((descriptor, source)) = found else {
            carried.left_out += 1;
            continue;
        };
        carried.layers += 1;
        memory.layers.insert(key, BASE64.encode(&bytes));
        if blobs.insert(descriptor.digest, (descriptor.clone(), Arc::new(source))).is_none() {
            carried.bytes += descriptor.size;
        }
    }
    for descriptor in layer_facts::known_layers(run.tools) {
        // What was known of a layer that is not here could not be proved elsewhere.
        let Some(source) = CachedSource::find(&run.tools.cache, &descriptor) else { continue };
        if blobs.contains_key(&descriptor.digest) {
            continue;
        }
        carried.foreign += 1;
        carried.bytes += descriptor.size;
        memory.foreign.insert(descriptor.digest);
        blobs.insert(descriptor.digest, (descriptor, Arc::new(source)));
    }
    let documents = run.tools.cache.documents(DOCUMENTS.0, DOCUMENTS.1);
    memory.documents = documents.iter().filter(|bytes| !blobs.contains_key(&Digest::of(bytes))).map(|bytes| BASE64.encode(bytes)).collect();
    let failed = |fault: Box<dyn std::error::Error + Send + Sync>| {
        Failure::from(ExternalError::new("could not write the description of the cache's content").caused_by(fault))
    };
    let memory = serde_json::to_vec(&memory).map_err(|error| failed(error.into()))?;
    let first = Descriptor::of(MediaType::from(MEMORY), &memory);
    let layers = std::iter::once(first.clone()).chain(blobs.values().map(|(descriptor, _)| descriptor.clone())).collect();
    let artifact = Artifact { artifact_type: ARTIFACT.to_owned(), layers, subject: None, annotations: BTreeMap::new() };
    let root = RawManifest::from(&artifact.manifest().map_err(|fault| failed(fault.into()))?);
    blobs.insert(first.digest, (first, Arc::new(memory)));
    blobs.insert(Artifact::empty().digest, (Artifact::empty(), Arc::new(Artifact::EMPTY.to_vec())));
    write(to, &Publication::single(root, blobs), run)?;
    Ok(carried)
}

/// Publishes an artifact.
pub(super) fn write(to: &Location, artifact: &Publication, run: Run<'_>) -> Result<(), Failure> {
    let destinations = [destinations::open(to, &Published::Artifact, run.tools)?];
    Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Watched::new(run.observer) }.publish(artifact)?;
    Ok(())
}

/// Takes the content of such an artifact into the cache. What is said of a layer of our own is checked against the layer's bytes, and what is
/// known of a foreign one is learned from its bytes, so that a wrong artifact changes no image.
///
/// # Errors
/// When it cannot be read, or is no cache.
pub fn import(from: &Location, run: Run<'_>) -> Result<Carried, Failure> {
    repaired(run, |run| {
        let carried = import_once(from, run)?;
        // What is damaged here is left out, and removed: the artifact has it.
        if carried.left_out > 0 && run.tools.cache.has_damage() { import_once(from, run) } else { Ok(carried) }
    })
}

fn import_once(from: &Location, run: Run<'_>) -> Result<Carried, Failure> {
    let opened = opened::open(from, run)?;
    let corrupt = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Failure::from(ExternalError::new(format!("could not read a cache from `{from}`")).caused_by(cause))
    };
    let no_cache = || Failure::from(ExternalError::new(format!("`{from}` is not a cache that `hardened cache export` wrote")));
    if opened.root.media_type.is_index() {
        return Err(no_cache());
    }
    let manifest = opened.root.parse::<Manifest>().map_err(|fault| corrupt(fault.into()))?;
    let view = manifest.view();
    let [first, layers @ ..] = view.layers.as_slice() else { return Err(no_cache()) };
    if view.artifact_type.as_deref() != Some(ARTIFACT) || first.media_type != MediaType::from(MEMORY) {
        return Err(no_cache());
    }
    let memory = opened.store.open_blob(first)?.read_all(MEMORY_LIMIT).map_err(|error| corrupt(error.into()))?;
    let memory: Memory = serde_json::from_slice(&memory).map_err(|error| corrupt(error.into()))?;
    let mut carried = Carried { layers: 0, foreign: 0, bytes: 0, left_out: 0 };
    for bytes in memory.documents.iter().filter_map(|text| BASE64.decode(text).ok()) {
        run.tools.cache.write_small(&bytes);
    }
    let copier = Copier { opened: &opened, from, run };
    let reader = LayerReader { collectors: &STANDARD, image: &format!("`{from}`"), run };
    for layer in layers.iter().filter(|layer| memory.foreign.contains(&layer.digest)) {
        carried.bytes += copier.copy(layer)?;
        let Some(source) = CachedSource::find(&run.tools.cache, layer) else {
            carried.left_out += 1;
            continue;
        };
        match reader.facts(layer, &source) {
            Ok(_) => carried.foreign += 1,
            Err(_) => carried.left_out += 1,
        }
    }
    let there: BTreeSet<Digest> = layers.iter().map(|layer| layer.digest).collect();
    for (key, text) in &memory.layers {
        let record = BASE64.decode(text).ok().and_then(|bytes| LayerRecord::read(&bytes));
        let Some(record) = record.filter(|record| there.contains(&record.layer().descriptor.digest)) else {
            carried.left_out += 1;
            continue;
        };
        let descriptor = record.layer().descriptor.clone();
        carried.bytes += copier.copy(&descriptor)?;
        // A memory of this machine's own knows more.
        let own = matches!(run.tools.cache.record(key), Some(CachedRecord::Own(_)));
        match layers::proved(&run.tools.cache, record) {
            Some(proved) if !own => run.tools.cache.write_record(key, &proved.to_bytes()),
            Some(_) => {}
            None => {
                carried.left_out += 1;
                continue;
            }
        }
        carried.layers += 1;
    }
    Ok(carried)
}
