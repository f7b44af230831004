//! What `docker save` writes and `docker load` reads: one platform (Docker's image specification 1.2). Written layers are plain tars; those that are
//! read may be compressed, as crane and engines on containerd write them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::archive::{TarFiles, TarWriter, read_only};
use super::layout::disk;
use super::publication::Publication;
use crate::layer::{Decompressed, Limits, compression_of};
use crate::oci::{
    BlobSource, Compression, Config, Descriptor, Digest, Hasher, ImageReference, MANIFEST_LIMIT, Manifest, MediaType, Parsed, Progress,
    RawManifest, Selector, Store, StoreError, StoreFault, Tag, Verified, Written, canonical_json,
};

/// One layer of an image that is to be written.
struct ArchiveLayer {
    /// The blob.
    descriptor: Descriptor,
    /// The digest of the tar inside.
    diff_id: Digest,
    /// The size of the tar inside, when it is known; else it is counted first.
    tar_size: Option<u64>,
    /// The blob's bytes.
    source: Arc<dyn BlobSource>,
}

/// Writes the image of one platform for `docker load`, with the same bytes for the same image.
///
/// # Errors
/// When the root is no manifest of an image, a blob cannot be had or is not what the config says, or `out` fails.
pub fn write_image(publication: &Publication, names: &[ImageReference], out: &mut dyn Write) -> io::Result<()> {
    let blob = |digest: &Digest| publication.blobs.get(digest).ok_or_else(|| io::Error::other(format!("the blob {digest} has no source")));
    let manifest = publication.root.parse::<Manifest>().map_err(io::Error::other)?;
    let (descriptor, source) = blob(&manifest.view().config.digest)?;
    let config = Verified::new(source.open()?, descriptor).read_all(MANIFEST_LIMIT)?;
    let parsed = Parsed::<Config>::read(&config, &descriptor.media_type).map_err(io::Error::other)?;
    let layers = manifest.view().layers.iter().zip(parsed.view().diff_ids()).map(|(layer, diff_id)| {
        let (descriptor, source) = blob(&layer.digest)?;
        let tar_size = publication.tar_sizes.get(&layer.digest).copied();
        Ok(ArchiveLayer { descriptor: descriptor.clone(), diff_id: *diff_id, tar_size, source: Arc::clone(source) })
    });
    write(&config, &layers.collect::<io::Result<Vec<_>>>()?, names, out)
}

fn write(config: &[u8], layers: &[ArchiveLayer], names: &[ImageReference], out: &mut dyn Write) -> io::Result<()> {
    let mut tar = TarWriter::new(out);
    let config_name = format!("{}.json", Digest::of(config).hex());
    let layer_name = |layer: &ArchiveLayer| format!("{}.tar", layer.diff_id.hex());
    let mut written: BTreeSet<Digest> = BTreeSet::new();
    for layer in layers {
        if !written.insert(layer.diff_id) {
            continue;
        }
        let size = match layer.tar_size {
            Some(size) => size,
            None => io::copy(&mut open(layer)?, &mut io::sink())?,
        };
        let mut content = Hashed { inner: open(layer)?, hasher: Hasher::default() };
        tar.file(&layer_name(layer), size, &mut content)?;
        let (actual, _) = content.hasher.finish();
        if actual != layer.diff_id {
            let message = format!("layer {} unpacks to {actual}, and the config says {}", layer.descriptor.digest, layer.diff_id);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    }
    tar.file(&config_name, config.len() as u64, &mut &config[..])?;
    let tags: Vec<String> = names.iter().filter_map(|name| Some(name.name.tagged(&name.tag_or_latest()?).to_string())).collect();
    let layers: Vec<String> = layers.iter().map(layer_name).collect();
    let manifest = canonical_json(&json!([{ "Config": config_name, "RepoTags": tags, "Layers": layers }]))?;
    tar.file("manifest.json", manifest.len() as u64, &mut &manifest[..])?;
    tar.finish()
}

fn open(layer: &ArchiveLayer) -> io::Result<impl Read> {
    let compression = layer.descriptor.media_type.layer_compression().unwrap_or(Compression::None);
    Decompressed::new(Verified::new(layer.source.open()?, &layer.descriptor), compression, Limits::default())
}

struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// A Docker archive that is read, as the OCI image that it means: the same config, and the layers as the archive holds them. How a layer is
/// compressed is seen by its bytes: no name in the archive says so.
#[derive(Debug)]
pub struct DockerArchive {
    files: TarFiles,
    manifest: RawManifest,
    /// The digest of the config: Docker's image ID.
    config: Digest,
    names: BTreeMap<Digest, String>,
}

impl DockerArchive {
    /// Opens an archive with one image.
    ///
    /// # Errors
    /// When it is none, or holds several images.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let files = TarFiles::open(path)?;
        let corrupt =
            |reason: &str| StoreError::new(StoreFault::Corrupt, format!("`{}` is not a Docker archive: {reason}", path.display()));
        if !files.has("manifest.json") {
            let failure = corrupt("it holds no `manifest.json`");
            return Err(if files.has("oci-layout") {
                failure.hint(format!("`oci-archive:{}` may be meant", path.display()))
            } else {
                failure
            });
        }
        let listed = crate::oci::strict_json(&files.small("manifest.json")?)
            .map_err(|fault| corrupt("its `manifest.json` is broken").caused_by(fault))?;
        let [image] = listed.as_array().map(Vec::as_slice).unwrap_or_default() else {
            return Err(corrupt("it must contain exactly one image"));
        };
        let config_name = image["Config"].as_str().ok_or_else(|| corrupt("it names no config"))?;
        let config = Parsed::<Config>::read(&files.small(config_name)?, &MediaType::Config)
            .map_err(|fault| corrupt("its config is broken").caused_by(fault))?;
        let layer_names: Vec<&str> = image["Layers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let diff_ids = config.view().diff_ids();
        if layer_names.len() != diff_ids.len() {
            return Err(corrupt("its number of layers differs from that of its config"));
        }
        let mut names = BTreeMap::from([(config.digest(), config_name.to_owned())]);
        let mut layers = Vec::new();
        // One file may be several layers, and is hashed once.
        let mut compressed: BTreeMap<&str, Descriptor> = BTreeMap::new();
        for (name, diff_id) in layer_names.iter().zip(diff_ids) {
            let layer = match compressed.get(name) {
                Some(layer) => layer.clone(),
                None => describe(&files, name, *diff_id)?,
            };
            if layer.media_type != MediaType::Layer(Compression::None) {
                compressed.insert(name, layer.clone());
            }
            names.insert(layer.digest, (*name).to_owned());
            layers.push(layer);
        }
        let manifest =
            Manifest { config: config.descriptor().clone(), layers, annotations: BTreeMap::new(), artifact_type: None, subject: None };
        let manifest =
            Parsed::write(manifest, MediaType::Manifest).map_err(|fault| corrupt("its manifest would be too large").caused_by(fault))?;
        Ok(Self { files, manifest: RawManifest::from(&manifest), config: config.digest(), names })
    }

    /// Returns the image's manifest.
    pub fn manifest(&self) -> &RawManifest {
        &self.manifest
    }
}

/// Describes a layer of an archive. A plain one has the digest that the config names, which its reader checks; a compressed one is read
/// to learn its own.
fn describe(files: &TarFiles, name: &str, diff_id: Digest) -> Result<Descriptor, StoreError> {
    let (mut file, size) = files.file(name)?;
    let failed = |error| disk("read", &files.path, error);
    let mut beginning = Vec::new();
    file.by_ref().take(4).read_to_end(&mut beginning).map_err(failed)?;
    let compression = compression_of(&beginning);
    if compression == Compression::None {
        return Ok(Descriptor::new(MediaType::Layer(compression), diff_id, size));
    }
    let mut content = Hashed { inner: (&beginning[..]).chain(file), hasher: Hasher::default() };
    io::copy(&mut content, &mut io::sink()).map_err(failed)?;
    let (digest, size) = content.hasher.finish();
    Ok(Descriptor::new(MediaType::Layer(compression), digest, size))
}

impl Store for DockerArchive {
    fn name(&self) -> String {
        format!("docker-archive:{}", self.files.path.display())
    }

    fn read_manifest(&self, selector: &Selector) -> Result<RawManifest, StoreError> {
        match selector {
            Selector::Digest(digest) if *digest != self.manifest.descriptor().digest && *digest != self.config => {
                let error = StoreError::new(StoreFault::Missing, format!("`{}` has no image `{selector}`", self.name()));
                Err(error.hint(format!("it has `@{}`, the digest of its config", self.config)))
            }
            _ => Ok(self.manifest.clone()),
        }
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        Ok(self.names.contains_key(&descriptor.digest))
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn Read + Send>>, StoreError> {
        let missing = || StoreError::new(StoreFault::Missing, format!("`{}` has no blob {}", self.name(), descriptor.digest));
        let (file, size) = self.files.file(self.names.get(&descriptor.digest).ok_or_else(missing)?)?;
        if size > MANIFEST_LIMIT && descriptor.media_type == MediaType::Config {
            return Err(disk("read", &self.files.path, io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Verified::new(Box::new(file), descriptor))
    }

    fn write_blob(&self, _: &Descriptor, _: &dyn BlobSource, _: &dyn Progress) -> Result<Written, StoreError> {
        Err(read_only(&self.name()))
    }

    fn write_manifest(&self, _: &RawManifest, _: Option<&Tag>) -> Result<(), StoreError> {
        Err(read_only(&self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Platform;

    /// Writes an archive as crane does: names that say nothing true, and layers in any form.
    fn archive(folder: &Path, tar: &[u8], blobs: &[(&str, Vec<u8>)]) -> std::path::PathBuf {
        let config = Config::new(&Platform::default_target()).with_diff_ids(vec![Digest::of(tar); blobs.len()]);
        let config = Parsed::write(config, MediaType::Config).unwrap();
        let layers: Vec<&str> = blobs.iter().map(|(name, _)| *name).collect();
        let manifest = json!([{ "Config": config.digest().to_string(), "RepoTags": null, "Layers": layers }]).to_string();
        let path = folder.join("image.tar");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut out = TarWriter::new(&mut file);
        out.file(&config.digest().to_string(), config.bytes().len() as u64, &mut config.bytes()).unwrap();
        let written: BTreeMap<&str, &Vec<u8>> = blobs.iter().map(|(name, blob)| (*name, blob)).collect();
        for (name, blob) in written {
            out.file(name, blob.len() as u64, &mut &blob[..]).unwrap();
        }
        out.file("manifest.json", manifest.len() as u64, &mut manifest.as_bytes()).unwrap();
        out.finish().unwrap();
        path
    }

    #[test]
    fn layers_are_taken_for_what_their_bytes_are() {
        let tar = [0; 1024].to_vec();
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(&tar).unwrap();
        let (gzip, zstd) = (encoder.finish().unwrap(), zstd::encode_all(&tar[..], 3).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let blobs = [("a.tar.gz", gzip.clone()), ("b.tar.gz", zstd), ("c.tar.gz", tar.clone()), ("a.tar.gz", gzip.clone())];
        let archive = DockerArchive::open(&archive(folder.path(), &tar, &blobs)).unwrap();
        let manifest = archive.manifest().parse::<Manifest>().unwrap();
        let layers = &manifest.view().layers;
        for ((layer, (_, blob)), form) in
            layers.iter().zip(&blobs).zip([Compression::Gzip, Compression::Zstd, Compression::None, Compression::Gzip])
        {
            assert_eq!((&layer.media_type, layer.digest, layer.size), (&MediaType::Layer(form), Digest::of(blob), blob.len() as u64));
            assert_eq!(archive.open_blob(layer).unwrap().read_all(9999).unwrap(), *blob);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let tar = [0; 1024].to_vec();
        let blob = zstd::encode_all(&tar[..], 3).unwrap();
        let layer = || ArchiveLayer {
            descriptor: Descriptor::of(MediaType::Layer(Compression::Zstd), &blob),
            diff_id: Digest::of(&tar),
            tar_size: None,
            source: Arc::new(blob.clone()),
        };
        let config = Config::new(&Platform::default_target()).with_diff_ids(vec![Digest::of(&tar); 2]);
        let config = Parsed::write(config, MediaType::Config).unwrap();
        let mut bytes = vec![];
        write(config.bytes(), &[layer(), layer()], &["shop/api:dev".parse().unwrap()], &mut bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        std::fs::write(&path, &bytes).unwrap();
        let archive = DockerArchive::open(&path).unwrap();
        let manifest = archive.manifest().parse::<Manifest>().unwrap();
        assert_eq!(manifest.view().config.digest, config.digest());
        for digest in [config.digest(), archive.manifest().descriptor().digest] {
            assert_eq!(archive.read_manifest(&Selector::Digest(digest)).unwrap(), *archive.manifest());
        }
        assert!(archive.read_manifest(&Selector::Digest(Digest::of(b"other"))).is_err());
        assert_eq!(archive.open_blob(&manifest.view().layers[1]).unwrap().read_all(9999).unwrap(), tar);
        let mut wrong = layer();
        wrong.diff_id = Digest::of(b"other");
        assert!(write(config.bytes(), &[wrong], &[], &mut vec![]).is_err());
    }
}
