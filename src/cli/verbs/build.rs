use super::{bytes, named_recipe, write_file};
use crate::cli::arguments::Build;
use crate::cli::invocation::{Invocation, json};
use crate::cli::location::output;
use crate::lint::Level;
use crate::ops::building::{self, BuildRequest, Built, OUTPUT, Push, check_writable};
use crate::ops::lock::LockUse;
use crate::ops::{Failure, RecipeRequest};

pub(in crate::cli) fn run(arguments: &Build, invocation: &Invocation) -> Result<String, Failure> {
    let push = if arguments.push { Push::Yes } else { Push::No };
    let named = named_recipe(&arguments.path, &arguments.recipe, push, invocation)?;
    let recipe = RecipeRequest { tags: arguments.tag.clone(), labels: arguments.label.clone(), ..named };
    let tools = invocation.tools(arguments.threads)?;
    let lock = match (arguments.locked, arguments.dry_run) {
        (true, _) => LockUse::Require,
        (_, true) => LockUse::Look,
        _ => LockUse::Keep,
    };
    if arguments.dry_run {
        let explained = building::explain(&recipe, lock, invocation.run(&tools))?;
        return invocation.render(&explained, || explained.iter().map(ToString::to_string).collect());
    }
    let result_files: Vec<_> = arguments.digest_file.iter().chain(&arguments.metadata_file).cloned().collect();
    result_files.iter().try_for_each(|file| check_writable(file))?;
    let outputs = arguments.output.iter().map(|text| output(text)).collect::<Result<Vec<_>, _>>()?;
    let built = building::build(&BuildRequest { recipe, lock, outputs, push, result_files }, invocation.run(&tools))?;
    tell(&built, arguments, invocation);
    if let Some(file) = &arguments.digest_file {
        write_file(file, built.digest.as_bytes())?;
    }
    if let Some(file) = &arguments.metadata_file {
        write_file(file, json(&built)?.as_bytes())?;
    }
    invocation.render(&built, || built.result.clone())
}

/// Says in a few lines what was built: the result on standard output is for programs.
fn tell(built: &Built, arguments: &Build, invocation: &Invocation) {
    if built.lock.written {
        invocation.screen.say(&format!("wrote {}", built.lock.path));
    }
    for platform in &built.platforms {
        let (digest, count, size) = (short(&platform.digest), platform.layers.len(), bytes(platform.size));
        invocation.screen.say(&format!("built {digest} for {}: {count} layers, {size}", platform.platform));
    }
    let (own, others): (Vec<_>, Vec<_>) = built.skipped.iter().partition(|skip| skip.why == OUTPUT);
    if !own.is_empty() {
        let own: Vec<&str> = own.iter().map(|skip| skip.path.as_str()).collect();
        invocation.screen.say(&format!("left out {}: written by hardened", own.join(", ")));
    }
    let skipped_count = built.skipped_count - (built.skipped.len() - others.len());
    if skipped_count > 0 {
        let denied: Vec<&str> =
            others.iter().filter(|skip| skip.why.starts_with("denied")).map(|skip| skip.path.as_str()).take(5).collect();
        let examples = if denied.is_empty() { String::new() } else { format!(", among them {}", denied.join(", ")) };
        invocation.screen.say(&format!("left out {skipped_count} files{examples}; `--dry-run` lists them"));
    }
    let mut notes: Vec<String> = Vec::new();
    for finding in built.platforms.iter().flat_map(|platform| &platform.findings).filter(|finding| finding.level == Level::Note) {
        let line = finding.line();
        if !notes.contains(&line) {
            invocation.screen.say(&format!("note: {line}"));
            notes.push(line);
        }
    }
    for output in &arguments.output {
        invocation.screen.say(&format!("wrote {output}"));
    }
    if arguments.push {
        let sent: u64 =
            built.uploads.iter().filter(|upload| upload.status == "uploaded").fold(0, |sent, upload| sent.saturating_add(upload.size));
        invocation.screen.say(&format!("pushed {} ({} sent)", built.tags.join(", "), bytes(sent)));
    }
    if arguments.output.is_empty() && !arguments.push {
        invocation.screen.say("the image is only in the cache; write it with `-o oci:DIR`, or push it with `--push`");
    }
}

fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
