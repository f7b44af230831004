use super::read::Schemas;
use super::text::parse;

/// Gives keys of schemas other defaults: `[schema]` or `[schema:desktop]`, and lines `key=value`. What names no key, or has a value that the key may
/// not have, is passed over, as by `glib-compile-schemas`.
pub(super) fn apply(text: &str, schemas: &mut Schemas) {
    let mut group = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            group = Some(name.split_once(':').map_or((name, None), |(schema, desktop)| (schema, Some(desktop))));
        } else if let (Some((schema, desktop)), Some((name, value))) = (group, line.split_once('=').filter(|_| !line.starts_with('#'))) {
            let Some(key) = schemas.key_mut(schema, name.trim_end()) else { continue };
            let Some(value) = parse(value, &key.kind).ok().filter(|value| key.allows(value)) else { continue };
            match desktop {
                None => key.default = Some(value),
                // A translated default cannot differ by desktop.
                Some(_) if key.translated.is_some() => {}
                Some(desktop) => drop(key.desktops.insert(desktop.to_owned(), value)),
            }
        }
    }
}
