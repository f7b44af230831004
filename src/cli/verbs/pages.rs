use clap::CommandFactory;

use crate::cli::arguments::{Arguments, Completions};
use crate::oci::{StoreError, StoreFault};
use crate::ops::Failure;

/// Writes the completion script of a shell.
pub(in crate::cli) fn completions(arguments: &Completions) -> String {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "hardened", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes the manual: one page for the program and one for each verb, one after the other.
pub(in crate::cli) fn manual() -> Result<String, Failure> {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    let failed = |error| StoreError::new(StoreFault::Disk, "could not write the manual").caused_by(error);
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for verb in command.get_subcommands() {
        let named = verb.clone().name(format!("hardened-{}", verb.get_name()));
        clap_mangen::Man::new(named).render(&mut page).map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}
