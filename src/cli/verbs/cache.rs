use std::io;
use std::path::Path;
use std::time::Duration;

use super::bytes;
use crate::cli::arguments::{Cache, CacheVerb};
use crate::cli::invocation::Invocation;
use crate::cli::location::location;
use crate::cli::results::CacheResult;
use crate::diagnostic::{Diagnostic, ExternalError};
use crate::host;
use crate::host::cache::{PruneRule, Pruned};
use crate::ops::carry::{self, Carried};
use crate::ops::{Failure, TaskKind};
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
            let task = invocation.observer().begin(TaskKind::Verify, "the cache", None);
            let found = cache.check().map_err(failed)?;
            task.finish("");
            let text = || {
                let removed = found.removed.iter().map(|path| format!("\nremoved {}, which was damaged", path.display()));
                format!("read {} files, {} of them damaged{}", found.checked, found.removed.len(), removed.collect::<String>())
            };
            if found.removed.is_empty() {
                return invocation.render(&found, text);
            }
            invocation.found(&found, text)?;
            let message = format!("{} of the files in the cache were damaged and have been removed", found.removed.len());
            Err(Failure::No(vec![Diagnostic::error(message).hint("build again: hardened makes or downloads the missing files")]))
        }
        CacheVerb::Export { destination } => {
            let carried = carry::export(&at(destination)?, invocation.run(&invocation.tools(None)?))?;
            invocation.render(&carried, || told("exported", &carried))
        }
        CacheVerb::Import { source } => {
            let carried = carry::import(&at(source)?, invocation.run(&invocation.tools(None)?))?;
            invocation.render(&carried, || told("imported", &carried))
        }
        CacheVerb::Prune { older_than, keep, yes } => {
            let older_than = older_than.as_deref().map(age).transpose()?;
            let rule = PruneRule { older_than, keep: keep.as_deref().map(size).transpose()? };
            if rule == PruneRule::default() && !yes && !is_confirmed(&cache, invocation)? {
                return invocation.render(&Pruned::default(), || "nothing was removed".to_owned());
            }
            let task = invocation.observer().begin(TaskKind::Read, "the cache", None);
            let pruned = cache.prune(rule).map_err(failed)?;
            task.finish("");
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
    let left_out = if carried.left_out == 0 {
        String::new()
    } else {
        format!("; {} left out, because they are of another version or damaged", carried.left_out)
    };
    format!("{what} {} layers and {} of bases, {}{left_out}", carried.layers, carried.foreign, bytes(carried.bytes))
}

/// Says what a prune without a rule removes, and asks at the terminal whether it is to go.
///
/// # Errors
/// Where there is no terminal to ask at.
fn is_confirmed(cache: &host::cache::Cache, invocation: &Invocation) -> Result<bool, Failure> {
    let failed = |error: io::Error| {
        Failure::from(ExternalError::new(format!("could not read the cache `{}`", cache.folder().display())).caused_by(error))
    };
    let found = cache.prunable(PruneRule::default()).map_err(failed)?;
    let folder = cache.folder().display().to_string();
    let folder = folder.escape_debug();
    let all = format!("all {} files, {}, of the cache `{folder}`", found.files, bytes(found.bytes));
    if !invocation.screen.can_ask() {
        return Err(Failure::wrong(format!("this removes {all}, and there is no terminal to ask at"))
            .hint("`hardened cache prune --yes` removes everything; `--older-than 14d` or `--keep 5GB` only a part"));
    }
    invocation.screen.alarm(&format!("this removes {all}; a build makes or fetches them again"));
    let answer = invocation.screen.ask("remove them? [y/N]").map_err(failed)?;
    Ok(is_yes(&answer))
}

/// Tells whether an answer is a yes; anything else is a no.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn unread(flag: &str, text: &str, example: &str) -> Failure {
    let text = text.escape_debug().to_string();
    let fault = match split(&text) {
        Some((_, "")) => "has no unit",
        _ => "cannot be read",
    };
    Failure::wrong(format!("`{flag} {text}` {fault}")).hint(format!("write for example {example}"))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn age(text: &str) -> Result<Duration, Failure> {
    read_age(text).ok_or_else(|| unread("--older-than", text, "`12h` or `14d`"))
}

fn size(text: &str) -> Result<u64, Failure> {
    read_size(text).ok_or_else(|| unread("--keep", text, "`500MB` or `5GB`; a number of bytes is `5000000B`"))
}

fn read_age(text: &str) -> Option<Duration> {
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

fn read_size(text: &str) -> Option<u64> {
    let (count, unit) = split(text)?;
    let factor = match unit.to_ascii_uppercase().as_str() {
        "B" => 1,
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
            assert_eq!(read_age(text).map(|age| age.as_secs()), expected, "{text}");
        }
        for (text, expected) in
            [("5GB", Some(5_000_000_000)), ("2MiB", Some(2 << 20)), ("7B", Some(7)), ("7", None), ("x", None), ("5 GB", None)]
        {
            assert_eq!(read_size(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_yes_is_one() {
        for (text, expected) in
            [("y\n", true), ("Yes\n", true), (" y \n", true), ("\n", false), ("", false), ("n\n", false), ("yesterday\n", false)]
        {
            assert_eq!(is_yes(text), expected, "{text:?}");
        }
    }
}
