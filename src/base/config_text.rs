use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Span, control_in_line, control_in_text, first_of};
use crate::oci::Config;
use crate::rootfs::ImagePath;

/// How many values of a kind are named in a message.
const NAMED: usize = 5;
/// Fields of a config that are no texts of its author: they are checked where they are read, or cleaned of their own.
const OTHER_FIELDS: [&str; 6] = ["config", "rootfs", "history", "os", "architecture", "variant"];
/// Settings that have a rule of their own. What is started is not dropped: an image that would start something else is refused by the proof.
const OTHER_SETTINGS: [&str; 8] = ["Entrypoint", "Cmd", "Env", "WorkingDir", "Labels", "Volumes", "ExposedPorts", "User"];

/// Values of a base's config that no recipe could set, and that are left out because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedValues {
    /// The field that has them: `Env`.
    pub field: String,
    /// What they are: of `Env` and of settings with keys the keys, else nothing.
    pub names: Vec<String>,
    /// Why, behind the field's name: `has control characters`.
    pub reason: &'static str,
}

impl DroppedValues {
    /// Returns the warning about them.
    pub fn diagnostic(&self, base: &str, span: Option<&Span>) -> Diagnostic {
        let names: Vec<String> = self.names.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
        let gone = if names.is_empty() { "it is left out".to_owned() } else { format!("left out: {}", first_of(&names, NAMED)) };
        let message = format!("`{}` of the base `{base}` {}; {gone}", self.field.escape_debug(), self.reason);
        let hint = match self.field.as_str() {
            "WorkingDir" => "the image starts in `/`; write `workdir` in `[process]` if it should start elsewhere",
            "Env" => "if a program needs it, set it in `[process]`: `env = { NAME = \"value\" }`",
            "StopSignal" => "write `stop-signal` in `[process]` if it should be another one than `SIGTERM`",
            _ => "if it is needed, write it into the recipe",
        };
        Diagnostic::warning(message).at(span, "of this base").hint(hint)
    }
}

/// Returns a base's config without what no recipe could set: paths that are not absolute or hold `..`, variables without a name or value, ports
/// and signals that are none, and control characters. Tabs and ends of lines are none in values of `Env` and in texts for people, but in labels.
pub(super) fn cleaned(config: Config) -> (Config, Vec<DroppedValues>) {
    let mut cleaning = Cleaning { config, dropped: Vec::new() };
    cleaning.fields();
    cleaning.settings();
    cleaning.working_directory();
    cleaning.environment();
    cleaning.members("Labels", "has control characters", |name, value| {
        control_in_line(name).is_none() && value.as_str().is_none_or(|value| control_in_line(value).is_none())
    });
    cleaning.members("Volumes", "has paths that are no folders below the root", |name, _| is_folder(name) && name != "/");
    cleaning.members("ExposedPorts", "has entries that are no ports", |name, _| is_port(name));
    cleaning.history();
    (cleaning.config, cleaning.dropped)
}

/// Returns the variables of a base by which code is loaded that no program names: those of the loader (ld.so(8)), of the C library's
/// converters, and of shells that start without a terminal.
pub fn loading_variables(config: &Config) -> Vec<&str> {
    let loads = |name: &str| name.starts_with("LD_") || matches!(name, "GCONV_PATH" | "GLIBC_TUNABLES" | "BASH_ENV" | "ENV");
    let variables = config.environment().into_iter().filter_map(|line| line.split_once('='));
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    variables.filter(|(name, value)| loads(name) && is_plain(name) && !value.is_empty()).map(|(name, _)| name).collect()
}

struct Cleaning {
    config: Config,
    dropped: Vec<DroppedValues>,
}

impl Cleaning {
    fn drop_values(&mut self, field: &str, names: Vec<String>, reason: &'static str) {
        self.dropped.push(DroppedValues { field: field.to_owned(), names, reason });
    }

    fn with_config(&mut self, change: impl FnOnce(Config) -> Config) {
        self.config = change(self.config.clone());
    }

    fn fields(&mut self) {
        let is_wrong = |(name, value): &(&String, &Value)| !OTHER_FIELDS.contains(&name.as_str()) && !is_clean(name, value);
        let wrong: Vec<String> = self.config.object().iter().filter(is_wrong).map(|(name, _)| name.clone()).collect();
        for name in wrong {
            self.with_config(|config| config.with_field(&name, None));
            self.drop_values(&name, Vec::new(), "has control characters");
        }
    }

    fn settings(&mut self) {
        let settings = self.config.field("config").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, value) in settings {
            let reason = if OTHER_SETTINGS.contains(&name.as_str()) {
                continue;
            } else if !is_clean(&name, &value) {
                "has control characters"
            } else if name == "StopSignal" && value.as_str().is_some_and(|signal| !signal.is_empty() && !is_signal(signal)) {
                "is no signal"
            } else {
                continue;
            };
            self.with_config(|config| config.with_setting(&name, None));
            self.drop_values(&name, Vec::new(), reason);
        }
    }

    fn working_directory(&mut self) {
        if self.config.working_directory().is_some_and(|path| !is_folder(path)) {
            let path = self.config.working_directory().unwrap_or_default().to_owned();
            self.with_config(|config| config.with_setting("WorkingDir", None));
            self.drop_values("WorkingDir", vec![path], "is not an absolute path without `..`");
        }
    }

    fn environment(&mut self) {
        let Some(entries) = self.config.setting("Env").and_then(Value::as_array).cloned() else { return };
        let (kept, wrong): (Vec<Value>, Vec<Value>) = entries.into_iter().partition(|entry| entry.as_str().is_some_and(is_variable));
        if wrong.is_empty() {
            return;
        }
        let text =
            |entry: &Value| entry.as_str().map(|text| text.split('=').next().filter(|name| !name.is_empty()).unwrap_or(text).to_owned());
        let names = wrong.iter().filter_map(text).collect();
        self.with_config(|config| config.with_setting("Env", Some(kept.into())));
        self.drop_values("Env", names, "has entries that are not `NAME=VALUE` without control characters");
    }

    fn members(&mut self, setting: &str, reason: &'static str, is_right: impl Fn(&str, &Value) -> bool) {
        let Some(members) = self.config.setting(setting).and_then(Value::as_object).cloned() else { return };
        let (kept, wrong): (Map<String, Value>, Map<String, Value>) = members.into_iter().partition(|(name, value)| is_right(name, value));
        if !wrong.is_empty() {
            self.with_config(|config| config.with_setting(setting, Some(kept.into())));
            self.drop_values(setting, wrong.into_iter().map(|(name, _)| name).collect(), reason);
        }
    }

    /// What is told of a layer goes, and the entry stays: there is one for each layer.
    fn history(&mut self) {
        let Some(Value::Array(mut entries)) = self.config.field("history").cloned() else { return };
        let mut is_changed = false;
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            let before = entry.len();
            entry.retain(|name, value| is_clean(name, value));
            is_changed |= entry.len() != before;
        }
        if is_changed {
            self.with_config(|config| config.with_field("history", Some(entries.into())));
            self.drop_values("history", Vec::new(), "has control characters");
        }
    }
}

/// Says whether a value has no control character in any of its texts and keys, but tabs and ends of lines.
fn is_clean(name: &str, value: &Value) -> bool {
    control_in_line(name).is_none()
        && match value {
            Value::String(text) => control_in_text(text).is_none(),
            Value::Array(items) => items.iter().all(|item| is_clean("", item)),
            Value::Object(members) => members.iter().all(|(name, value)| is_clean(name, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        }
}

fn is_folder(path: &str) -> bool {
    control_in_line(path).is_none() && ImagePath::absolute(path).is_ok()
}

fn is_variable(entry: &str) -> bool {
    let named = entry.split_once('=').filter(|(name, _)| !name.is_empty());
    named.is_some_and(|(name, value)| control_in_line(name).is_none() && control_in_text(value).is_none())
}

/// `80`, `80/tcp` or `80/udp` (image-spec, `config.md`, `ExposedPorts`); Docker knows `sctp` too, and ranges.
fn is_port(text: &str) -> bool {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_number = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u16>().is_ok();
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    is_number(first) && is_number(last) && matches!(protocol, "tcp" | "udp" | "sctp")
}

/// `SIGTERM`, `TERM`, `SIGRTMIN+3` or a number.
fn is_signal(text: &str) -> bool {
    text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oci::{Document as _, Platform};

    fn cleaned_settings(settings: &[(&str, Value)]) -> (Value, Vec<String>) {
        let with = |config: Config, (name, value): &(&str, Value)| config.with_setting(name, Some(value.clone()));
        let (config, dropped) = cleaned(settings.iter().fold(Config::new(&Platform::default_target()), with));
        let dropped = dropped.iter().map(|dropped| format!("{} {}", dropped.field, dropped.names.join(","))).collect();
        (config.value()["config"].clone(), dropped)
    }

    #[test]
    fn what_no_recipe_could_set_is_dropped_from_a_base() {
        for path in ["../x", "/a/../../b", "work", "/a\u{1b}b", "/a\nb", "/a\0"] {
            assert_eq!(cleaned_settings(&[("WorkingDir", json!(path))]), (json!({}), vec![format!("WorkingDir {path}")]), "{path:?}");
        }
        let env = json!(["A=1", "B", "=x", "C=\0", "D\u{1b}=1", "E=a\u{1b}b", "F=two\n\tlines=yes", "", 7]);
        let (config, dropped) = cleaned_settings(&[("Env", env)]);
        assert_eq!((config["Env"].clone(), dropped), (json!(["A=1", "F=two\n\tlines=yes"]), vec!["Env B,=x,C,D\u{1b},E,".to_owned()]));
        let members = [
            ("Labels", json!({"a": "1", "b": "x\ny", "c\u{7}": "1", "d": "\u{9b}2J"})),
            ("Volumes", json!({"/data": {}, "data": {}, "/": {}, "/a/../b": {}, "/a\nb": {}})),
            ("ExposedPorts", json!({"80": {}, "53/udp": {}, "8000-8010/tcp": {}, "80/http": {}, "x": {}, "99999/tcp": {}})),
            ("StopSignal", json!("SIG TERM")),
            ("Unknown", json!({"deep": ["x\u{1b}"]})),
            ("Known", json!({"deep": ["a\nb"]})),
        ];
        let (config, mut dropped) = cleaned_settings(&members);
        dropped.sort();
        assert_eq!(
            config,
            json!({"Labels": {"a": "1"}, "Volumes": {"/data": {}}, "ExposedPorts": {"80": {}, "53/udp": {}, "8000-8010/tcp": {}}, "Known": {"deep": ["a\nb"]}})
        );
        assert_eq!(
            dropped,
            ["ExposedPorts 80/http,99999/tcp,x", "Labels b,c\u{7},d", "StopSignal ", "Unknown ", "Volumes /,/a\nb,/a/../b,data"]
        );
    }

    #[test]
    fn an_ordinary_base_keeps_all_of_its_config() {
        let config = Config::new(&Platform::default_target())
            .with_field("author", Some("Kåre <k@example.no>".into()))
            .with_field("history", Some(json!([{"created_by": "/bin/sh -c set -eux;\n\tapt-get update"}, {"empty_layer": true}])))
            .with_setting("Env", Some(json!(["PATH=/usr/bin", "EMPTY=", "A=b=c"])))
            .with_setting("WorkingDir", Some("/work/".into()))
            .with_setting("StopSignal", Some("SIGRTMIN+3".into()))
            .with_setting("Healthcheck", Some(json!({"Test": ["CMD-SHELL", "a &&\n b"]})));
        assert_eq!(cleaned(config.clone()), (config, Vec::new()));
    }

    #[test]
    fn variables_by_which_code_is_loaded_are_found() {
        let env = json!(["PATH=/bin", "LD_PRELOAD=/x.so", "LD_AUDIT=", "LD_LIBRARY_PATH=/opt", "OLD_X=1", "GCONV_PATH=/g", "BASH_ENV=/rc"]);
        let config = Config::new(&Platform::default_target()).with_setting("Env", Some(env));
        assert_eq!(loading_variables(&config), ["LD_PRELOAD", "LD_LIBRARY_PATH", "GCONV_PATH", "BASH_ENV"]);
    }

    #[test]
    fn the_history_keeps_an_entry_for_each_layer() {
        let history = json!([{"created_by": "\u{1b}[2J", "comment": "kept"}, {"empty_layer": true}]);
        let (config, dropped) = cleaned(Config::new(&Platform::default_target()).with_field("history", Some(history)));
        assert_eq!(config.field("history"), Some(&json!([{"comment": "kept"}, {"empty_layer": true}])));
        assert_eq!(dropped.len(), 1);
    }
}
