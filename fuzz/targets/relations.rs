//! Relations and versions of Debian packages.

use hardened::debian::{Provided, Relation, Version};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Relation::parse(text);
    let _ = Provided::parse(text);
    if let Some((left, right)) = text.split_once('\n')
        && let (Ok(left), Ok(right)) = (left.parse::<Version>(), right.parse::<Version>())
    {
        assert_eq!(left.cmp(&right), right.cmp(&left).reverse(), "an order has two sides");
    }
}
