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

/// Reads a place as `vendor` and `--vendored` take it: a folder may be named without `oci:`.
pub(in crate::cli) fn vendored_place(text: &str) -> Result<Location, Failure> {
    let is_folder = text.starts_with(['.', '/']) || !text.contains([':', '/', '.']) || std::path::Path::new(text).is_dir();
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
