//! A registry behind a proxy that fails by chance: what comes out is right, or the run fails with a message.

use hardened::oci::Digest;

use crate::client::{bytes, nobody, pull, push, settings, told, with};
use crate::proxy::FaultyProxy;
use crate::registry::TestRegistry;

#[test]
fn f05_pushes_and_pulls_survive_a_proxy_that_fails_three_of_ten() {
    let test = TestRegistry::start();
    let proxy = FaultyProxy::start(test.host(), 30, 7);
    let retry = hardened::net::RetryPolicy { longest_pause: std::time::Duration::from_millis(5), ..settings().retry };
    let to = with(hardened::net::Settings { retry, ..settings() }, nobody(), proxy.host());
    for number in 1..40 {
        let content = bytes(number * 10_007);
        push(&to, &content).map_err(|error| told(&error)).unwrap();
        assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content, "{number}");
        assert!(pull(&to, &content).unwrap() == content, "{number}");
    }
    let (requests, failed) = proxy.requests();
    let (sent, received) = proxy.bytes();
    let size: u64 = (1..40).map(|number| number * 10_007).sum();
    assert!(failed * 5 > requests, "{failed} of {requests}");
    assert!(sent < size * 3 / 2 && received < size * 3 / 2, "{sent} and {received} for {size}");
}
