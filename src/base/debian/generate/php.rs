use super::sources::{Generated, Sources};
use crate::base::debian::files::{file, symlink};

/// A module's order among the files of a folder where its own file says none (`php-helper`, `get_priority`).
const PRIORITY: &str = "20";

/// Switches on every module of PHP for every interface that is in the image (`phpenmod -s ALL`), and gives each interface its `php.ini`: what the scripts
/// of Debian's PHP packages do.
pub(in crate::base::debian) fn modules(sources: &Sources<'_>) -> Vec<Generated> {
    let mut made = Vec::new();
    for version in versions(sources) {
        let interfaces = sources.names_in(&format!("usr/lib/php/{version}/sapi"));
        for (path, content) in sources.contents(|path| module(path).is_some_and(|(of, _)| of == version)) {
            let Some((_, name)) = module(&path) else { continue };
            let available = format!("etc/php/{version}/mods-available/{name}.ini");
            let priority = priority(content);
            for interface in &interfaces {
                made.push((format!("etc/php/{version}/{interface}/conf.d/{priority:0>2}-{name}.ini"), symlink(&format!("/{available}"))));
            }
            made.push((available, file(content)));
        }
        for interface in &interfaces {
            let suffix = if interface == "cli" { ".cli" } else { "" };
            if let Some(content) = sources.content(&format!("usr/lib/php/{version}/php.ini-production{suffix}")) {
                made.push((format!("etc/php/{version}/{interface}/php.ini"), file(content)));
            }
            if interface == "fpm" {
                // Its configuration names this file, and a container's log is what it writes to its output.
                made.push((format!("var/log/php{version}-fpm.log"), symlink("/dev/stderr")));
            }
        }
    }
    made
}

/// Returns the versions of PHP in the image: `8.4`.
fn versions(sources: &Sources<'_>) -> Vec<String> {
    let is_version = |name: &String| name.contains('.') && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    sources.names_in("usr/lib/php").into_iter().filter(is_version).collect()
}

/// Returns what a file switches on: `usr/share/php8.4-xml/xml/dom.ini` is the module `dom` of 8.4. Packages of modules that are not PHP's own have the file
/// where it is read: `etc/php/8.4/mods-available/redis.ini`.
fn module(path: &str) -> Option<(&str, &str)> {
    if let Some((version, name)) = path.strip_prefix("etc/php/").and_then(|rest| rest.split_once("/mods-available/")) {
        return name.strip_suffix(".ini").filter(|name| !name.contains('/') && !name.is_empty()).map(|name| (version, name));
    }
    let (package, rest) = path.strip_prefix("usr/share/php")?.split_once('/')?;
    let (version, _) = package.split_once('-')?;
    let (_, name) = rest.split_once('/')?;
    let name = name.strip_suffix(".ini").filter(|name| !name.contains('/') && !name.is_empty())?;
    Some((version, name))
}

/// Returns the number of the line `; priority=15` of a module's file.
fn priority(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let number = |line: &str| {
        let (name, value) = line.strip_prefix(';')?.split_once('=')?;
        let value = value.trim();
        let is_number = name.trim() == "priority" && (1..=4).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| value.to_owned())
    };
    text.lines().find_map(number).unwrap_or_else(|| PRIORITY.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_by_their_files() {
        for (path, expected) in [
            ("usr/share/php8.4-xml/xml/dom.ini", Some(("8.4", "dom"))),
            ("usr/share/php8.2-common/common/pdo.ini", Some(("8.2", "pdo"))),
            ("etc/php/8.4/mods-available/redis.ini", Some(("8.4", "redis"))),
            ("etc/php/8.4/cli/php.ini", None),
            ("usr/share/php/x/dom.ini", None),
            ("usr/share/php8.4-xml/dom.ini", None),
            ("usr/share/php8.4-xml/a/b/dom.ini", None),
            ("usr/share/php8.4-xml/xml/dom.txt", None),
        ] {
            assert_eq!(module(path), expected, "{path}");
        }
    }

    #[test]
    fn priorities_are_read_from_comments() {
        for (text, expected) in [
            ("; configuration for php xml module\n; priority=15\nextension=xml.so\n", "15"),
            (";priority = 5 \n", "5"),
            ("; priority=\n; priority=x\n", "20"),
            ("; priority=../../etc\n", "20"),
            ("extension=x.so\n", "20"),
        ] {
            assert_eq!(priority(text.as_bytes()), expected, "{text}");
        }
    }
}
