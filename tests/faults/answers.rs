//! Statuses: who may not, what is not there, who is busy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hardened::net::{RetryPolicy, Settings};
use hardened::oci::{Digest, Selector, Store, StoreFault};

use crate::client::{
    answer, bytes, count, index, is_blob_get, layer, nobody, pull, push, raw, repository, settings, somebody, tag, told, with,
};
use crate::registry::{Fault, Guard, TestRegistry};

#[test]
fn f01_a_token_that_is_refused_is_renewed_once_and_then_told() {
    // No use is left on any token: whatever is shown is refused.
    let test = TestRegistry::with(Guard::Token { uses: 0 }, |_, _| None);
    let error = push(&with(settings(), somebody(test.host(), "hunter2"), test.host()), &bytes(10)).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unauthorized);
    assert_eq!(count(&test, |seen| seen.path() == "/token"), 2, "one token and one more");
    let said = told(&error);
    for part in [test.host(), "shop/api", "send the blob", "credentials from", "hardened login"] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let test = TestRegistry::with(Guard::Basic("dXNlcjpyaWdodA=="), |_, _| None);
    let error = push(&with(settings(), somebody(test.host(), "wrong"), test.host()), &bytes(10)).unwrap_err();
    assert!(error.fault == StoreFault::Unauthorized && test.seen().len() == 2, "{}", told(&error));
    push(&with(settings(), somebody(test.host(), "right"), test.host()), &bytes(10)).unwrap();
}

#[test]
fn f02_what_is_forbidden_is_not_tried_again_and_said_in_bounds() {
    let body = format!("{{\"errors\":[{{\"code\":\"DENIED\",\"message\":\"\\u001b[31m{}\"}}]}}", "no ".repeat(100_000));
    let test = TestRegistry::with(Guard::Open, move |seen, _| (seen.method == "POST").then(|| answer(403, &[], &body)));
    let error = push(&repository(&test), &bytes(10)).unwrap_err();
    assert_eq!(error.fault, StoreFault::Denied);
    assert_eq!(count(&test, |seen| seen.method == "POST"), 1);
    let said = told(&error);
    assert!(said.contains("DENIED") && said.len() < 5000 && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn f03_what_is_not_there_is_missing_and_a_lost_session_is_replaced() {
    let test = TestRegistry::start();
    let from = repository(&test);
    let missing = from.open_blob(&layer(b"nothing")).map(drop).unwrap_err();
    assert_eq!(missing.fault, StoreFault::Missing);
    assert_eq!(from.read_manifest(&Selector::Tag(tag("none"))).unwrap_err().fault, StoreFault::Missing);
    assert!(count(&test, |_| true) < 5, "what is not there is not asked for again and again");

    let content = bytes(100_000);
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        (seen.method == "PUT" && seen.path().ends_with("session-1")).then(|| answer(404, &[], ""))
    });
    push(&repository(&test), &content).unwrap();
    assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content);
    // A registry that forgets every session is given up.
    let test = TestRegistry::with(Guard::Open, |seen, _| (seen.method == "PUT").then(|| answer(404, &[], "")));
    push(&repository(&test), &content).unwrap_err();
    assert!(count(&test, |seen| seen.method == "POST") < 6);
}

#[test]
fn f04_retry_after_is_kept_in_every_shape_and_never_too_long() {
    let patient = RetryPolicy { longest_pause: Duration::from_millis(20), ..settings().retry };
    for status in [408, 429, 503] {
        for value in [
            "0",
            "1",
            "3600",
            "-1",
            "99999999999999999999999",
            "Fri, 31 Dec 2199 23:59:59 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "soon",
            "",
            "1.5",
        ] {
            let test = TestRegistry::with(Guard::Open, move |seen, before| {
                (seen.method == "HEAD" && before < 2).then(|| answer(status, &[("Retry-After", value)], ""))
            });
            let to = with(Settings { retry: patient, ..settings() }, nobody(), test.host());
            assert!(push(&to, &bytes(10)).is_ok(), "{status} {value}");
            assert_eq!(count(&test, |seen| seen.method == "HEAD"), 3, "{status} {value}");
        }
    }
    assert_eq!(RetryPolicy::default().longest_pause, Duration::from_mins(5));
}

#[test]
fn f04_all_threads_keep_a_pause_together() {
    let (asked, paused) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    let (noted, flag) = (Arc::clone(&asked), Arc::clone(&paused));
    let test = TestRegistry::with(Guard::Open, move |seen, _| {
        let first = seen.method == "HEAD" && !flag.load(Ordering::SeqCst);
        first.then(|| {
            *noted.lock().unwrap() = Some(Instant::now());
            flag.store(true, Ordering::SeqCst);
            answer(429, &[("Retry-After", "1")], "")
        })
    });
    let to = repository(&test);
    std::thread::scope(|scope| {
        scope.spawn(|| push(&to, &bytes(1)).unwrap());
        while !paused.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // The answer is on its way to the first thread.
        std::thread::sleep(Duration::from_millis(200));
        for size in 2..6 {
            let to = to.clone();
            scope.spawn(move || push(&to, &bytes(size)).unwrap());
        }
    });
    let asked = asked.lock().unwrap().unwrap();
    let early = test.seen().iter().filter(|seen| seen.at > asked && seen.at < asked + Duration::from_secs(1)).count();
    assert_eq!(early, 0, "a request came while the host had asked for a pause");
}

#[test]
fn f05_a_registry_that_fails_is_asked_again_and_at_last_given_up() {
    for status in [500, 502, 503, 504, 499, 522] {
        let test = TestRegistry::with(Guard::Open, move |_, before| (before < 5).then(|| answer(status, &[], "busy")));
        push(&repository(&test), &bytes(1000)).unwrap();
        assert!(test.blob("shop/api", Digest::of(&bytes(1000))).is_some(), "{status}");
    }
    let test = TestRegistry::with(Guard::Open, |_, _| Some(answer(502, &[], "always")));
    let error = repository(&test).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unreachable);
    assert!(told(&error).contains("502") && told(&error).contains("always"), "{}", told(&error));
    assert_eq!(test.seen().len(), usize::try_from(RetryPolicy::default().attempts).unwrap());
    // A deadline ends it sooner.
    let test = TestRegistry::with(Guard::Open, |_, _| Some(answer(500, &[], "")));
    let hurried = RetryPolicy { deadline: Some(Duration::ZERO), ..settings().retry };
    let error = with(Settings { retry: hurried, ..settings() }, nobody(), test.host()).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert!(error.fault == StoreFault::Unreachable && test.seen().len() < 3);
    for status in [400, 405, 409, 410, 418, 501, 505] {
        let test = TestRegistry::with(Guard::Open, move |_, _| Some(answer(status, &[], "")));
        repository(&test).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
        assert!(test.seen().len() <= 2, "{status} does not heal");
    }
}

#[test]
fn f06_a_host_that_cannot_be_reached_is_tried_for_a_while() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = with(settings(), nobody(), &free.to_string()).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unreachable);
    assert!(told(&error).contains(&free.to_string()), "{}", told(&error));
    // A label of more than 63 letters has no address, which is found out without asking anybody.
    let host = format!("{}.invalid:5000", "x".repeat(64));
    let insecure = Settings { insecure: vec![host.clone()], ..settings() };
    let error = with(insecure, nobody(), &host).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unreachable, "{}", told(&error));
    assert!(told(&error).contains("xxx.invalid"), "{}", told(&error));
    // A host that ends connections before any byte, TLS or not.
    let test = TestRegistry::with(Guard::Open, |_, _| Some(Fault::ResetBefore));
    let error = repository(&test).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unreachable, "{}", told(&error));
    // One that comes back is reached.
    let test = TestRegistry::with(Guard::Open, |_, before| (before < 3).then_some(Fault::ResetBefore));
    push(&repository(&test), &bytes(50_000)).unwrap();
}

#[test]
fn f40_what_a_registry_says_is_read_in_bounds_and_shown_harmless() {
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    let many = format!("{{\"errors\":[{}{{}}]}}", "{\"code\":\"A\",\"message\":\"b\"},".repeat(3000));
    for (number, body) in [
        "<html>\u{1b}]0;title\u{7}<script>\r\n\u{202e}".to_owned(),
        deep,
        many,
        "{\"errors\":[{\"code\":\"\u{1b}[2J\",\"message\":\"\\u009b31m\"}]}".to_owned(),
        "x".repeat(64 << 20),
    ]
    .into_iter()
    .enumerate()
    {
        let (length, sent) = (body.len(), Arc::new(body));
        let served = Arc::clone(&sent);
        let test = TestRegistry::with(Guard::Open, move |_, _| {
            Some(raw(&format!("HTTP/1.1 403 No\nContent-Length: {length}"), served.as_bytes()))
        });
        let error = repository(&test).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
        let said = told(&error);
        assert!(error.fault == StoreFault::Denied && said.len() < 5000, "{number}: {} bytes", said.len());
        assert!(!said.chars().any(|character| character != '\n' && character.is_control()), "{number}: {said:?}");
        assert!(!said.contains('\u{202e}'), "{number}: {said:?}");
    }
    // What cannot be decoded is no reason to fail otherwise.
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        is_blob_get(seen).then(|| raw("HTTP/1.1 403 No\nContent-Length: 4", &[0xff, 0xfe, 0, 7]))
    });
    assert!(pull(&repository(&test), b"x").unwrap_err().contains("403"));
    assert!(index("a").bytes.len() < 1000);
}
