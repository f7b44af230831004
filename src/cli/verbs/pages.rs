use std::fs;
use std::path::Path;

use clap::CommandFactory;

use super::write_file;
use crate::cli::arguments::{Arguments, Man, Schema};
use crate::cli::results::schema_text;
use crate::diagnostic::{ExternalError, nearest};
use crate::ops::Failure;

/// Returns the JSON Schema of the recipe or of a result, or the recipe's keys as a page.
pub(in crate::cli) fn schema(arguments: &Schema) -> String {
    if arguments.markdown {
        return crate::recipe::reference();
    }
    arguments.of.map_or_else(crate::recipe::json_schema_text, schema_text)
}

/// A page of the manual.
struct Page {
    /// What it is called: `hardened-cache-prune`.
    name: String,
    command: clap::Command,
}

impl Page {
    fn text(&self) -> Result<Vec<u8>, Failure> {
        let failed = |error| ExternalError::new("could not write the manual").caused_by(error);
        let mut text = Vec::new();
        clap_mangen::Man::new(self.command.clone().name(self.name.clone())).render(&mut text).map_err(failed)?;
        Ok(text)
    }
}

/// Returns all pages: that of the program, and one for each verb behind the page of what it is a verb of.
fn pages() -> Vec<Page> {
    let mut command = Arguments::command();
    command.build();
    let mut pages = Vec::new();
    let mut left = vec![Page { name: "hardened".to_owned(), command }];
    while let Some(page) = left.pop() {
        let below = page.command.get_subcommands();
        let below = below.map(|verb| Page { name: format!("{}-{}", page.name, verb.get_name()), command: verb.clone() });
        let mut below: Vec<Page> = below.collect();
        // The first is taken first.
        below.reverse();
        left.append(&mut below);
        pages.push(page);
    }
    pages
}

/// Returns the manual: all pages, one after the other, or that of a verb; or the files that it was written to.
pub(in crate::cli) fn manual(arguments: &Man) -> Result<String, Failure> {
    let pages = pages();
    if let Some(folder) = &arguments.dir {
        return write_pages(folder, &pages);
    }
    if arguments.verb.is_empty() {
        let texts = pages.iter().map(Page::text).collect::<Result<Vec<_>, _>>()?;
        return Ok(String::from_utf8_lossy(&texts.concat()).into_owned());
    }
    let verb = arguments.verb.join(" ");
    let name = format!("hardened-{}", arguments.verb.join("-"));
    let page = pages.iter().find(|page| page.name == name).ok_or_else(|| {
        let verbs: Vec<String> = pages.iter().skip(1).map(|page| page.name["hardened-".len()..].replace('-', " ")).collect();
        let near = nearest(&verb, verbs.iter().map(String::as_str)).map(|near| format!("`hardened man {near}` prints its page"));
        let failure = Failure::wrong(format!("there is no verb `{}`", verb.escape_debug()));
        near.into_iter().fold(failure, Failure::hint).hint("`hardened help` lists the verbs")
    })?;
    Ok(String::from_utf8_lossy(&page.text()?).into_owned())
}

/// Writes each page as a file of its own, which `man` finds in a folder `man1`, and returns the files, one on each line.
fn write_pages(folder: &Path, pages: &[Page]) -> Result<String, Failure> {
    let failed = |error| ExternalError::new(format!("could not make the folder `{}`", folder.display())).caused_by(error);
    fs::create_dir_all(folder).map_err(failed)?;
    let mut files = Vec::new();
    for page in pages {
        let file = folder.join(format!("{}.1", page.name));
        write_file(&file, &page.text()?)?;
        files.push(file.display().to_string());
    }
    Ok(files.join("\n"))
}
