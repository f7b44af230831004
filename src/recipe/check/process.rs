use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Check, in_words};
use crate::diagnostic::{control_in_line, control_in_text, nearest, snippet};
use crate::recipe::model::{Healthcheck, Port, Process, ProcessText, Spanned};
use crate::recipe::node::At;
use crate::recipe::schema::{HealthcheckKeys, PortKey, ProcessKeys};
use crate::rootfs::ImagePath;

/// Linux's signals (signal(7)).
const SIGNALS: &[&str] = &[
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
    "SIGRTMIN",
    "SIGRTMAX",
];

impl Check<'_> {
    pub(super) fn process(&mut self, at: At<'_>, keys: Option<&ProcessKeys>) -> Process {
        let Some(keys) = keys else { return Process::default() };
        let mut process = Process {
            entrypoint: self.exec(at.key("entrypoint"), "entrypoint", keys.entrypoint.as_deref(), ProcessText::Entrypoint),
            command: self.exec(at.key("command"), "command", keys.command.as_deref(), ProcessText::Command),
            env: self.env(at.key("env"), keys.env.as_ref()),
            workdir: keys.workdir.as_deref().and_then(|workdir| self.path(at.key("workdir"), "workdir", workdir)),
            ports: self.ports(at.key("ports"), keys.ports.as_deref().unwrap_or_default()),
            writable: self.paths(at.key("writable"), "writable", keys.writable.as_deref()),
            stop_signal: keys.stop_signal.as_deref().and_then(|signal| self.signal(at.key("stop-signal"), signal)),
            volumes: self.paths(at.key("volumes"), "volumes", keys.volumes.as_deref()),
            healthcheck: keys.healthcheck.as_ref().and_then(|keys| self.healthcheck(at.key("healthcheck"), keys)),
            base_variables: Vec::new(),
        };
        process.base_variables = std::mem::take(&mut self.base_variables);
        process
    }

    /// Reads a program and its arguments. An empty `command` is a way to drop the base's.
    fn exec(
        &mut self,
        at: At<'_>,
        key: &str,
        written: Option<&[String]>,
        which: impl Fn(usize) -> ProcessText,
    ) -> Option<Spanned<Vec<String>>> {
        let text = |(index, written): (usize, &String)| {
            let at = at.index(index);
            Some(Spanned { value: self.process_text(at, written, which(index))?, span: at.span().cloned() })
        };
        let texts: Vec<Option<Spanned<String>>> = written?.iter().enumerate().map(text).collect();
        // What the base's variable holds is not known here.
        let is_known = !self.base_variables.iter().any(|variable| variable.text == which(0));
        for (number, text) in texts.iter().enumerate().filter_map(|(number, text)| Some((number, text.as_ref()?))) {
            // Arguments may have several lines: a script behind `-c`, for one. The program is a file.
            let control = if number == 0 && key != "command" { control_in_line(text) } else { control_in_text(text) };
            if let Some(character) = control {
                let message = format!("`{key}` holds {}", in_words(character));
                self.fault(
                    text.span.as_ref(),
                    message,
                    "holds a control character",
                    "leave it out; only tabs and ends of lines may be in arguments",
                );
            }
        }
        let texts: Vec<Spanned<String>> = texts.into_iter().collect::<Option<_>>()?;
        let is_program = key != "command";
        match texts.first() {
            None if is_program => {
                self.fault(at.span(), format!("`{key}` is empty"), "names no program", format!("write `{key} = [\"/app/server\"]`"));
                return None;
            }
            Some(first) if is_program && is_known && first.trim().is_empty() => {
                self.fault(first.span.as_ref(), format!("`{key}` names no program"), "empty", format!("write `{key} = [\"/app/server\"]`"));
                return None;
            }
            Some(first) if is_program && texts.len() == 1 && first.trim().contains(' ') => {
                let words = snippet::list(first.split_whitespace().map(snippet::exact));
                self.warn(
                    first.span.as_ref(),
                    format!("the program of `{key}` has a space in its name"),
                    "one name, not a command line",
                    format!("write `{key} = {words}`"),
                );
            }
            _ => {}
        }
        Some(Spanned { value: texts.into_iter().map(|text| text.value).collect(), span: at.span().cloned() })
    }

    fn env(&mut self, at: At<'_>, written: Option<&BTreeMap<String, String>>) -> BTreeMap<String, Spanned<String>> {
        let mut env = BTreeMap::new();
        for (name, value) in written.into_iter().flatten() {
            let span = at.key_span(name);
            if name.is_empty() || name.contains(['=', '\0']) || name.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
                let message = format!("`{}` is not an environment variable's name", name.escape_debug());
                self.fault(span, message, "not a name", "write letters, digits and `_`: `NODE_ENV = \"production\"`");
                continue;
            }
            let Some(value) = self.process_text(at.key(name), value, ProcessText::Environment(name.clone())) else { continue };
            if let Some(character) = control_in_text(&value) {
                let message = format!("the value of `{}` holds {}", name.escape_debug(), in_words(character));
                let hint = "leave it out; only tabs and ends of lines may be in values";
                self.fault(at.key(name).span(), message, "holds a control character", hint);
            }
            if looks_secret(name) && !value.is_empty() {
                let hint = "everybody who has the image can read it: let the runtime set it, from a secret";
                self.warn(span, format!("`{name}` looks like a credential"), "written into the image", hint);
            }
            env.insert(name.clone(), Spanned { value, span: at.key(name).span().cloned() });
        }
        env
    }

    fn ports(&mut self, at: At<'_>, written: &[PortKey]) -> BTreeSet<Port> {
        let mut ports: Vec<Spanned<Port>> = Vec::new();
        for (index, key) in written.iter().enumerate() {
            let at = at.index(index);
            let text = match key {
                PortKey::Number(number) => at.number(*number),
                PortKey::Text(text) => match self.text(at, text) {
                    Some(text) => text,
                    None => continue,
                },
            };
            let (number, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
            let number = match key {
                PortKey::Number(number) => u16::try_from(*number).ok(),
                PortKey::Text(_) => number.parse::<u16>().ok().filter(|_| number.starts_with(|first: char| first.is_ascii_digit())),
            };
            let number = number.filter(|number| *number != 0);
            let known = ["tcp", "udp", "sctp"].into_iter().find(|known| *known == protocol);
            match (number, known) {
                (Some(number), Some(protocol)) => {
                    let port = Spanned { value: Port { number, protocol }, span: at.span().cloned() };
                    if !self.twice("ports", &port, &port.to_string(), &ports) {
                        ports.push(port);
                    }
                }
                (Some(number), None) => {
                    let message = format!("`{}` is not a protocol", protocol.escape_debug());
                    self.fault(
                        at.span(),
                        message,
                        "not a protocol",
                        format!("write `{number}` for TCP, `\"{number}/udp\"` or `\"{number}/sctp\"`"),
                    );
                }
                (None, _) => {
                    let message = format!("`{}` is not a port", text.escape_debug());
                    self.fault(at.span(), message, "not a port", "write a number from 1 to 65535, `8080`, or with a protocol `\"53/udp\"`");
                }
            }
        }
        ports.into_iter().map(|port| port.value).collect()
    }

    fn paths(&mut self, at: At<'_>, key: &str, written: Option<&[String]>) -> Vec<Spanned<ImagePath>> {
        let mut paths: Vec<Spanned<ImagePath>> = Vec::new();
        for (index, written) in written.unwrap_or_default().iter().enumerate() {
            let Some(path) = self.path(at.index(index), key, written) else { continue };
            if path.is_root() {
                self.fault(
                    path.span.as_ref(),
                    format!("`{key}` names the whole image"),
                    "the root",
                    "name the folders that the process writes to: `/tmp`, `/data`",
                );
            } else if !self.twice(key, &path, &path.to_string(), &paths) {
                paths.push(path);
            }
        }
        paths
    }

    fn signal(&mut self, at: At<'_>, written: &str) -> Option<String> {
        let text = self.text(at, written)?;
        let upper = text.to_uppercase();
        let name =
            if upper.starts_with("SIG") || upper.starts_with(|first: char| first.is_ascii_digit()) { upper } else { format!("SIG{upper}") };
        let offset = |prefix: &str| name.strip_prefix(prefix).and_then(|rest| rest.parse::<u8>().ok()).is_some_and(|offset| offset <= 30);
        let number = name.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
        if SIGNALS.contains(&name.as_str()) || offset("SIGRTMIN+") || offset("SIGRTMAX-") || number {
            if matches!(name.as_str(), "SIGKILL" | "SIGSTOP" | "9" | "19") {
                self.warn(
                    at.span(),
                    format!("no process can handle `{name}`"),
                    "ends without cleaning up",
                    "write `stop-signal = \"SIGTERM\"`",
                );
            }
            return Some(name);
        }
        // All begin alike, so what comes behind it says which one is meant.
        let (own, known) = (name.strip_prefix("SIG").unwrap_or(&name), SIGNALS.iter().filter_map(|name| name.strip_prefix("SIG")));
        let hint = if let Some(near) = nearest(own, known) {
            format!("write `stop-signal = \"SIG{near}\"`")
        } else {
            let names = SIGNALS.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("the signals are {names}, `SIGRTMIN+N`, `SIGRTMAX-N` with N up to 30, and numbers from 1 to 64")
        };
        self.fault(at.span(), format!("`{}` is not a signal", text.escape_debug()), "not a signal", hint);
        None
    }

    fn healthcheck(&mut self, at: At<'_>, keys: &HealthcheckKeys) -> Option<Healthcheck> {
        if !at.key("command").is_written() {
            self.missing(
                at.span(),
                "`process.healthcheck` has no `command`".to_owned(),
                "no `command`",
                "write `command = [\"/app/server\", \"--check\"]`".to_owned(),
            );
        }
        let command = self.exec(at.key("command"), "healthcheck.command", keys.command.as_deref(), ProcessText::Healthcheck);
        let interval = self.duration(at.key("interval"), "interval", keys.interval.as_deref());
        let timeout = self.duration(at.key("timeout"), "timeout", keys.timeout.as_deref());
        let start_period = self.duration(at.key("start-period"), "start-period", keys.start_period.as_deref());
        let start_interval = self.duration(at.key("start-interval"), "start-interval", keys.start_interval.as_deref());
        let retries = keys.retries.and_then(|retries| u32::try_from(retries).ok().filter(|retries| (1..=1000).contains(retries)));
        if let (Some(written), None) = (keys.retries, retries) {
            self.fault(
                at.key("retries").span(),
                format!("`retries` is {}", at.key("retries").number(written)),
                "out of range",
                "write a number from 1 to 1000: `retries = 3`",
            );
        }
        Some(Healthcheck { command: command?.value, interval, timeout, start_period, start_interval, retries })
    }

    fn duration(&mut self, at: At<'_>, key: &str, written: Option<&str>) -> Option<Duration> {
        let text = self.text(at, written?)?;
        let duration =
            duration(&text).filter(|duration| *duration >= Duration::from_millis(1) && *duration <= Duration::from_hours(24 * 365));
        if duration.is_none() {
            let message = format!("`{}` is not a time span", text.escape_debug());
            self.fault(at.span(), message, "not a time span", format!("write a number and `ms`, `s`, `m` or `h`: `{key} = \"30s\"`"));
        }
        duration
    }
}

/// Reads `30s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let length = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let millis = match &rest[..length] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = &rest[length..];
    }
    Some(total)
}

/// Says whether a variable's name is usual for a credential. A path to one is none.
fn looks_secret(name: &str) -> bool {
    let upper = name.to_uppercase();
    let is_path = ["_FILE", "_PATH", "_DIR", "_URL", "_NAME"].iter().any(|end| upper.ends_with(end));
    let words: Vec<&str> = upper.split(['_', '-', '.']).collect();
    let single = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS", "PASSPHRASE"];
    let double = [["API", "KEY"], ["PRIVATE", "KEY"], ["ACCESS", "KEY"], ["SECRET", "KEY"]];
    !is_path && (words.iter().any(|word| single.contains(word)) || words.windows(2).any(|pair| double.iter().any(|known| pair == known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("2h", Some(7_200_000)),
            ("30", None),
            ("s", None),
            ("1d", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text).map(|duration| duration.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn names_of_credentials() {
        for (name, expected) in [
            ("DB_PASSWORD", true),
            ("GITHUB_TOKEN", true),
            ("API_KEY", true),
            ("TOKEN_FILE", false),
            ("NODE_ENV", false),
            ("TOKENIZER", false),
        ] {
            assert_eq!(looks_secret(name), expected, "{name}");
        }
    }
}
