use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::{bytes, platform};
use crate::cli::arguments::Inspect;
use crate::cli::invocation::Invocation;
use crate::cli::location::source;
use crate::net::redact::escaped;
use crate::oci::effective_variables;
use crate::ops::Failure;
use crate::ops::inspect::{Inspected, InspectedImage, inspect};

pub(in crate::cli) fn run(arguments: &Inspect, invocation: &Invocation) -> Result<String, Failure> {
    let platform = platform(arguments.platform.as_deref())?;
    let tools = invocation.tools(None)?;
    let inspected = inspect(&source(&arguments.image)?, platform.as_ref(), invocation.run(&tools))?;
    invocation.render(&inspected, || text(&inspected))
}

/// What the image says of itself is foreign text, and is escaped.
fn text(inspected: &Inspected) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}  {}", inspected.digest, inspected.media_type);
    for image in &inspected.images {
        let _ = show(image, &mut text);
    }
    if !inspected.referrers.is_empty() {
        text.push('\n');
    }
    for referrer in &inspected.referrers {
        let artifact_type = referrer.artifact_type.as_deref().unwrap_or("unknown type");
        let _ = writeln!(text, "referrer: {}  {:>10}  {}", referrer.digest, bytes(referrer.size), escaped(artifact_type));
    }
    text
}

fn show(image: &InspectedImage, text: &mut String) -> std::fmt::Result {
    writeln!(text, "\n{}  {}  {}", image.platform, image.digest, bytes(image.size))?;
    let settings = &image.config["config"];
    for (name, key) in [("user", "User"), ("workdir", "WorkingDir"), ("stop signal", "StopSignal")] {
        if let Some(value) = settings[key].as_str().filter(|value| !value.is_empty()) {
            writeln!(text, "  {name}: {}", escaped(value))?;
        }
    }
    for (name, key) in [("entrypoint", "Entrypoint"), ("command", "Cmd")] {
        if let Some(words) = settings[key].as_array() {
            writeln!(text, "  {name}: {}", escaped(&Value::from(words.clone()).to_string()))?;
        }
    }
    let entries: Vec<&str> = settings["Env"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let variables = effective_variables(&entries);
    for line in &variables {
        writeln!(text, "  env: {}", escaped(line))?;
    }
    let effective: BTreeSet<&str> = variables.into_iter().collect();
    for line in entries.iter().filter(|entry| !effective.contains(*entry)) {
        writeln!(text, "  env without effect: {}", escaped(line))?;
    }
    for (name, key) in [("port", "ExposedPorts"), ("volume", "Volumes")] {
        for value in settings[key].as_object().into_iter().flat_map(serde_json::Map::keys) {
            writeln!(text, "  {name}: {}", escaped(value))?;
        }
    }
    if let Some(test) = settings["Healthcheck"]["Test"].as_array() {
        writeln!(text, "  health check: {}", escaped(&Value::from(test.clone()).to_string()))?;
    }
    match image.shells.as_deref() {
        Some(shells) => shells.iter().try_for_each(|path| writeln!(text, "  shell: {}", escaped(path)))?,
        None => writeln!(text, "  shell: not known, since no layer was read; `hardened ls` lists the files")?,
    }
    for (name, value) in settings["Labels"].as_object().into_iter().flatten() {
        writeln!(text, "  label: {}={}", escaped(name), escaped(value.as_str().unwrap_or_default()))?;
    }
    for (name, value) in &image.annotations {
        writeln!(text, "  annotation: {}={}", escaped(name), escaped(value))?;
    }
    for layer in &image.layers {
        writeln!(text, "  layer: {}  {:>10}  {}", layer.digest, bytes(layer.size), escaped(&layer.media_type))?;
    }
    Ok(())
}
