use std::collections::{BTreeMap, BTreeSet};

use crate::oci::Digest;

/// From this size on a source package has a layer of its own. It changes by powers of two only, so that an update rarely crosses it.
const LARGE: u64 = 4 << 20;

/// A package's source, and how large the package is in bytes.
pub(super) struct Group<'a> {
    pub(super) source: &'a str,
    pub(super) size: u64,
}

/// Divides packages into at most `most` layers: returns the layer of each package, and the layers' names.
///
/// Packages of one source share a layer, since they change together. When there are fewer sources than layers, each has its own. Else the large ones have their own,
/// and the layer of any other is a function of its name alone: an update changes the layer that the package is in, and no other.
pub(super) fn group(packages: &[Group<'_>], most: usize) -> (Vec<usize>, Vec<String>) {
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    for package in packages {
        *sources.entry(package.source).or_default() += package.size;
    }
    let mut layer_names: BTreeMap<&str, String> = BTreeMap::new();
    if sources.len() <= most {
        layer_names.extend(sources.keys().map(|source| (*source, (*source).to_owned())));
    } else {
        let shared = (most / 3).max(1);
        let class = |size: u64| size.max(1).ilog2();
        let mut large: Vec<(&str, u64)> =
            sources.iter().filter(|(_, size)| **size >= LARGE).map(|(source, size)| (*source, *size)).collect();
        large.sort_by(|(one, a), (other, b)| class(*b).cmp(&class(*a)).then_with(|| one.cmp(other)));
        large.truncate(most - shared);
        let own: BTreeSet<&str> = large.iter().map(|(source, _)| *source).collect();
        for source in sources.keys() {
            let name =
                if own.contains(source) { (*source).to_owned() } else { format!("packages, part {}", 1 + hash(source) % shared as u64) };
            layer_names.insert(source, name);
        }
    }
    let names: Vec<String> = layer_names.values().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let number =
        |package: &Group<'_>| layer_names.get(package.source).and_then(|layer| names.iter().position(|name| name == layer)).unwrap_or(0);
    (packages.iter().map(number).collect(), names)
}

/// Returns a number that depends on a name alone, and is the same on every machine.
fn hash(name: &str) -> u64 {
    Digest::of(name.as_bytes()).as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_sources_have_a_layer_each() {
        let packages = [("glibc", 5), ("openssl", 9), ("glibc", 1)].map(|(source, size)| Group { source, size });
        assert_eq!(group(&packages, 9), (vec![0, 1, 0], vec!["glibc".to_owned(), "openssl".to_owned()]));
    }

    #[test]
    fn many_sources_stay_below_the_limit_and_stay_put() {
        let names: Vec<String> = (0..60).map(|number| format!("source-{number}")).collect();
        let packages = |grown: usize| -> Vec<Group<'_>> {
            let size = |number: usize| if number < 12 { 5 << 20 } else { 1000 } + if number == grown { 100 } else { 0 };
            names.iter().enumerate().map(|(number, name)| Group { source: name, size: size(number) }).collect()
        };
        let (numbers, layers) = group(&packages(usize::MAX), 9);
        assert!(layers.len() <= 9 && layers.len() >= 7, "{layers:?}");
        for grown in 0..60 {
            assert_eq!(group(&packages(grown), 9), (numbers.clone(), layers.clone()));
        }
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), layers.len());
    }
}
