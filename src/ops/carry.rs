//! `hardened cache export` and `import`: what a build remembers, carried to a machine that starts cold.
//!
//! It travels as an OCI artifact: a first layer with what is remembered and learned, and the layers that it speaks of, under their own digests. In the
//! repository of the image, these are there already.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::diagnostic::ExternalError;
use crate::image::Artifact;
use crate::layer::LayerRecord;
use crate::oci::{BlobSource, Descriptor, Digest, Manifest, MediaType, RawManifest};
use crate::rootfs::LayerFacts;
use crate::store::publish::Transaction;
use crate::store::publish::gate::AcceptAll;
use crate::store::{Blobs, Location, Publication};

use super::destinations::{self, Published};
use super::layers::CachedSource;
use super::watched::Watched;
use super::{Failure, Observer, TaskKind, Tools, source};

/// The type of the artifact.
const ARTIFACT: &str = "application/vnd.hardened.cache.v1";
/// The type of its first layer.
const MEMORY: &str = "application/vnd.hardened.cache.memory.v1+json";
/// The largest memory that is read, in bytes.
const MEMORY_LIMIT: u64 = 256 << 20;
/// The largest document of a base that is carried, in bytes, and how many of them.
const DOCUMENTS: (u64, usize) = (1 << 20, 256);

/// The first layer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    /// What is remembered of our own layers, by key; base64.
    layers: BTreeMap<Digest, String>,
    /// What was learned of foreign layers, by the layer's digest; base64.
    facts: BTreeMap<Digest, String>,
    /// Manifests and configs; base64.
    documents: Vec<String>,
}

/// What was carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Carried {
    /// Our own layers.
    pub layers: usize,
    /// Foreign layers of which something is known.
    pub facts: usize,
    /// The bytes of our own layers.
    pub bytes: u64,
    /// What was left out, because it was not what it claimed to be or belongs to another version of hardened.
    pub left_out: usize,
}

/// Publishes what the cache holds as an artifact.
///
/// # Errors
/// When the destination refuses it.
pub fn export(to: &Location, tools: &Tools, observer: &dyn Observer) -> Result<Carried, Failure> {
    let (mut memory, mut carried) = (Memory::default(), Carried { layers: 0, facts: 0, bytes: 0, left_out: 0 });
    let mut blobs = Blobs::new();
    for (key, bytes) in tools.cache.records() {
        let known = LayerRecord::read(&bytes).map(|record| record.layer().descriptor.clone());
        let found = known.and_then(|descriptor| CachedSource::find(&tools.cache, &descriptor).map(|source| (descriptor, source)));
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
    for (digest, facts) in tools.cache.all_facts() {
        carried.facts += 1;
        memory.facts.insert(digest, BASE64.encode(facts));
    }
    let documents = tools.cache.documents(DOCUMENTS.0, DOCUMENTS.1);
    memory.documents = documents.iter().filter(|bytes| !blobs.contains_key(&Digest::of(bytes))).map(|bytes| BASE64.encode(bytes)).collect();
    let failed = |fault: Box<dyn std::error::Error + Send + Sync>| {
        Failure::from(ExternalError::new("could not describe what the cache holds").caused_by(fault))
    };
    let memory = serde_json::to_vec(&memory).map_err(|error| failed(error.into()))?;
    let first = Descriptor::of(MediaType::from(MEMORY), &memory);
    let layers = std::iter::once(first.clone()).chain(blobs.values().map(|(descriptor, _)| descriptor.clone())).collect();
    let artifact = Artifact { artifact_type: ARTIFACT.to_owned(), layers, subject: None, annotations: BTreeMap::new() };
    let root = RawManifest::from(&artifact.manifest().map_err(|fault| failed(fault.into()))?);
    blobs.insert(first.digest, (first, Arc::new(memory)));
    blobs.insert(Artifact::empty().digest, (Artifact::empty(), Arc::new(Artifact::EMPTY.to_vec())));
    write(to, &Publication::single(root, blobs), tools, observer)?;
    Ok(carried)
}

/// Publishes an artifact.
pub(super) fn write(to: &Location, artifact: &Publication, tools: &Tools, observer: &dyn Observer) -> Result<(), Failure> {
    let destinations = [destinations::open(to, &Published::Artifact, tools)?];
    Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Watched(observer) }.publish(artifact)?;
    Ok(())
}

/// Takes what a place holds into the cache. What is said of a layer is checked against the layer's own bytes, so that a wrong memory
/// changes no image; what is said of foreign layers is believed.
///
/// # Errors
/// When it cannot be read, or is no cache.
pub fn import(from: &Location, tools: &Tools, observer: &dyn Observer) -> Result<Carried, Failure> {
    let opened = source::open(from, tools)?;
    let corrupt = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Failure::from(ExternalError::new(format!("could not read a cache from `{from}`")).caused_by(cause))
    };
    let no_cache = || Failure::from(ExternalError::new(format!("`{from}` is no cache that `hardened cache export` wrote")));
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
    let mut carried = Carried { layers: 0, facts: 0, bytes: 0, left_out: 0 };
    for bytes in memory.documents.iter().filter_map(|text| BASE64.decode(text).ok()) {
        tools.cache.write_small(&bytes);
    }
    for (digest, text) in &memory.facts {
        let facts = BASE64.decode(text).ok().filter(|bytes| serde_json::from_slice::<LayerFacts>(bytes).is_ok());
        match facts {
            Some(facts) if tools.cache.facts(digest).is_none() => {
                tools.cache.write_facts(digest, &facts);
                carried.facts += 1;
            }
            Some(_) => {}
            None => carried.left_out += 1,
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
        if !tools.cache.has(&descriptor) {
            let task = observer.begin(TaskKind::Fetch, &format!("layer {}", descriptor.digest.short()), Some(descriptor.size));
            let mut blob = opened.store.open_blob(&descriptor)?;
            let copied = tools.cache.writer().and_then(|mut writer| {
                io::copy(&mut blob, &mut writer)?;
                writer.finish(Some(&descriptor))
            });
            copied.map_err(|error| corrupt(error.into()))?;
            task.finish("");
            carried.bytes += descriptor.size;
        }
        // A memory of this machine's own knows more.
        let own = tools.cache.record(key).is_some();
        let proved = CachedSource::find(&tools.cache, &descriptor)
            .and_then(|source| source.open().ok())
            .and_then(|mut blob| record.proved(&mut blob).ok());
        match proved {
            Some(proved) if !own => tools.cache.write_record(key, &proved.to_bytes()),
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
