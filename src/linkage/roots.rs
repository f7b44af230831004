use crate::oci::Config;

/// What makes a process or a library a part of what is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The image's entrypoint and command.
    Program,
    /// The test of its health check.
    HealthCheck,
    /// `LD_PRELOAD` of the environment.
    Preload,
}

/// A command that somebody starts in the image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) cause: Cause,
    /// How messages begin that are about its program.
    pub(super) subject: String,
    /// The program and its arguments, at least one word.
    pub(super) words: Vec<String>,
}

/// Returns the commands of an image: that of the container first, then that of the health check.
pub(super) fn roots(config: &Config) -> Vec<Root> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let arguments = config.arguments();
    let main = arguments.first().map(|program| {
        let kind = if config.entrypoint().is_empty() { "command" } else { "entrypoint" };
        Root { cause: Cause::Program, subject: format!("the {kind} `{}`", program.escape_debug()), words: words(&arguments) }
    });
    let check = config.healthcheck().map(|check| check.test).unwrap_or_default();
    let test: Vec<&str> = check.iter().map(String::as_str).collect();
    let check = match test.split_first() {
        Some((&"CMD", [program, arguments @ ..])) => {
            let subject = format!("the health check's program `{}`", program.escape_debug());
            Some(Root { cause: Cause::HealthCheck, subject, words: words(&[&[*program], arguments].concat()) })
        }
        // Docker takes the shell of the config where it names one.
        Some((&"CMD-SHELL", command)) => {
            let shell = config.shell().first().copied().unwrap_or("/bin/sh");
            let subject = format!("the health check is a shell command, and `{}`", shell.escape_debug());
            Some(Root { cause: Cause::HealthCheck, subject, words: words(&[&[shell, "-c"], command].concat()) })
        }
        _ => None,
    };
    main.into_iter().chain(check).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oci::Platform;

    fn roots_of(settings: &[(&str, Value)]) -> Vec<String> {
        let with = |config: Config, (name, value): &(&str, Value)| config.with_setting(name, Some(value.clone()));
        let config = settings.iter().fold(Config::new(&Platform::default_target()), with);
        roots(&config).into_iter().map(|root| format!("{}: {}", root.subject, root.words.join(" "))).collect()
    }

    #[test]
    fn commands_of_an_image_are_its_own_and_that_of_the_health_check() {
        let main = [("Entrypoint", json!(["/app", "-x"])), ("Cmd", json!(["y"]))];
        assert_eq!(roots_of(&main), ["the entrypoint `/app`: /app -x y"]);
        assert_eq!(roots_of(&main[1..]), ["the command `y`: y"]);
        let with =
            |test: Value| roots_of(&[main[1].clone(), ("Healthcheck", json!({"Test": test}))]).into_iter().skip(1).collect::<Vec<_>>();
        assert_eq!(with(json!(["CMD", "curl", "-f"])), ["the health check's program `curl`: curl -f"]);
        assert_eq!(with(json!(["CMD-SHELL", "a || b"])), ["the health check is a shell command, and `/bin/sh`: /bin/sh -c a || b"]);
        for test in [json!([]), json!(["NONE"]), json!(["CMD"]), json!(["curl"]), Value::Null] {
            assert!(with(test.clone()).is_empty(), "{test}");
        }
        let shell = [("Shell", json!(["/bin/bash", "-c"])), ("Healthcheck", json!({"Test": ["CMD-SHELL", "x"]}))];
        assert_eq!(roots_of(&shell), ["the health check is a shell command, and `/bin/bash`: /bin/bash -c x"]);
    }
}
