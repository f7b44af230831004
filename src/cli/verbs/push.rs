use super::{bytes, write_file};
use crate::cli::arguments::Push;
use crate::cli::invocation::Invocation;
use crate::cli::location::source;
use crate::ops::Failure;
use crate::ops::building::check_writable;

pub(in crate::cli) fn run(arguments: &Push, invocation: &Invocation) -> Result<String, Failure> {
    let from = source(&arguments.from)?;
    let to = arguments.to.iter().map(|text| source(text)).collect::<Result<Vec<_>, _>>()?;
    arguments.digest_file.iter().try_for_each(|file| check_writable(file))?;
    let tools = invocation.tools(None)?;
    let pushed = crate::ops::push::push(&from, &to, invocation.run(&tools))?;
    let sent: u64 =
        pushed.uploads.iter().filter(|upload| upload.status == "uploaded").fold(0, |sent, upload| sent.saturating_add(upload.size));
    invocation.screen.say(&format!("pushed {} ({} sent)", arguments.to.join(", "), bytes(sent)));
    if let Some(file) = &arguments.digest_file {
        write_file(file, pushed.digest.as_bytes())?;
    }
    invocation.render(&pushed, || pushed.references.join("\n"))
}
