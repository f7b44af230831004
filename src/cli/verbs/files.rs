use std::fmt::Write as _;

use super::platform;
use crate::cli::arguments::{Cat, Ls};
use crate::cli::invocation::Invocation;
use crate::cli::location::source;
use crate::cli::screen::ResultWriter;
use crate::net::redact::escaped;
use crate::ops::Failure;
use crate::ops::files::{FilesRequest, ImageFiles, ListedFile, copy_content, list};
use crate::rootfs::ImagePath;

/// The longest name of a package for which a column is kept.
const PACKAGE_WIDTH: usize = 28;

/// Lists files.
pub(in crate::cli) fn ls(arguments: &Ls, invocation: &Invocation) -> Result<String, Failure> {
    let request = request(&arguments.image, arguments.platform.as_deref(), &arguments.path)?;
    let tools = invocation.tools(None)?;
    let listed = list(&request, invocation.run(&tools))?;
    invocation.render(&listed, || text(&listed, arguments.hidden))
}

/// Prints a file.
pub(in crate::cli) fn cat(arguments: &Cat, invocation: &Invocation) -> Result<String, Failure> {
    let request = request(&arguments.image, arguments.platform.as_deref(), &arguments.path)?;
    let tools = invocation.tools(None)?;
    copy_content(&request, &mut ResultWriter(&invocation.screen), invocation.run(&tools))?;
    Ok(String::new())
}

fn request(image: &str, platform_name: Option<&str>, path: &str) -> Result<FilesRequest, Failure> {
    let path = ImagePath::new(path.as_bytes())
        .map_err(|fault| Failure::wrong(format!("`{}` is not a valid path in an image: {fault}", path.escape_debug())))?;
    Ok(FilesRequest { location: source(image)?, platform: platform(platform_name)?, path })
}

/// What the image says of itself is foreign text, and is escaped.
fn text(listed: &ImageFiles, with_hidden: bool) -> String {
    let mut text = String::new();
    for image in &listed.images {
        if listed.images.len() > 1 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}  {}", image.platform, image.digest);
        }
        let hidden = if with_hidden { image.files.hidden.as_slice() } else { &[] };
        let rows: Vec<&ListedFile> = image.files.files.iter().chain(hidden).collect();
        let names = rows.iter().filter_map(|file| file.package.as_deref()).map(str::len);
        let width = names.max().unwrap_or_default().min(PACKAGE_WIDTH);
        for file in rows {
            let _ = row(file, width, &mut text);
        }
    }
    text
}

/// One line for a file, as `ls -l` has it: mode, owner, size, layer, package, path.
fn row(file: &ListedFile, width: usize, text: &mut String) -> std::fmt::Result {
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
    write!(text, "{letter}{}  {owner:>11}  {size:>12}  {:>3}  ", file.mode, file.layer)?;
    if width > 0 {
        write!(text, "{:<width$}  ", escaped(file.package.as_deref().unwrap_or("-")))?;
    }
    write!(text, "{}", escaped(&file.path))?;
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
