use super::{DebianRequest, Lock, LockedChoice};
use crate::oci::Platform;
use crate::recipe::Base;

/// What changed since the lock was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lock is stale: {reason}")]
pub struct Stale {
    /// What changed, as a fragment.
    pub reason: String,
}

impl Lock {
    /// Says what changed since the lock was written; `None` when it still holds.
    ///
    /// `static_data` is the version of the data inside this program. A lock for more platforms than are wanted is not stale.
    pub fn staleness<'a>(&self, base: &Base, platforms: impl IntoIterator<Item = &'a Platform>, static_data: &str) -> Option<Stale> {
        let changed = |locked: &dyn std::fmt::Display| format!("the base was `{locked}`, and is now `{}`", described(base));
        let reason = match (&self.base, base) {
            (LockedChoice::Static { data }, Base::Static) => {
                (data != static_data).then(|| format!("the data of the static base was `{data}`, and this program has `{static_data}`"))
            }
            (LockedChoice::Image { reference, .. }, Base::Image(wanted)) => (reference != wanted).then(|| changed(reference)),
            (LockedChoice::Layout { path, .. }, Base::Layout(wanted)) => (path != wanted).then(|| changed(path)),
            (LockedChoice::Debian(locked), Base::Debian(wanted)) => locked.request.changed(&DebianRequest::of(wanted)),
            (LockedChoice::Static { .. }, _) => Some(changed(&"static")),
            (LockedChoice::Debian(_), _) => Some(changed(&"debian")),
            (LockedChoice::Image { reference, .. }, _) => Some(changed(reference)),
            (LockedChoice::Layout { path, .. }, _) => Some(changed(path)),
        };
        let lacks = |platform: &&Platform| match &self.base {
            LockedChoice::Static { .. } => false,
            LockedChoice::Image { pin, .. } | LockedChoice::Layout { pin, .. } => !pin.platforms.keys().any(|locked| locked.is(platform)),
            LockedChoice::Debian(locked) => locked.packages(platform).is_none(),
        };
        let absent = || platforms.into_iter().find(lacks).map(|platform| format!("it has no entry for the platform `{platform}`"));
        reason.or_else(absent).map(|reason| Stale { reason })
    }
}

fn described(base: &Base) -> String {
    match base {
        Base::Static => "static".to_owned(),
        Base::Image(reference) => reference.to_string(),
        Base::Layout(path) => path.clone(),
        Base::Debian(_) => "debian".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_base_and_platforms_make_a_lock_stale() {
        let lock = super::super::tests::example();
        let image = |text: &str| Base::Image(text.parse().expect("a reference"));
        let (amd64, riscv64) = (Platform::linux("amd64", None), Platform::linux("riscv64", None));
        for (base, platform, expected) in [
            (image("gcr.io/distroless/cc:nonroot"), &amd64, None),
            (
                image("gcr.io/distroless/cc:debug"),
                &amd64,
                Some("the lock is stale: the base was `gcr.io/distroless/cc:nonroot`, and is now `gcr.io/distroless/cc:debug`"),
            ),
            (Base::Static, &amd64, Some("the lock is stale: the base was `gcr.io/distroless/cc:nonroot`, and is now `static`")),
            (image("gcr.io/distroless/cc:nonroot"), &riscv64, Some("the lock is stale: it has no entry for the platform `linux/riscv64`")),
        ] {
            assert_eq!(lock.staleness(&base, [platform], "1").map(|stale| stale.to_string()).as_deref(), expected);
        }
        let fixed = Lock { base: LockedChoice::Static { data: "1".to_owned() }, ..lock };
        assert_eq!(fixed.staleness(&Base::Static, [&amd64, &riscv64], "1"), None);
        assert!(fixed.staleness(&Base::Static, [&amd64], "2").is_some());
    }
}
