use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

use super::completion::values;
use super::results::ResultKind;
use crate::ops::init::TEMPLATES;

/// The heading of what every verb understands.
const COMMON: &str = "Options of every command";

/// Turns one declarative file into a hardened container image: no Dockerfile, no daemon, no shell, no root.
#[derive(Debug, Parser)]
#[command(name = "hardened", version, propagate_version = true, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = "\
Exit codes:
  0         done
  1         a check failed: an image that could not start, a damaged cache
  2         usage error: arguments, recipe, stale lock
  3         environment error: network, disk, registry
  130, 143  interrupted, terminated

Settings: ~/.config/hardened/settings.toml, with `insecure = [\"HOST\"]`, `ca-files = [\"FILE\"]`,
`debian-mirrors = [\"URL\"]` and, under `[token-realms]`, `\"REGISTRY\" = \"HOST\"`

Examples:
  hardened init --template node
  hardened build -o oci:image
  hardened build --push")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What every verb understands.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// Prints only errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = COMMON)]
    pub(super) quiet: bool,
    /// Prints more: each layer, transfer and file, with times
    #[arg(short, long, global = true, help_heading = COMMON)]
    pub(super) verbose: bool,
    /// How the result is written to standard output: `text` for people, `json` for programs
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = COMMON)]
    pub(super) format: Format,
    /// Whether colours are used; `auto` does on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = COMMON)]
    pub(super) color: Color,
    /// The folder of the cache [default: hardened in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = "HARDENED_CACHE_DIR", hide_env_values = true, help_heading = COMMON)]
    pub(super) cache_dir: Option<PathBuf>,
    /// Uses no network: everything must be in the lock, the cache and the project
    #[arg(long, global = true, help_heading = COMMON)]
    pub(super) offline: bool,
    /// A registry that may be used without TLS; loopback is always allowed. Can be repeated
    #[arg(long, global = true, value_name = "HOST", env = "HARDENED_INSECURE", value_delimiter = ',', help_heading = "Network")]
    pub(super) insecure: Vec<String>,
    /// A file with further CA certificates, PEM. Can be repeated
    #[arg(long, global = true, value_name = "FILE", env = "HARDENED_CA_FILE", value_delimiter = ',', help_heading = "Network")]
    pub(super) ca_file: Vec<PathBuf>,
    /// A host to which the credentials of a registry may be sent to get a token. Can be repeated
    #[arg(
        long,
        global = true,
        value_name = "REGISTRY=HOST",
        env = "HARDENED_TOKEN_REALMS",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    pub(super) token_realm: Vec<String>,
    /// A mirror of Debian's archive: the URL of the folder that contains `dists`. The mirror of security updates has the same URL with `-security` added
    #[arg(long, global = true, value_name = "URL", env = "HARDENED_DEBIAN_MIRROR", hide_env_values = true, help_heading = "Network")]
    pub(super) debian_mirror: Vec<String>,
    /// The copy that `hardened vendor` made: oci:DIR or a registry reference. It is used before mirrors and registries
    #[arg(long, global = true, value_name = "SOURCE", env = "HARDENED_VENDORED", hide_env_values = true, help_heading = "Network")]
    pub(super) vendored: Option<String>,
    /// How long a transfer may receive or send no data
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "HARDENED_STALL_TIMEOUT",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86400),
        help_heading = "Network"
    )]
    pub(super) stall_timeout: u64,
    /// How long a step may wait for a server, in all its tries, pauses, redirects and token requests together. The time of a transfer of at least 1 KiB a second does not count. 0 is one try, of at most 10 seconds
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "HARDENED_RETRY_FOR",
        default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(0..=86400),
        help_heading = "Network"
    )]
    pub(super) retry_for: u64,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Init(Init),
    Lock(Lock),
    Build(Box<Build>),
    Explain(Explain),
    Vendor(Vendor),
    Push(Push),
    Inspect(Inspect),
    Ls(Ls),
    Cat(Cat),
    Login(Login),
    Logout(Logout),
    Cache(Cache),
    Schema(Schema),
    Completions(Completions),
    Man(Man),
    Help(Help),
}

/// Writes a commented hardened.toml to start from
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hardened init\n  hardened init --template python services/api")]
pub(super) struct Init {
    /// The template [default: chosen by the files in the folder]
    #[arg(long, value_name = "NAME", help = template_help(), add = ArgValueCandidates::new(values::templates))]
    pub(super) template: Option<String>,
    /// The folder to write it into
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,
}

/// Returns the help of `--template`, with the name of every template.
fn template_help() -> String {
    let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
    let (last, others) = names.split_last().map_or(("", Vec::new()), |(last, others)| (*last, others.to_vec()));
    format!("The template: {} or {last} [default: chosen by the files in the folder]", others.join(", "))
}

/// Which recipe is meant, and what is changed in it for this run
#[derive(Debug, Args)]
pub(super) struct RecipeArguments {
    /// The recipe, or the folder that holds it [default: hardened.toml here, or in the nearest folder above]
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// The platforms to build for, instead of the recipe's: linux/amd64,linux/arm64
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',', add = ArgValueCandidates::new(values::platforms))]
    pub(super) platform: Vec<String>,
    /// Sets any key of the recipe: `process.workdir=/srv`, `image.tags=["a","b"]`. Can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
}

/// The recipe as it is named without an option
#[derive(Debug, Args)]
pub(super) struct RecipePath {
    /// The recipe, or the folder that holds it as hardened.toml: the same as `-f`
    #[arg(value_name = "PATH", conflicts_with = "file")]
    pub(super) path: Option<PathBuf>,
}

/// Pins the base in hardened.lock
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hardened lock\n  hardened lock services/api\n  hardened lock --update\n  hardened lock --update libssl3t64"
)]
pub(super) struct Lock {
    #[command(flatten)]
    pub(super) path: RecipePath,
    #[command(flatten)]
    pub(super) recipe: RecipeArguments,
    /// Updates the lock to what the base's tag points to now, or to what the archives have now; with names, updates only these packages
    #[arg(long, value_name = "PACKAGE", num_args = 0.., value_delimiter = ',', add = ArgValueCandidates::new(values::packages))]
    pub(super) update: Option<Vec<String>>,
}

/// Explains why something is in the image or not
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hardened explain package libssl3t64\n  hardened explain package perl-base --format json")]
pub(super) struct Explain {
    #[command(subcommand)]
    pub(super) subject: ExplainSubject,
}

/// What is explained.
#[derive(Debug, Subcommand)]
pub(super) enum ExplainSubject {
    /// Why a Debian package is in the image or was left out, and what requires it
    Package {
        /// The package
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(values::explained_packages))]
        name: String,
        #[command(flatten)]
        recipe: RecipeArguments,
    },
}

/// Copies everything that the lock names to a folder or a registry, so that a build needs no other source
#[derive(Debug, Args)]
#[command(
    after_help = "To build from this copy:\n  hardened build --locked --offline --vendored oci:vendor -o oci:image\n\nExamples:\n  hardened vendor vendor\n  hardened vendor registry.example.no/shop/inputs"
)]
pub(super) struct Vendor {
    /// A folder, oci:DIR, or a registry reference; in a registry, a package's digest is the digest of its blob
    #[arg(value_name = "DESTINATION")]
    pub(super) destination: String,
    #[command(flatten)]
    pub(super) recipe: RecipeArguments,
}

/// Builds the image, and writes or pushes it
#[derive(Debug, Args)]
#[command(after_help = "\
Outputs:
  oci:DIR[:TAG]           an OCI image layout; existing images in it are kept
  oci-archive:FILE[:TAG]  the same as one tar file
  docker-archive:FILE     what `docker load` and `podman load` read; one platform
  docker-daemon:          the engine at DOCKER_HOST, Docker's socket or Podman's; one platform

Standard output is one line: NAME@DIGEST where the image is pushed, else the first output with the digest, else the digest:
  podman run --rm \"$(hardened build --push)\"

Examples:
  hardened build -o oci:image
  hardened build services/api --push
  hardened build --platform linux/arm64 -o docker-archive:image.tar -t shop/api:dev
  hardened build --locked --push --metadata-file build.json")]
pub(super) struct Build {
    #[command(flatten)]
    pub(super) path: RecipePath,
    #[command(flatten)]
    pub(super) recipe: RecipeArguments,
    /// A name and tag, instead of the recipe's. Can be repeated
    #[arg(short, long, value_name = "NAME:TAG", add = ArgValueCandidates::new(values::references))]
    pub(super) tag: Vec<String>,
    /// A label, beside the recipe's. Can be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) label: Vec<String>,
    /// Where the image is written. Can be repeated
    #[arg(short, long, value_name = "OUTPUT", add = ArgValueCompleter::new(values::outputs))]
    pub(super) output: Vec<String>,
    /// Pushes the image to every name and tag
    #[arg(long)]
    pub(super) push: bool,
    /// Refuses to write or change hardened.lock: a missing or stale one is an error
    #[arg(long)]
    pub(super) locked: bool,
    /// Prints the plan, and writes nothing
    #[arg(long, conflicts_with_all = ["push", "output"])]
    pub(super) dry_run: bool,
    /// Writes the image's digest to a file
    #[arg(long, value_name = "FILE")]
    pub(super) digest_file: Option<PathBuf>,
    /// Writes what was built to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) metadata_file: Option<PathBuf>,
    /// How many threads compress [default: one for each processor]. The bytes do not depend on it
    #[arg(long, value_name = "N", env = "HARDENED_THREADS", value_parser = threads)]
    pub(super) threads: Option<std::num::NonZeroUsize>,
}

/// Reads a number of threads. Other tools take 0 for as many as there are processors, which is what leaving it out does.
fn threads(text: &str) -> Result<std::num::NonZeroUsize, String> {
    match text.parse() {
        Ok(0) => Err("leave `--threads` and HARDENED_THREADS out, and one thread for each processor compresses".to_owned()),
        Ok(count) => std::num::NonZeroUsize::new(count).ok_or_else(|| "write a number from 1".to_owned()),
        Err(_) => Err("write a number from 1, as `--threads 2`".to_owned()),
    }
}

/// Copies an image that exists to a registry, byte for byte
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hardened push oci:image registry.example.no/shop/api:1.4.2\n  hardened push oci-archive:image.tar registry.example.no/shop/api:1.4.2 ghcr.io/shop/api:1.4.2"
)]
pub(super) struct Push {
    /// The image: oci:DIR, oci-archive:FILE, docker-archive:FILE or a registry reference
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(values::images))]
    pub(super) from: String,
    /// Where it goes: registry references, or oci:DIR and oci-archive:FILE
    #[arg(value_name = "TARGET", required = true, add = ArgValueCompleter::new(values::targets))]
    pub(super) to: Vec<String>,
    /// Writes the image's digest to a file
    #[arg(long, value_name = "FILE")]
    pub(super) digest_file: Option<PathBuf>,
}

/// Shows what an image consists of
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hardened inspect oci:image\n  hardened inspect registry.example.no/shop/api:1.4.2 --format json")]
pub(super) struct Inspect {
    /// The image: oci:DIR, oci-archive:FILE, docker-archive:FILE or a registry reference
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(values::images))]
    pub(super) image: String,
    /// Only this platform of an index
    #[arg(long, value_name = "PLATFORM", add = ArgValueCandidates::new(values::platforms))]
    pub(super) platform: Option<String>,
}

/// Lists the files of an image: mode, owner, size, layer, package and path
#[derive(Debug, Args)]
#[command(
    after_help = "Each layer is read once. The package is known where the image lists the files of its Debian packages.\n\nExamples:\n  hardened ls oci:image\n  hardened ls oci:image /etc\n  hardened ls registry.example.no/shop/api:1.4.2 /usr/lib --platform linux/arm64 --format json"
)]
pub(super) struct Ls {
    /// The image: oci:DIR, oci-archive:FILE, docker-archive:FILE or a registry reference
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(values::images))]
    pub(super) image: String,
    /// A folder of the image, listed with all below it, or a file
    #[arg(value_name = "PATH", default_value = "/", hide_default_value = true)]
    pub(super) path: String,
    /// Only this platform of an index
    #[arg(long, value_name = "PLATFORM", add = ArgValueCandidates::new(values::platforms))]
    pub(super) platform: Option<String>,
    /// Also lists files that upper layers hide
    #[arg(long)]
    pub(super) hidden: bool,
}

/// Prints the content of one file of an image
#[derive(Debug, Args)]
#[command(
    after_help = "Links are followed inside of the image, and nothing is printed before the layer's digest is checked.\n\nExamples:\n  hardened cat oci:image /etc/passwd\n  hardened cat registry.example.no/shop/api:1.4.2 /etc/os-release --platform linux/arm64"
)]
pub(super) struct Cat {
    /// The image: oci:DIR, oci-archive:FILE, docker-archive:FILE or a registry reference
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(values::images))]
    pub(super) image: String,
    /// The file
    #[arg(value_name = "PATH")]
    pub(super) path: String,
    /// The platform, where the image has several
    #[arg(long, value_name = "PLATFORM", add = ArgValueCandidates::new(values::platforms))]
    pub(super) platform: Option<String>,
}

/// Checks credentials with a registry, and stores them where docker and podman store them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hardened login registry.example.no\n  echo \"$TOKEN\" | hardened login registry.example.no --username ci --password-stdin"
)]
pub(super) struct Login {
    /// The registry's host
    #[arg(value_name = "HOST")]
    pub(super) host: String,
    /// The user [default: asked for at the terminal]
    #[arg(short, long)]
    pub(super) username: Option<String>,
    /// Reads the password from standard input; without it, the password is asked for at the terminal. An argument would be seen by every process
    #[arg(long, requires = "username")]
    pub(super) password_stdin: bool,
}

/// Removes the credentials for a registry from where `login` keeps them
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hardened logout registry.example.no")]
pub(super) struct Logout {
    /// The registry's host
    #[arg(value_name = "HOST")]
    pub(super) host: String,
}

/// Shows, checks or empties the cache
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hardened cache show\n  hardened cache check\n  hardened cache prune --older-than 14d --keep 5GB\n  hardened cache export registry.example.no/shop/api:cache\n  hardened cache import registry.example.no/shop/api:cache"
)]
pub(super) struct Cache {
    #[command(subcommand)]
    pub(super) verb: CacheVerb,
}

/// What is done with the cache.
#[derive(Debug, Subcommand)]
pub(super) enum CacheVerb {
    /// Shows the folder and the size of the cache
    #[command(after_help = "Example:\n  hardened cache show --format json")]
    Show,
    /// Reads everything, and removes damaged files
    #[command(after_help = "The exit code is 1 when something was damaged.\n\nExample:\n  hardened cache check")]
    Check,
    /// Writes the content of the cache to a file or a registry, for machines with an empty cache
    #[command(after_help = "Examples:\n  hardened cache export cache.tar\n  hardened cache export registry.example.no/shop/api:cache")]
    Export {
        /// FILE.tar, oci:DIR or a registry reference with a tag; in the image's own repository, the layers already exist
        #[arg(value_name = "DESTINATION")]
        destination: String,
    },
    /// Takes what was exported; everything that it says of layers is compared with their bytes
    #[command(after_help = "Examples:\n  hardened cache import cache.tar\n  hardened cache import registry.example.no/shop/api:cache")]
    Import {
        /// FILE.tar, oci:DIR or a registry reference
        #[arg(value_name = "SOURCE")]
        source: String,
    },
    /// Removes everything, or only files that were not used recently
    #[command(
        after_help = "Without a rule everything is removed, once that was confirmed at the terminal or by `--yes`.\n\nExamples:\n  hardened cache prune --older-than 14d\n  hardened cache prune --keep 5GB\n  hardened cache prune --yes"
    )]
    Prune {
        /// Removes only files that were not used for this long: 12h, 14d
        #[arg(long, value_name = "AGE")]
        older_than: Option<String>,
        /// Removes the oldest files until the cache is at most this large: 500MB, 5GB
        #[arg(long, value_name = "SIZE")]
        keep: Option<String>,
        /// Does not ask before everything is removed
        #[arg(short, long)]
        yes: bool,
    },
}

/// Prints the JSON Schema of hardened.toml, or of a result
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hardened schema > hardened.schema.json\n  hardened schema --of build\n  hardened schema --markdown | less"
)]
pub(super) struct Schema {
    /// Describes a result that `--format json` writes, instead of the recipe
    #[arg(long, value_name = "RESULT")]
    pub(super) of: Option<ResultKind>,
    /// Prints every key as a page in Markdown instead, with its type, default and an example
    #[arg(long, conflicts_with = "of")]
    pub(super) markdown: bool,
}

/// Prints a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
The script asks the program for values: templates, platforms, outputs, layouts and their tags, packages of the lock.

Examples:
  hardened completions bash > /etc/bash_completion.d/hardened
  hardened completions zsh > /usr/local/share/zsh/site-functions/_hardened
  hardened completions fish > ~/.config/fish/completions/hardened.fish")]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// Prints the manual: all pages, or that of a verb
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hardened man build\n  hardened man cache prune | man -l -\n  hardened man --dir /usr/local/share/man/man1"
)]
pub(super) struct Man {
    /// The verb: `build`, or `cache prune` [default: all pages, one after the other]
    #[arg(value_name = "VERB")]
    pub(super) verb: Vec<String>,
    /// Writes each page into a file of its own in this folder: hardened.1, hardened-build.1 and so on
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    pub(super) dir: Option<PathBuf>,
}

/// Prints the help of the program, or of a verb
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hardened help build\n  hardened help cache prune")]
pub(super) struct Help {
    /// The verb: `build`, or `cache prune`
    #[arg(value_name = "VERB")]
    pub(super) verb: Vec<String>,
}
