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

#[test]
fn a_reader_that_stops_early_finds_damage_and_spares_what_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let content: Vec<u8> = (0..900_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let descriptor = put(&cache, &content);
    let path = cache.blob_path(&descriptor.digest);
    let begin = || cache.open(&descriptor).unwrap().read(&mut [0; 100]).unwrap();
    begin();
    assert!(!cache.has_damage() && path.exists());
    // The last byte, which the reader did not come to.
    let mut damaged = content.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, &damaged).unwrap();
    // One that read nothing has met nothing.
    drop(cache.open(&descriptor).unwrap());
    assert!(!cache.has_damage());
    begin();
    assert_eq!(cache.take_damaged(), std::slice::from_ref(&path));
    assert!(!path.exists() && !cache.has_damage());
    // The last bytes of damaged content are not given at all.
    put(&cache, &content);
    fs::write(&path, &damaged).unwrap();
    let mut blob = cache.open(&descriptor).unwrap();
    let mut given = Vec::new();
    let error = blob.read_to_end(&mut given).unwrap_err();
    assert!(DamagedBlob::in_causes(&error).is_some() && given.len() < content.len());
    assert!(blob.read(&mut [0; 9]).is_err(), "it never ends as if it were whole");
}

#[test]
fn a_descriptor_with_another_size_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let descriptor = put(&cache, b"content");
    let lie = Descriptor { size: 9, ..descriptor.clone() };
    assert!(!cache.has(&lie) && cache.open(&lie).is_none() && !cache.has_damage());
    assert!(cache.has(&descriptor) && cache.read_small(&descriptor.digest, 3).is_none() && cache.has(&descriptor));
    fs::write(cache.blob_path(&descriptor.digest), b"longer content").unwrap();
    assert!(!cache.has(&descriptor) && cache.has_damage() && !cache.blob_path(&descriptor.digest).exists());
}

#[test]
fn what_others_may_have_written_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    let key = Digest::of(b"key");
    let open_to_others = |path: &Path| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    cache.write_record(&key, b"record");
    cache.write_facts(&key, b"facts");
    cache.write_package(&key, b"package");
    assert_eq!(cache.record(&key), Some(CachedRecord::Own(b"record".to_vec())));
    for kind in [RECORDS, FACTS, PACKAGES] {
        open_to_others(&cache.kept_path(kind, &key));
    }
    assert_eq!(cache.record(&key), Some(CachedRecord::Foreign(b"record".to_vec())));
    assert_eq!(cache.newest_records(9), [(key, CachedRecord::Foreign(b"record".to_vec()))]);
    assert_eq!((cache.facts(&key), cache.all_facts(), cache.has_package(&key), cache.package(&key)), (None, vec![], false, None));
    assert!(!cache.has_damage());
    // What is written again is this user's.
    cache.write_facts(&key, b"facts");
    assert_eq!(cache.facts(&key).unwrap(), b"facts");
}

#[test]
fn a_prune_says_before_what_it_removes() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path());
    put(&cache, b"content");
    cache.write_record(&Digest::of(b"key"), b"record");
    let rule = PruneRule::default();
    let found = cache.prunable(rule).unwrap();
    assert_eq!(found, Pruned { files: 2, bytes: 7 + 32 + 6 });
    assert_eq!((cache.prune(rule).unwrap(), cache.prunable(rule).unwrap()), (found, Pruned::default()));
}
