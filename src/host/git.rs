use std::cell::OnceCell;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::text::open_regular;
use super::{Environment, Program};
use crate::recipe::{PlaceholderFault, Placeholders};

/// How much of a file below `.git` is read.
const FILE_LIMIT: u64 = 4 << 20;
/// Variables in which CI services name the revision, in the order of asking.
const REVISION_VARIABLES: &[&str] =
    &["GITHUB_SHA", "CI_COMMIT_SHA", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION", "CIRCLE_SHA1", "GIT_COMMIT"];
/// Variables in which CI services name the repository's address.
const SOURCE_VARIABLES: &[&str] =
    &["CI_PROJECT_URL", "BITBUCKET_GIT_HTTP_ORIGIN", "BUILD_REPOSITORY_URI", "CIRCLE_REPOSITORY_URL", "GIT_URL"];

/// The values of placeholders in a project's folder: `git.…` by `git` itself, by the variables of CI services, or by the files
/// of `.git`; `env.…` by the environment. Nothing is asked before a placeholder needs it.
pub struct ProjectPlaceholders {
    folder: PathBuf,
    environment: Environment,
    revision: OnceCell<Option<String>>,
    source: OnceCell<Option<String>>,
}

impl ProjectPlaceholders {
    /// Names the recipe's folder and the environment.
    pub fn new(folder: &Path, environment: Environment) -> Self {
        // An empty path is the folder of a recipe that was named without one.
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
        Self { folder, environment, revision: OnceCell::new(), source: OnceCell::new() }
    }

    fn revision(&self) -> Option<&str> {
        let find = || {
            self.git(&["rev-parse", "--verify", "HEAD"])
                .filter(|text| is_revision(text))
                .or_else(|| self.variable(REVISION_VARIABLES).filter(|text| is_revision(text)))
                .or_else(|| revision_in_files(&git_folder(&self.folder)?))
        };
        self.revision.get_or_init(find).as_deref()
    }

    fn source(&self) -> Option<&str> {
        let find = || {
            let github = || {
                let server = self.environment.text("GITHUB_SERVER_URL")?;
                Some(format!("{server}/{}", self.environment.text("GITHUB_REPOSITORY")?))
            };
            self.git(&["config", "--get", "remote.origin.url"])
                .or_else(github)
                .or_else(|| self.variable(SOURCE_VARIABLES))
                .or_else(|| origin_in_files(&git_folder(&self.folder)?))
                .map(|address| without_user(&address))
                .filter(|address| !address.is_empty())
        };
        self.source.get_or_init(find).as_deref()
    }

    fn git(&self, arguments: &[&str]) -> Option<String> {
        // Without git, or outside of a repository, the other ways are tried.
        let output =
            Program::new("git", arguments, &self.environment).folder(&self.folder).timeout(Duration::from_secs(10)).run(&[]).ok()?;
        let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn variable(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.environment.text(name)).map(str::to_owned)
    }
}

impl Placeholders for ProjectPlaceholders {
    fn value(&self, name: &str) -> Result<String, PlaceholderFault> {
        let fault = |reason: &str, hint: String| PlaceholderFault { reason: reason.to_owned(), hint: Some(hint) };
        let no_revision = || {
            fault(
                "no Git revision was found",
                "commit first, or set `GITHUB_SHA` or `CI_COMMIT_SHA` where there is no git repository".to_owned(),
            )
        };
        match name {
            "git.revision" => self.revision().map(str::to_owned).ok_or_else(no_revision),
            "git.short" => self.revision().map(|revision| revision.chars().take(12).collect()).ok_or_else(no_revision),
            "git.source" => self.source().map(str::to_owned).ok_or_else(|| {
                fault(
                    "the repository has no remote `origin`",
                    "run `git remote add origin ADDRESS`, or write the address itself".to_owned(),
                )
            }),
            other => {
                let variable = other.strip_prefix("env.").unwrap_or(other);
                match self.environment.os(variable).map(|value| value.to_str()) {
                    Some(Some(value)) => Ok(value.to_owned()),
                    Some(None) => Err(fault("it is not UTF-8", format!("set `{}` to a text", variable.escape_debug()))),
                    None => Err(fault("it is not set, or empty", format!("run with `{}=…` set", variable.escape_debug()))),
                }
            }
        }
    }
}

fn is_revision(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Drops user name and password, which clones in CI often have; a query could hold a token too.
fn without_user(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    if let Some((scheme, rest)) = address.split_once("://") {
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let host = host.rsplit('@').next().unwrap_or_default();
        return format!("{scheme}://{host}{path}");
    }
    let (host, path) = address.split_once(':').unwrap_or((address, ""));
    match host.rsplit_once('@') {
        Some((_, host)) if !path.is_empty() => format!("{host}:{path}"),
        _ => address.to_owned(),
    }
}

/// Finds `.git` in a folder or above; a worktree's is a file that names the folder.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    let found = folder.ancestors().map(|above| above.join(".git")).find(|git| git.exists())?;
    if found.is_dir() {
        return Some(found);
    }
    let text = read(&found)?;
    let named = PathBuf::from(text.strip_prefix("gitdir:")?.trim());
    Some(if named.is_absolute() { named } else { found.parent()?.join(named) })
}

/// Returns the folder with branches and settings, which worktrees share.
fn shared_folder(git: &Path) -> PathBuf {
    read(&git.join("commondir")).map_or_else(|| git.to_owned(), |named| git.join(named.trim()))
}

fn revision_in_files(git: &Path) -> Option<String> {
    let head = read(&git.join("HEAD"))?;
    let Some(branch) = head.trim().strip_prefix("ref:").map(str::trim) else {
        return Some(head.trim().to_owned()).filter(|text| is_revision(text));
    };
    if branch.split('/').any(|part| part == "..") || branch.starts_with('/') {
        return None;
    }
    let shared = shared_folder(git);
    let packed = || {
        let text = read(&shared.join("packed-refs"))?;
        text.lines().find_map(|line| line.split_once(' ').filter(|(_, name)| *name == branch).map(|(revision, _)| revision.to_owned()))
    };
    let loose = read(&git.join(branch)).or_else(|| read(&shared.join(branch))).map(|text| text.trim().to_owned());
    loose.or_else(packed).filter(|text| is_revision(text))
}

fn origin_in_files(git: &Path) -> Option<String> {
    let text = read(&shared_folder(git).join("config"))?;
    let mut lines =
        text.lines().map(str::trim).skip_while(|line| *line != "[remote \"origin\"]").skip(1).take_while(|line| !line.starts_with('['));
    let address = lines.find_map(|line| line.strip_prefix("url")?.trim_start().strip_prefix('='))?;
    Some(address.trim().trim_matches('"').to_owned())
}

fn read(path: &Path) -> Option<String> {
    // What cannot be read counts as absent: these files are the last of three ways. A project may come from anywhere,
    // and a FIFO or a link to a device in place of one of them must not block.
    let file = open_regular(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut text = String::new();
    file.take(FILE_LIMIT).read_to_string(&mut text).ok().filter(|_| size <= FILE_LIMIT)?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_credentials() {
        for (address, expected) in [
            ("https://user:secret@git.example.no/shop/api.git", "https://git.example.no/shop/api.git"),
            ("https://git.example.no/shop/api?token=x", "https://git.example.no/shop/api"),
            ("git@git.example.no:shop/api.git", "git.example.no:shop/api.git"),
            ("ssh://git@git.example.no:22/shop", "ssh://git.example.no:22/shop"),
            ("/srv/git/shop@2", "/srv/git/shop@2"),
        ] {
            assert_eq!(without_user(address), expected);
        }
    }

    #[test]
    fn files_of_git_are_read_without_git() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let git = folder.path().join(".git");
        fs::create_dir_all(git.join("refs/heads"))?;
        let (loose, packed) = ("a".repeat(40), "b".repeat(40));
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n")?;
        fs::write(git.join("packed-refs"), format!("# pack-refs with: peeled\n{packed} refs/heads/main\n"))?;
        fs::write(git.join("config"), "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://u:p@git.example.no/x\n")?;
        let found = git_folder(folder.path());
        assert_eq!(found.as_deref().and_then(revision_in_files), Some(packed));
        fs::write(git.join("refs/heads/main"), format!("{loose}\n"))?;
        assert_eq!(found.as_deref().and_then(revision_in_files), Some(loose));
        assert_eq!(found.as_deref().and_then(origin_in_files).as_deref(), Some("https://u:p@git.example.no/x"));
        Ok(())
    }

    #[test]
    fn variables_of_the_environment() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let revision = "c".repeat(40);
        let environment: Environment = [("CI_COMMIT_SHA", revision.as_str()), ("A", "1"), ("EMPTY", "")].into_iter().collect();
        let placeholders = ProjectPlaceholders::new(folder.path(), environment);
        assert_eq!(placeholders.value("git.short"), Ok("c".repeat(12)));
        assert_eq!(placeholders.value("env.A"), Ok("1".to_owned()));
        assert!(placeholders.value("env.EMPTY").is_err());
        assert!(placeholders.value("git.source").is_err_and(|fault| fault.hint.is_some()));
        Ok(())
    }
}
