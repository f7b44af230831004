use crate::cli::arguments::Init;
use crate::cli::invocation::Invocation;
use crate::cli::results::InitResult;
use crate::diagnostic::ExternalError;
use crate::ops::Failure;
use crate::ops::init::{InitError, init};

pub(in crate::cli) fn run(arguments: &Init, invocation: &Invocation) -> Result<String, Failure> {
    let written = init(&arguments.folder, arguments.template.as_deref()).map_err(|error| {
        let hints = error.hints();
        let failure = match error {
            InitError::Write(..) => ExternalError::new("could not write a recipe").caused_by(error).into(),
            wrong => Failure::wrong(wrong.to_string()),
        };
        hints.into_iter().fold(failure, Failure::hint)
    })?;
    invocation.screen.say(&format!("wrote {} for {}", written.path.display(), written.template.about));
    for (command, about) in &written.next {
        invocation.screen.say(&format!("next: {command}  ({about})"));
    }
    let outcome = InitResult { path: written.path.clone(), template: written.template.name };
    invocation.render(&outcome, || written.path.display().to_string())
}
