use serde::Deserialize;

use crate::debian::fits;

/// Every need: its name and its file. One file each in `needs/`, and a line here; they apply in this order.
const NEEDS: &[(&str, &str)] = &[
    ("apache2", include_str!("needs/apache2.toml")),
    ("base-files", include_str!("needs/base-files.toml")),
    ("ca-certificates", include_str!("needs/ca-certificates.toml")),
    ("gdk-pixbuf", include_str!("needs/gdk-pixbuf.toml")),
    ("ghostscript", include_str!("needs/ghostscript.toml")),
    ("glib", include_str!("needs/glib.toml")),
    ("graphviz", include_str!("needs/graphviz.toml")),
    ("java", include_str!("needs/java.toml")),
    ("libc", include_str!("needs/libc.toml")),
    ("mysql", include_str!("needs/mysql.toml")),
    ("netbase", include_str!("needs/netbase.toml")),
    ("nginx", include_str!("needs/nginx.toml")),
    ("nodejs", include_str!("needs/nodejs.toml")),
    ("odbc", include_str!("needs/odbc.toml")),
    ("openssh-server", include_str!("needs/openssh-server.toml")),
    ("php", include_str!("needs/php.toml")),
    ("postgresql-client", include_str!("needs/postgresql-client.toml")),
    ("python", include_str!("needs/python.toml")),
    ("r", include_str!("needs/r.toml")),
    ("sgml-base", include_str!("needs/sgml-base.toml")),
    ("shared-mime-info", include_str!("needs/shared-mime-info.toml")),
    ("tzdata", include_str!("needs/tzdata.toml")),
    ("wsgi", include_str!("needs/wsgi.toml")),
    ("xml-core", include_str!("needs/xml-core.toml")),
    // Last, since it does not replace what another need has made.
    ("names", include_str!("needs/names.toml")),
];

/// What an image needs beside the files of its packages: what their maintainer scripts would have done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Need {
    /// What it is for, as a fragment.
    pub(super) reason: String,
    /// The packages, or patterns of them, whose presence makes it apply; without any it always does.
    pub(super) packages: Vec<String>,
    /// The packages whose maintainer scripts it stands in for.
    #[serde(default)]
    pub(super) covers: Vec<String>,
    /// Paths that are left out.
    #[serde(default)]
    pub(super) drop: Vec<String>,
    /// Packages of which only a part is taken.
    #[serde(default, rename = "part")]
    pub(super) parts: Vec<Part>,
    /// Folders that are made.
    #[serde(default, rename = "folder")]
    pub(super) folders: Vec<Folder>,
    /// Links that are made where no package has a file.
    #[serde(default, rename = "link")]
    pub(super) links: Vec<Link>,
    /// Files that are made where no package has one.
    #[serde(default, rename = "file")]
    pub(super) files: Vec<Text>,
    /// Files that are made at the missing targets of links of packages.
    #[serde(default, rename = "end")]
    pub(super) ends: Vec<End>,
    /// Files that are made with the content of a package's file.
    #[serde(default, rename = "copy")]
    pub(super) copies: Vec<CopyOf>,
    /// Libraries that files of packages may miss.
    #[serde(default, rename = "optional")]
    pub(super) optional: Vec<OptionalLibrary>,
    /// Accounts that are added.
    #[serde(default, rename = "user")]
    pub(super) users: Vec<Account>,
    /// What is made of the image's files.
    #[serde(default)]
    pub(super) make: Vec<Make>,
}

/// What is made of the image's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Make {
    /// One file with all CA certificates.
    CaBundle,
    /// The trust store of Java.
    JavaKeyStore,
    /// The list of libraries of glibc's loader.
    LoaderCache,
    /// PHP's modules, switched on for every interface.
    PhpModules,
    /// The XML catalogs below `/etc/xml`.
    XmlCatalogs,
    /// The list of SGML catalogs.
    SgmlCatalogs,
    /// The MIME database's cache.
    MimeCache,
    /// gdk-pixbuf's list of loaders.
    PixbufLoaders,
    /// The compiled schemas of GLib's settings.
    GlibSchemas,
    /// Graphviz' list of plug-ins.
    GraphvizPlugins,
    /// The links by which Apache reads modules, configurations and sites.
    ApacheLinks,
    /// The list of ODBC drivers.
    OdbcDrivers,
    /// The list of CID-keyed fonts of ghostscript.
    GhostscriptCidFonts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) package: String,
    pub(super) paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Folder {
    pub(super) path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub(super) path: String,
    /// Where it leads.
    #[serde(default)]
    pub(super) target: Option<String>,
    /// A pattern of paths: it leads to the first file that fits, and is not made without one.
    #[serde(default)]
    pub(super) like: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) path: String,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// A pattern of links.
    pub(super) of: String,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CopyOf {
    pub(super) from: String,
    pub(super) to: String,
}

/// A library that a file of a package may miss, since only some programs use what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionalLibrary {
    /// The files, a glob over paths in the image: `/usr/lib/jvm/**`.
    pub path: String,
    /// The library, a glob.
    pub library: String,
    /// Why it may be missing.
    pub reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
}

/// Returns the needs of an image with these packages, in their order.
///
/// # Errors
/// When a file of ours does not parse, which a test finds first.
pub(super) fn needs(names: &[&str]) -> Result<Vec<Need>, String> {
    let mut found = Vec::new();
    for (file, text) in NEEDS {
        let need: Need = toml::from_str(text).map_err(|fault| format!("needs/{file}.toml: {}", fault.message()))?;
        if need.packages.is_empty() || names.iter().any(|name| need.packages.iter().any(|pattern| fits(pattern, name))) {
            found.push(need);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::ImagePath;

    #[test]
    fn every_need_reads_and_its_paths_are_paths() {
        let mut files: Vec<String> = std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/base/debian/needs"))
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let mut listed: Vec<&str> = NEEDS.iter().map(|(name, _)| *name).collect();
        listed.sort_unstable();
        assert_eq!(files, listed);
        for (name, text) in NEEDS {
            let need: Need = toml::from_str(text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            let paths = need.links.iter().map(|link| &link.path).chain(need.files.iter().map(|file| &file.path));
            for path in paths.chain(need.folders.iter().map(|folder| &folder.path)).chain(need.copies.iter().map(|copy| &copy.to)) {
                assert!(ImagePath::new(path.as_bytes()).is_ok_and(|path| !path.is_root()), "{name}: {path}");
            }
            assert!(need.links.iter().all(|link| link.target.is_some() != link.like.is_some()), "{name}");
            assert!(!need.reason.is_empty() && need.reason.len() < 200, "{name}");
        }
    }

    #[test]
    fn needs_apply_by_packages() {
        let count = |names: &[&str]| needs(names).unwrap().len();
        assert_eq!(count(&[]), 1);
        assert_eq!(count(&["tzdata"]), 2);
        assert_eq!(count(&["python3.13-minimal", "libc6"]), 3);
    }
}
