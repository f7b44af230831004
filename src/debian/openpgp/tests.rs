use super::packet::Fields;
use super::*;

#[test]
fn packets_end_where_their_length_says() {
    for (bytes, expected) in [
        (&b"\xC2\x02ab-"[..], Some((2, 2, 1))),
        (b"\xC2\xC0\x00", None),
        (b"\xC2\xFF\x00\x00\x00\x01a", Some((2, 1, 0))),
        (b"\x88\x01a--", Some((2, 1, 2))),
        (b"\x89\x00\x01a", Some((2, 1, 0))),
        (b"\x8A\x00\x00\x00\x01a", Some((2, 1, 0))),
        // A length in parts, and none at all.
        (b"\xC2\xE0a", None),
        (b"\x8Ba", None),
        (b"\xC2\x03ab", None),
        (b"\xC2\xFF\xFF\xFF\xFF\xFFa", None),
        (b"\x02\x00", None),
        (b"", None),
    ] {
        let found = split(bytes).ok().map(|(packet, rest)| (packet.tag, packet.body.len(), rest.len()));
        assert_eq!(found, expected, "{bytes:?}");
    }
}

#[test]
fn integers_have_exactly_the_bits_that_they_claim() {
    let read = |bytes: &[u8]| Fields(bytes).integer().map(<[u8]>::to_vec);
    assert_eq!(read(b"\x00\x09\x01\xFF"), Some(vec![1, 255]));
    assert_eq!(read(b"\x00\x00"), Some(vec![]));
    for bad in [&b"\x00\x0A\x01\xFF"[..], b"\x00\x08\x01", b"\x00\x09\x01", b"\x00"] {
        assert_eq!(read(bad), None, "{bad:?}");
    }
}

/// A signature of version 4 of the type 0x01, with these hashed subpackets.
fn signature(hashed: &[u8]) -> Result<Signature, PacketFault> {
    let length = u16::try_from(hashed.len()).unwrap().to_be_bytes();
    Signature::read(&[&[4, 1, 22, 8][..], &length, hashed, &[0, 0, 1, 2]].concat())
}

#[test]
fn the_last_of_two_subpackets_counts_and_unknown_demands_are_seen() {
    let twice = signature(b"\x05\x02\x00\x00\x00\x01\x05\x02\x00\x00\x00\x02").unwrap();
    assert_eq!((twice.kind(), twice.created(), twice.lifetime()), (Kind::Text, Some(2), None));
    assert!(signature(b"\x02\x1B\x02").unwrap().may_sign());
    assert!(!signature(b"\x02\x1B\x01").unwrap().may_sign() && !signature(b"").unwrap().has_key_flags());
    // A notation (20), something private (100) and something reserved (63): critical or not.
    for kind in [20, 100, 63] {
        assert!(signature(&[1, kind | 0x80]).unwrap().has_unknown_demands(), "{kind}");
        assert!(!signature(&[1, kind]).unwrap().has_unknown_demands(), "{kind}");
    }
    assert!(!signature(b"\x05\x82\x00\x00\x00\x01").unwrap().has_unknown_demands());
    for broken in [&b"\x05\x02\x00"[..], b"\x00", b"\xC0", b"\xFF\x00\x00"] {
        assert!(matches!(signature(broken), Err(PacketFault::Form(SIGNATURE))), "{broken:?}");
    }
    assert!(matches!(Signature::read(b"\x03\x05\x01"), Err(PacketFault::Version(SIGNATURE, 3))));
    assert!(matches!(Signature::read(b""), Err(PacketFault::Form(SIGNATURE))));
}

#[test]
fn certificates_are_read_to_the_end_or_not_at_all() {
    let key = include_bytes!("../keys/debian-archive-trixie-stable.gpg");
    let found = Certificate::read_all(key).unwrap().unwrap();
    assert_eq!((found.len(), found[0].users.len(), found[0].is_revoked), (1, 1, false));
    for end in 1..key.len() {
        // Where a packet ends there is a whole certificate with less in it; anywhere else there is none.
        let cut = Certificate::read_all(&key[..end]);
        assert!(cut.is_err() || cut.unwrap().is_some_and(|cut| cut[0].users.len() <= 1), "{end}");
    }
    // A revocation of a version that is not verified counts too: the type of a signature of version 3 stands behind a length.
    for revocation in [&b"\xC2\x03\x03\x05\x20"[..], b"\xC2\x02\x06\x20"] {
        let length = key.len() - split(key).unwrap().1.len();
        let revoked = [&key[..length], revocation, &key[length..]].concat();
        assert!(Certificate::read_all(&revoked).unwrap().unwrap()[0].is_revoked);
    }
    for (packets, fault) in [
        (&b"\xC2\x02\x04\x00"[..], PacketFault::Unexpected(2)),
        (b"\xC6\x01\x03", PacketFault::Version(6, 3)),
        (b"\xC6\x01\x04", PacketFault::Form(6)),
    ] {
        assert_eq!(Certificate::read_all(packets).unwrap_err(), fault);
    }
    assert!(Certificate::read_all(b"\xC5\x00").unwrap().is_none());
}
