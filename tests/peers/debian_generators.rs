//! What we generate in place of programs that maintainer scripts run: `update-mime-database` and `glib-compile-schemas` write the same, but for the order of
//! strings and of entries, which theirs take from a hash table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hardened::base::debian::{compiled_schemas, mime_cache};
use hardened::debian::DebKind;

use crate::debian_deb::{download, read};
use crate::peer::{Peer, success};

/// Returns the files of packages below a folder, by their paths.
fn files_below(home: &Path, packages: &[&str], folder: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for package in download(home, packages)? {
        let (facts, spool) = read(&fs::read(&package).unwrap());
        for entry in &facts.entries {
            let path = entry.path.to_string();
            if let (DebKind::File { offset, size, .. }, Some(name)) = (&entry.kind, path.strip_prefix(folder)) {
                let start = usize::try_from(*offset).unwrap();
                found.insert(name.to_owned(), spool[start..start + usize::try_from(*size).unwrap()].to_vec());
            }
        }
    }
    Some(found)
}

/// Reads numbers and strings of a cache.
struct Cache(Vec<u8>);

impl Cache {
    fn number(&self, at: usize) -> usize {
        usize::try_from(u32::from_be_bytes(self.0[at..at + 4].try_into().unwrap())).unwrap()
    }

    fn string(&self, at: usize) -> String {
        let start = self.number(at);
        String::from_utf8_lossy(self.0[start..].split(|byte| *byte == 0).next().unwrap()).into_owned()
    }

    fn rules(&self, count: usize, first: usize, depth: usize, found: &mut Vec<String>) {
        for at in (0..count).map(|number| first + 32 * number) {
            let field = |number: usize| self.number(at + 4 * number);
            let bytes = |start: usize| self.0[start..start + field(3)].escape_ascii().to_string();
            let mask = if field(5) == 0 { String::new() } else { bytes(field(5)) };
            found.push(format!("{}rule {} {} {} {} & {mask}", " ".repeat(depth), field(0), field(1), field(2), bytes(field(4))));
            self.rules(field(6), field(7), depth + 1, found);
        }
    }

    fn endings(&self, count: usize, first: usize, ending: &str, found: &mut Vec<String>) {
        for at in (0..count).map(|number| first + 12 * number) {
            match u32::try_from(self.number(at)).unwrap() {
                0 => found.push(format!("ending {ending} {} {}", self.string(at + 4), self.number(at + 8))),
                character => {
                    let ending = format!("{}{ending}", char::from_u32(character).unwrap());
                    self.endings(self.number(at + 4), self.number(at + 8), &ending, found);
                }
            }
        }
    }

    /// Returns all that readers find in the cache, in its order.
    fn meaning(&self) -> Vec<String> {
        let section = |number: usize| self.number(4 * number);
        let mut found = vec![format!("version {:?}", &self.0[..4])];
        for (name, number, strings, numbers) in
            [("alias", 1, 2, 0), ("literal", 3, 2, 1), ("pattern", 5, 2, 1), ("root", 7, 3, 0), ("icon", 8, 2, 0), ("generic", 9, 2, 0)]
        {
            for at in (0..self.number(section(number))).map(|item| section(number) + 4 + 4 * (strings + numbers) * item) {
                let strings_of = (0..strings).map(|part| self.string(at + 4 * part));
                let numbers_of = (strings..strings + numbers).map(|part| self.number(at + 4 * part).to_string());
                found.push(format!("{name} {}", strings_of.chain(numbers_of).collect::<Vec<_>>().join(" ")));
            }
        }
        for at in (0..self.number(section(2))).map(|item| section(2) + 4 + 8 * item) {
            let list = self.number(at + 4);
            let parents: Vec<String> = (0..self.number(list)).map(|parent| self.string(list + 4 + 4 * parent)).collect();
            found.push(format!("parents {} {parents:?}", self.string(at)));
        }
        self.endings(self.number(section(4)), self.number(section(4) + 4), "", &mut found);
        let magic = section(6);
        found.push(format!("extent {}", self.number(magic + 4)));
        for at in (0..self.number(magic)).map(|item| self.number(magic + 8) + 16 * item) {
            found.push(format!("magic {} {}", self.number(at), self.string(at + 4)));
            self.rules(self.number(at + 8), self.number(at + 12), 1, &mut found);
        }
        found.push(format!("types {}", self.number(section(10))));
        found
    }
}

#[test]
fn update_mime_database_makes_the_cache_that_we_make() {
    let Some(update) = Peer::find("update-mime-database") else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let Some(mut descriptions) = files_below(home, &["shared-mime-info"], "/usr/share/mime/packages/") else { return };
    // What Debian's own file has not: what forgets earlier statements, overrides, broken statements, and rules of every kind.
    let begin = "<?xml version='1.0'?><!DOCTYPE mime-info [<!ELEMENT mime-info (mime-type)+>]><mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'>";
    let rule =
        |kind: &str, value: &str| format!("<magic priority='90'><match type='{kind}' offset='1:9' value='{value}' mask='0x0f'/></magic>");
    let rules = ["host16", "host32", "big16", "little32", "byte"].map(|kind| rule(kind, "0x12")).concat();
    let own = format!(
        "{begin}<mime-type type='image/png'><magic-deleteall/><glob-deleteall/><glob pattern='*.PNG' case-sensitive='true' weight='80'/><alias type='x/png'/></mime-type>\
         <mime-type type='x/broken'><alias type='x/before'/><glob pattern=''/><alias type='x/after'/></mime-type>\
         <mime-type type='x/rules'>{rules}{}<root-XML namespaceURI='' localName='r'/><icon name='i'/></mime-type>\
         <mime-type type='x/globs'><glob pattern='Read*me'/><glob pattern='*.tar.æ'/><glob pattern='*.a'/><glob pattern='*.a' weight='9'/></mime-type></mime-info>",
        rule("string", "\\x01\\101\\n\\\\z")
    );
    descriptions.insert("Override.xml".to_owned(), own.replace("x/rules", "x/over").into_bytes());
    descriptions.insert("a-own.xml".to_owned(), own.into_bytes());
    let folder = home.join("mime");
    fs::create_dir_all(folder.join("packages")).unwrap();
    for (name, content) in &descriptions {
        fs::write(folder.join("packages").join(name), content).unwrap();
    }
    success(update.command(home, 120).arg(&folder));
    let theirs = Cache(fs::read(folder.join("mime.cache")).unwrap()).meaning();
    let sources: Vec<(String, &[u8])> =
        descriptions.iter().map(|(name, content)| (format!("usr/share/mime/packages/{name}"), &content[..])).collect();
    let ours = Cache(mime_cache(&sources).unwrap()).meaning();
    let different: Vec<_> = ours.iter().zip(&theirs).filter(|(one, other)| one != other).take(9).collect();
    assert!(ours.len() == theirs.len() && different.is_empty(), "{} {} {different:#?}", ours.len(), theirs.len());
    assert!(ours.len() > 3000 && ours.contains(&"alias x/before x/broken".to_owned()) && !ours.iter().any(|line| line.contains("x/after")));
}

/// Returns all values of a file of GVDB, by the keys of its tables.
fn settings(file: &[u8], table: &[u8], above: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    let number = |bytes: &[u8], at: usize| usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap();
    let entries: Vec<&[u8]> = table[8 + 4 * number(table, 4)..].chunks_exact(24).collect();
    let key = |entry: &[u8]| {
        let length = usize::from(u16::from_le_bytes(entry[12..14].try_into().unwrap()));
        String::from_utf8(file[number(entry, 8)..][..length].to_vec()).unwrap()
    };
    for entry in &entries {
        let content = &file[number(entry, 16)..number(entry, 20)];
        let path = format!("{above}/{}", key(entry));
        match entry[14] {
            b'H' => settings(file, content, &path, found),
            b'L' => {
                let below: Vec<String> = content.chunks_exact(4).map(|index| key(entries[number(index, 0)])).collect();
                found.insert(path, format!("{below:?}").into_bytes());
            }
            kind => drop(found.insert(path, [&[kind], content].concat())),
        }
    }
}

fn all_settings(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let number = |at: usize| usize::try_from(u32::from_le_bytes(file[at..at + 4].try_into().unwrap())).unwrap();
    assert_eq!(&file[..16], b"GVariant\0\0\0\0\0\0\0\0");
    let mut found = BTreeMap::new();
    settings(file, &file[number(16)..number(20)], "", &mut found);
    found
}

#[test]
fn glib_compile_schemas_makes_the_file_that_we_make() {
    let Some(compile) = Peer::find("glib-compile-schemas") else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let packages = [
        "baobab",
        "dconf-editor",
        "eog",
        "evince-common",
        "evolution-data-server-common",
        "gedit-common",
        "gnome-settings-daemon-common",
        "gnome-shell-common",
        "gnome-terminal-data",
        "gsettings-desktop-schemas",
        "gucharmap",
        "ibus-data",
        "libgtk-3-common",
        "libgtk-4-common",
        "mutter-common",
        "nautilus-data",
        "tracker-extract",
    ];
    let Some(mut schemas) = files_below(home, &packages, "/usr/share/glib-2.0/schemas/") else { return };
    let own = "<schemalist gettext-domain='d'><enum id='e'><value nick='aa' value='-1'/><value nick='bb' value='2'/></enum>
      <schema id='own.a'>
        <key name='t' type='(sm(ib)a{sv})'><default>('x', (1, true), {'k': &lt;[(1, 'a')]&gt;, 'l': &lt;@mi nothing&gt;})</default></key>
        <key name='d' type='d'><range min='-1' max='1e3'/><default>5</default></key>
        <key name='b' type='ay'><default>b'ab\\n'</default></key>
        <key name='n' type='a(nqxt)'><default>[(-1, 0x10, 010, 7)]</default></key>
        <key name='e' enum='e'><aliases><alias value='cc' target='bb'/></aliases><default>'bb'</default></key>
        <key name='l' type='as'><default l10n='time' context='c'> ['%H'] </default></key>
      </schema>
      <schema id='own.b' extends='own.a'><override name='d'>6.5</override><child name='c' schema='own.a'/></schema>
      <schema id='own.empty' path='/own/'/></schemalist>";
    let override_file = "# own\n[own.a]\nd=7\ne='aa'\nt=('y', nothing, {})\nabsent=1\n[own.a:X]\ne='bb'\nl=['x']\n[own.b]\nd=2000\n";
    schemas.insert("own.gschema.xml".to_owned(), own.as_bytes().to_vec());
    schemas.insert("99_own.gschema.override".to_owned(), override_file.as_bytes().to_vec());
    let folder = home.join("schemas");
    fs::create_dir_all(&folder).unwrap();
    schemas.retain(|name, _| [".gschema.xml", ".enums.xml", ".gschema.override"].iter().any(|end| name.ends_with(end)));
    for (name, content) in &schemas {
        fs::write(folder.join(name), content).unwrap();
    }
    success(compile.command(home, 120).arg(&folder));
    let theirs = all_settings(&fs::read(folder.join("gschemas.compiled")).unwrap());
    let sources: Vec<(String, &[u8])> =
        schemas.iter().map(|(name, content)| (format!("usr/share/glib-2.0/schemas/{name}"), &content[..])).collect();
    let ours = all_settings(&compiled_schemas(&sources).unwrap());
    let told = |value: Option<&Vec<u8>>| value.map(|value| value.escape_ascii().to_string());
    let keys = ours.keys().chain(theirs.keys());
    let different: BTreeMap<_, _> =
        keys.filter(|key| ours.get(*key) != theirs.get(*key)).map(|key| (key, (told(ours.get(key)), told(theirs.get(key))))).collect();
    assert!(different.is_empty(), "{different:#?}");
    assert!(ours.len() > 700, "{}", ours.len());
}
