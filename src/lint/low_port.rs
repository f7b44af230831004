use super::LintRequest;
use super::finding::{Level, Report};

/// The first port that needs no privilege (ip(7), `ip_unprivileged_port_start`).
const UNPRIVILEGED: u16 = 1024;

/// Tells of ports that a user that is not root may not be able to open.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    if request.owner.uid == 0 {
        return;
    }
    let number = |port: &str| port.split('/').next().and_then(|number| number.parse::<u16>().ok());
    let ports = request.config.ports();
    let low: Vec<&str> = ports.into_iter().filter(|port| number(port).is_some_and(|number| number < UNPRIVILEGED)).collect();
    if low.is_empty() {
        return;
    }
    let (ports, verb) =
        (low.iter().map(|port| format!("`{port}`")).collect::<Vec<_>>().join(", "), if low.len() == 1 { "is" } else { "are" });
    let message = format!("the port {ports} {verb} below {UNPRIVILEGED}, and the process does not run as root");
    report.find(Level::Detail, message).hint(
        "engines since 2020 allow it by the sysctl `net.ipv4.ip_unprivileged_port_start=0`, Kubernetes does not by default: \
         a port from 1024 on works everywhere",
    );
}
