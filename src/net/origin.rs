use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// Scheme, host and port: what credentials are bound to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Returns the origin of a URL.
    pub fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default().unwrap_or(0) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// Returns a URL's host, with the port if it is not the scheme's own.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// How close to this machine an address is, the farthest first. A server may redirect to addresses as close as its own, or farther away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// Anywhere on the internet.
    Public,
    /// A private network (RFC 1918, RFC 6598, RFC 4193).
    Private,
    /// This machine.
    Loopback,
    /// Link-local, unspecified, multicast and reserved addresses, where the metadata of clouds lives; no redirect goes there.
    Never,
}

impl Nearness {
    /// Returns how close an address is.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Nearness {
    let [first, second, third, _] = address.octets();
    match (first, second, third) {
        (127, ..) => Nearness::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) | (198, 18..=19, _) => Nearness::Private,
        (0 | 224.., ..) | (169, 254, _) | (192, 0, 0) => Nearness::Never,
        _ => Nearness::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Nearness {
    if address.is_loopback() {
        return Nearness::Loopback;
    }
    let segments = address.segments();
    // Addresses that carry one of version 4: mapped, compatible, NAT64 and 6to4.
    let inner = match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = inner {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return of_v4(Ipv4Addr::new(a, b, c, d));
    }
    match segments[0] {
        0xfc00..=0xfdff => Nearness::Private,
        0xfe00..=0xffff => Nearness::Never,
        _ => Nearness::Public,
    }
}

/// Returns the IP address that a host is literally, if it is one.
pub fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Says whether a host is this machine by name or address.
pub fn is_loopback(host: &str) -> bool {
    // Names below `localhost` are left to the resolver, which may answer with any address.
    literal(host).map_or_else(|| host.eq_ignore_ascii_case("localhost"), |address| Nearness::of(address) == Nearness::Loopback)
}

/// Splits `host:port`, and `[::1]:port`.
pub fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (host, None),
        },
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_nearness_in_every_spelling() {
        for (text, expected) in [
            ("8.8.8.8", Nearness::Public),
            ("10.1.2.3", Nearness::Private),
            ("172.31.0.1", Nearness::Private),
            ("172.32.0.1", Nearness::Public),
            ("192.168.1.1", Nearness::Private),
            ("100.100.0.1", Nearness::Private),
            ("127.9.9.9", Nearness::Loopback),
            ("0.0.0.0", Nearness::Never),
            ("169.254.169.254", Nearness::Never),
            ("255.255.255.255", Nearness::Never),
            ("::1", Nearness::Loopback),
            ("::", Nearness::Never),
            ("::ffff:127.0.0.1", Nearness::Loopback),
            ("::ffff:169.254.169.254", Nearness::Never),
            ("64:ff9b::10.0.0.1", Nearness::Private),
            ("2002:7f00:1::", Nearness::Loopback),
            ("fd00::1", Nearness::Private),
            ("fe80::1", Nearness::Never),
            ("ff02::1", Nearness::Never),
            ("2606:4700::1", Nearness::Public),
        ] {
            assert_eq!(Nearness::of(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn hosts_are_split_and_known() {
        assert_eq!(split_port("a.example:5000"), ("a.example", Some(5000)));
        assert_eq!(split_port("[::1]:5000"), ("[::1]", Some(5000)));
        assert_eq!(split_port("[::1]"), ("[::1]", None));
        assert_eq!(split_port("a.example"), ("a.example", None));
        for (host, expected) in
            [("localhost", true), ("[::1]", true), ("127.1.1.1", true), ("localhost.evil.example", false), ("10.0.0.1", false)]
        {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
