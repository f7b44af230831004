use super::{bytes, recipe};
use crate::cli::arguments::Vendor;
use crate::cli::invocation::Invocation;
use crate::cli::location::vendored_location;
use crate::ops::Failure;
use crate::ops::building::Push;
use crate::ops::vendor;
use crate::store::Location;

pub(in crate::cli) fn run(arguments: &Vendor, invocation: &Invocation) -> Result<String, Failure> {
    let destination = vendored_location(&arguments.destination)?;
    let push = if matches!(destination, Location::Registry(_)) { Push::Yes } else { Push::No };
    let recipe = recipe(&arguments.recipe, push, invocation)?;
    let tools = invocation.tools(None)?;
    let vendored = vendor::vendor(&destination, &recipe, invocation.run(&tools))?;
    match &vendored.image {
        Some(digest) => invocation.screen.say(&format!("copied the base image {digest}")),
        None => invocation.screen.say(&format!("copied {} packages ({})", vendored.packages, bytes(vendored.bytes))),
    }
    invocation.screen.say(&format!("next: hardened build --locked --offline --vendored {}", vendored.location));
    invocation.render(&vendored, || vendored.location.clone())
}
