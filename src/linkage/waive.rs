use crate::recipe::{UnprovedEntry, Waiver};

use super::problem::Problem;
use super::remark::{Level, Proof, Remark};

struct Matching {
    waiver: Waiver,
    used: bool,
}

impl Matching {
    fn takes(&mut self, path: &str, needs: [Option<&str>; 2]) -> bool {
        let takes = needs.into_iter().flatten().any(|needs| self.waiver.takes(path, needs));
        self.used |= takes;
        takes
    }
}

/// Takes out of each list what is waived, and notes it; returns the rest of each.
pub(super) fn apply<const N: usize>(waivers: &[UnprovedEntry], lists: [Vec<Problem>; N], proof: &mut Proof) -> [Vec<Problem>; N] {
    let waivers = waivers.iter().filter_map(Waiver::new);
    let mut matching: Vec<Matching> = waivers.map(|waiver| Matching { waiver, used: false }).collect();
    let waived = |reason: &str, waiver: &Waiver| format!("{reason}, which is waived: {}", waiver.entry.reason);
    let rest = lists.map(|problems| {
        let mut rest = Vec::new();
        for problem in problems {
            let path = problem.path.to_string();
            let taken = matching.iter_mut().find_map(|one| {
                one.takes(&path, [Some(&problem.needs), problem.library.as_deref()]).then(|| waived(&problem.reason, &one.waiver))
            });
            match taken {
                Some(reason) => proof.remarks.push(Remark::new(Level::Waived, &problem.path, &problem.needs, reason)),
                None => rest.push(problem),
            }
        }
        rest
    });
    for remark in proof.remarks.iter_mut().filter(|remark| matches!(remark.level, Level::Warning | Level::Unproved)) {
        let taken = matching
            .iter_mut()
            .find_map(|one| one.takes(&remark.path, [Some(&remark.needs), None]).then(|| waived(&remark.reason, &one.waiver)));
        if let Some(reason) = taken {
            (remark.level, remark.reason) = (Level::Waived, reason);
        }
    }
    let idle = matching.iter().filter(|one| !one.used);
    proof.idle_waivers = idle.map(|one| format!("{} needs {}", one.waiver.entry.path, one.waiver.entry.needs)).collect();
    rest
}
