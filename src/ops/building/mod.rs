//! `hardened build`: from the recipe to an image at all its destinations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::diagnostic::{Diagnostic, ExternalError};
use crate::host::project::{Outputs, Project};
use crate::host::rfc3339;
use crate::image::{History, Image, ImageSet, assemble};
use crate::layer::Layer;
use crate::linkage::{Proof, ProofOptions};
use crate::lint::Finding;
use crate::lock::lock_path;
use crate::oci::{BlobSource, Descriptor, Digest, ImageLayer};
use crate::plan::{Fault, Plan, PlanRequest, PlannedLayer, Settings, Split};
use crate::recipe::{PlatformRecipe, Recipe};
use crate::store::publish::gate::AcceptAll;
use crate::store::publish::{Queue, Transaction};
use crate::store::{Blobs, Location, Publication};

use super::base::FoundBase;
use super::debian::{Contents, DebianNames};
use super::destinations;
use super::gather::{self, Gathered};
use super::layers::{CachedLayer, LayerFailure, Remembered};
use super::lock::{self, LockUse, UnwrittenLock};
use super::observer::StepsOnly;
use super::recipe::{self, OpenRecipe};
use super::repair::repaired;
use super::watched::Watched;
use super::{Failure, RecipeRequest, Run, TaskKind, Tools};

pub use super::destinations::{Push, check_writable};
use findings::Usage;
use outcome::Delivered;
use private_keys::RefusedKeys;

pub use explained::{Explained, ExplainedBase, ExplainedLayer};
pub(super) use outcome::upload_status;
pub use outcome::{Built, BuiltLayer, BuiltLock, BuiltPlatform, BuiltSkip, BuiltUpload, OUTPUT, Times};

mod explained;
mod findings;
mod folders;
mod outcome;
mod private_keys;
mod proof;

/// How often files are found anew when they change while they are read.
const TRIES: usize = 3;

/// What is to be built, and where it goes.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The recipe.
    pub recipe: RecipeRequest,
    /// How the lock is treated.
    pub lock: LockUse,
    /// Where the image is written.
    pub outputs: Vec<Location>,
    /// Whether it is pushed.
    pub push: Push,
    /// Files for the result, which are written once the image is published: like the outputs, they are never in the image.
    pub result_files: Vec<PathBuf>,
}

/// Builds an image.
///
/// # Errors
/// When the recipe is wrong, the image could not start, or something outside of the program fails. Every tag, archive and layout is then
/// as it was, and no engine has the image, unless the error names those that have it.
pub fn build(request: &BuildRequest, run: Run<'_>) -> Result<Built, Failure> {
    repaired(run, |run| build_once(request, run))
}

fn build_once(request: &BuildRequest, run: Run<'_>) -> Result<Built, Failure> {
    let begun = Instant::now();
    let files: Vec<&Path> =
        request.outputs.iter().filter_map(Location::path).chain(request.result_files.iter().map(PathBuf::as_path)).collect();
    let open = recipe::open(&request.recipe, &run.tools.environment, run.observer)?;
    let destinations = destinations::of_build(&request.outputs, request.push, &open.recipe, run.tools)?;
    let usage = Usage::of(request, &open.recipe);
    let job = Job { usage, ..Job::new(open, &request.recipe, request.lock, &files, run)? };
    let transaction = Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Watched::new(run.observer) };
    let base_done = begun.elapsed();
    let fill = |queue: &Queue<'_>| {
        let mut work = job.build_all(queue, run)?;
        if work.held.is_some() {
            queue.skip_complete(&job.publication(&work, run.tools)?);
            work.release(queue);
        }
        Ok::<_, Failure>(work)
    };
    let (work, staging) = transaction.stage_blobs(fill)?;
    let layers_done = begun.elapsed();
    let publication = job.publication(&work, run.tools)?;
    let verified = staging.stage(&publication)?.verify()?;
    // Nothing but names is left to be written. Where the lock cannot be, no tag has moved.
    job.lock.write(run)?;
    let committed = verified.commit()?;
    let times = Times {
        base: base_done.as_secs_f64(),
        layers: layers_done.saturating_sub(base_done).as_secs_f64(),
        total: begun.elapsed().as_secs_f64(),
    };
    Ok(job.outcome(
        &work,
        &publication.root.descriptor(),
        &Delivered { request, destinations: &destinations, sent: &committed.sent },
        times,
    ))
}

/// Decides everything, and returns it for each platform without doing it.
///
/// # Errors
/// As [`build`].
pub fn explain(request: &RecipeRequest, how: LockUse, run: Run<'_>) -> Result<Vec<Explained>, Failure> {
    repaired(run, |run| {
        let open = recipe::open(request, &run.tools.environment, run.observer)?;
        let job = Job::new(open, request, how, &[], run)?;
        let explained = |number: usize| Ok(Explained::new(&job.plan(number, run)?));
        (0..job.open.recipe.parts().len()).map(explained).collect()
    })
}

/// A recipe, its lock, its base, and its files.
struct Job {
    open: OpenRecipe,
    lock: UnwrittenLock,
    base: FoundBase,
    project: Project,
    created: i64,
    usage: Usage,
}

/// All that is decided for one platform, and what there is to say about it.
struct Decided {
    plan: Plan,
    /// What the recipe sets in the config.
    settings: Settings,
    gathered: Gathered,
    /// What rules found.
    findings: Vec<Finding>,
}

/// What was made so far.
#[derive(Default)]
struct Work {
    /// The images, in the order of the recipe's platforms.
    platforms: Vec<PlatformImage>,
    blobs: Blobs,
    tar_sizes: BTreeMap<Digest, u64>,
    /// Layers that another platform may have as well.
    known: Vec<(PlannedLayer, CachedLayer)>,
    skipped: Gathered,
    /// What was told of the images so far.
    told: Vec<Finding>,
    /// Private keys that were found. No blob is sent from then on.
    refused: Vec<Diagnostic>,
    /// What waits to be sent: as long as nothing had to be made, a destination may have the whole image.
    held: Option<Vec<(Descriptor, Arc<dyn BlobSource>)>>,
}

/// The image of one platform.
struct PlatformImage {
    image: Image,
    /// The names of our own layers.
    names: Vec<String>,
    proof: Proof,
    findings: Vec<Finding>,
}

impl Work {
    fn add(&mut self, queue: &Queue<'_>, descriptor: &Descriptor, source: &Arc<dyn BlobSource>) {
        self.blobs.insert(descriptor.digest, (descriptor.clone(), Arc::clone(source)));
        match &mut self.held {
            Some(held) => held.push((descriptor.clone(), Arc::clone(source))),
            None => queue.submit(descriptor, source),
        }
    }

    /// Sends what waits, and whatever comes after it at once.
    fn release(&mut self, queue: &Queue<'_>) {
        self.held.take().into_iter().flatten().for_each(|(descriptor, source)| queue.submit(&descriptor, &source));
    }
}

impl Job {
    /// Finds all that a build needs which writes `files`: what is missing on this machine is told before anything is fetched.
    fn new(open: OpenRecipe, request: &RecipeRequest, how: LockUse, files: &[&Path], run: Run<'_>) -> Result<Self, Failure> {
        let created = created(&open.recipe, run.tools)?;
        let lock = lock_path(&request.file);
        let vendored = run.tools.vendored.as_ref().and_then(Location::path);
        let outputs = Outputs::new(files.iter().copied().chain([run.tools.cache.named_folder(), &lock]).chain(vendored));
        let project = Project::open(&open.root).map_err(|fault| unopened(&open, &fault))?.without(outputs);
        gather::check(&open.recipe, &project)?;
        let lock::Settled { base, lock, .. } = lock::settle(&open, &request.file, how, &[], run)?;
        let base = base.assembled(&open, run)?;
        Ok(Self { open, lock, base, project, created, usage: Usage::default() })
    }

    fn build_all(&self, queue: &Queue<'_>, run: Run<'_>) -> Result<Work, Failure> {
        let mut work = Work { held: Some(Vec::new()), ..Work::default() };
        let platforms = self.open.recipe.parts().len();
        if platforms > 1 {
            // What the last platform is refused for must be known before anything of the first is written.
            let first = StepsOnly(run.observer);
            (0..platforms).try_for_each(|number| self.plan(number, run.with(&first)).map(drop))?;
        }
        for base in &self.base.platforms {
            for blob in self.base.blobs(base.image(), run.tools) {
                let descriptor = blob.descriptor.clone();
                let source: Arc<dyn BlobSource> = Arc::new(blob);
                work.add(queue, &descriptor, &source);
            }
        }
        for number in 0..self.open.recipe.parts().len() {
            self.build_one(number, queue, &mut work, run)?;
        }
        if work.refused.is_empty() { Ok(work) } else { Err(Failure::No(work.refused)) }
    }

    /// Builds the image of one platform. When a file changes meanwhile, everything is found and decided again.
    fn build_one(&self, number: usize, queue: &Queue<'_>, work: &mut Work, run: Run<'_>) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let decided = self.plan(number, run)?;
            let mut refused = RefusedKeys::default();
            match self.write(&decided, &mut refused, queue, work, run) {
                Ok(_) if !refused.is_empty() => {
                    let told = self.refused_keys(refused, number)?;
                    // Other platforms have mostly the same files.
                    let told: Vec<Diagnostic> = told.into_iter().filter(|told| !work.refused.contains(told)).collect();
                    work.refused.extend(told);
                    return Ok(());
                }
                Ok(layers) => {
                    proof::tell(&decided.plan.proof, run.observer);
                    decided.plan.layer_warning().iter().for_each(|warning| run.observer.warn(warning));
                    findings::tell(&decided, &mut work.told, run.observer);
                    Self::assemble(&decided, &layers, queue, work, run.tools)?;
                    if number == 0 {
                        work.skipped = decided.gathered;
                    }
                    return Ok(());
                }
                Err(LayerFailure::Failed(failure)) => return Err(failure),
                Err(LayerFailure::Changed(path)) if tries < TRIES => {
                    run.observer.note(&format!("the file for `{path}` changed while it was read; all files are read again"));
                }
                Err(LayerFailure::Changed(path)) => {
                    let message = format!("the file for `{path}` changed while it was read, {TRIES} times in a row");
                    return Err(ExternalError::new(message).hint("build again when no other program writes to it").into());
                }
            }
        }
    }

    fn plan(&self, number: usize, run: Run<'_>) -> Result<Decided, Failure> {
        let (part, platform) = (self.part(number)?, &self.base.platforms[number]);
        let base = platform.image();
        let base_files = self.base.files(base, run)?;
        let walk = run.observer.begin(TaskKind::LookUp, "the files of the recipe", None);
        let mut gathered = gather::gather(&part, &self.project, run.observer)?;
        walk.finish("");
        let memory = proof::Remembering(&run.tools.cache);
        let packaged = platform.debian().map(|debian| &debian.proof);
        let names = DebianNames::new(packaged, run);
        let settings = self.settings(&part);
        let request = PlanRequest {
            platform: part.platform.clone(),
            base: base.clone(),
            base_files: base_files.clone(),
            user: self.open.recipe.user.clone(),
            sources: std::mem::take(&mut gathered.sources),
            writable: part.process.writable.iter().map(|path| (path.value.clone(), path.span.clone())).collect(),
            settings: settings.clone(),
            compressor: lock::compressor(&self.open)?,
            split: if self.open.recipe.layers.split { Split::Auto } else { Split::Off },
            proof: ProofOptions {
                package_files: packaged.map(|packaged| packaged.files.clone()).unwrap_or_default(),
                layer_files: Vec::new(),
                packages: Some(&names),
                waivers: part.unproved.iter().cloned().chain(packaged.into_iter().flat_map(|packaged| packaged.waivers.clone())).collect(),
                memory: Some(&memory),
                preload_span: part.process.env.get("LD_PRELOAD").and_then(|value| value.span.clone()),
                folders: folders::needed(&part),
                links: folders::links(&part),
            },
            entrypoint_span: part.process.entrypoint.as_ref().or(part.process.command.as_ref()).and_then(|words| words.span.clone()),
        };
        let contents = Contents { project: &self.project, packages: self.base.packages() };
        let check = run.observer.begin(TaskKind::Check, &format!("the image for {}", part.platform), None);
        let mut plan = Plan::new(request, &contents).map_err(|faults| refused(&faults))?;
        let findings = self.lint(&mut plan, &part, base_files)?;
        check.finish("");
        Ok(Decided { plan, settings, gathered, findings })
    }

    fn settings(&self, part: &PlatformRecipe) -> Settings {
        let (process, owner) = (&part.process, self.open.recipe.user.owner);
        Settings {
            user: format!("{}:{}", owner.uid, owner.gid),
            environment: process.env.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect(),
            entrypoint: process.entrypoint.as_ref().map(|words| words.value.clone()),
            command: process.command.as_ref().map(|words| words.value.clone()),
            working_directory: process.workdir.as_ref().map(|path| path.value.to_string()),
            stop_signal: process.stop_signal.clone(),
            ports: process.ports.iter().map(ToString::to_string).collect(),
            volumes: process.volumes.iter().map(|path| path.value.to_string()).collect(),
            labels: part.labels.clone(),
            annotations: part.annotations.clone(),
            healthcheck: process.healthcheck.as_ref().map(outcome::healthcheck),
            author: part.annotations.get("org.opencontainers.image.authors").cloned(),
            created: rfc3339(self.created),
        }
    }

    /// Writes the layers. From a private key on, those that follow are only searched for others, and nothing is sent any more.
    fn write(
        &self,
        decided: &Decided,
        refused: &mut RefusedKeys,
        queue: &Queue<'_>,
        work: &mut Work,
        run: Run<'_>,
    ) -> Result<Vec<Layer>, LayerFailure> {
        let Decided { plan, gathered, .. } = decided;
        let mut layers = Vec::new();
        let project_key = format!("{}\0{}", self.project.root().display(), plan.platform);
        let contents = Contents { project: &self.project, packages: self.base.packages() };
        for planned in &plan.layers {
            if queue.has_failed() {
                // Why is said by the upload that failed.
                return Err(LayerFailure::Failed(ExternalError::new("an upload failed").into()));
            }
            let known = work.known.iter().find(|(other, _)| other.changeset == planned.changeset && other.compressor == planned.compressor);
            let made = if let Some((_, made)) = known {
                made.clone()
            } else {
                let remembered = Remembered::new(planned, &project_key, run.tools);
                if let Some(made) = remembered.unchanged(run) {
                    made
                } else {
                    if work.refused.is_empty() && refused.is_empty() {
                        work.release(queue);
                    }
                    remembered.make(&contents, run)?
                }
            };
            refused.add(&made.keys, &gathered.keys_allowed);
            if work.refused.is_empty() && refused.is_empty() {
                work.add(queue, &made.layer.descriptor, &made.source);
            }
            work.tar_sizes.insert(made.layer.descriptor.digest, made.layer.tar_size);
            layers.push(made.layer.clone());
            if self.open.recipe.platforms.len() > 1 && !work.known.iter().any(|(_, known)| known.layer == made.layer) {
                work.known.push((planned.clone(), made));
            }
        }
        Ok(layers)
    }

    fn assemble(decided: &Decided, layers: &[Layer], queue: &Queue<'_>, work: &mut Work, tools: &Tools) -> Result<(), Failure> {
        let Decided { plan, findings, .. } = decided;
        let own = layers.iter().zip(&plan.layers).map(|(layer, planned)| {
            // A name of a file of the project may hold anything.
            let shown = |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() };
            let created_by = format!("hardened: {}", planned.name.chars().map(shown).collect::<String>());
            (ImageLayer { descriptor: layer.descriptor.clone(), diff_id: layer.diff_id }, History { created_by })
        });
        let image = assemble(&plan.config, &plan.base.layers, &own.collect::<Vec<_>>(), plan.annotations.clone());
        let image = image.map_err(|fault| ExternalError::new("could not assemble the image").caused_by(fault))?;
        let config = image.config();
        tools.cache.write_small(config.bytes());
        let source: Arc<dyn BlobSource> = Arc::new(config.bytes().to_vec());
        work.add(queue, config.descriptor(), &source);
        let names = plan.layers.iter().map(|layer| layer.name.clone()).collect();
        work.platforms.push(PlatformImage { image, names, proof: plan.proof.clone(), findings: findings.clone() });
        Ok(())
    }

    /// Joins the images, and returns what is published of them.
    fn publication(&self, work: &Work, tools: &Tools) -> Result<Publication, Failure> {
        let mut annotations = self.open.recipe.shared_annotations();
        annotations.extend(self.base.platforms.first().map(|base| base.image().annotations.clone()).unwrap_or_default());
        annotations.entry("org.opencontainers.image.created".to_owned()).or_insert_with(|| rfc3339(self.created));
        let images = ImageSet::new(work.platforms.iter().map(|platform| platform.image.clone()).collect(), annotations)
            .map_err(|fault| ExternalError::new("could not make the index").caused_by(fault))?;
        let children = images.children();
        children.iter().chain([images.root()]).for_each(|raw| tools.cache.write_small(&raw.bytes));
        Ok(Publication { children, tar_sizes: work.tar_sizes.clone(), ..Publication::single(images.root().clone(), work.blobs.clone()) })
    }
}

fn unopened(open: &OpenRecipe, fault: &crate::host::project::FileFault) -> Failure {
    let diagnostic = Diagnostic::error(fault.to_string()).at(open.recipe.root.span.as_ref(), "named here");
    fault.hints().into_iter().fold(diagnostic, Diagnostic::hint).into()
}

/// An image that could not start is an answer, not a mistake in the recipe, if nothing else is wrong.
fn refused(faults: &[Fault]) -> Failure {
    let diagnostics = faults.iter().map(|fault| fault.diagnostic().clone()).collect();
    if faults.iter().all(|fault| matches!(fault, Fault::Start(_))) { Failure::No(diagnostics) } else { Failure::Wrong(diagnostics) }
}

/// `SOURCE_DATE_EPOCH` goes first, then the recipe, then 1970 (reproducible-builds.org, "`SOURCE_DATE_EPOCH`").
fn created(recipe: &Recipe, tools: &Tools) -> Result<i64, Failure> {
    let Some(text) = tools.environment.text("SOURCE_DATE_EPOCH") else { return Ok(recipe.created.unwrap_or(0)) };
    let parsed = text.parse().ok().filter(|seconds| (0..=253_402_300_799).contains(seconds));
    parsed.ok_or_else(|| {
        Failure::wrong(format!("SOURCE_DATE_EPOCH is `{}`, and should be seconds since 1970", text.escape_debug()))
            .hint("unset it, or use `git log -1 --format=%ct`")
    })
}
