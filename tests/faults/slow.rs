//! Registries that fall silent. The limits are short here; those of real life are compared with what they should be.

use std::time::Duration;

use hardened::net::{RetryPolicy, Settings, Timeouts};
use hardened::oci::{Digest, Selector, Store, StoreFault};
use hardened::store::registry::Repository;

use crate::client::{bytes, count, is_blob_get, is_blob_put, nobody, pull, push, settings, tag, told, with};
use crate::registry::{Fault, Guard, TestRegistry};
use crate::sandbox::Sandbox;

/// A client that waits for a moment only, and tries three times.
fn hasty(test: &TestRegistry) -> Repository {
    let moment = Duration::from_millis(300);
    let timeouts = Timeouts { connect: moment, answer: moment, stall: moment, floor: (Duration::from_millis(600), 1000) };
    let retry = RetryPolicy { attempts: 3, ..settings().retry };
    with(Settings { timeouts, retry, ..settings() }, nobody(), test.host())
}

#[test]
fn f10_a_body_that_stalls_is_given_up_and_continued() {
    let real = Timeouts::default();
    assert_eq!((real.stall, real.floor), (Duration::from_secs(30), (Duration::from_mins(1), 60 << 10)));
    let content = bytes(200_000);
    let test = TestRegistry::with(Guard::Open, |seen, before| (is_blob_get(seen) && before < 2).then_some(Fault::Stall(50_000)));
    test.put_blob("shop/api", &content);
    assert!(pull(&hasty(&test), &content).unwrap() == content);
    let ranges: Vec<_> = test.seen().iter().filter_map(|seen| seen.headers.get("range").cloned()).collect();
    assert_eq!(ranges, ["bytes=50000-199999", "bytes=100000-199999"]);
    // One that stalls for ever is an error that says so.
    let test = TestRegistry::with(Guard::Open, |seen, _| is_blob_get(seen).then_some(Fault::Stall(0)));
    test.put_blob("shop/api", &content);
    let error = pull(&hasty(&test), &content).unwrap_err();
    assert!(error.contains("sent no more data") && error.contains(test.host()), "{error}");
}

#[test]
fn f10_a_body_that_drips_is_given_up() {
    // What can be continued is, on another connection.
    let content = bytes(1000);
    let slow = || Some(Fault::Drip(Duration::from_millis(50)));
    let test = TestRegistry::with(Guard::Open, move |seen, before| if is_blob_get(seen) && before < 2 { slow() } else { None });
    test.put_blob("shop/api", &content);
    assert!(pull(&hasty(&test), &content).unwrap() == content);
    assert_eq!(count(&test, is_blob_get), 3);
    // What cannot is an error that says so.
    let test = TestRegistry::with(Guard::Open, move |seen, _| if seen.method == "GET" { slow() } else { None });
    test.put_manifest("shop/api", "1", "application/json", &content);
    let error = hasty(&test).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert!(told(&error).contains("almost no data"), "{}", told(&error));
}

#[test]
fn f10_a_registry_that_takes_no_bytes_is_given_up() {
    // More than all buffers between the two hold.
    let content = bytes(30 << 20);
    let test = TestRegistry::with(Guard::Open, |seen, before| (is_blob_put(seen) && before == 0).then_some(Fault::Deaf));
    push(&hasty(&test), &content).map_err(|error| told(&error)).unwrap();
    assert!(test.blob("shop/api", Digest::of(&content)).is_some());
    let test = TestRegistry::with(Guard::Open, |seen, _| is_blob_put(seen).then_some(Fault::Deaf));
    let error = push(&hasty(&test), &content).unwrap_err();
    assert!(error.fault == StoreFault::Unreachable && told(&error).contains("accepted no more data"), "{}", told(&error));
}

#[test]
fn f10_an_answer_that_does_not_come_is_given_up() {
    let test = TestRegistry::with(Guard::Open, |_, _| Some(Fault::Deaf));
    let error = hasty(&test).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert!(error.fault == StoreFault::Unreachable && told(&error).contains("did not send a complete response"), "{}", told(&error));
    assert!(count(&test, |_| true) >= 1);
}

#[test]
fn f10_the_limit_can_be_set() {
    let test = TestRegistry::with(Guard::Open, |seen, _| (seen.method == "GET").then_some(Fault::Stall(1)));
    test.put_manifest("base", "1", "application/json", &bytes(100));
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    let limits = ["--stall-timeout", "1", "--retry-for", "1"];
    sandbox.run(&[&["lock"], &limits[..]].concat()).fails(3, &["sent no more data for 1 seconds"]);
    sandbox.run(&["lock", "--stall-timeout", "0"]).fails(2, &["--stall-timeout"]);
}
