use crate::diagnostic::Diagnostic;

/// The most layers of an image. Docker's engine refuses more (moby, `layer/layer_store.go`, `maxLayerDepth`), and the mount options for
/// one overlay file system with more do not fit into a page of the kernel's (mount(2)).
const MOST: usize = 125;
/// With more layers than this there is little room for images that are built on this one.
const MANY: usize = 110;

/// Refuses an image with more layers than runtimes mount: `base` of these are the base's.
pub(super) fn refusal(base: usize, own: usize) -> Option<Diagnostic> {
    let count = base + own;
    let message = format!("the image would have {count} layers, {base} of them from the base; runtimes mount at most {MOST}");
    (count > MOST).then(|| Diagnostic::error(message).hint(hint(base)))
}

/// Warns of an image with so many layers that runtimes are near their limit.
pub(super) fn warning(base: usize, own: usize) -> Option<Diagnostic> {
    let count = base + own;
    let message = format!("the image has {count} layers, {base} of them from the base; runtimes mount at most {MOST}");
    (count > MANY).then(|| Diagnostic::warning(message).hint(hint(base)))
}

fn hint(base: usize) -> String {
    if base > MANY {
        "choose a base with fewer layers".to_owned()
    } else {
        "write the same `layer = \"NAME\"` in several `[[files]]` entries: they share one layer then".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_warned_of_above_110_and_refused_above_125() {
        for (base, own, is_refused, is_warned) in [
            (0, 1, false, false),
            (10, 100, false, false),
            (10, 101, false, true),
            (0, 125, false, true),
            (1, 125, true, true),
            (130, 1, true, true),
        ] {
            assert_eq!((refusal(base, own).is_some(), warning(base, own).is_some()), (is_refused, is_warned), "{base} {own}");
        }
        assert!(refusal(1, 125).unwrap().hints[0].contains("`layer = \"NAME\"`"));
        assert!(refusal(126, 1).unwrap().hints[0].contains("a base with fewer"));
    }
}
