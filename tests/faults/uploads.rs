//! Bytes on their way to a registry, and what becomes of them when the way breaks.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hardened::oci::{BlobSource, Digest, ImageName, Silent, Store, StoreFault, Written};

use crate::client::{answer, bytes, count, index, is_blob_put, layer, name, nobody, push, repository, settings, somebody, tag, told, with};
use crate::registry::{Fault, Guard, TestRegistry};

#[test]
fn f07_an_upload_cut_anywhere_goes_on_where_it_broke() {
    let content = bytes(1 << 20);
    for cut in (0..=16).map(|step| step * (64 << 10)).chain([1, 65_537, (1 << 20) - 1]) {
        let test = TestRegistry::with(Guard::Open, move |seen, before| {
            (is_blob_put(seen) && before == 0 && seen.path().ends_with("session-1")).then_some(Fault::ResetBody(cut))
        });
        assert_eq!(push(&repository(&test), &content).map_err(|error| told(&error)), Ok(Written::Uploaded), "cut at {cut}");
        assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content, "cut at {cut}");
        // No byte is sent twice. A single one is the exception: a session says the same of it as of none, and refuses what follows.
        assert_eq!(test.received(), if cut == 1 { 1 + 2 * content.len() } else { content.len() }, "cut at {cut}");
    }
    // Cut again and again, each time a little further.
    let test = TestRegistry::with(Guard::Open, |seen, before| {
        let rest = matches!(seen.method.as_str(), "PUT" | "PATCH") && seen.path().contains("/uploads/");
        (rest && seen.headers.get("content-length").is_some_and(|length| length != "0") && before < 20).then_some(Fault::ResetBody(50_000))
    });
    push(&repository(&test), &content).unwrap();
    assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content);
    assert!(test.received() < content.len() * 3 / 2, "{}", test.received());
}

#[test]
fn f08_an_answer_that_was_lost_is_not_asked_for_with_all_the_bytes() {
    let content = bytes(300_000);
    for method in ["POST", "PUT", "HEAD"] {
        let test = TestRegistry::with(Guard::Open, move |seen, before| {
            (seen.method == method && seen.path().contains("/blobs/") && before == 0).then_some(Fault::LoseAnswer)
        });
        push(&repository(&test), &content).unwrap();
        assert_eq!(test.received(), content.len(), "{method}");
    }
    // A tag whose answer was lost has moved.
    let test = TestRegistry::with(Guard::Open, |seen, before| (seen.method == "PUT" && before == 0).then_some(Fault::LoseAnswer));
    repository(&test).write_manifest(&index("one"), Some(&tag("1"))).unwrap();
    assert_eq!(test.manifest("shop/api", "1").unwrap(), index("one").bytes);
}

#[test]
fn f14_a_session_that_is_elsewhere_is_asked_where() {
    let content = bytes(400_000);
    // The first part arrives, its end is lost, and the registry's first word about it is wrong.
    let test = TestRegistry::with(Guard::Open, |seen, before| match seen.method.as_str() {
        "PUT" if is_blob_put(seen) && before == 0 => Some(Fault::ResetBody(100_000)),
        "GET" if seen.path().contains("/uploads/") && before == 0 => {
            let location = format!("{}?state=x", seen.path());
            Some(answer(204, &[("Location", &location), ("Range", "0-49999")], ""))
        }
        _ => None,
    });
    push(&repository(&test), &content).unwrap();
    assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content);
    assert_eq!(count(&test, |seen| seen.method == "POST"), 1, "the session was kept");
    let ranges: Vec<String> = test.seen().iter().filter_map(|seen| seen.headers.get("content-range").cloned()).collect();
    assert_eq!(ranges, ["50000-399999", "100000-399999"]);
}

#[test]
fn f15_a_session_that_ends_in_the_middle_is_begun_anew() {
    let content = bytes(200_000);
    for gone in ["GET", "PATCH", "PUT"] {
        let test = TestRegistry::with(Guard::Open, move |seen, before| {
            let first = seen.path().ends_with("session-1");
            match seen.method.as_str() {
                "PUT" if first && before == 0 => Some(Fault::ResetBody(90_000)),
                method if first && method == gone => Some(answer(404, &[], "")),
                _ => None,
            }
        });
        push(&repository(&test), &content).map_err(|error| told(&error)).unwrap();
        assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content, "{gone}");
    }
}

#[test]
fn f16_a_huge_least_chunk_asks_for_no_memory() {
    let content = bytes(300_000);
    for least in ["1", "18446744073709551615", "-1", "99999999999999999999999999", "nonsense"] {
        let test = TestRegistry::with(Guard::Open, move |seen, before| match seen.method.as_str() {
            "POST" => Some(Fault::With(vec![("OCI-Chunk-Min-Length".to_owned(), least.to_owned())])),
            "PUT" if is_blob_put(seen) && before == 0 => Some(Fault::ResetBody(100_000)),
            _ => None,
        });
        push(&repository(&test), &content).unwrap();
        assert_eq!(test.received(), content.len(), "{least}");
        // The rest goes as one piece, which as the last may have any size.
        assert!(count(&test, |seen| seen.method == "PATCH") <= 1);
    }
}

/// Content that came from the repository next door.
struct Lent(Vec<u8>, ImageName);

impl BlobSource for Lent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.0.open()
    }
    fn origin(&self) -> Option<&ImageName> {
        Some(&self.1)
    }
}

#[test]
fn f17_a_mount_that_does_not_work_becomes_an_upload() {
    let content = bytes(10_000);
    for (status, expected) in [
        (0, Written::Mounted),
        (202, Written::Uploaded),
        (400, Written::Uploaded),
        (401, Written::Uploaded),
        (403, Written::Uploaded),
        (404, Written::Uploaded),
        (405, Written::Uploaded),
    ] {
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            let asks = seen.target.contains("mount=");
            (asks && status != 0 && status != 202).then(|| answer(status, &[], ""))
        });
        if status != 202 {
            test.put_blob("other/base", &content);
        }
        let source = Lent(content.clone(), name(test.host(), "other/base"));
        let written = repository(&test).write_blob(&layer(&content), &source, &Silent);
        assert_eq!(written.map_err(|error| told(&error)), Ok(expected), "{status}");
        assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content, "{status}");
        // The session that a registry opens instead of mounting is used, not left behind.
        assert_eq!(count(&test, |seen| seen.method == "POST"), if matches!(status, 0 | 202) { 1 } else { 2 }, "{status}");
    }
}

#[test]
fn f22_a_token_that_ends_in_the_middle_is_renewed_wherever_that_is() {
    let content = bytes(200_000);
    for uses in 1..8 {
        let test = TestRegistry::with(Guard::Token { uses }, |seen, before| {
            (is_blob_put(seen) && before == 0).then_some(Fault::ResetBody(100_000))
        });
        let to = with(settings(), somebody(test.host(), "secret"), test.host());
        push(&to, &content).map_err(|error| told(&error)).unwrap();
        to.write_manifest(&index("one"), Some(&tag("1"))).unwrap();
        assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content, "{uses} uses");
        assert_eq!(test.manifest("shop/api", "1").unwrap(), index("one").bytes, "{uses} uses");
    }
    // A token that is near its end is renewed before anything is sent with it.
    let test = TestRegistry::with(Guard::Brief { uses: usize::MAX, seconds: 1 }, |_, _| None);
    let to = with(settings(), nobody(), test.host());
    push(&to, &content).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    push(&to, &bytes(100)).unwrap();
    assert!(count(&test, |seen| seen.path() == "/token") >= 2);
    assert_eq!(test.received(), content.len() + 100, "nothing was sent twice");
}

/// A source that fails while it is read.
struct Failing(Arc<AtomicUsize>, io::ErrorKind);

impl BlobSource for Failing {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let (good, kind) = (io::Cursor::new(bytes(1000)), self.1);
        Ok(Box::new(good.chain(Broken(kind))))
    }
}

struct Broken(io::ErrorKind);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

#[test]
fn f27_a_file_that_cannot_be_read_any_more_ends_its_upload() {
    for kind in [io::ErrorKind::Other, io::ErrorKind::PermissionDenied, io::ErrorKind::UnexpectedEof] {
        let test = TestRegistry::start();
        let opened = Arc::new(AtomicUsize::new(0));
        let error = repository(&test).write_blob(&layer(&bytes(2000)), &Failing(Arc::clone(&opened), kind), &Silent).map(drop).unwrap_err();
        assert_eq!(error.fault, StoreFault::Disk, "{}", told(&error));
        assert_eq!(opened.load(Ordering::Relaxed), 1, "a disk does not heal");
        assert!(test.blob("shop/api", Digest::of(&bytes(2000))).is_none());
    }
}
