use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::debian::{Compression, Expected, Index, IndexFile, Limits, PackagesFile, Release, TrustedKeys};
use crate::diagnostic::{Diagnostic, ExternalError};
use crate::feed::{FetchError, FetchFault};
use crate::host::{now, read_bytes};
use crate::lock::LockedArchive;
use crate::oci::{Descriptor, MediaType};
use crate::ops::recipe::OpenRecipe;
use crate::ops::{Failure, Run, TaskKind, Tools};
use crate::recipe::{DebianBase, Spanned};

use super::mirrors::{DEBIAN, DEBIAN_SECURITY, mirrors_of, snapshot_time};
use super::packages::in_parallel;

/// The largest `InRelease` in bytes: Debian's has a seventh of a megabyte.
const RELEASE_LIMIT: u64 = 16 << 20;
/// The largest file with keys in bytes.
const KEYS_LIMIT: u64 = 4 << 20;
/// How much memory an index may ask its decoder for, in KiB.
const DICTIONARY: u32 = 96 << 10;

/// A suite of an archive that packages are taken from.
pub(super) struct Suite {
    /// The archive, as a lock names it.
    pub(super) archive: String,
    pub(super) name: String,
    components: Vec<String>,
    keys: TrustedKeys,
}

/// A suite, as it is now.
pub(super) struct OpenSuite {
    pub(super) suite: Suite,
    pub(super) release: Release,
    mirrors: Vec<crate::feed::Mirror>,
}

/// Returns the suites that a recipe names, in the order in which they are asked.
pub(super) fn suites(base: &DebianBase, open: &OpenRecipe) -> Result<Vec<Suite>, Failure> {
    let mut suites = Vec::new();
    if let Some(name) = &base.suite {
        for (archive, name) in [(DEBIAN, name.clone()), (DEBIAN, format!("{name}-updates")), (DEBIAN_SECURITY, format!("{name}-security"))]
        {
            let suite = Suite::of_debian(archive, &name)?;
            suites.push(Suite { keys: with_files(suite.keys, &base.keys, open)?, ..suite });
        }
    }
    for archive in &base.archives {
        let (name, components) = (archive.suite.clone(), archive.components.clone());
        let keys = with_files(TrustedKeys::none(), &archive.keys, open)?;
        suites.push(Suite { archive: archive.url.clone(), name, components, keys });
    }
    Ok(suites)
}

/// Adds the keys of files of the project.
fn with_files(keys: TrustedKeys, files: &[Spanned<String>], open: &OpenRecipe) -> Result<TrustedKeys, Failure> {
    files.iter().try_fold(keys, |keys, file| {
        let wrong = |reason: String| {
            let diagnostic = Diagnostic::error(format!("could not use the keys in `{}`: {reason}", file.value));
            Failure::from(diagnostic.at(file.span.as_ref(), "named here"))
        };
        let bytes = read_bytes(&open.folder.join(&file.value), KEYS_LIMIT).map_err(|error| wrong(error.to_string()))?;
        keys.with(&bytes).map_err(|fault| wrong(fault.to_string()))
    })
}

impl Suite {
    /// Returns a suite of Debian's own archives.
    pub(super) fn of_debian(archive: &str, name: &str) -> Result<Self, Failure> {
        let keys = TrustedKeys::built_in().map_err(|fault| Failure::wrong(format!("the built-in keys are broken: {fault}")))?;
        Ok(Self { archive: archive.to_owned(), name: name.to_owned(), components: vec!["main".to_owned()], keys })
    }

    /// Fetches and verifies the suite's signed list. `before` is what the lock knows of it: nothing older is taken.
    pub(super) fn open(self, before: Option<&LockedArchive>, tools: &Tools) -> Result<OpenSuite, Failure> {
        let now = now();
        let mirrors = mirrors_of(&self.archive, &snapshot_time(now), tools);
        let last = before.and_then(|locked| locked.date.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_second);
        let expected = Expected { suite: &self.name, now, not_older_than: last };
        let path = format!("dists/{}/InRelease", self.name);
        let mut hint = None;
        let judge = |bytes: &[u8]| {
            Release::verify(bytes, &self.keys, &expected).map_err(|fault| {
                hint = fault.hint();
                fault.to_string()
            })
        };
        let read = tools.feed.read(&mirrors, &path, RELEASE_LIMIT, judge);
        let (release, mirror) = read.map_err(|FetchError { fault, mut error }| {
            error.message = format!("could not use the suite `{}` of `{}`", self.name, self.archive);
            error.hints.extend(hint.map(str::to_owned));
            if matches!(fault, FetchFault::Unreachable | FetchFault::Missing) && self.archive.starts_with(DEBIAN) {
                error
                    .hints
                    .push("name a mirror that can be reached: `--debian-mirror https://HOST/debian`, or HARDENED_DEBIAN_MIRROR".to_owned());
            }
            error
        })?;
        // The mirror that has the list has what it names; other mirrors may be older or newer.
        let mut mirrors = mirrors;
        mirrors.retain(|other| *other != mirror);
        mirrors.insert(0, mirror);
        Ok(OpenSuite { suite: self, release, mirrors })
    }
}

impl OpenSuite {
    /// Returns what messages call it, which no other of the recipe is called.
    pub(super) fn label(&self) -> String {
        let Suite { archive, name, .. } = &self.suite;
        if archive.contains("://") { format!("{name} of {archive}") } else { name.clone() }
    }

    pub(super) fn locked(&self) -> LockedArchive {
        let time = |seconds: i64| jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string();
        LockedArchive {
            name: self.suite.archive.clone(),
            suite: self.suite.name.clone(),
            in_release: self.release.digest,
            date: time(self.release.date),
            valid_until: self.release.valid_until.map(time),
            signers: self.release.signers.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns the lists of packages for an architecture.
    fn files(&self, architecture: &str) -> Result<Vec<PackagesFile>, Failure> {
        let of = |component: &String| {
            self.release.packages(component, architecture).map_err(|fault| {
                let message = format!("the suite `{}` of `{}` cannot be used: {fault}", self.suite.name, self.suite.archive);
                Failure::wrong(message)
            })
        };
        Ok(self.suite.components.iter().map(of).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

/// Fetches the lists of packages of all suites for these architectures into the cache, as far as they are not there.
pub(super) fn fetch_indexes(suites: &[OpenSuite], architectures: &[&str], run: Run<'_>) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    for suite in suites {
        for architecture in architectures {
            for file in suite.files(architecture)? {
                if !run.tools.cache.has(&descriptor(&file))
                    && !wanted.iter().any(|(_, known): &(_, PackagesFile)| known.digest == file.digest)
                {
                    wanted.push((suite, file));
                }
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let size = wanted.iter().fold(0, |size: u64, (_, file)| size.saturating_add(file.size));
    let names = match wanted.as_slice() {
        [_] => "1 list of packages".to_owned(),
        several => format!("{} lists of packages", several.len()),
    };
    let task = run.observer.begin(TaskKind::Fetch, &names, Some(size));
    in_parallel(&wanted, 4, |(suite, file)| {
        let part = task.part(&format!("packages of {}", suite.suite.name), Some(file.size));
        let folder = format!("dists/{}", suite.suite.name);
        let paths: Vec<String> = file.by_hash.iter().chain([&file.path]).map(|path| format!("{folder}/{path}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        run.tools.feed.fetch(&suite.mirrors, &paths, &descriptor(file), &*part)?;
        part.finish("");
        Ok(())
    })?;
    task.finish("");
    Ok(())
}

/// Reads the lists of packages for an architecture, with the number of the suite that each is of.
pub(super) fn read_indexes(suites: &[OpenSuite], architecture: &str, tools: &Tools) -> Result<Vec<(usize, Index)>, Failure> {
    let mut indexes = Vec::new();
    for (number, suite) in suites.iter().enumerate() {
        for file in suite.files(architecture)? {
            indexes.push((number, read_index(&file, suite, tools)?));
        }
    }
    Ok(indexes)
}

fn read_index(file: &PackagesFile, suite: &OpenSuite, tools: &Tools) -> Result<Index, Failure> {
    let broken = |cause: Box<dyn std::error::Error + Send + Sync>| {
        let message = format!("could not read `{}` of the suite `{}` of `{}`", file.path, suite.suite.name, suite.suite.archive);
        Failure::from(ExternalError::new(message).caused_by(cause))
    };
    let blob = tools.cache.open(&descriptor(file)).ok_or_else(|| broken("the cache lost it".into()))?;
    let limit = file.plain.map(|IndexFile { size, .. }| size);
    let limits = Limits { bytes: limit.unwrap_or(Limits::default().bytes).min(Limits::default().bytes), ..Limits::default() };
    let plain = BufReader::with_capacity(128 << 10, blob);
    let (index, mut rest): (_, Box<dyn Read>) = match file.compression {
        Compression::Xz => {
            let mut reader = BufReader::with_capacity(256 << 10, XzReader::new_mem_limit(plain, true, DICTIONARY));
            (Index::read(&mut reader, &limits), Box::new(reader.into_inner().into_inner()))
        }
        Compression::Gzip => {
            let mut reader = BufReader::with_capacity(256 << 10, MultiGzDecoder::new(plain));
            (Index::read(&mut reader, &limits), Box::new(reader.into_inner().into_inner()))
        }
        Compression::None => {
            let mut reader = plain;
            (Index::read(&mut reader as &mut dyn BufRead, &limits), Box::new(reader))
        }
    };
    let index = index.map_err(|fault| broken(fault.into()))?;
    // The digest is checked at the end of the file, also when its reader stopped before.
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(|error| broken(error.into()))?;
    Ok(index)
}

fn descriptor(file: &PackagesFile) -> Descriptor {
    Descriptor::new(MediaType::Other("application/x-debian-packages".to_owned()), file.digest, file.size)
}
