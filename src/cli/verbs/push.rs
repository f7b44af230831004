use super::{bytes, location};
use crate::cli::arguments::Push;
use crate::cli::settings::Door;
use crate::host::write_whole;
use crate::oci::StoreError;
use crate::ops::Failure;

pub(in crate::cli) fn run(arguments: &Push, door: &Door) -> Result<String, Failure> {
    let from = location(&arguments.from)?;
    let to = arguments.to.iter().map(|target| location(target)).collect::<Result<Vec<_>, _>>()?;
    let tools = door.tools(None)?;
    let pushed = crate::ops::push::push(&from, &to, &tools, door.observer())?;
    let sent: u64 =
        pushed.uploads.iter().filter(|upload| upload.written == "uploaded").fold(0, |sent, upload| sent.saturating_add(upload.size));
    door.screen.say(&format!("pushed {} ({} sent)", arguments.to.join(", "), bytes(sent)));
    if let Some(file) = &arguments.digest_file {
        let failed = |error| StoreError::disk(format!("could not write `{}`", file.display()), error);
        write_whole(file, pushed.digest.as_bytes()).map_err(failed)?;
    }
    door.written(&pushed, || pushed.references.join("\n"))
}
