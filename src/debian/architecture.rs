use crate::oci::Platform;

/// Returns Debian's name for the architecture of a platform; `None` where Debian has none.
pub fn architecture(platform: &Platform) -> Option<&'static str> {
    match (platform.os.as_str(), platform.architecture.as_str(), platform.variant.as_deref()) {
        ("linux", "amd64", _) => Some("amd64"),
        ("linux", "arm64", _) => Some("arm64"),
        ("linux", "386", _) => Some("i386"),
        ("linux", "arm", Some("v7") | None) => Some("armhf"),
        ("linux", "arm", Some("v5" | "v6")) => Some("armel"),
        ("linux", "ppc64le", _) => Some("ppc64el"),
        ("linux", "s390x", _) => Some("s390x"),
        ("linux", "riscv64", _) => Some("riscv64"),
        ("linux", "loong64", _) => Some("loong64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_have_debian_names() {
        for (platform, name) in [
            ("linux/amd64", Some("amd64")),
            ("linux/386", Some("i386")),
            ("linux/arm/v7", Some("armhf")),
            ("linux/arm/v6", Some("armel")),
            ("linux/ppc64le", Some("ppc64el")),
            ("linux/s390x", Some("s390x")),
        ] {
            assert_eq!(architecture(&platform.parse().unwrap()), name, "{platform}");
        }
    }
}
