use std::collections::VecDeque;
use std::rc::Rc;

use super::{Fact, FactKind, ImagePath, ImageText};

/// How many symbolic links one path may lead through, as in Linux.
const LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// To this file.
    File(ImagePath, Fact),
    /// To nothing; this is the path without links as far as it exists, and the rest behind it.
    Missing(ImagePath),
    /// Through more links than Linux follows.
    Loop,
}

/// Where a path leads, and what was met on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Where it leads.
    pub resolved: Resolved,
    /// The first link whose `..` leads above the root. The kernel stays at the root then, and other readers of images may not.
    pub leads_out: Option<ImagePath>,
    /// What stands where a folder is needed, and is none.
    pub blocked_by: Option<ImagePath>,
    /// The link whose target is not there, where the path leads to nothing because of one.
    pub dangling: Option<ImagePath>,
    /// How many names were passed.
    pub steps: u64,
}

impl Followed {
    fn at(mut self, resolved: Resolved) -> Self {
        self.resolved = resolved;
        self
    }
}

/// A name that is still to be passed, and the link whose target has it.
struct Step {
    name: Vec<u8>,
    link: Option<Rc<ImagePath>>,
}

/// Follows names from the root through links, and through the last name too if `through_last`. `entry` returns what is at a path whose folders are
/// no links.
pub fn follow<'a>(names: impl Iterator<Item = &'a [u8]>, through_last: bool, entry: impl Fn(&ImagePath) -> Option<Fact>) -> Followed {
    let mut todo: VecDeque<Step> = names.map(|name| Step { name: name.to_vec(), link: None }).collect();
    let mut here = ImagePath::root();
    let mut followed = Followed { resolved: Resolved::Loop, leads_out: None, blocked_by: None, dangling: None, steps: 0 };
    let mut links = 0;
    let mut missing = false;
    let mut fact = Fact::implied_folder();
    while let Some(Step { name, link }) = todo.pop_front() {
        followed.steps += 1;
        if name == b".." {
            if here.is_root() && followed.leads_out.is_none() {
                followed.leads_out = link.as_deref().cloned();
            }
            here = here.parent().unwrap_or_default();
            continue;
        }
        let Ok(next) = here.join(&name) else { return followed.at(Resolved::Missing(here)) };
        match entry(&next).filter(|_| !missing) {
            Some(Fact { kind: FactKind::Symlink(ImageText(target)), .. }) if through_last || !todo.is_empty() => {
                links += 1;
                if links > LINKS {
                    return followed;
                }
                if target.starts_with(b"/") {
                    here = ImagePath::root();
                }
                let link = Some(Rc::new(next));
                let names = target.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
                for name in names.collect::<Vec<_>>().into_iter().rev() {
                    todo.push_front(Step { name: name.to_vec(), link: link.clone() });
                }
            }
            Some(found) => {
                fact = found;
                here = next;
            }
            None => {
                if !missing {
                    let is_file = !here.is_root() && entry(&here).is_some_and(|fact| fact.kind != FactKind::Directory);
                    followed.blocked_by = is_file.then(|| here.clone());
                    followed.dangling = link.as_deref().cloned();
                }
                missing = true;
                here = next;
            }
        }
    }
    if missing {
        return followed.at(Resolved::Missing(here));
    }
    let fact = entry(&here).unwrap_or(fact);
    followed.at(Resolved::File(here, fact))
}
