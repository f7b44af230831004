//! Images whose base is assembled of packages, from the Debian mirror that this machine's apt uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::layout::Layout;
use crate::mirror::Mirror;
use crate::peer::{Peer, success};
use crate::project::Project;

/// The suites that every flavour is for.
pub(crate) const SUITES: [&str; 2] = ["trixie", "bookworm"];

/// What a locked-in program of each language says of itself.
pub(crate) const LOCKED_IN: &str = "uid 65532, capabilities 0000000000000000, no new privileges 1, root read-only, network lo";

/// Returns a recipe with a flavour; `keys` are more of `base.debian`, `rest` is what follows.
pub(crate) fn recipe(suite: &str, flavour: &str, keys: &str, rest: &str) -> String {
    format!("[image]\nname = \"flavours/{flavour}\"\n\n[base.debian]\nsuite = \"{suite}\"\nflavour = \"{flavour}\"\n{keys}\n{rest}")
}

/// Runs hardened with the mirror and a cache of the test's own.
pub(crate) fn with_cache(project: &Project, cache: &Path, arguments: &[&str]) -> String {
    let mut command = project.command(arguments);
    success(Mirror::find().unwrap().offer(&mut command).env("HARDENED_CACHE_DIR", cache)).trim_end().to_owned()
}

/// Runs hardened with the mirror and the cache that tests share.
pub(crate) fn hardened(project: &Project, arguments: &[&str]) -> String {
    let _turn = Mirror::turn();
    let mut command = project.command(arguments);
    success(Mirror::find().unwrap().offer(&mut command)).trim_end().to_owned()
}

/// Builds a project into the layout `out`; returns the name by which podman knows it.
pub(crate) fn build(project: &Project) -> String {
    hardened(project, &["build", "-o", "oci:out:1"]);
    format!("oci:{}:1", project.path("out").display())
}

/// Returns the packages of a project's lock, for one platform: names, and what is known of each.
pub(crate) fn locked(project: &Project, platform: &str) -> BTreeMap<String, toml::Table> {
    let lock: toml::Table = fs::read_to_string(project.path("hardened.lock")).unwrap().parse().unwrap();
    let platforms = lock["base"]["platforms"].as_array().unwrap();
    let of = platforms.iter().find(|of| of["platform"].as_str() == Some(platform)).unwrap();
    let packages = of["packages"].as_array().unwrap().iter().map(|package| package.as_table().unwrap().clone());
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), package)).collect()
}

/// An entry of a layer.
pub(crate) struct Placed {
    pub(crate) path: String,
    pub(crate) kind: tar::EntryType,
    pub(crate) mode: u32,
    pub(crate) size: u64,
}

/// Returns the entries of all layers of a project's image, as the tar crate reads them.
pub(crate) fn entries(project: &Project) -> Vec<Placed> {
    let layout = Layout::open(&project.path("out"));
    let mut all = Vec::new();
    for layer in layout.layers(&layout.only()) {
        let tar = layout.tar(&layer);
        for entry in tar::Archive::new(tar.as_slice()).entries().unwrap().map(Result::unwrap) {
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
            let header = entry.header();
            all.push(Placed { path, kind: header.entry_type(), mode: header.mode().unwrap(), size: entry.size() });
        }
    }
    all
}

/// Programs that no flavour has: shells, what installs packages, what gives rights, and Perl.
const UNWANTED: &[&str] = &[
    "apt", "apt-get", "ash", "bash", "busybox", "csh", "dash", "dpkg", "dpkg-deb", "fish", "gawk", "ksh", "mawk", "mount", "perl", "rbash",
    "sh", "su", "sudo", "tclsh", "zsh",
];

/// Checks what is in an image of a flavour: no shell, no Perl, nothing that gives rights, and the packages of the lock and no others.
pub(crate) fn check(project: &Project) {
    let (entries, locked) = (entries(project), locked(project, "linux/amd64"));
    let unwanted: Vec<&str> = entries
        .iter()
        .filter(|entry| !entry.kind.is_dir() && !entry.path.starts_with("var/lib/dpkg/status.d/"))
        .filter(|entry| {
            let name = entry.path.rsplit('/').next().unwrap();
            UNWANTED.contains(&name) || name.starts_with("perl5") || entry.mode & 0o6000 != 0
        })
        .map(|entry| entry.path.as_str())
        .collect();
    assert!(unwanted.is_empty(), "{unwanted:?}");
    assert!(entries.iter().any(|entry| entry.path == "etc/passwd"), "nothing was looked at");
    let told = entries.iter().filter_map(|entry| entry.path.strip_prefix("var/lib/dpkg/status.d/"));
    let told: BTreeSet<&str> = told.filter(|name| !name.ends_with(".md5sums")).collect();
    assert_eq!(told, locked.keys().map(String::as_str).collect());
    let layout = Layout::open(&project.path("out"));
    let config = layout.json(layout.json(&layout.only())["config"]["digest"].as_str().unwrap());
    assert_eq!(config["config"]["User"], "65532:65532");
}

/// Unpacks a project's image with umoci; returns the root's folder.
pub(crate) fn unpack(umoci: &Peer, project: &Project) -> PathBuf {
    let image = format!("{}:1", project.path("out").display());
    let bundle = project.path("bundle");
    let rootless = if rustix::process::geteuid().is_root() { None } else { Some("--rootless") };
    success(umoci.command(&project.home(), 600).arg("unpack").args(rootless).args(["--image", &image]).arg(&bundle));
    bundle.join("rootfs")
}

/// Certificates made by OpenSSL: an authority of our own, and what it gave to a server on loopback.
pub(crate) struct Authority {
    /// The authority's certificate, PEM.
    pub(crate) certificate: String,
    /// The server's key and certificate, PEM.
    pub(crate) server: String,
    /// Both for Java: PKCS #12 in Base64, with the password `changeit`.
    pub(crate) store: String,
}

impl Authority {
    /// Makes one, valid for two days.
    pub(crate) fn new() -> Option<Self> {
        let openssl = Peer::find("openssl")?;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n").unwrap();
        let run = |line: &str| success(openssl.command(folder, 60).args(line.split(' ')));
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let usage = "-addext keyUsage=critical,keyCertSign,cRLSign";
        run(&format!("req -x509 {key} -days 2 -subj /O=Ours/CN=Ours {usage} -keyout ca.key -out ca.pem"));
        run(&format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"));
        run("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem");
        run("pkcs12 -export -inkey server.key -in server.pem -passout pass:changeit -name server -out server.p12");
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let store = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, fs::read(folder.join("server.p12")).unwrap());
        Some(Self { certificate: text("ca.pem"), server: text("server.key") + &text("server.pem"), store })
    }
}

/// Returns how many certificates are in the bundle of a project's image.
pub(crate) fn certificates(project: &Project) -> usize {
    let layout = Layout::open(&project.path("out"));
    let bundle = layout.file(&layout.only(), "etc/ssl/certs/ca-certificates.crt").unwrap();
    String::from_utf8(bundle).unwrap().matches("-----BEGIN CERTIFICATE-----").count()
}
