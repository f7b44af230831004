use std::io::Read;

use crate::cli::arguments::Login;
use crate::cli::invocation::Invocation;
use crate::cli::results::LoginResult;
use crate::diagnostic::ExternalError;
use crate::net::Secret;
use crate::net::credentials::Kept;
use crate::ops::Failure;

/// No password or token is longer.
const PASSWORD_LIMIT: u64 = 64 << 10;

pub(in crate::cli) fn run(arguments: &Login, invocation: &Invocation) -> Result<String, Failure> {
    let mut password = String::new();
    let read = std::io::stdin().lock().take(PASSWORD_LIMIT).read_to_string(&mut password);
    read.map_err(|error| ExternalError::new("could not read the password from standard input").caused_by(error))?;
    let password = Secret::new(password.trim_end_matches(['\r', '\n']));
    let kept = crate::ops::login::login(&arguments.host, &arguments.username, &password, invocation.http()?, &invocation.environment)?;
    let kept_in = match kept {
        Kept::File(path) => path.display().to_string(),
        Kept::Helper(name) => name,
    };
    invocation.screen.say(&format!("logged in to {}; the credentials are kept in {kept_in}", arguments.host));
    let outcome = LoginResult { host: arguments.host.clone(), kept: kept_in };
    invocation.render(&outcome, String::new)
}
