use super::{bytes, location, recipe};
use crate::cli::arguments::Vendor;
use crate::cli::settings::Door;
use crate::ops::Failure;
use crate::ops::vendor;
use crate::store::Location;

pub(in crate::cli) fn run(arguments: &Vendor, door: &Door) -> Result<String, Failure> {
    let place = vendored_place(&arguments.place)?;
    let tools = door.tools(None)?;
    let vendored = vendor::vendor(&place, &recipe(&arguments.recipe), &tools, door.observer())?;
    match &vendored.image {
        Some(digest) => door.screen.say(&format!("copied the base image {digest}")),
        None => door.screen.say(&format!("copied {} packages ({})", vendored.packages, bytes(vendored.bytes))),
    }
    door.screen.say(&format!("next: hardened build --locked --offline --vendored {}", vendored.place));
    door.written(&vendored, || vendored.place.clone())
}

/// Reads a place as `vendor` and `--vendored` take it: a folder may be named without `oci:`, and a registry's copy needs the registry's host.
pub(in crate::cli) fn vendored_place(text: &str) -> Result<Location, Failure> {
    // What names no host is a folder: packages are not sent to a registry that nobody named.
    let names_host = |text: &str| text.contains([':', '.']) || text == "localhost";
    let first = text.split('/').next().unwrap_or_default();
    let is_folder = text.starts_with(['.', '/']) || !names_host(first) && !text.contains(':') || std::path::Path::new(text).is_dir();
    let place = location(&if is_folder { format!("oci:{text}") } else { text.to_owned() })?;
    match place {
        // A registry's copy has a tag, so that the registry does not count it as garbage.
        Location::Registry(mut reference) if reference.tag.is_none() && reference.digest.is_none() => {
            reference.tag = Some("vendored".parse().map_err(|_| Failure::wrong("not a tag"))?);
            Ok(Location::Registry(reference))
        }
        place => Ok(place),
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
            let place = vendored_place(text).unwrap();
            assert_eq!(matches!(place, Location::Layout(..)), is_folder, "{text}: {place}");
        }
    }
}
