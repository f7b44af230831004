use std::io::{self, IsTerminal, Read};

use crate::cli::arguments::{Login, Logout};
use crate::cli::invocation::Invocation;
use crate::cli::results::{LoginResult, LogoutResult};
use crate::diagnostic::ExternalError;
use crate::net::Secret;
use crate::net::credentials::Kept;
use crate::ops::login::{Account, check_host};
use crate::ops::{Failure, TaskKind};

/// No password or token is longer.
const PASSWORD_LIMIT: u64 = 64 << 10;

pub(in crate::cli) fn run(arguments: &Login, invocation: &Invocation) -> Result<String, Failure> {
    // Before anything is typed.
    check_host(&arguments.host)?;
    let account = account(arguments, invocation)?;
    let task = invocation.observer().begin(TaskKind::LookUp, &arguments.host, None);
    let kept = crate::ops::login::login(&arguments.host, &account, invocation.http()?, &invocation.environment)?;
    task.finish("");
    let kept_in = location(&kept);
    invocation.screen.say(&format!("logged in to {}; the credentials are stored in {kept_in}", arguments.host));
    let outcome = LoginResult { host: arguments.host.clone(), kept: kept_in };
    invocation.render(&outcome, String::new)
}

pub(in crate::cli) fn logout(arguments: &Logout, invocation: &Invocation) -> Result<String, Failure> {
    let host = &arguments.host;
    let forgotten = crate::ops::login::logout(host, &invocation.environment)?;
    let removed: Vec<String> = forgotten.removed.iter().map(location).collect();
    match removed.as_slice() {
        [] => invocation.screen.say(&format!("there were no credentials for {host}; nothing was removed")),
        removed => invocation.screen.say(&format!("logged out of {host}; the credentials were removed from {}", removed.join(" and "))),
    }
    for left in &forgotten.left {
        invocation.screen.say(&format!("note: {left} still give credentials for {host}"));
    }
    let outcome = LogoutResult { host: host.clone(), removed, left: forgotten.left };
    invocation.render(&outcome, String::new)
}

fn location(kept: &Kept) -> String {
    match kept {
        Kept::File(path) => path.display().to_string(),
        Kept::Helper(name) => name.clone(),
    }
}

/// Returns the user and the password: from the arguments and standard input, or from the person at the terminal.
fn account(arguments: &Login, invocation: &Invocation) -> Result<Account, Failure> {
    let (host, screen) = (&arguments.host, &invocation.screen);
    let piped = format!("echo \"$PASSWORD\" | hardened login {host} --username USER --password-stdin");
    let failed = |error| ExternalError::new("could not read the password").caused_by(error);
    let is_piped = arguments.password_stdin && !io::stdin().is_terminal();
    if !is_piped && !screen.can_ask() {
        let failure = Failure::wrong("there is no terminal at which the password could be asked for");
        return Err(failure.hint(format!("give it on standard input: `{piped}`")));
    }
    let user = match &arguments.username {
        Some(user) => user.clone(),
        None => screen.ask(&format!("User at {host}:")).map_err(failed)?,
    };
    if user.is_empty() {
        return Err(Failure::wrong("the user is empty").hint("name it: `--username USER`"));
    }
    let password = if is_piped {
        let mut text = String::new();
        io::stdin().lock().take(PASSWORD_LIMIT).read_to_string(&mut text).map_err(failed)?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        screen.ask_secretly(&format!("Password of {user} at {host} (not displayed):")).map_err(failed)?
    };
    if password.is_empty() {
        let message = if is_piped { "standard input holds no password" } else { "no password was typed" };
        let hint = if is_piped { format!("write `{piped}`, with `PASSWORD` set") } else { format!("run `hardened login {host}` again") };
        return Err(Failure::wrong(message).hint(hint));
    }
    Ok(Account { user, password: Secret::new(password) })
}
