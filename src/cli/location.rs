use crate::ops::Failure;
use crate::store::Location;

/// Reads where an image is or goes.
pub(super) fn location(text: &str) -> Result<Location, Failure> {
    text.parse::<Location>().map_err(|fault| {
        let failure = Failure::wrong(fault.to_string());
        fault.hint().into_iter().fold(failure, Failure::hint)
    })
}

/// Reads a location as `vendor` and `--vendored` take it: a folder may be named without `oci:`, and a registry's copy needs the registry's host.
pub(super) fn vendored_location(text: &str) -> Result<Location, Failure> {
    // What names no host is a folder: packages are not sent to a registry that nobody named.
    let names_host = |text: &str| text.contains([':', '.']) || text == "localhost";
    let first = text.split('/').next().unwrap_or_default();
    let is_folder = text.starts_with(['.', '/']) || !names_host(first) && !text.contains(':') || std::path::Path::new(text).is_dir();
    let location = location(&if is_folder { format!("oci:{text}") } else { text.to_owned() })?;
    match location {
        // A registry's copy has a tag, so that the registry does not count it as garbage.
        Location::Registry(mut reference) if reference.tag.is_none() && reference.digest.is_none() => {
            reference.tag = Some("vendored".parse().map_err(|_| Failure::wrong("not a tag"))?);
            Ok(Location::Registry(reference))
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_registries_are_told_apart() {
        for (text, is_folder) in [
            ("vendored", true),
            ("out/vendored", true),
            ("./vendored", true),
            ("/srv/vendored", true),
            ("oci:vendored", true),
            ("registry.example.no/shop/vendored", false),
            ("localhost/vendored", false),
            ("localhost:5000/vendored", false),
            ("docker.io/out/vendored:1", false),
        ] {
            let location = vendored_location(text).unwrap();
            assert_eq!(matches!(location, Location::Layout(..)), is_folder, "{text}: {location}");
        }
    }
}
