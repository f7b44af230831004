use super::{BuildRequest, Decided, Job, Push};
use crate::diagnostic::{Diagnostic, nearest};
use crate::lint::{Delivery, Finding, Level, LintRequest, Linted, lint};
use crate::ops::debian::Contents;
use crate::ops::{Failure, Observer};
use crate::plan::Plan;
use crate::recipe::PlatformRecipe;
use crate::rootfs::Rootfs;
use crate::store::Location;

/// What becomes of an image, as far as it matters to rules about it.
pub(super) struct Usage {
    delivery: Delivery,
    /// What the image can be run as.
    image: String,
}

impl Default for Usage {
    /// An image whose destination is not known.
    fn default() -> Self {
        Self { delivery: Delivery::Oci, image: "IMAGE".to_owned() }
    }
}

impl Usage {
    pub(super) fn of(request: &BuildRequest, recipe: &crate::recipe::Recipe) -> Self {
        let reference = recipe.references.first().map(|reference| reference.value.to_string());
        let is_docker = |location: &Location| matches!(location, Location::DockerArchive(..) | Location::DockerDaemon);
        let only_docker = request.push == Push::No && !request.outputs.is_empty() && request.outputs.iter().all(is_docker);
        let delivery = if only_docker { Delivery::Docker } else { Delivery::Oci };
        let image = match request.outputs.first() {
            Some(location) if request.push == Push::No && *location != Location::DockerDaemon => Some(location.to_string()),
            _ => reference,
        };
        Self { delivery, image: image.unwrap_or_else(|| "IMAGE".to_owned()) }
    }
}

impl Job {
    /// Returns what the recipe means for a platform, with the variables of its base.
    pub(super) fn part(&self, number: usize) -> Result<PlatformRecipe, Failure> {
        let (part, base) = (&self.open.recipe.parts()[number], self.base.platforms[number].image());
        part.with_base_variables(|name| base.config.variable(name)).map_err(|missing| {
            let lines = base.config.environment();
            let names: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
            let diagnostic = |name: &crate::recipe::Spanned<String>| {
                let message = format!("the base has no variable `{}` for `{}`", name.escape_debug(), part.platform);
                let hint = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("write `{{image.env.{}}}`", near.escape_debug()),
                    None if names.is_empty() => "write the value itself: the base sets no variable".to_owned(),
                    None => format!("it has {}; write one of these, or the value itself", names.join(", ").escape_debug()),
                };
                Diagnostic::error(message).at(name.span.as_ref(), "not in the base").hint(hint)
            };
            Failure::Wrong(missing.into_iter().map(diagnostic).collect())
        })
    }

    /// Applies all rules to a planned image; what a rule refuses is a failure.
    pub(super) fn lint(&self, plan: &mut Plan, part: &PlatformRecipe, base_files: Rootfs<'_>) -> Result<Vec<Finding>, Failure> {
        let contents = Contents { project: &self.project, packages: self.base.packages() };
        let Linted { findings, waivers } = {
            let mut rootfs: Rootfs<'_> = base_files;
            plan.layers.iter().for_each(|layer| rootfs.push(&layer.changeset));
            let Usage { delivery, image } = &self.usage;
            lint(&LintRequest {
                platform: &plan.platform,
                config: &plan.config,
                started: &plan.proof.started,
                rootfs: &rootfs,
                contents: &contents,
                owner: self.open.recipe.user.owner,
                recipe: part,
                links: &self.project,
                delivery: *delivery,
                image,
            })
        };
        let is_used = |idle: &String| waivers.iter().any(|waiver| *idle == format!("{} needs {}", waiver.path, waiver.needs));
        plan.proof.idle_waivers.retain(|idle| !is_used(idle));
        let errors: Vec<Diagnostic> = findings.iter().filter(|finding| finding.level == Level::Error).map(Finding::diagnostic).collect();
        if errors.is_empty() { Ok(findings) } else { Err(Failure::No(errors)) }
    }
}

/// Tells what rules found, except what belongs to the result; what was told of another platform is not told again.
pub(super) fn tell(decided: &Decided, told: &mut Vec<Finding>, observer: &dyn Observer) {
    for finding in &decided.findings {
        if told.contains(finding) {
            continue;
        }
        match finding.level {
            Level::Error | Level::Warning => observer.warn(&finding.diagnostic()),
            Level::Note => {}
            Level::Detail => observer.detail(&finding.line()),
        }
        told.push(finding.clone());
    }
}
