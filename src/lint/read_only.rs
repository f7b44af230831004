use super::LintRequest;
use super::finding::{Level, Report};
use crate::diagnostic::shell_word;
use crate::rootfs::ImagePath;

/// Tells how an image is run with a read-only root file system: what the process writes to becomes a volume or a tmpfs.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let process = &request.recipe.process;
    let volumes: Vec<ImagePath> = request.config.volumes().into_iter().filter_map(|path| ImagePath::absolute(path).ok()).collect();
    let is_in_volume = |path: &ImagePath| volumes.iter().any(|volume| path == volume || path.parents().any(|above| above == *volume));
    let mut options: Vec<String> = process
        .writable
        .iter()
        .filter(|path| !is_in_volume(&path.value))
        .map(|path| format!("--tmpfs {}", shell_word(&path.to_string())))
        .collect();
    options.extend(volumes.iter().map(|volume| {
        let name = volume.to_string().trim_matches('/').replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.', "-");
        format!("-v {}", shell_word(&format!("{name}:{volume}")))
    }));
    if !options.is_empty() {
        report
            .find(Level::Note, format!("to run it read-only: podman run --read-only {} {}", options.join(" "), shell_word(request.image)));
    }
}
