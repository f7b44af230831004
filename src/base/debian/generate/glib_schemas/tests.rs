use super::*;

fn compiled(files: &[(&str, &str)]) -> Result<Vec<u8>, SourceFault> {
    let files: Vec<(String, &[u8])> = files.iter().map(|(name, text)| (format!("{SOURCES}{name}"), text.as_bytes())).collect();
    compiled_schemas(&files)
}

/// Finds a key of a table as GLib's reader does: by its bucket, its hash and its name. Returns the type of what it stands for, and its bytes.
fn find<'f>(file: &'f [u8], table: &[u8], key: &str) -> Option<(u8, &'f [u8])> {
    let number = |bytes: &[u8], at: usize| usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap();
    let buckets = number(table, 4);
    let hash = key.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
    let entries = table[8 + 4 * buckets..].chunks_exact(24).collect::<Vec<_>>();
    let bucket = usize::try_from(hash).unwrap() % buckets;
    let first = number(table, 8 + 4 * bucket);
    let end = if bucket + 1 < buckets { number(table, 12 + 4 * bucket) } else { entries.len() };
    let entry = entries[first..end].iter().find(|entry| {
        let length = usize::from(u16::from_le_bytes(entry[12..14].try_into().unwrap()));
        entry[..4] == hash.to_le_bytes() && &file[number(entry, 8)..][..length] == key.as_bytes()
    })?;
    Some((entry[14], &file[number(entry, 16)..number(entry, 20)]))
}

/// Returns the boxed value of a setting.
fn value<'f>(file: &'f [u8], schema: &str, key: &str) -> &'f [u8] {
    let number = |at: usize| usize::try_from(u32::from_le_bytes(file[at..at + 4].try_into().unwrap())).unwrap();
    let (kind, table) = find(file, &file[number(16)..number(20)], schema).unwrap_or_else(|| panic!("{schema}"));
    assert_eq!(kind, b'H');
    let (kind, value) = find(file, table, key).unwrap_or_else(|| panic!("{key}"));
    assert_eq!(kind, b'v');
    value
}

const SCHEMA: &str = "<?xml version='1.0'?><schemalist gettext-domain='d'>
  <enum id='e.mode'><value nick='off' value='0'/><value nick='on' value='1'/></enum>
  <flags id='f.parts'><value nick='none' value='0'/><value nick='one' value='0x1'/></flags>
  <schema id='a.b' path='/a/b/'>
    <key name='plain' type='b'><summary>s</summary><default>true</default></key>
    <key name='mode' enum='e.mode'><default>'on'</default><aliases><alias value='yes' target='on'/></aliases></key>
    <key name='parts' flags='f.parts'><default>['one']</default></key>
    <key name='size' type='u'><range max='9'/><default>7</default></key>
    <key name='title' type='s'><default l10n='messages' context='c'> <!-- t -->'t&lt;' </default></key>
    <key name='colour' type='s'><choices><choice value='red'/></choices><default><![CDATA['red']]></default></key>
    <child name='inside' schema='a.c'/>
  </schema>
  <schema id='a.c'><key name='x' type='i'><default>1</default></key></schema>
  <schema id='a.d' extends='a.c'><override name='x'>2</override></schema>
</schemalist>";

#[test]
fn every_part_of_a_key_is_stored() {
    let file = compiled(&[("a.gschema.xml", SCHEMA)]).unwrap();
    assert_eq!(&file[..16], b"GVariant\0\0\0\0\0\0\0\0");
    for (schema, key, expected) in [
        ("a.b", "plain", &b"\x01\0(b)"[..]),
        ("a.b", ".path", b"/a/b/\0\0s"),
        ("a.b", ".gettext-domain", b"d\0\0s"),
        ("a.b", "inside/", b"a.c\0\0s"),
        ("a.b", "size", b"\x07\0\0\0r\0\0\0\0\0\0\0\x09\0\0\0\0(u(y(uu)))"),
        ("a.b", "title", b"t<\0lmc\x04't<'\0\x03\0(s(y(ys)))"),
        ("a.b", "colour", b"red\0c\0\0\0\0\0\0\0\xffred\0\0\0\xff\x04\0(s(yau))"),
        ("a.b", "mode", b"on\0\0e\0\0\0\0\0\0\0\xffoff\0\0\0\xff\x01\0\0\0\xffon\0\0\0\0\xff\x03\0\0\0\xfeyes\0\0\0\xff\x03\0(s(yau))"),
        ("a.b", "parts", b"one\0\x04\0\0\0f\0\0\0\x01\0\0\0\xffone\0\0\0\xff\x05\0(as(yau))"),
        ("a.c", "x", b"\x01\0\0\0\0(i)"),
        ("a.d", "x", b"\x02\0\0\0\0(i)"),
        ("a.d", ".extends", b"a.c\0\0s"),
    ] {
        let found = value(&file, schema, key);
        assert_eq!(found, expected, "{key}: {}", found.escape_ascii());
    }
    let number = |at: usize| usize::try_from(u32::from_le_bytes(file[at..at + 4].try_into().unwrap())).unwrap();
    let (kind, below) = find(&file, &file[number(16)..number(20)], "").unwrap();
    assert_eq!((kind, below.len()), (b'L', 12));
}

#[test]
fn overrides_replace_defaults_that_they_fit() {
    let text = "# a comment\n[a.b]\nsize = 3\nplain=false\nmode='none'\nabsent=1\n[a.b:GNOME]\nsize=4\ntitle='x'\n[a.b:KDE]\nsize=10\n[no.such]\nx=1\n";
    let file = compiled(&[("a.gschema.xml", SCHEMA), ("10_x.gschema.override", text), ("20_x.gschema.override", "[a.c]\nx=5")]).unwrap();
    assert!(value(&file, "a.b", "size").starts_with(b"\x03\0\0\0r"));
    let stored = value(&file, "a.b", "size");
    assert!(stored.windows(6).any(|part| part == b"GNOME\0") && !stored.windows(3).any(|part| part == b"KDE"), "{}", stored.escape_ascii());
    assert!(stored.ends_with(b"(u(y(uu))(ya{sv}))"), "{}", stored.escape_ascii());
    assert_eq!(value(&file, "a.b", "plain"), b"\0\0(b)");
    assert!(value(&file, "a.b", "mode").starts_with(b"on\0"));
    assert!(value(&file, "a.b", "title").starts_with(b"t<\0lmc"));
    assert_eq!(value(&file, "a.c", "x"), b"\x05\0\0\0\0(i)");
}

#[test]
fn lists_of_names_come_before_schemas() {
    let names = "<schemalist><enum id='e'><value nick='aa' value='-1'/></enum></schemalist>";
    let schema = "<schemalist><schema id='s'><key name='k' enum='e'><default>'aa'</default></key></schema></schemalist>";
    let file = compiled(&[("a.gschema.xml", schema), ("z.enums.xml", names)]).unwrap();
    assert_eq!(value(&file, "s", "k"), b"aa\0\0e\0\0\0\xff\xff\xff\xff\xffaa\0\0\0\0\xff\x03\0(s(yau))");
}

#[test]
fn what_is_no_schema_is_refused_with_its_path() {
    let key = |inside: &str| format!("<schemalist><schema id='s'><key name='k' {inside}</key></schema></schemalist>");
    for (text, expected) in [
        ("<schemas/>".to_owned(), "is a `schemas`, not a `schemalist`"),
        ("<schemalist".to_owned(), "is not well-formed XML"),
        (key("type='i'>"), "has no default (key `k` of `s`)"),
        (key("type='i'><default>'a'</default>"), "has no value of the type `i` in `'a'`"),
        (key("type='zz'><default>1</default>"), "has the type `zz`, which is not a GVariant type"),
        (key("enum='e'><default>'a'</default>"), "refers to the names `e`, which are not defined before it"),
        (key("type='i'><range max='1'/><default>2</default>"), "has a default value that its range or choices do not allow"),
        (key("type='s'><range max='1'/><default>'a'</default>"), "has a range, and the type `s` has none"),
        ("<schemalist><schema id='s' extends='t'/></schemalist>".to_owned(), "extends the schema `t`, which is not defined before it"),
        ("<schemalist><schema id='s'/><schema id='s'/></schemalist>".to_owned(), "has the schema `s`, which is already defined"),
    ] {
        let fault = compiled(&[("x.gschema.xml", &text)]).unwrap_err().to_string();
        assert!(fault.starts_with("`/usr/share/glib-2.0/schemas/x.gschema.xml` ") && fault.contains(expected), "{fault}");
    }
}
