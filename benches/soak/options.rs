use std::path::PathBuf;
use std::time::Duration;

/// What a run was asked for; each mode has its own defaults.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) count: Option<u64>,
    seconds: Option<u64>,
    pub(crate) percent: Option<u64>,
    workers: Option<u64>,
    pub(crate) seed: u64,
    /// A registry that runs already, instead of one inside.
    pub(crate) registry: Option<String>,
    /// Who is measured: `hardened`, or a peer.
    pub(crate) by: Option<String>,
    /// Where files are made; a temporary folder otherwise.
    pub(crate) folder: Option<PathBuf>,
    /// The files of `second`.
    pub(crate) tree: Option<PathBuf>,
    /// Which bars a run must keep: those of time too, or on a machine that does other work those of counts, bytes and memory only.
    bars: Option<String>,
}

impl Options {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self { seed: 1, ..Self::default() };
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("`{name}` has no value"));
            let number = || value.parse().unwrap_or_else(|_| panic!("`{name} {value}` is no number"));
            match name.as_str() {
                "--count" => options.count = Some(number()),
                "--seconds" => options.seconds = Some(number()),
                "--percent" => options.percent = Some(number()),
                "--workers" => options.workers = Some(number()),
                "--seed" => options.seed = number(),
                "--registry" => options.registry = Some(value),
                "--by" => options.by = Some(value),
                "--folder" => options.folder = Some(value.into()),
                "--tree" => options.tree = Some(value.into()),
                "--bars" if matches!(value.as_str(), "all" | "counts") => options.bars = Some(value),
                _ => panic!("unknown option `{name}`"),
            }
        }
        options
    }

    pub(crate) fn workers(&self, usual: u64) -> u64 {
        self.workers.unwrap_or(usual)
    }

    /// Says whether a bar of time is kept, or need not be.
    pub(crate) fn in_time(&self, kept: bool) -> bool {
        kept || self.bars.as_deref() == Some("counts")
    }

    pub(crate) fn time(&self, usual: u64) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(usual))
    }

    /// Makes a folder that goes with the run.
    pub(crate) fn work(&self) -> tempfile::TempDir {
        let builder = || tempfile::Builder::new().prefix("soak-").to_owned();
        match &self.folder {
            Some(folder) => builder().tempdir_in(folder).unwrap(),
            None => builder().tempdir().unwrap(),
        }
    }
}
