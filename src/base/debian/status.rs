use crate::rootfs::{ImagePath, PathFault};

/// Where distroless images keep what scanners read of each package, one file for each (distroless, `PACKAGE_METADATA.md`).
const FOLDER: &str = "var/lib/dpkg/status.d";

/// Returns the paths of a package's files for scanners: its stanza, and its `md5sums`.
///
/// # Errors
/// When the name is none of a package.
pub fn status_paths(package: &str) -> Result<[ImagePath; 2], PathFault> {
    let folder = ImagePath::new(FOLDER.as_bytes())?;
    Ok([folder.join(package.as_bytes())?, folder.join(format!("{package}.md5sums").as_bytes())?])
}

/// Returns a package's stanza for scanners: its control file as it is, without a `Status` and without empty lines around it.
pub fn status_stanza(control: &str) -> String {
    let mut text = String::with_capacity(control.len() + 1);
    let mut skips = false;
    for line in control.split('\n').filter(|line| !line.is_empty()) {
        if !line.starts_with([' ', '\t']) {
            skips = line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("status"));
        }
        if !skips {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_stay_as_they_are() {
        let control = "Package: a\nVersion: 1\nDescription: x\n status: of\n .\n it\n";
        assert_eq!(status_stanza(control), control);
        assert_eq!(status_stanza(&format!("\n{}\n\n", control.trim_end())), control);
        assert_eq!(status_stanza("Package: a\nstatus: install ok\n installed\nVersion: 1"), "Package: a\nVersion: 1\n");
    }

    #[test]
    fn names_are_those_that_scanners_look_for() -> Result<(), PathFault> {
        let paths = status_paths("libstdc++6")?.map(|path| path.to_string());
        assert_eq!(paths, ["/var/lib/dpkg/status.d/libstdc++6", "/var/lib/dpkg/status.d/libstdc++6.md5sums"]);
        assert!(status_paths("../x").is_err());
        Ok(())
    }
}
