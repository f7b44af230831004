//! Property tests of all readers: any bytes give a value or a fault, without a panic or an endless loop. Inputs are valid ones with changes,
//! and random ones.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Expected, Index, Limits, Provided, Relation, Release, TrustedKeys, Version};

static KEYS: LazyLock<TrustedKeys> = LazyLock::new(|| TrustedKeys::built_in().unwrap());

const RELEASE: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: x\n- -y: z\n-----BEGIN PGP SIGNATURE-----\nVersion: x\n\n\
iQIzBAEBCAAdFiEETLUBkCB7R1ij9zp5btDnuCZD4TEFAmpSGFcACgkQbtDnuCZD\n4TEFAmpSGFcACgkQbtDnuCZD\n=AAAA\n-----END PGP SIGNATURE-----\n";

const INDEX: &str = "Package: aa\nVersion: 1:1.0-1\nArchitecture: amd64\nSource: bb (2)\nDepends: cc (>= 1) | dd:any,\n ee\nProvides: ff (= 1)\n\
Filename: pool/main/b/bb/aa_1.0-1_amd64.deb\nSize: 12\nSHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\n";

const RELATION: &str = "debconf (>= 0.5~) | debconf-2.0:any, libc6:amd64 (<< 1:2.3-4) [amd64 !i386], x (= 1)";

/// A text with pieces of it replaced, removed and repeated.
fn changed(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..20_usize, prop::collection::vec(any::<u8>(), 0..6), 1..4_usize);
    prop::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut bytes = good.as_bytes().to_vec();
        for (offset, length, new, times) in changes {
            let start = offset.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            let piece = if new.is_empty() { bytes[start..end].repeat(times) } else { new };
            bytes.splice(start..end, piece);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_release_is_good_or_a_fault(bytes in prop_oneof![changed(RELEASE), prop::collection::vec(any::<u8>(), 0..300)]) {
        let expected = Expected { suite: "x", now: 1_790_000_000, not_older_than: None };
        prop_assert!(Release::verify(&bytes, &KEYS, &expected).is_err());
    }

    #[test]
    fn keys_are_good_or_a_fault(bytes in prop_oneof![changed(RELEASE), prop::collection::vec(any::<u8>(), 0..300)]) {
        prop_assert!(TrustedKeys::none().with(&bytes).is_err());
    }

    #[test]
    fn an_index_is_good_or_a_fault(bytes in prop_oneof![changed(INDEX), prop::collection::vec(any::<u8>(), 0..300)]) {
        if let Ok(index) = Index::read(bytes.as_slice(), &Limits::default()) {
            for record in index.records() {
                prop_assert!(index.named(record.name()).any(|one| one.version_text() == record.version_text()));
                let path = record.filename();
                prop_assert!(path.as_bytes().ends_with(b".deb") && path.split('/').all(|part| !matches!(part, "" | "." | "..")));
                let again: Version = record.version().as_str().parse().unwrap();
                prop_assert_eq!(again, record.version());
            }
        }
    }

    #[test]
    fn a_relation_is_read_again_as_it_is_shown(bytes in prop_oneof![changed(RELATION), changed("aa | bb:any (>= 1)")]) {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(relations) = Relation::parse(&text) {
            let shown: Vec<String> = relations.iter().map(Relation::to_string).collect();
            prop_assert_eq!(Relation::parse(&shown.join(", ")), Ok(relations));
        }
        let _ = Provided::parse(&text);
    }

    #[test]
    fn versions_are_in_one_order(texts in prop::collection::vec("[0-9a-c]([0-2a-b.~+-]{0,6}[0-2a~])?", 3)) {
        let versions: Vec<Version> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let [one, two, three] = versions.as_slice() else { return Ok(()) };
        prop_assert_eq!(one.cmp(two), two.cmp(one).reverse());
        if one <= two && two <= three {
            prop_assert!(one <= three);
        }
    }
}
