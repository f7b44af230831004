use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::bytes;
use crate::cli::arguments::Inspect;
use crate::cli::invocation::Invocation;
use crate::cli::location::location;
use crate::net::redact::escaped;
use crate::oci::{Platform, effective_variables};
use crate::ops::Failure;
use crate::ops::inspect::{Depth, Inspected, InspectedFile, InspectedFiles, InspectedImage, inspect};

pub(in crate::cli) fn run(arguments: &Inspect, invocation: &Invocation) -> Result<String, Failure> {
    let platform = arguments
        .platform
        .as_deref()
        .map(str::parse::<Platform>)
        .transpose()
        .map_err(|fault| Failure::wrong(format!("`--platform`: {fault}")).hint("write for example `linux/amd64`"))?;
    let tools = invocation.tools(None)?;
    let depth = if arguments.files { Depth::Files } else { Depth::Documents };
    let inspected = inspect(&location(&arguments.image)?, platform.as_ref(), depth, invocation.run(&tools))?;
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
    for (name, value) in settings["Labels"].as_object().into_iter().flatten() {
        writeln!(text, "  label: {}={}", escaped(name), escaped(value.as_str().unwrap_or_default()))?;
    }
    for (name, value) in &image.annotations {
        writeln!(text, "  annotation: {}={}", escaped(name), escaped(value))?;
    }
    for layer in &image.layers {
        writeln!(text, "  layer: {}  {:>10}  {}", layer.digest, bytes(layer.size), escaped(&layer.media_type))?;
    }
    if let Some(InspectedFiles { files, hidden }) = &image.files {
        writeln!(text, "\n  {:<5}  {:>11}  {:>12}  {:>5}  path", "mode", "owner", "size", "layer")?;
        files.iter().chain(hidden).try_for_each(|file| show_file(file, text))?;
    }
    Ok(())
}

/// One line for a file, as `ls -l` has it: mode, owner, size, layer, path.
fn show_file(file: &InspectedFile, text: &mut String) -> std::fmt::Result {
    let letter = match file.kind {
        "directory" => 'd',
        "symlink" => 'l',
        "character-device" => 'c',
        "block-device" => 'b',
        "fifo" => 'p',
        _ => '-',
    };
    let owner = format!("{}:{}", file.uid, file.gid);
    let size = match (file.size, file.device) {
        (Some(size), _) => size.to_string(),
        (None, Some(device)) => format!("{}, {}", device.major, device.minor),
        (None, None) => String::new(),
    };
    write!(text, "  {letter}{}  {owner:>11}  {size:>12}  {:>5}  {}", file.mode, file.layer, escaped(&file.path))?;
    if let Some(target) = &file.target {
        write!(text, " -> {}", escaped(target))?;
    }
    for attribute in &file.attributes {
        write!(text, "  {}", escaped(attribute))?;
    }
    if let Some(by) = file.hidden_by {
        write!(text, "  (hidden by layer {by})")?;
    }
    writeln!(text)
}
