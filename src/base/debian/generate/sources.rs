use crate::base::debian::files::ImageFiles;
use crate::base::debian::filter::path_text;
use crate::base::debian::request::AssemblyRequest;
use crate::base::debian::scripts::{Action, ScriptCommand, Step, TRIGGERS};
use crate::rootfs::{Entry, ImagePath};

/// Where packages have parts of ghostscript's list of CID-keyed fonts.
pub(super) const CID_FONT_PARTS: &str = "etc/ghostscript/cidfmap.d";
/// Where packages have parts of ghostscript's list of other fonts.
pub(super) const FONT_PARTS: &str = "etc/ghostscript/fontmap.d";

/// A file, folder or link that is generated: its path without a slash in front.
pub(in crate::base::debian) type Generated = (String, Entry);

/// Why nothing can be generated of a package's file.
#[derive(Debug, thiserror::Error)]
#[error("`/{path}` {fault}")]
pub struct SourceFault {
    /// The file, without a slash in front.
    pub path: String,
    /// What is wrong with it, as a fragment.
    pub fault: String,
}

/// What generators read: the packages, and the image's files so far.
pub(in crate::base::debian) struct Sources<'a> {
    pub(in crate::base::debian) request: &'a AssemblyRequest<'a>,
    /// The commands that scripts would start, in the order of the packages.
    pub(in crate::base::debian) commands: &'a [ScriptCommand],
    pub(in crate::base::debian) files: &'a ImageFiles,
}

impl<'a> Sources<'a> {
    /// Says whether the image has something at a path, which is written without a slash in front.
    pub(super) fn has(&self, path: &str) -> bool {
        ImagePath::new(path.as_bytes()).is_ok_and(|path| self.files.contains_key(&path))
    }

    /// Returns the paths of the image's files directly in a folder, each as its name, in the order of their bytes.
    pub(super) fn names_in(&self, folder: &str) -> Vec<String> {
        let inside = self.files.keys().map(path_text);
        let name = |path: String| path.strip_prefix(folder)?.strip_prefix('/').filter(|name| !name.contains('/')).map(str::to_owned);
        inside.filter_map(name).collect()
    }

    /// Returns the paths below `/usr/lib` with these folders inside of the architecture's own one: `/usr/lib/TRIPLET/graphviz`.
    pub(super) fn library_folders(&self, inside: &str) -> Vec<String> {
        let paths = self.files.keys().map(path_text);
        let is_wanted = |path: &String| {
            let below = path.strip_prefix("usr/lib/").and_then(|path| path.strip_suffix(inside)).and_then(|path| path.strip_suffix('/'));
            below.is_some_and(|triplet| triplet.contains("-linux-") && !triplet.contains('/'))
        };
        paths.filter(is_wanted).collect()
    }

    /// Returns the contents of packages' files that are wanted, in the order of their paths. They are there even when the file itself is left out.
    pub(super) fn contents(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, &'a [u8])> {
        let kept = self.request.packages.iter().flat_map(|package| &package.facts.kept);
        let mut found: Vec<(String, &[u8])> = kept.map(|(path, content)| (path_text(path), &*content.0)).collect();
        found.retain(|(path, _)| is_wanted(path));
        found.sort();
        found.dedup_by(|one, other| one.0 == other.0);
        found
    }

    /// Returns the content of one file of a package.
    pub(super) fn content(&self, path: &str) -> Option<&'a [u8]> {
        let path = ImagePath::new(path.as_bytes()).ok()?;
        let content = self.request.packages.iter().find_map(|package| package.facts.kept.get(&path))?;
        Some(&content.0)
    }

    /// Returns the version of what a package is made of: `2.42.12` of the package's `2.42.12+dfsg-4`.
    pub(super) fn upstream_version(&self, name: &str) -> &'a str {
        let package = self.request.packages.iter().find(|package| package.name == name);
        let line = package.and_then(|package| package.facts.control.lines().find_map(|line| line.strip_prefix("Version:")));
        line.unwrap_or_default().trim().split(['+', '-', '~']).next().unwrap_or_default()
    }

    /// Returns what lists lack, as steps of the packages that make them: each has a trigger for the folder.
    pub(super) fn steps(&self, unlisted: Vec<Unlisted>) -> Vec<Step> {
        let step = |Unlisted { package, command, list, needed }: Unlisted| {
            let number = self.request.packages.iter().position(|found| found.name == package)?;
            let action = Action::Missing { file: Some(format!("/{list}")), needed };
            Some(Step { package: number, script: TRIGGERS, line: 1, command: command.to_owned(), action })
        };
        unlisted.into_iter().filter_map(step).collect()
    }

    /// Returns the commands that scripts would start: each with its package's name.
    pub(super) fn commands(&self) -> impl Iterator<Item = (&'a str, &'a [String])> {
        let packages = &self.request.packages;
        self.commands.iter().map(|command| (packages[command.package].name, &*command.words))
    }
}

/// What a generated list lacks, since this program does not know what a file would add to it.
pub(super) struct Unlisted {
    /// The package that has the trigger.
    pub(super) package: &'static str,
    /// The command that makes the list.
    pub(super) command: &'static str,
    /// The list, without a slash in front.
    pub(super) list: String,
    /// What needs the missing part, as a fragment.
    pub(super) needed: String,
}

/// Says whether generators read a file of a package, so that its content must be kept when the package is read.
pub fn is_generator_source(path: &ImagePath) -> bool {
    let path = path_text(path);
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    let has_end = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    match folder {
        "usr/share/mime/packages" => has_end(&[".xml"]),
        "usr/share/glib-2.0/schemas" => has_end(&[".gschema.xml", ".enums.xml", ".gschema.override"]),
        "etc/apache2/mods-available" => has_end(&[".load"]),
        CID_FONT_PARTS | FONT_PARTS => has_end(&[".conf"]),
        "usr/share/apache2/default-site" => name == "index.html",
        _ if folder.starts_with("usr/lib/php/") => name.starts_with("php.ini-production"),
        _ if folder.starts_with("usr/share/php") => has_end(&[".ini"]),
        _ if folder.starts_with("etc/php/") => folder.ends_with("/mods-available") && has_end(&[".ini"]),
        // The templates of drivers: `tdsodbc/odbcinst.ini`, `psqlodbc/odbcinst.ini.template`, `sqliteodbc/unixodbc.ini`.
        _ => folder.starts_with("usr/share/") && folder.contains("odbc") && name.contains(".ini"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_kept_of_what_generators_read_and_of_nothing_else() {
        for (path, expected) in [
            ("usr/share/mime/packages/freedesktop.org.xml", true),
            ("usr/share/mime/packages/README", false),
            ("usr/share/glib-2.0/schemas/org.a.gschema.xml", true),
            ("usr/share/glib-2.0/schemas/10_a.gschema.override", true),
            ("usr/share/glib-2.0/schemas/gschema.dtd", false),
            ("etc/apache2/mods-available/alias.load", true),
            ("etc/apache2/mods-available/alias.conf", false),
            ("usr/lib/php/8.4/php.ini-production.cli", true),
            ("usr/lib/php/8.4/php.ini-development", false),
            ("usr/share/php8.4-xml/xml/dom.ini", true),
            ("etc/php/8.4/mods-available/redis.ini", true),
            ("etc/php/8.4/cli/php.ini", false),
            ("usr/share/psqlodbc/odbcinst.ini.template", true),
            ("usr/share/sqliteodbc/unixodbc.ini", true),
            ("etc/odbc.ini", false),
            ("usr/bin/php8.4", false),
        ] {
            assert_eq!(is_generator_source(&ImagePath::new(path.as_bytes()).unwrap()), expected, "{path}");
        }
    }
}
