use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgp::composed::{Deserializable as _, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Notation, PacketTrait as _, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{Duration, KeyDetails as _, Password, SignatureBytes, SigningKey, Timestamp};

use super::*;

// The sample keys were made by GnuPG with the clock at 2020-01-01; `samples/README.md` says what is special about each.
const SAMPLES: [(&str, &str); 11] = [
    ("archive", include_str!("samples/archive.asc")),
    ("p256", include_str!("samples/p256.asc")),
    ("p384", include_str!("samples/p384.asc")),
    ("rsa", include_str!("samples/rsa.asc")),
    ("expired", include_str!("samples/expired.asc")),
    ("certify-only", include_str!("samples/certify-only.asc")),
    ("retired", include_str!("samples/retired.asc")),
    ("revoked", include_str!("samples/revoked.asc")),
    ("short", include_str!("samples/short.asc")),
    ("stranger", include_str!("samples/stranger.asc")),
    ("weak", include_str!("samples/weak.asc")),
];

/// 2026-07-11 10:16:37 UTC, the date of [`TEXT`].
const DATE: i64 = 1_783_764_997;
const YEAR: i64 = 365 * 86_400;

const TEXT: &str = "Origin: Sample\nSuite: stable\nCodename: trixie\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nAcquire-By-Hash: yes\n\
No-Support-for-Architecture-all: Packages\nArchitectures: all amd64 arm64\nComponents: main contrib\nDescription: x\nMD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 x\nSHA256:\n \
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages\n \
f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec       20 main/binary-amd64/Packages.gz\n \
0040f94d11d0039505328a90b2ff48968db873e9e7967307631bf40ef5679275       32 main/binary-amd64/Packages.xz\n \
f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec       20 main/binary-arm64/Packages.gz\n \
0040f94d11d0039505328a90b2ff48968db873e9e7967307631bf40ef5679275       32 main/binary-all/Packages.xz";

fn sample(name: &str) -> SignedSecretKey {
    let (_, text) = SAMPLES.iter().find(|(sample, _)| *sample == name).unwrap();
    SignedSecretKey::from_string(text).unwrap().0
}

fn trusting(names: &[&str]) -> TrustedKeys {
    names.iter().fold(TrustedKeys::none(), |keys, name| keys.with(&public(name)).unwrap())
}

fn public(name: &str) -> Vec<u8> {
    sample(name).to_public_key().to_bytes().unwrap()
}

/// How a text is signed.
struct Signing<'a> {
    key: &'a str,
    by_subkey: bool,
    made: i64,
    hash: HashAlgorithm,
    kind: SignatureType,
    more: Vec<Subpacket>,
}

fn by(key: &str) -> Signing<'_> {
    Signing { key, by_subkey: false, made: DATE, hash: HashAlgorithm::Sha256, kind: SignatureType::Text, more: Vec::new() }
}

impl Signing<'_> {
    fn sign(self, text: &str) -> Vec<u8> {
        let sample = sample(self.key);
        if self.by_subkey { self.sign_with(&sample.secret_subkeys[0].key, text) } else { self.sign_with(&sample.primary_key, text) }
    }

    fn sign_with(self, key: &impl SigningKey, text: &str) -> Vec<u8> {
        let mut config = SignatureConfig::v4(self.kind, key.algorithm(), self.hash);
        let made = Timestamp::from_secs(u32::try_from(self.made).unwrap());
        config.hashed_subpackets = vec![
            Subpacket::regular(SubpacketData::SignatureCreationTime(made)).unwrap(),
            Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).unwrap(),
        ];
        config.hashed_subpackets.extend(self.more);
        let signature = if self.hash == HashAlgorithm::Sha1 {
            // The hash is looked at before the signature, and Ed25519 signs nothing so short.
            Signature::from_config(config, [0, 0], SignatureBytes::Mpis(vec![pgp::types::Mpi::from_slice(&[1; 32]); 2])).unwrap()
        } else {
            config.sign(key, &Password::empty(), text.as_bytes()).unwrap()
        };
        let mut bytes = Vec::new();
        signature.to_writer_with_header(&mut bytes).unwrap();
        bytes
    }
}

/// Makes a signed message.
fn message(text: &str, packets: &[Vec<u8>]) -> String {
    let base64 = STANDARD.encode(packets.concat());
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let escaped: Vec<String> =
        text.split('\n').map(|line| if line.starts_with('-') { format!("- {line}") } else { line.to_owned() }).collect();
    format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}\n-----BEGIN PGP SIGNATURE-----\n\n{}\n-----END PGP SIGNATURE-----\n",
        escaped.join("\n"),
        lines.join("\n")
    )
}

fn signed(text: &str) -> String {
    message(text, &[by("archive").sign(text)])
}

const EXPECTED: Expected<'_> = Expected { suite: "trixie", now: DATE + 86_400, not_older_than: None };

fn verify(message: &str, trusted: &[&str]) -> Result<Release, ReleaseFault> {
    Release::verify(message.as_bytes(), &trusting(trusted), &EXPECTED)
}

#[test]
fn a_good_file_is_read() {
    let text = signed(TEXT);
    let release = verify(&text, &["archive"]).unwrap();
    assert_eq!((release.origin.as_str(), release.suite.as_str(), release.codename.as_str()), ("Sample", "stable", "trixie"));
    assert_eq!((release.date, release.valid_until, release.by_hash, release.all_index), (DATE, None, ByHash::Offered, AllIndex::Merged));
    assert_eq!((release.architectures.join(" ").as_str(), release.components.join(" ").as_str()), ("all amd64 arm64", "main contrib"));
    assert_eq!(release.files.len(), 5);
    assert_eq!(release.files["main/binary-amd64/Packages.gz"].size, 20);
    assert_eq!(release.digest, Digest::of(text.as_bytes()));
    assert_eq!(release.signers, [Fingerprint::new(sample("archive").primary_key.fingerprint().as_bytes())]);
    let by_subkey = message(TEXT, &[Signing { by_subkey: true, ..by("archive") }.sign(TEXT)]);
    assert_eq!(verify(&by_subkey, &["archive"]).unwrap().signers, release.signers);
    let three = message(TEXT, &[by("stranger").sign(TEXT), by("archive").sign(TEXT), by("retired").sign(TEXT)]);
    assert_eq!(verify(&three, &["archive", "retired"]).unwrap().signers, release.signers);
}

#[test]
fn every_algorithm_is_verified_and_one_bit_of_a_signature_decides() {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    let header = |text: &str, hash: HashAlgorithm| text.replacen("Hash: SHA256", &format!("Hash: {hash}"), 1);
    for (key, hash) in
        [("archive", Sha256), ("archive", Sha512), ("rsa", Sha256), ("rsa", Sha384), ("rsa", Sha512), ("p256", Sha256), ("p384", Sha384)]
    {
        let packet = Signing { hash, ..by(key) }.sign(TEXT);
        let good = header(&message(TEXT, std::slice::from_ref(&packet)), hash);
        assert!(verify(&good, &[key]).is_ok(), "{key} {hash}: {:?}", verify(&good, &[key]));
        // Every byte of what was signed, and of the signature; the hints of who signed are not signed.
        for position in (0..packet.len()).rev().take(70).chain(4..12) {
            let mut changed = packet.clone();
            changed[position] ^= 1;
            let bad = header(&message(TEXT, &[changed]), hash);
            assert!(verify(&bad, &[key]).is_err(), "{key} {hash}: byte {position} of {}", packet.len());
        }
    }
}

#[test]
fn one_byte_of_the_text_decides() {
    let good = signed(TEXT);
    for (old, new) in [
        ("stable", "stabld"),
        ("       20 main", "       21 main"),
        ("Description: x", "Description: y"),
        ("main contrib\n", "main contrib\n\n"),
    ] {
        let fault = verify(&good.replacen(old, new, 1), &["archive"]).unwrap_err();
        assert!(matches!(fault, ReleaseFault::Changed(_)), "{new}: {fault}");
    }
    // Space at the end of a line is not signed, and not read either.
    assert_eq!(verify(&good.replacen("stable\n", "stable \t\n", 1), &["archive"]).unwrap().suite, "stable");
}

#[test]
fn only_good_signatures_of_trusted_keys_count() {
    let unsigned = message(TEXT, &[by("archive").sign("other")]);
    let notation = Notation { readable: true, name: "demand@example.org".into(), value: "x".into() };
    let critical = Subpacket::critical(SubpacketData::Notation(notation.clone())).unwrap();
    let harmless = Subpacket::regular(SubpacketData::Notation(notation)).unwrap();
    let lifetime = |seconds| Subpacket::regular(SubpacketData::SignatureExpirationTime(Duration::from_secs(seconds))).unwrap();
    let one = |signing: Signing<'_>| message(TEXT, &[signing.sign(TEXT)]);
    for (message, trusted, expected) in [
        (one(by("stranger")), "archive", "is not a trusted key"),
        (unsigned, "archive", "is invalid: the file was changed"),
        (message(TEXT, &[]), "archive", "base64"),
        (one(Signing { made: DATE - 7 * YEAR, ..by("archive") }), "archive", "was created after its signature"),
        (one(Signing { made: DATE + 2 * 86_400, ..by("archive") }), "archive", "is the clock right?"),
        (one(Signing { hash: HashAlgorithm::Sha1, ..by("archive") }), "archive", "SHA1, which is too weak"),
        (one(Signing { hash: HashAlgorithm::Sha512, ..by("archive") }), "archive", "SHA512, which the message's header does not name"),
        (one(Signing { kind: SignatureType::Binary, ..by("archive") }), "archive", "not a signature of a text"),
        (one(Signing { more: vec![critical], ..by("archive") }), "archive", "a critical field that hardened does not know"),
        (one(Signing { more: vec![harmless], ..by("archive") }), "archive", ""),
        (one(Signing { more: vec![lifetime(3600)], ..by("archive") }), "archive", "ended at 2026-07-11 11:16:37 UTC"),
        (one(Signing { more: vec![lifetime(0)], ..by("archive") }), "archive", ""),
        (one(Signing { more: vec![lifetime(90_000)], ..by("archive") }), "archive", ""),
        (one(by("expired")), "expired", "expired at 2020-12-31 00:00:00 UTC"),
        (one(Signing { made: DATE - 6 * YEAR, ..by("expired") }), "expired", "expired at 2020-12-31 00:00:00 UTC"),
        (one(by("revoked")), "revoked", "is revoked"),
        (one(Signing { made: DATE - 6 * YEAR, ..by("revoked") }), "revoked", "is revoked"),
        (one(by("retired")), "retired", "is revoked"),
        (one(Signing { made: DATE - 6 * YEAR, ..by("retired") }), "retired", "is revoked"),
        // A signature that is wrong refuses the file also beside a good one.
        (message(TEXT, &[by("archive").sign(TEXT), by("archive").sign("x")]), "archive", "is invalid: the file was changed"),
        (message(TEXT, &[by("archive").sign(TEXT), b"\xc6\x01x".to_vec()]), "archive", "its signature 2 can't be read"),
        (
            message(TEXT, &[by("archive").sign(TEXT), b"\xcd\x01x".to_vec()]),
            "archive",
            "its signature 2 can't be read: it is another kind of packet",
        ),
        (
            message(TEXT, &[by("archive").sign(TEXT), vec![0xC2]]),
            "archive",
            "its signature 2 can't be read: it is truncated, or not a packet",
        ),
        (message(TEXT, &[by("archive").sign(TEXT), vec![0]]), "archive", "its signature 2 can't be read: it is truncated, or not a packet"),
        (message(TEXT, &[by("archive").sign(TEXT), b"\xc2\x00".to_vec()]), "archive", "its signature 2 can't be read"),
        (message(TEXT, &vec![by("archive").sign(TEXT); 17]), "archive", "more than 16 signatures"),
    ] {
        match verify(&message, &[trusted]) {
            Ok(_) => assert_eq!(expected, "", "{trusted} was believed"),
            Err(fault) => assert!(!expected.is_empty() && fault.to_string().contains(expected), "{expected}: {fault}"),
        }
    }
    let cut = by("archive").sign(TEXT);
    assert!(verify(&message(TEXT, &[cut[..cut.len() - 5].to_vec()]), &["archive"]).is_err());
    assert!(matches!(verify(&signed(TEXT), &[]), Err(ReleaseFault::NotTrusted(problems)) if problems.len() == 1));
}

#[test]
fn a_key_counts_until_it_expires() {
    // 2020-07-01 00:00:00 UTC, half a year after the key was made, and half a year before it expires.
    let made = 1_593_561_600;
    let text = TEXT.replace("Sat, 11 Jul 2026 10:16:37", "Wed, 01 Jul 2020 00:00:00");
    let message = message(&text, &[Signing { made, ..by("expired") }.sign(&text)]);
    let verify = |now| Release::verify(message.as_bytes(), &trusting(&["expired"]), &Expected { now, ..EXPECTED });
    let end = 1_609_372_800;
    assert_eq!(verify(end - 1).unwrap().date, made);
    assert!(
        matches!(verify(end), Err(ReleaseFault::NotTrusted(problems)) if matches!(problems[0], SignatureProblem::KeyExpired { expires, .. } if expires == end))
    );
}

#[test]
fn keys_that_prove_nothing_are_not_trusted() {
    let fault = |name: &str| TrustedKeys::none().with(&public(name)).unwrap_err().to_string();
    for (name, expected) in [("short", "is too weak"), ("weak", "no self-signature with SHA-256"), ("certify-only", "may sign")] {
        assert!(fault(name).contains(expected), "{name}: {}", fault(name));
    }
    let (_, secret) = SAMPLES[0];
    let fault = TrustedKeys::none().with(secret.as_bytes()).unwrap_err();
    assert_eq!(fault, crate::debian::KeyFault::Secret);
    let binary = sample("archive").to_bytes().unwrap();
    assert_eq!(TrustedKeys::none().with(&binary).unwrap_err(), crate::debian::KeyFault::Secret);
}

#[test]
fn suite_and_time_must_be_what_was_asked_for() {
    let until = TEXT.replace("Acquire", "Valid-Until: Sat, 18 Jul 2026 10:16:37 UTC\nAcquire");
    let week = DATE + 7 * 86_400;
    for (text, expected, fault) in [
        (TEXT, Expected { suite: "stable", ..EXPECTED }, ""),
        (TEXT, Expected { suite: "bookworm", ..EXPECTED }, "it is of the suite `stable` (codename `trixie`), and `bookworm` was asked for"),
        (TEXT, Expected { suite: "", ..EXPECTED }, "was asked for"),
        (TEXT, Expected { now: DATE - 3600, ..EXPECTED }, ""),
        (TEXT, Expected { now: DATE - 3601, ..EXPECTED }, "is the clock right?"),
        (TEXT, Expected { now: 0, ..EXPECTED }, "this machine's clock says 1970-01-01 00:00:00 UTC: is the clock right?"),
        (TEXT, Expected { now: DATE + 4 * YEAR, ..EXPECTED }, ""),
        (&until, Expected { now: week, ..EXPECTED }, ""),
        (
            &until,
            Expected { now: week + 1, ..EXPECTED },
            "it was valid until 2026-07-18 10:16:37 UTC, and this machine's clock says 2026-07-18 10:16:38 UTC",
        ),
        (TEXT, Expected { not_older_than: Some(DATE), ..EXPECTED }, ""),
        (TEXT, Expected { not_older_than: Some(DATE + 1), ..EXPECTED }, "one of 2026-07-11 10:16:38 UTC was seen before"),
    ] {
        match Release::verify(signed(text).as_bytes(), &trusting(&["archive"]), &expected) {
            Ok(_) => assert_eq!(fault, "", "{expected:?}"),
            Err(found) => {
                assert!(!fault.is_empty() && found.to_string().contains(fault), "{expected:?}: {found}");
                assert!(found.hint().is_some() || matches!(found, ReleaseFault::Suite { .. }));
            }
        }
    }
}

#[test]
fn signed_nonsense_is_refused_too() {
    for (old, new, expected) in [
        ("Date: Sat", "Dat: Sat", "the field `Date` of the signed text is missing"),
        ("UTC\n", "CET\n", "is not a time in UTC"),
        ("Suite: stable\n", "Suite: stable\nsuite: other\n", "the field `suite` of the signed text is there twice"),
        ("Suite: stable\n", "Suite: stable\n more\n", "has more than one line"),
        ("Origin", " x\nOrigin", "a continued line"),
        ("Description: x\n", "\nDescription: x\n", "a second stanza"),
        ("Description: x", "Description", "line 9 of the signed text is a line that is not a field"),
        ("amd64 arm64", "amd64 ../x", "holds `../x`"),
        ("yes", "maybe", "neither `yes` nor `no`"),
        ("SHA256:", "SHA1:", "it lists no SHA-256 digests"),
        ("SHA256:\n", "SHA256: x\n", "has a value on its first line"),
        ("0040f9", "0040F9", "has a line that is not a file entry"),
        ("32 main/binary-all/Packages.xz", "32 ../binary-all/Packages.xz", "has a line that is not a file entry"),
        ("main/binary-all/Packages.xz", "main/binary-amd64/Packages.xz", "lists `main/binary-amd64/Packages.xz` twice"),
    ] {
        let fault = verify(&signed(&TEXT.replacen(old, new, 1)), &["archive"]).unwrap_err().to_string();
        assert!(fault.contains(expected), "{new}: {fault}");
    }
}

#[test]
fn the_best_index_is_chosen() {
    let release = verify(&signed(TEXT), &["archive"]).unwrap();
    let found = release.packages("main", "amd64").unwrap();
    let [file] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((file.path.as_str(), file.compression, file.size), ("main/binary-amd64/Packages.xz", Compression::Xz, 32));
    assert_eq!(
        file.by_hash.as_deref(),
        Some("main/binary-amd64/by-hash/SHA256/0040f94d11d0039505328a90b2ff48968db873e9e7967307631bf40ef5679275")
    );
    assert_eq!(file.plain.unwrap().size, 0);
    let [ref gzip] = release.packages("main", "arm64").unwrap()[..] else { panic!() };
    assert_eq!((gzip.path.as_str(), gzip.compression, gzip.plain), ("main/binary-arm64/Packages.gz", Compression::Gzip, None));
    for (component, architecture, expected) in [
        ("universe", "amd64", "it has no component `universe`, only `main`, `contrib`"),
        ("main", "riscv64", "it has no packages for `riscv64`, only for `amd64`, `arm64`"),
        ("contrib", "amd64", "it lists no index `contrib/binary-amd64/Packages`"),
    ] {
        let fault = release.packages(component, architecture).unwrap_err().to_string();
        assert!(fault.starts_with(expected), "{fault}");
    }
    // As the security archive writes its components; and an archive that keeps `all` apart.
    let other = TEXT
        .replace("Components: main contrib", "Components: updates/main updates/contrib")
        .replace("No-Support-for-Architecture-all: Packages\n", "");
    let release = verify(&signed(&other.replace("Acquire-By-Hash: yes\n", "")), &["archive"]).unwrap();
    for component in ["main", "updates/main"] {
        let found = release.packages(component, "amd64").unwrap();
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["main/binary-amd64/Packages.xz", "main/binary-all/Packages.xz"], "{component}");
        assert_eq!(found[0].by_hash, None);
    }
}
