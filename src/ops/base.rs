use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{BaseFault, BaseImage, BaseSource, WrittenLayer, embedded};
use crate::diagnostic::{Diagnostic, Span, snippet};
use crate::image::{Documents as _, Image, ImageFault, select};
use crate::layer::collect::STANDARD;
use crate::lock::{LockedChoice, LockedDebian, Pin};
use crate::oci::{
    BlobSource, Descriptor, ImageLayer, ImageName, ImageReference, Index, Platform, Progress, RawManifest, Selector, Silent, Store,
    StoreError, StoreFault,
};
use crate::plan::{ACCOUNT_FILE_LIMIT, ACCOUNT_FILES};
use crate::recipe::{Base, DebianBase, Recipe};
use crate::rootfs::{Fact, FactKind, Group, ImagePath, Resolved, Rootfs, User};
use crate::store::layout::Layout;
use crate::store::path_and_selector;

use super::base_config;
use super::debian::{self, DebianImage, Packages};
use super::layer_facts::{Counted, LayerReader};
use super::opened::{OpenFault, Opened, keep, named_manifest};
use super::recipe::OpenRecipe;
use super::{Failure, Run, TaskKind, Tools};

/// A base as the lock or the recipe chooses it.
pub(super) enum ChosenBase {
    /// An image or the embedded base: its layers are known.
    Image {
        /// What is written into the lock.
        choice: LockedChoice,
        /// The base.
        base: FoundBase,
    },
    /// Debian packages, not yet fetched.
    Packages {
        /// What the recipe asks for.
        base: Box<DebianBase>,
        /// What is written into the lock.
        locked: LockedDebian,
    },
}

/// A base, for all platforms of the recipe.
pub(super) struct FoundBase {
    /// The base of each platform, in the order of the recipe.
    pub(super) platforms: Vec<PlatformBase>,
    /// Where the layers come from.
    layers: LayerOrigin,
}

/// The base of one platform.
pub(super) enum PlatformBase {
    /// An image, or the embedded base.
    Image(Box<BaseImage>),
    /// Assembled from Debian packages.
    Debian(Box<DebianImage>),
}

/// Where the layers of a base come from.
enum LayerOrigin {
    /// They are written from data of this program.
    Embedded,
    /// They are blobs of a store.
    Stored(Arc<Opened>),
    /// They are written from packages.
    Packages(Packages),
}

/// What the lock says of a base, and how far it holds.
#[derive(Clone, Copy, Default)]
pub(super) struct Before<'a> {
    /// What was locked, whether it still holds or not.
    pub(super) locked: Option<&'a LockedChoice>,
    /// Whether it holds.
    pub(super) holds: bool,
    /// The packages that are to move; all of them when none is named.
    pub(super) only: &'a [String],
}

impl Before<'_> {
    fn debian(&self) -> Option<&LockedDebian> {
        if let Some(LockedChoice::Debian(locked)) = self.locked { Some(locked) } else { None }
    }
}

/// Finds the base of a recipe: what the lock says, or else what its name means now. Packages are chosen, and not yet fetched.
pub(super) fn find(open: &OpenRecipe, before: Before<'_>, run: Run<'_>) -> Result<ChosenBase, Failure> {
    let recipe = &open.recipe;
    // A lock that lacks a platform still says which index it is of.
    let pin = before.locked.filter(|_| before.holds).and_then(LockedChoice::pin);
    match &recipe.base.value {
        Base::Static => Ok(static_base(recipe)),
        Base::Image(reference) => {
            let (store, origin): (Arc<dyn Store>, _) = match debian::vendored(run.tools)?.filter(|_| pin.is_some()) {
                Some(store) => (Arc::from(store), None),
                None => (Arc::new(run.tools.registry.repository(&reference.name)), Some(reference.name.clone())),
            };
            let task = run.observer.begin(TaskKind::LookUp, &format!("the base {}", named(reference)), None);
            let root = match (pin, reference.digest) {
                (Some(pin), _) => pinned(run.tools, &*store, pin)?,
                (None, Some(digest)) => store.read_manifest(&Selector::Digest(digest))?,
                (None, None) => store.read_manifest(&Selector::Tag(reference.tag_or_latest().unwrap_or_else(crate::oci::Tag::latest)))?,
            };
            let choice = |pin| LockedChoice::Image { reference: reference.clone(), pin };
            let opened = open_base(recipe, Opened { name: named(reference), store, root, origin }, run, choice)?;
            task.finish("");
            Ok(opened)
        }
        Base::Layout(path) => {
            let (folder, selector) = layout_of(&open.folder, path);
            let layout = Layout::open(&folder)?;
            let root = match pin {
                Some(pin) => layout
                    .read_manifest(&Selector::Digest(pin.digest))
                    .map_err(|error| error.hint("the layout contains another image now; run `hardened lock --update` to use it"))?,
                // Which one is meant is for the recipe to say; what there is, the store's own hint says.
                None if selector.is_none() => layout.read_only_manifest().map_err(|error| match error.fault {
                    StoreFault::Missing => {
                        let (tagged, pinned) = (format!("{path}:TAG"), format!("{path}@sha256:…"));
                        error.hint(format!("in the recipe: `layout = {}` or `{}`", snippet::exact(&tagged), snippet::exact(&pinned)))
                    }
                    _ => error,
                })?,
                None => layout.read_selected(selector.as_ref())?,
            };
            let choice = |pin| LockedChoice::Layout { path: path.clone(), pin };
            open_base(recipe, Opened { name: format!("oci:{path}"), store: Arc::new(layout), root, origin: None }, run, choice)
        }
        Base::Debian(base) => {
            let locked = match before.debian().filter(|_| before.holds && before.only.is_empty()) {
                Some(locked) => locked.clone(),
                None => debian::choose(open, base, before.debian(), before.only, run)?,
            };
            Ok(ChosenBase::Packages { base: base.clone(), locked })
        }
    }
}

/// Returns the folder of a layout that a recipe names, and what is selected in it: `DIR`, `DIR:TAG` or `DIR@DIGEST`. A folder whose own name ends
/// like that is that folder.
pub(super) fn layout_of(recipe: &Path, written: &str) -> (PathBuf, Option<Selector>) {
    let whole = recipe.join(written);
    if whole.is_dir() {
        return (whole, None);
    }
    let (path, selector) = path_and_selector(written);
    (recipe.join(path), selector)
}

fn named(reference: &ImageReference) -> String {
    let tag = reference.tag_or_latest();
    ImageReference { tag, ..reference.clone() }.to_string()
}

/// Returns the account that the process runs as, and its group.
pub(super) fn account_of(recipe: &Recipe) -> (User, Group) {
    let owner = recipe.user.owner;
    let user = User { name: recipe.user.name.value.clone(), uid: owner.uid, gid: owner.gid, home: recipe.user.home.value.to_string() };
    (user, Group { name: recipe.user.group.clone(), gid: owner.gid })
}

fn static_base(recipe: &Recipe) -> ChosenBase {
    let (user, group) = account_of(recipe);
    let changeset = embedded::changeset(&embedded::accounts(&user, &group), &user);
    let layer = WrittenLayer { name: "the embedded base".to_owned(), changeset };
    let environment = embedded::environment().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let image = |platform: &Platform| BaseImage::of_layers(platform, vec![layer.clone()], &environment, &[]);
    let platforms = recipe.platforms.iter().map(|platform| PlatformBase::Image(Box::new(image(&platform.value)))).collect();
    let choice = LockedChoice::Static { data: embedded::DATA_VERSION.to_owned() };
    ChosenBase::Image { choice, base: FoundBase { platforms, layers: LayerOrigin::Embedded } }
}

fn open_base(recipe: &Recipe, opened: Opened, run: Run<'_>, choice: impl Fn(Pin) -> LockedChoice) -> Result<ChosenBase, Failure> {
    let (span, root, documents) = (recipe.base.span.as_ref(), &opened.root, opened.documents(run.tools));
    keep(&run.tools.cache, root);
    let source = BaseSource { name: &opened.name, root: root.descriptor().digest };
    let broken = |fault: ImageFault| Failure::external(format!("the base `{}` is broken", source.name), fault);
    let index = root.media_type.is_index().then(|| root.parse::<Index>()).transpose().map_err(|fault| broken(fault.into()))?;
    let mut pin = Pin { digest: source.root, media_type: root.media_type.clone(), platforms: BTreeMap::new() };
    let (mut platforms, mut told) = (Vec::new(), Vec::new());
    for platform in &recipe.platforms {
        let asked = platform.span.as_ref().or(span);
        let failed = |fault| match fault {
            OpenFault::Store(error) => error.into(),
            OpenFault::Image(fault) => match base_fault(fault) {
                Ok(fault @ (BaseFault::Artifact(_) | BaseFault::LayerType { .. })) => refused(&fault, span),
                Ok(fault) => refused(&fault, asked),
                Err(fault) => broken(fault),
            },
        };
        let (raw, promised) = match &index {
            Some(index) => {
                let chosen = select(index.view(), &platform.value, &documents).map_err(failed)?;
                (documents.manifest(&chosen.descriptor).map_err(failed)?, Some(chosen.platform))
            }
            None => (root.clone(), None),
        };
        let image = Image::read(&raw, &documents).map_err(failed)?;
        let base = BaseImage::new(image.config().view(), image.layers(), &platform.value, &recipe.inherit, source);
        let base = base.map_err(|fault| refused(&fault, asked))?;
        for warning in base_config::warnings(&base, recipe.for_platform(&platform.value), &opened.name, span) {
            if !told.contains(&warning) {
                run.observer.warn(&warning);
                told.push(warning);
            }
        }
        platforms.push(PlatformBase::Image(Box::new(base)));
        let promised = promised.unwrap_or_else(|| image.config().view().platform().clone());
        if matches!(promised.distance_below(&platform.value), Some(1..)) {
            run.observer.warn(&promises_less(&promised, &platform.value, &opened.name, asked));
        }
        pin.platforms.insert(platform.value.clone(), image.digest());
    }
    let base = FoundBase { platforms, layers: LayerOrigin::Stored(Arc::new(opened)) };
    Ok(ChosenBase::Image { choice: choice(pin), base })
}

/// Returns what a fault of an image means where it is a base's; the fault itself where the image is broken.
fn base_fault(fault: ImageFault) -> Result<BaseFault, ImageFault> {
    Ok(match fault {
        ImageFault::Artifact(media_type) => BaseFault::Artifact(media_type),
        ImageFault::LayerType { number, media_type } => BaseFault::LayerType { number, media_type },
        ImageFault::Platform { wanted, found } => BaseFault::Platform { wanted, found },
        ImageFault::Twice(platform) => BaseFault::Twice(platform),
        other => return Err(other),
    })
}

fn promises_less(promised: &Platform, wanted: &Platform, name: &str, span: Option<&Span>) -> Diagnostic {
    Diagnostic::warning(format!("the base `{name}` is for `{promised}`, which has fewer CPU features than `{wanted}`"))
        .at(span, format!("`{wanted}` is requested here"))
        .hint(format!(
            "the image says `{wanted}`, because files that are added may need these features; write `{promised}` in `[image] platforms` if none of them does"
        ))
}

fn refused(fault: &BaseFault, span: Option<&Span>) -> Failure {
    let diagnostic = Diagnostic::error(fault.to_string()).at(span, "requested here");
    Failure::from(match fault {
        BaseFault::Platform { .. } | BaseFault::ConfigPlatform { .. } => {
            diagnostic.hint("write a platform of the base in `[image] platforms`, or choose another base")
        }
        BaseFault::Twice(_) => {
            diagnostic.hint("name the image by its digest: `image = \"HOST/NAME@sha256:…\"` or `layout = \"DIR@sha256:…\"`")
        }
        BaseFault::LayerType { .. } | BaseFault::Artifact(_) => diagnostic,
    })
}

/// Returns the manifest that the lock names: from the cache, or from where the base is.
fn pinned(tools: &Tools, store: &dyn Store, pin: &Pin) -> Result<RawManifest, Failure> {
    let gone = |mut error: StoreError| {
        if error.fault == StoreFault::Missing {
            error.error.hints =
                vec!["the locked image no longer exists; `hardened lock --update` locks the image to which the name refers now".to_owned()];
        }
        error
    };
    Ok(named_manifest(store, Some(&tools.cache), &pin.digest, &pin.media_type, "the lock calls").map_err(gone)?)
}

impl ChosenBase {
    /// Returns what is written into the lock.
    pub(super) fn choice(&self) -> LockedChoice {
        match self {
            Self::Image { choice, .. } => choice.clone(),
            Self::Packages { locked, .. } => LockedChoice::Debian(locked.clone()),
        }
    }

    /// Returns the base; one of packages is fetched and assembled.
    pub(super) fn assembled(self, open: &OpenRecipe, run: Run<'_>) -> Result<FoundBase, Failure> {
        match self {
            Self::Image { base, .. } => Ok(base),
            Self::Packages { base, locked } => {
                let (images, packages) = debian::images(open, &base, &locked, run)?;
                let platforms = images.into_iter().map(|image| PlatformBase::Debian(Box::new(image))).collect();
                Ok(FoundBase { platforms, layers: LayerOrigin::Packages(packages) })
            }
        }
    }
}

impl PlatformBase {
    /// Returns the image.
    pub(super) fn image(&self) -> &BaseImage {
        match self {
            Self::Image(image) => image,
            Self::Debian(debian) => &debian.image,
        }
    }

    /// Returns what is known of the packages of a Debian base.
    pub(super) fn debian(&self) -> Option<&DebianImage> {
        if let Self::Debian(debian) = self { Some(debian) } else { None }
    }
}

impl FoundBase {
    /// Returns the packages that the layers are written from.
    pub(super) fn packages(&self) -> Option<&Packages> {
        if let LayerOrigin::Packages(packages) = &self.layers { Some(packages) } else { None }
    }

    /// Returns the merged files of a base, and reads the layers of which nothing is known yet. The texts that a plan decides by are known
    /// wherever they lie, and whatever is in them.
    pub(super) fn files(&self, image: &BaseImage, run: Run<'_>) -> Result<Rootfs<'static>, Failure> {
        let layers: Vec<(&ImageLayer, BaseBlob)> = image.layers.iter().zip(self.blobs(image, run.tools)).collect();
        let reader = LayerReader { collectors: &STANDARD, image: "the base", run };
        let mut rootfs = reader.files(layers.iter().map(|(layer, blob)| (*layer, blob)))?;
        for path in unread_texts(&rootfs) {
            let Some((number, entry)) = rootfs.stored_at(&path) else { continue };
            let Some((layer, blob)) = usize::try_from(number).ok().and_then(|number| layers.get(number)) else { continue };
            if let Some(bytes) = reader.file(&layer.descriptor, blob, &entry, ACCOUNT_FILE_LIMIT)? {
                rootfs.learn(&path, bytes);
            }
        }
        Ok(rootfs)
    }

    /// Returns the blobs of a base's layers, each fetched only when it is opened; none where the layers are written anew.
    pub(super) fn blobs(&self, image: &BaseImage, tools: &Tools) -> Vec<BaseBlob> {
        let LayerOrigin::Stored(source) = &self.layers else { return Vec::new() };
        let blob =
            |layer: &ImageLayer| BaseBlob { descriptor: layer.descriptor.clone(), cache: tools.cache.clone(), source: Arc::clone(source) };
        image.layers.iter().map(blob).collect()
    }
}

/// Returns the real paths of those files that a plan decides by and no collector kept: behind a link, large, or not UTF-8. They are the account files,
/// and the search paths of musl's loader.
fn unread_texts(rootfs: &Rootfs<'_>) -> BTreeSet<ImagePath> {
    let accounts = ACCOUNT_FILES.iter().filter_map(|name| ImagePath::new(name.as_bytes()).ok());
    let is_search_path = |path: &&ImagePath| path.as_bytes().starts_with(b"etc/ld-musl-") && path.as_bytes().ends_with(b".path");
    let named = accounts.chain(rootfs.paths().filter(is_search_path).cloned());
    let unread = |path: ImagePath| match rootfs.resolve(&path) {
        Resolved::File(real, Fact { kind: FactKind::File { content: None, size, .. }, .. }) if size <= ACCOUNT_FILE_LIMIT => Some(real),
        _ => None,
    };
    named.filter_map(unread).collect()
}

/// A layer of a base: in the cache, or fetched into it when it is opened.
pub(super) struct BaseBlob {
    pub(super) descriptor: Descriptor,
    cache: crate::host::cache::Cache,
    source: Arc<Opened>,
}

impl BlobSource for BaseBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        if let Some(blob) = self.cache.open(&self.descriptor) {
            return Ok(Box::new(blob));
        }
        self.fetch(&Silent)?;
        self.cache
            .open(&self.descriptor)
            .map(|blob| Box::new(blob) as Box<dyn Read + Send>)
            .ok_or_else(|| io::Error::other("the cache no longer has a file that was just written"))
    }

    fn fetch(&self, progress: &dyn Progress) -> io::Result<bool> {
        if self.cache.has(&self.descriptor) {
            return Ok(false);
        }
        let blob = self.source.store.open_blob(&self.descriptor).map_err(io::Error::other)?;
        self.cache.copy_from(&mut Counted { inner: blob, progress }, &self.descriptor)?;
        Ok(true)
    }

    fn origin(&self) -> Option<&ImageName> {
        self.source.origin.as_ref()
    }
}
