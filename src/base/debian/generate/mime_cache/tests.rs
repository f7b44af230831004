use super::*;

const BEGIN: &str = "<?xml version='1.0'?><!DOCTYPE mime-info [<!ELEMENT mime-info (mime-type)+>]><mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'>";

fn cache(types: &str) -> Vec<u8> {
    mime_cache(&[("usr/share/mime/packages/a.xml".to_owned(), format!("{BEGIN}{types}</mime-info>").as_bytes())]).unwrap()
}

/// Returns a number of the cache.
fn at(cache: &[u8], offset: u32) -> u32 {
    let offset = usize::try_from(offset).unwrap();
    u32::from_be_bytes(cache[offset..offset + 4].try_into().unwrap())
}

fn string(cache: &[u8], offset: u32) -> &str {
    let start = usize::try_from(at(cache, offset)).unwrap();
    std::str::from_utf8(cache[start..].split(|byte| *byte == 0).next().unwrap()).unwrap()
}

#[test]
fn one_type_is_these_bytes() {
    let cache = cache(
        "<mime-type type='a/b'><alias type='c/d'/><glob pattern='*.X'/><magic priority='60'><match type='byte' offset='2:3' value='7'/></magic></mime-type>",
    );
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let expected = [
        numbers(&[0x0001_0002, 52, 64, 68, 72, 116, 120, 184, 188, 192, 196]),
        // The strings: `a/b` at 44, `c/d` at 48.
        b"a/b\0c/d\0".to_vec(),
        // Aliases; parents; literal names.
        numbers(&[1, 48, 44, 0, 0]),
        // Endings: one root at 80 for `x`, whose child at 92 is `.`, whose child at 104 is the type with its weight.
        numbers(&[1, 80, 0x78, 1, 92, 0x2e, 1, 104, 0, 44, 50]),
        // Patterns.
        numbers(&[0]),
        // Magic: one, at most 2 + 2 + 1 bytes are looked at, the list at 132; its rule at 148; the value at 180.
        numbers(&[1, 5, 132, 60, 44, 1, 148, 2, 2, 1, 1, 180, 0, 0, 0]),
        vec![7, 0, 0, 0],
        // Namespaces, icons, generic icons, and one type.
        numbers(&[0, 0, 0, 1, 0]),
    ];
    assert_eq!(cache, expected.concat());
}

#[test]
fn names_are_whole_ends_or_patterns() {
    let cache = cache(
        "<mime-type type='a/b'><glob pattern='Makefile' weight='10'/><glob pattern='*.[ch]' case-sensitive='true'/><glob pattern='*.tar.gz'/><glob-deleteall/></mime-type>\
         <mime-type type='a/c'><glob pattern='*.gz'/><glob pattern='*.C' case-sensitive='true'/></mime-type>",
    );
    let literal = at(&cache, 12);
    assert_eq!(at(&cache, literal), 2);
    assert_eq!((string(&cache, literal + 4), string(&cache, literal + 8), at(&cache, literal + 12)), ("__NOGLOBS__", "a/b", 0));
    assert_eq!((string(&cache, literal + 16), string(&cache, literal + 20), at(&cache, literal + 24)), ("makefile", "a/b", 10));
    let patterns = at(&cache, 20);
    assert_eq!((at(&cache, patterns), string(&cache, patterns + 4), at(&cache, patterns + 12)), (1, "*.[ch]", 0x132));
    let endings = at(&cache, 16);
    assert_eq!((at(&cache, endings), at(&cache, endings + 4)), (2, endings + 8));
    assert_eq!((at(&cache, endings + 8), at(&cache, endings + 20)), (u32::from('C'), u32::from('z')));
    // `.gz`: its dot has a type and, for `.tar.gz`, a further letter.
    let g = at(&cache, endings + 28);
    let dot = at(&cache, g + 8);
    assert_eq!((at(&cache, g), at(&cache, dot), at(&cache, dot + 4)), (u32::from('g'), u32::from('.'), 2));
    let children = at(&cache, dot + 8);
    assert_eq!((at(&cache, children), string(&cache, children + 4), at(&cache, children + 12)), (0, "a/c", u32::from('r')));
}

#[test]
fn rules_lie_behind_each_other() {
    let rule = |value: &str, inner: &str| format!("<match type='string' offset='0' value='{value}'>{inner}</match>");
    let cache = cache(&format!(
        "<mime-type type='b/z'><magic>{}{}</magic></mime-type><mime-type type='b/a'><magic-deleteall/></mime-type><mime-type type='a-a/z'><magic>{}</magic></mime-type>",
        rule("one", &rule("inner", "")),
        rule("two", ""),
        rule("three", "")
    ));
    let magic = at(&cache, 24);
    assert_eq!(at(&cache, magic), 3);
    let list = at(&cache, magic + 8);
    let kinds: Vec<&str> = (0..3).map(|number| string(&cache, list + 16 * number + 4)).collect();
    assert_eq!(kinds, ["b/a", "a-a/z", "b/z"]);
    let rules = at(&cache, list + 12);
    let values: Vec<&str> = (0..5).map(|number| string(&cache, rules + 32 * number + 16)).collect();
    assert_eq!(values.iter().map(|value| &value[..3]).collect::<Vec<_>>(), ["__N", "thr", "one", "two", "inn"]);
    assert_eq!((at(&cache, rules + 64 + 24), at(&cache, rules + 64 + 28)), (1, rules + 128));
}

#[test]
fn a_broken_statement_ends_its_type_only() {
    let cache = cache(
        "<mime-type type='a/b'><alias type='c/d'/><glob weight='200' pattern='x'/><alias type='e/f'/></mime-type><mime-type type='none'><alias type='g/h'/></mime-type>\
         <mime-type type='a/c'><alias type='i/j'/></mime-type>",
    );
    let aliases = at(&cache, 4);
    assert_eq!((at(&cache, aliases), string(&cache, aliases + 4), string(&cache, aliases + 12)), (2, "c/d", "i/j"));
}

#[test]
fn overrides_come_last_and_broken_files_are_named() {
    let one = format!("{BEGIN}<mime-type type='a/b'><icon name='one'/></mime-type></mime-info>");
    let other = one.replace("'one'", "'other'");
    let path = |name: &str| format!("usr/share/mime/packages/{name}");
    let cache = mime_cache(&[(path("Override.xml"), other.as_bytes()), (path("z.xml"), one.as_bytes())]).unwrap();
    let icons = at(&cache, 32);
    assert_eq!((at(&cache, icons), string(&cache, icons + 8)), (1, "other"));
    let fault = mime_cache(&[(path("z.xml"), b"<mime-info>")]).unwrap_err().to_string();
    assert!(fault.starts_with("`/usr/share/mime/packages/z.xml` is not well-formed XML"), "{fault}");
}

#[test]
fn lists_say_the_same_as_text() {
    let types = "<mime-type type='b/c'><glob pattern='*.C' case-sensitive='true' weight='60'/><glob pattern='*.c'/><glob-deleteall/><alias type='d/e'/>\
        <sub-class-of type='x/y'/><sub-class-of type='x/z'/><icon name='i'/><generic-icon name='g'/><root-XML namespaceURI='n' localName='l'/>\
        <magic><match type='host16' offset='1:2' value='0x4142' mask='0xffff'><match type='string' offset='9' value='x'/></match></magic>\
        <treemagic><treematch path='D' type='directory' non-empty='true'><treematch path='F' mimetype='a/b'/></treematch></treemagic></mime-type>";
    let file = format!("{BEGIN}{types}</mime-info>");
    let lists = lists::lists(&database(&[("a.xml".to_owned(), file.as_bytes())]).unwrap());
    let head = "# This file was automatically generated by the\n# update-mime-database command. DO NOT EDIT!\n";
    for (name, expected) in [
        ("globs", format!("{head}b/c:__NOGLOBS__\nb/c:*.C\nb/c:*.c\n")),
        ("globs2", format!("{head}0:b/c:__NOGLOBS__\n60:b/c:*.C:cs\n60:b/c:*.C\n50:b/c:*.c\n")),
        ("magic", "MIME-Magic\0\n[50:b/c]\n>1=\0\u{2}AB&__~2+2\n1>9=\0\u{1}x\n".to_owned()),
        ("treemagic", "MIME-TreeMagic\0\n[50:b/c]\n>\"D\"=directory,non-empty\n1>\"F\"=any,a/b\n".to_owned()),
        ("XMLnamespaces", "n l b/c\n".to_owned()),
        ("aliases", "d/e b/c\n".to_owned()),
        ("subclasses", "b/c x/y\nb/c x/z\n".to_owned()),
        ("types", "b/c\n".to_owned()),
        ("icons", "b/c:i\n".to_owned()),
        ("generic-icons", "b/c:g\n".to_owned()),
    ] {
        let (_, bytes) = lists.iter().find(|(found, _)| *found == name).unwrap();
        // The mask's two bytes are no text.
        let text: String = bytes.iter().map(|byte| if *byte == 0xff { '_' } else { char::from(*byte) }).collect();
        assert_eq!(text, expected, "{name}");
    }
}
