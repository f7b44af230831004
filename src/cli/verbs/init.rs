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
    let say = |text: String| invocation.screen.say(&text);
    say(format!("wrote {} for {}", written.path.display(), written.about));
    if let Some(schema) = &written.schema {
        say(format!("wrote {}, by which editors complete and explain the keys", schema.display()));
    }
    written.notes.iter().for_each(|note| say(format!("note: {note}")));
    written.next.iter().for_each(|(command, about)| say(format!("next: {command}  ({about})")));
    written.then.iter().for_each(|then| say(format!("then: {then}")));
    let outcome = InitResult {
        path: written.path.clone(),
        schema: written.schema.clone(),
        template: written.template.name,
        notes: written.notes.clone(),
        next: written.next.iter().map(|(command, _)| command.clone()).collect(),
    };
    invocation.render(&outcome, || written.path.display().to_string())
}
