use serde_json::Value;

use super::{Credential, stored_name};
use crate::host::{Environment, Program, ProgramFault};
use crate::net::Secret;
use crate::oci::strict_json;

/// The user name by which a helper says that the password is a refresh token.
const TOKEN_USER: &str = "<token>";

/// Asks a credential helper (docker-credential-helpers, "get") for a registry. What it prints is never shown.
pub(super) fn find(name: &str, registry: &str, environment: &Environment) -> Result<Option<Credential>, String> {
    let output = run(name, "get", stored_name(registry).as_bytes(), environment)?;
    if !output.0 {
        let words = String::from_utf8_lossy(&output.1).to_ascii_lowercase();
        // The protocol's word for "none": the common case, and no fault.
        if words.contains("credentials not found") {
            return Ok(None);
        }
        return Err(format!("the helper `docker-credential-{}` failed for `{registry}`", name.escape_debug()));
    }
    let answer = strict_json(&output.1).ok();
    let text = |key: &str| answer.as_ref()?.get(key)?.as_str().map(str::to_owned);
    match (text("Username"), text("Secret")) {
        (Some(user), Some(secret)) if user == TOKEN_USER => Ok(Some(Credential::Identity(Secret::new(secret)))),
        (Some(user), Some(secret)) if user.is_empty() && secret.is_empty() => Ok(None),
        (Some(user), Some(secret)) => Ok(Some(Credential::Password { user, password: Secret::new(secret) })),
        _ => Err(format!("the answer of the helper `docker-credential-{}` cannot be read", name.escape_debug())),
    }
}

/// Gives a credential to a helper to keep.
pub(super) fn keep(name: &str, registry: &str, user: &str, password: &Secret, environment: &Environment) -> Result<(), String> {
    let entry: Value = serde_json::json!({ "ServerURL": stored_name(registry), "Username": user, "Secret": password.reveal() });
    let output = run(name, "store", entry.to_string().as_bytes(), environment)?;
    if output.0 { Ok(()) } else { Err(format!("the helper `docker-credential-{}` did not keep the password", name.escape_debug())) }
}

/// Lets a helper forget a registry (docker-credential-helpers, "erase"). Says whether it had something to forget.
pub(super) fn erase(name: &str, registry: &str, environment: &Environment) -> Result<bool, String> {
    // Helpers differ in what they answer to "erase" for what they do not have, so that is asked first.
    if find(name, registry, environment)?.is_none() {
        return Ok(false);
    }
    let output = run(name, "erase", stored_name(registry).as_bytes(), environment)?;
    if output.0 { Ok(true) } else { Err(format!("the helper `docker-credential-{}` did not forget the password", name.escape_debug())) }
}

fn run(name: &str, verb: &str, input: &[u8], environment: &Environment) -> Result<(bool, Vec<u8>), String> {
    // The name becomes a program's name: a path in it would start something else.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return Err(format!("`{}` is not a valid name of a credential helper", name.escape_debug()));
    }
    let output = Program::new(&format!("docker-credential-{name}"), &[verb], environment).run(input);
    match output {
        Ok(output) => Ok((output.status.success(), output.stdout)),
        Err(fault @ (ProgramFault::Absent(_) | ProgramFault::Timeout { .. })) => Err(fault.to_string()),
        Err(ProgramFault::Io(name, error)) => Err(format!("the program `{name}` could not be run: {error}")),
    }
}
