use super::named_recipe;
use crate::cli::arguments::Lock;
use crate::cli::invocation::Invocation;
use crate::ops::Failure;
use crate::ops::building::Push;
use crate::ops::debian::PackageChange;
use crate::ops::lock::{self, LockUse};

pub(in crate::cli) fn run(arguments: &Lock, invocation: &Invocation) -> Result<String, Failure> {
    let how = if arguments.update.is_some() { LockUse::Update } else { LockUse::Keep };
    let only = arguments.update.as_deref().unwrap_or_default();
    let tools = invocation.tools(None)?;
    let locked = lock::lock(&named_recipe(&arguments.path, &arguments.recipe, Push::No, invocation)?, how, only, invocation.run(&tools))?;
    let path = locked.path.display();
    match (&locked.before, locked.changed) {
        (_, false) => invocation.screen.say(&format!("{path} is up to date")),
        (Some(before), true) if *before != locked.after => {
            invocation.screen.say(&format!("wrote {path}\n  was {before}\n  is  {}", locked.after));
        }
        _ => invocation.screen.say(&format!("wrote {path}")),
    }
    invocation.render(&locked, || if locked.packages.is_empty() { locked.after.clone() } else { table(&locked.packages) })
}

/// Writes what changed as a table: package, old version, new version, vulnerabilities.
fn table(changes: &[PackageChange]) -> String {
    let version_text = |version: &Option<String>, otherwise: &str| version.clone().unwrap_or_else(|| otherwise.to_owned());
    let mut rows = vec![["package".to_owned(), "old".to_owned(), "new".to_owned(), "fixes".to_owned()]];
    rows.extend(changes.iter().map(|change| {
        [change.name.clone(), version_text(&change.before, "-"), version_text(&change.after, "gone"), change.vulnerabilities.join(" ")]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let [name, old, new, fixes] = row;
        format!("{name:<0$}  {old:<1$}  {new:<2$}  {fixes}", widths[0], widths[1], widths[2]).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
