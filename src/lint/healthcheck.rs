use super::finding::{Level, Report};
use super::{Delivery, LintRequest};

/// Tells where a health check gets lost: Podman and Buildah read `Healthcheck` of images with Docker's media types only, and hardened writes
/// OCI's to registries and layouts. An interval for a start without a period is of no effect (moby, `daemon/health.go`).
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let Some(check) = request.config.healthcheck().filter(|check| check.test.first().is_some_and(|kind| kind != "NONE")) else { return };
    if check.start_interval.is_some() && check.start_period.unwrap_or_default() == 0 {
        report
            .find(Level::Warning, "`start-interval` of the health check has no effect without `start-period`")
            .hint("write `start-period = \"30s\"` beside it");
    }
    if request.delivery == Delivery::Docker {
        return;
    }
    let command = check.test.iter().skip(1).map(String::as_str).collect::<Vec<_>>().join(" ");
    report
        .find(Level::Note, "Podman drops the health check of an OCI image, and Kubernetes has its own probes; Docker keeps it")
        .hint("`-o docker-archive:FILE` and `-o docker-daemon:` keep it for Podman too")
        .hint(format!("else write `podman run --health-cmd '{}'`", command.escape_debug()));
}
