//! Bytes on their way from a registry: cut, wrong, encoded, or moved meanwhile.

use std::sync::Arc;

use hardened::oci::{Digest, Selector, Store, StoreFault};

use crate::client::{INDEX, answer, bytes, count, index, is_blob_get, pull, raw, repository, tag, told};
use crate::registry::{Fault, Guard, TestRegistry};
use crate::sandbox::{Image, Sandbox, cached};

#[test]
fn f09_a_download_cut_anywhere_goes_on_where_it_broke() {
    let content = bytes(64 << 10);
    let offsets: Vec<usize> = (0..=content.len()).step_by(1021).chain([1, 2, 65_535]).collect();
    for ranges in [true, false] {
        for cut in offsets.clone() {
            let test = TestRegistry::with(Guard::Open, move |seen, before| match (is_blob_get(seen), before) {
                (true, 0) => Some(Fault::Truncate(cut)),
                (true, _) if !ranges => Some(Fault::IgnoreRange),
                _ => None,
            });
            test.put_blob("shop/api", &content);
            assert!(pull(&repository(&test), &content).unwrap() == content, "cut at {cut}, ranges {ranges}");
            let asked: Vec<_> = test.seen().into_iter().filter(is_blob_get).filter_map(|seen| seen.headers.get("range").cloned()).collect();
            let expected = if cut == 0 || cut == content.len() { vec![] } else { vec![format!("bytes={cut}-65535")] };
            assert_eq!(asked, expected);
        }
    }
    // A registry that knows no part of a blob is asked for the whole, once.
    let test = TestRegistry::with(Guard::Open, |seen, before| match (is_blob_get(seen), before) {
        (true, 0) => Some(Fault::Truncate(4000)),
        (true, _) if seen.headers.contains_key("range") => Some(answer(416, &[], "")),
        (true, 2) => Some(Fault::Truncate(50_000)),
        _ => None,
    });
    test.put_blob("shop/api", &content);
    assert!(pull(&repository(&test), &content).unwrap() == content);
    assert_eq!(count(&test, is_blob_get), 4);
    // A break every 3,000 bytes is no reason to give up, as long as there is progress.
    let test = TestRegistry::with(Guard::Open, |seen, _| is_blob_get(seen).then_some(Fault::Truncate(3000)));
    test.put_blob("shop/api", &content);
    assert!(pull(&repository(&test), &content).unwrap() == content);
    assert_eq!(count(&test, is_blob_get), content.len().div_ceil(3000));
    // Without progress it is.
    let test =
        TestRegistry::with(Guard::Open, |seen, before| is_blob_get(seen).then_some(Fault::Truncate(if before == 0 { 3000 } else { 0 })));
    test.put_blob("shop/api", &content);
    pull(&repository(&test), &content).unwrap_err();
    assert!(count(&test, is_blob_get) < 30);
}

#[test]
fn f09_what_continues_elsewhere_is_refused() {
    let content = Arc::new(bytes(10_000));
    let rest = content[4000..].to_vec();
    for (head, body, words) in [
        (
            "HTTP/1.1 206 x\nContent-Range: bytes 3999-9999/10000\nContent-Length: 6000",
            rest.clone(),
            Some("an offset that was not requested"),
        ),
        (
            "HTTP/1.1 206 x\nContent-Range: bytes 4000-9999/10001\nContent-Length: 6000",
            rest.clone(),
            Some("an offset that was not requested"),
        ),
        ("HTTP/1.1 206 x\nContent-Length: 6000", rest.clone(), Some("an offset that was not requested")),
        ("HTTP/1.1 206 x\nContent-Range: bytes */10000\nContent-Length: 6000", rest.clone(), Some("an offset that was not requested")),
        ("HTTP/1.1 416 x\nContent-Range: bytes */4000\nContent-Length: 0", vec![], None),
        ("HTTP/1.1 206 x\nContent-Range: bytes 4000-9999/10000\nContent-Length: 6000", vec![9; 6000], Some("digest")),
        ("HTTP/1.1 206 x\nContent-Range: bytes 4000-9999/10000\nContent-Length: 6000", rest.clone(), None),
        ("HTTP/1.1 206 x\nContent-Range: bytes 4000-9999/*\nContent-Length: 6000", rest.clone(), None),
        ("HTTP/1.1 200 x\nContent-Length: 10000", content.to_vec(), None),
        ("HTTP/1.1 200 x\nContent-Length: 10001", vec![0; 10_001], Some("10001 bytes")),
    ] {
        let test = TestRegistry::with(Guard::Open, move |seen, before| match (is_blob_get(seen), before) {
            (true, 0) => Some(Fault::Truncate(4000)),
            (true, 1) => Some(raw(head, &body)),
            _ => None,
        });
        test.put_blob("shop/api", &content);
        let pulled = pull(&repository(&test), &content);
        match words {
            Some(words) => assert!(pulled.as_ref().is_err_and(|error| error.contains(words)), "{head}: {:?}", pulled.err()),
            None => assert!(pulled.is_ok_and(|bytes| bytes == *content), "{head}"),
        }
    }
}

#[test]
fn f11_wrong_bytes_are_never_taken() {
    let content = bytes(5000);
    let flip = |offset: usize| {
        let mut wrong = content.clone();
        wrong[offset] ^= 1;
        wrong
    };
    let length = |length: &str| format!("HTTP/1.1 200 x\n{length}");
    for (head, body) in [
        (length("Content-Length: 5000"), flip(0)),
        (length("Content-Length: 5000"), flip(4999)),
        (length("Content-Length: 4999"), content[..4999].to_vec()),
        (length("Content-Length: 5001"), [&content[..], b"x"].concat()),
        (length("Content-Length: 5000\nContent-Length: 4000"), content.clone()),
        (length("Content-Length: -1"), content.clone()),
        (length("Content-Length: 99999999999999999999"), content.clone()),
        (length("X: y"), flip(7)),
        (length("X: y"), [&content[..], b"x"].concat()),
    ] {
        let told = head.clone();
        let test = TestRegistry::with(Guard::Open, move |seen, _| is_blob_get(seen).then(|| raw(&head, &body)));
        assert!(pull(&repository(&test), &content).is_err(), "{told}");
    }
    // A base whose layer lies reaches no name in the cache, and the message has both digests.
    let (test, base) = (TestRegistry::start(), Image::new());
    let wrong = Image::with("other");
    base.tag(&test, "base", "1");
    let body = wrong.layer.clone();
    let digest = Digest::of(&base.layer).to_string();
    let asked = digest.clone();
    let lying = TestRegistry::with(Guard::Open, move |seen, _| {
        (is_blob_get(seen) && seen.path().ends_with(&asked)).then(|| raw(&format!("HTTP/1.1 200 x\nContent-Length: {}", body.len()), &body))
    });
    base.tag(&lying, "base", "1");
    assert_eq!(base.layer.len(), wrong.layer.len());
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", lying.host()));
    sandbox.run(&["build", "-o", "oci:out"]).fails(3, &[&digest, &Digest::of(&wrong.layer).to_string()]);
    assert!(cached(&sandbox.path("cache")).iter().all(|(name, good)| *good && !digest.ends_with(name)));
    assert!(!sandbox.has("out"));
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
}

#[test]
fn f12_the_digest_that_a_registry_claims_is_not_believed() {
    let digest = index("one").descriptor().digest;
    let other = Digest::of(b"other").to_string();
    for claimed in [None, Some(other.as_str()), Some("sha256:../../etc/passwd"), Some("")] {
        let bytes = index("one").bytes;
        let claim = claimed.map(|claim| format!("\nDocker-Content-Digest: {claim}")).unwrap_or_default();
        let head = format!("HTTP/1.1 200 x\nContent-Type: {INDEX}\nContent-Length: {}{claim}", bytes.len());
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            (seen.path().contains("/manifests/") && seen.method == "GET").then(|| raw(&head, &bytes))
        });
        let from = repository(&test);
        assert_eq!(from.read_manifest(&Selector::Tag(tag("1"))).unwrap(), index("one"), "{claimed:?}");
        assert_eq!(from.read_manifest(&Selector::Digest(digest)).unwrap(), index("one"), "{claimed:?}");
        // Another manifest with a header that agrees with the question is still another.
        let error = from.read_manifest(&Selector::Digest(Digest::of(b"other"))).unwrap_err();
        assert_eq!(error.fault, StoreFault::Corrupt, "{}", told(&error));
    }
    // Writing a tag believes no claim either.
    let claim = format!("Docker-Content-Digest: {digest}");
    let test = TestRegistry::with(Guard::Open, move |seen, _| {
        (seen.method == "HEAD" && seen.path().contains("/manifests/"))
            .then(|| raw(&format!("HTTP/1.1 200 x\nContent-Length: 5\n{claim}"), b""))
    });
    repository(&test).write_manifest(&index("one"), Some(&tag("1"))).unwrap();
    assert_eq!(test.manifest("shop/api", "1").unwrap(), index("one").bytes);
}

#[test]
fn f13_every_framing_is_understood_and_no_encoding_that_was_not_asked_for() {
    let content = bytes(70_000);
    let chunked: Vec<u8> = content
        .chunks(9000)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .chain(*b"0\r\n\r\n")
        .collect();
    let cut: Vec<u8> = chunked[..chunked.len() - 5].to_vec();
    for (head, body, good) in [
        ("HTTP/1.1 200 x\nTransfer-Encoding: chunked", chunked.clone(), true),
        ("HTTP/1.0 200 x\nX: y", content.clone(), true),
        ("HTTP/1.1 200 x\nConnection: close", content.clone(), true),
        ("HTTP/1.1 200 x\nContent-Length: 70000\nContent-Encoding: identity", content.clone(), true),
        ("HTTP/1.1 200 x\nTransfer-Encoding: chunked", cut, true),
        ("HTTP/1.1 200 x\nContent-Length: 70000\nContent-Encoding: gzip", content.clone(), false),
        ("HTTP/1.1 200 x\nContent-Length: 70000\nContent-Encoding: br", content.clone(), false),
    ] {
        let test = TestRegistry::with(Guard::Open, move |seen, before| (is_blob_get(seen) && before == 0).then(|| raw(head, &body)));
        test.put_blob("shop/api", &content);
        let pulled = pull(&repository(&test), &content);
        assert_eq!(pulled.as_ref().is_ok_and(|bytes| *bytes == content), good, "{head}: {:?}", pulled.err());
        assert!(test.seen().iter().all(|seen| seen.headers["accept-encoding"] == "identity"));
    }
}

#[test]
fn f39_a_base_whose_tag_moves_is_the_one_that_was_seen_first() {
    let (first, second) = (Image::new(), Image::with("second"));
    let registry = Arc::new(TestRegistry::start());
    let digest = first.tag(&registry, "base", "1");
    second.tag(&registry, "other", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", registry.host()));
    sandbox.run(&["lock"]).succeeds();
    assert!(sandbox.read("hardened.lock").contains(&digest.to_string()));
    second.tag(&registry, "base", "1");
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    let built = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().out;
    assert!(built.contains(&Digest::of(&first.layer).to_string()) && !built.contains(&Digest::of(&second.layer).to_string()));
    // The tag moves with each question: what was named first is what is read.
    let moving = Arc::new(TestRegistry::start());
    let (one, other) = (first.tag(&moving, "base", "1"), second.store(&moving, "base"));
    let turn = TestRegistry::with(Guard::Open, {
        let moving = Arc::clone(&moving);
        move |seen, _| {
            if seen.method == "GET" && seen.path().ends_with("/manifests/1") {
                let manifest = moving.manifest("base", &one.to_string())?;
                moving.put_manifest("base", "1", Image::MANIFEST, &other);
                return Some(answer(200, &[("Content-Type", Image::MANIFEST)], std::str::from_utf8(&manifest).unwrap()));
            }
            let (_, digest) = seen.path().split_once("/blobs/")?;
            let bytes = moving.blob("base", digest.parse().ok()?)?;
            Some(raw(&format!("HTTP/1.1 200 x\nContent-Length: {}", bytes.len()), &bytes))
        }
    });
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", turn.host()));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    assert!(sandbox.read("hardened.lock").contains(&one.to_string()));
}

#[test]
fn f39_an_index_without_its_child_or_the_platform_says_so() {
    let registry = TestRegistry::start();
    let image = Image::new();
    image.index(&registry, "base", "1", &["amd64", "s390x"]);
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", registry.host()));
    sandbox.run(&["build", "-o", "oci:out", "--platform", "linux/arm64"]).fails(2, &["linux/arm64", "linux/amd64", "linux/s390x"]);
    let child = Image::manifest_digest(&image);
    let empty = TestRegistry::with(Guard::Open, move |seen, _| seen.path().contains(&child).then(|| answer(404, &[], "")));
    image.index(&empty, "base", "1", &["amd64"]);
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", empty.host()));
    sandbox.run(&["build", "-o", "oci:out"]).fails(3, &[&Image::manifest_digest(&image), "404"]);
    assert!(!sandbox.has("out"));
}
