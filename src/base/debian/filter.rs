use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use crate::rootfs::ImagePath;

/// Every filter, in one file.
const FILTERS: &str = include_str!("filters.toml");

/// What a filter left out of an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct FilterUse {
    /// The filter's name.
    pub name: String,
    /// Why it is there, as a fragment.
    pub reason: String,
    /// How many files it left out.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FiltersKeys {
    filter: Vec<FilterKeys>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterKeys {
    name: String,
    reason: String,
    #[serde(default)]
    slim: bool,
    paths: Vec<String>,
    #[serde(default)]
    keep: Vec<String>,
}

/// The filters that apply to an image, and what they have left out so far.
pub(super) struct Filters {
    filters: Vec<Filter>,
}

struct Filter {
    found: FilterUse,
    paths: GlobSet,
    keep: GlobSet,
}

impl Filters {
    pub(super) fn new(slim: bool) -> Result<Self, String> {
        let keys: FiltersKeys = toml::from_str(FILTERS).map_err(|fault| fault.message().to_owned())?;
        let filters = keys.filter.into_iter().filter(|filter| slim || !filter.slim).map(|filter| {
            let FilterKeys { name, reason, paths, keep, .. } = filter;
            Ok(Filter { found: FilterUse { name, reason, files: 0, bytes: 0 }, paths: globs(&paths)?, keep: globs(&keep)? })
        });
        Ok(Self { filters: filters.collect::<Result<_, String>>()? })
    }

    /// Says whether a path of a package is left out, and counts it then.
    pub(super) fn drops(&mut self, path: &ImagePath, size: u64) -> bool {
        let text = path_text(path);
        for filter in &mut self.filters {
            if filter.paths.is_match(&text) && !filter.keep.is_match(&text) {
                filter.found.files += 1;
                filter.found.bytes += size;
                return true;
            }
        }
        false
    }

    /// Returns why a path would be left out.
    pub(super) fn reason(&self, path: &ImagePath) -> Option<&str> {
        let text = path_text(path);
        let filter = self.filters.iter().find(|filter| filter.paths.is_match(&text) && !filter.keep.is_match(&text))?;
        Some(&filter.found.reason)
    }

    /// Returns what was left out, by filter.
    pub(super) fn uses(self) -> Vec<FilterUse> {
        self.filters.into_iter().map(|filter| filter.found).filter(|found| found.files > 0).collect()
    }
}

/// Returns a path as globs see it: without a slash in front.
pub(super) fn path_text(path: &ImagePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// Reads patterns of paths, in which `*` stops at a slash and `**` does not.
pub(super) fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(path_glob(pattern)?);
    }
    set.build().map_err(|fault| fault.to_string())
}

fn path_glob(pattern: &str) -> Result<Glob, String> {
    GlobBuilder::new(pattern).literal_separator(true).build().map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_leave_out_what_they_name() {
        let dropped = |slim, path: &str| Filters::new(slim).unwrap().drops(&ImagePath::new(path.as_bytes()).unwrap(), 1);
        for (path, always, when_slim) in [
            ("usr/share/doc/libc6/changelog.Debian.gz", true, true),
            ("usr/share/doc/libc6/copyright", false, false),
            ("usr/share/man/man1/a.1.gz", true, true),
            ("usr/share/locale/de/LC_MESSAGES/x.mo", true, true),
            ("usr/lib/x86_64-linux-gnu/gconv/BIG5.so", false, true),
            ("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", false, false),
            ("usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache", false, false),
            ("usr/lib/python3.13/test/support/__init__.py", false, true),
            ("usr/lib/python3.13/json/__init__.py", false, false),
            ("usr/share/python3/debpython/version.py", true, true),
            ("usr/include/stdio.h", false, true),
            ("usr/share/zoneinfo/right/UTC", true, true),
            ("usr/share/zoneinfo/UTC", false, false),
        ] {
            assert_eq!((dropped(false, path), dropped(true, path)), (always, when_slim), "{path}");
        }
    }

    #[test]
    fn what_was_left_out_is_counted_by_name() {
        let mut filters = Filters::new(false).unwrap();
        for (path, size) in [("usr/share/man/man1/a.1", 5), ("usr/share/man/man1/b.1", 7), ("usr/bin/a", 9)] {
            filters.drops(&ImagePath::new(path.as_bytes()).unwrap(), size);
        }
        let uses = filters.uses();
        assert_eq!((uses.len(), uses[0].name.as_str(), uses[0].files, uses[0].bytes), (1, "documentation", 2, 12));
    }
}
