use std::io;
use std::path::Path;
use std::time::Duration;

use super::bytes;
use crate::cli::arguments::{Cache, CacheVerb};
use crate::cli::invocation::Invocation;
use crate::cli::location::location;
use crate::cli::results::CacheResult;
use crate::diagnostic::{Diagnostic, ExternalError};
use crate::host::cache::PruneRule;
use crate::ops::Failure;
use crate::ops::carry::{self, Carried};
use crate::store::Location;

pub(in crate::cli) fn run(arguments: &Cache, invocation: &Invocation) -> Result<String, Failure> {
    let cache = invocation.cache()?;
    let failed = |error: io::Error| {
        Failure::from(ExternalError::new(format!("could not read the cache `{}`", cache.folder().display())).caused_by(error))
    };
    match &arguments.verb {
        CacheVerb::Show => {
            let found = cache.statistics().map_err(failed)?;
            let outcome = CacheResult { folder: cache.folder().display().to_string(), statistics: found };
            invocation.render(&outcome, || {
                format!(
                    "{}\n{} blobs, {}; facts about {} base layers and packages, {} built layers",
                    outcome.folder,
                    found.blobs,
                    bytes(found.bytes),
                    found.facts,
                    found.layers
                )
            })
        }
        CacheVerb::Check => {
            let found = cache.check().map_err(failed)?;
            let text = || {
                let removed = found.removed.iter().map(|path| format!("\nremoved {}, which was damaged", path.display()));
                format!("read {} files, {} of them damaged{}", found.checked, found.removed.len(), removed.collect::<String>())
            };
            if found.removed.is_empty() {
                return invocation.render(&found, text);
            }
            invocation.found(&found, text)?;
            let message = format!("{} of the cache's files were damaged, and are removed", found.removed.len());
            Err(Failure::No(vec![Diagnostic::error(message).hint("build again: what is missing is made or fetched anew")]))
        }
        CacheVerb::Export { destination } => {
            let carried = carry::export(&at(destination)?, invocation.run(&invocation.tools(None)?))?;
            invocation.render(&carried, || told("exported", &carried))
        }
        CacheVerb::Import { source } => {
            let carried = carry::import(&at(source)?, invocation.run(&invocation.tools(None)?))?;
            invocation.render(&carried, || told("imported", &carried))
        }
        CacheVerb::Prune { older_than, keep } => {
            let older_than =
                older_than.as_deref().map(|text| age(text).ok_or_else(|| unread("--older-than", text, "12h` or `14d"))).transpose()?;
            let keep = keep.as_deref().map(|text| size(text).ok_or_else(|| unread("--keep", text, "500MB` or `5GB"))).transpose()?;
            let pruned = cache.prune(PruneRule { older_than, keep }).map_err(failed)?;
            invocation.render(&pruned, || format!("removed {} files, {}", pruned.files, bytes(pruned.bytes)))
        }
    }
}

/// A file is written as one, without the word that tells it from a reference.
fn at(text: &str) -> Result<Location, Failure> {
    let is_file =
        text.starts_with(['/', '.']) || (Path::new(text).extension().is_some_and(|ending| ending == "tar") && !text.contains(':'));
    if is_file { Ok(Location::Archive(text.into(), None)) } else { location(text) }
}

fn told(what: &str, carried: &Carried) -> String {
    let left_out =
        if carried.left_out == 0 { String::new() } else { format!("; {} left out, of another version or damaged", carried.left_out) };
    format!("{what} {} layers and {} of bases, {}{left_out}", carried.layers, carried.foreign, bytes(carried.bytes))
}

fn unread(flag: &str, text: &str, example: &str) -> Failure {
    Failure::wrong(format!("`{flag} {}` cannot be read", text.escape_debug())).hint(format!("write for example `{example}`"))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn age(text: &str) -> Option<Duration> {
    let (count, unit) = split(text)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return None,
    };
    count.checked_mul(seconds).map(Duration::from_secs)
}

fn size(text: &str) -> Option<u64> {
    let (count, unit) = split(text)?;
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1000,
        "M" | "MB" => 1000 * 1000,
        "G" | "GB" => 1000 * 1000 * 1000,
        "KIB" => 1 << 10,
        "MIB" => 1 << 20,
        "GIB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes() {
        for (text, expected) in [("12h", Some(43_200)), ("14d", Some(1_209_600)), ("5", None), ("d", None), ("99999999999999999999d", None)]
        {
            assert_eq!(age(text).map(|age| age.as_secs()), expected, "{text}");
        }
        for (text, expected) in [("5GB", Some(5_000_000_000)), ("2MiB", Some(2 << 20)), ("7", Some(7)), ("x", None), ("5 GB", None)] {
            assert_eq!(size(text), expected, "{text}");
        }
    }
}
