use std::io::Write;

use super::*;
use crate::host::Environment;
use crate::oci::MediaType;

fn cache(folder: &Path) -> Cache {
    Cache::open_for(&Environment::default(), Some(folder)).unwrap().0
}

fn put(cache: &Cache, bytes: &[u8]) -> Descriptor {
    let mut writer = cache.writer().unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish(None).unwrap();
    Descriptor::of(MediaType::Config, bytes)
}

fn read(cache: &Cache, descriptor: &Descriptor) -> Option<io::Result<Vec<u8>>> {
    let mut bytes = Vec::new();
    cache.open(descriptor).map(|mut blob| blob.read_to_end(&mut bytes).map(|_| bytes))
}

#[test]
fn content_comes_back_and_damage_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let descriptor = put(&cache, b"some content");
    assert_eq!(read(&cache, &descriptor).unwrap().unwrap(), b"some content");
    let path = cache.blob_path(&descriptor.digest);
    fs::write(&path, b"sOme content").unwrap();
    let error = read(&cache, &descriptor).unwrap().unwrap_err();
    assert!(error.to_string().contains("damaged"));
    assert_eq!(DamagedBlob::in_causes(&error), Some(DamagedBlob(descriptor.digest)));
    assert!(!path.exists() && read(&cache, &descriptor).is_none());
    put(&cache, b"some content");
    fs::write(&path, b"some").unwrap();
    assert!(cache.read_small(&descriptor.digest, 100).is_none() && !path.exists());
}

#[test]
fn damage_is_found_below_other_errors() {
    let damage = DamagedBlob(Digest::of(b"blob"));
    let inner = || io::Error::new(io::ErrorKind::InvalidData, damage);
    let error = |source: io::Error| crate::oci::StoreError::disk("could not write `x`", source);
    assert_eq!(DamagedBlob::in_causes(&error(inner())), Some(damage));
    // As a source gives it that reads through another store, into yet another.
    let nested = error(io::Error::other(io::Error::other(error(inner()))));
    assert_eq!(DamagedBlob::in_causes(&nested), Some(damage));
    assert_eq!(DamagedBlob::in_causes(&error(io::Error::other(damage.to_string()))), None);
    assert_eq!(DamagedBlob::in_causes(&error(io::ErrorKind::InvalidData.into())), None);
}

#[test]
fn unfinished_and_unexpected_content_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    cache.writer().unwrap().write_all(b"half").unwrap();
    let mut writer = cache.writer().unwrap();
    writer.write_all(b"other").unwrap();
    assert!(writer.finish(Some(&Descriptor::of(MediaType::Config, b"wanted"))).is_err());
    assert_eq!(cache.statistics().unwrap(), CacheStatistics::default());
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn litter_of_the_dead_is_swept_and_of_the_living_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = cache(folder.path());
    let writer = first.writer().unwrap();
    let litter = folder.path().join("tmp/new-dead");
    let long_ago = std::time::UNIX_EPOCH;
    for path in fs::read_dir(folder.path().join("tmp")).unwrap().map(|entry| entry.unwrap().path()).chain([litter.clone()]) {
        let file = File::options().create(true).append(true).open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    cache(folder.path());
    assert!(!litter.exists());
    writer.finish(None).unwrap();
}

#[test]
fn facts_are_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let digest = Digest::of(b"layer");
    cache.write_facts(&digest, b"{}");
    assert_eq!(cache.facts(&digest).unwrap(), b"{}");
    let path = cache.kept_path(FACTS, &digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[33] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(cache.facts(&digest).is_none() && !path.exists());
}

#[test]
fn check_and_prune() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let (old, new, bad) = (put(&cache, b"old content"), put(&cache, b"new content"), put(&cache, b"bad"));
    fs::write(cache.blob_path(&bad.digest), b"worse").unwrap();
    let check = cache.check().unwrap();
    assert_eq!((check.checked, check.removed), (3, vec![cache.blob_path(&bad.digest)]));
    File::open(cache.blob_path(&old.digest)).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let rule = PruneRule { older_than: Some(Duration::from_hours(1)), keep: None };
    assert_eq!(cache.prune(rule).unwrap(), Pruned { files: 1, bytes: 11 });
    assert!(!cache.has(&old) && cache.has(&new));
    assert_eq!(cache.prune(PruneRule::default()).unwrap().files, 1);
}

#[test]
fn many_writers_of_one_content_agree() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..20_u8 {
                    let descriptor = put(&cache, &[number; 5000]);
                    assert_eq!(read(&cache, &descriptor).unwrap().unwrap(), [number; 5000]);
                }
            });
        }
    });
    assert_eq!(cache.statistics().unwrap().blobs, 20);
}

#[test]
fn a_cache_that_cannot_be_written_is_replaced_for_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let (cache, note) = Cache::open_for(&Environment::default(), Some(&file.join("cache"))).unwrap();
    assert!(note.is_some() && cache.folder().is_dir());
    let (cache, note) = Cache::open_for(&Environment::default(), None).unwrap();
    assert!(note.is_some());
    let gone = cache.folder().to_owned();
    drop(cache);
    assert!(!gone.exists());
}
