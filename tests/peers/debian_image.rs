//! Whole images of Debian packages, as the programs see them that would have made or read their parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use sha2::{Digest as _, Sha256};

use crate::debian::{Authority, SUITES, build, certificates, entries, hardened, locked, recipe, unpack, with_cache};
use crate::debian_makers::printed;
use crate::layout::hex;
use crate::mirror::Mirror;
use crate::peer::{Peer, locate, success};
use crate::project::{Project, digest};
use crate::registry::Registry;

/// The platform that is looked at.
pub(crate) const PLATFORM: &str = "linux/amd64";

/// What a package has at a path, as `dpkg-deb -c` tells it.
struct Listed {
    package: String,
    kind: char,
    size: u64,
}

/// Returns where a path of a package is with a merged `/usr`.
fn merged(path: &str) -> String {
    let first = path.split('/').next().unwrap();
    if ["bin", "sbin", "lib", "lib32", "lib64", "libx32"].contains(&first) { format!("usr/{path}") } else { path.to_owned() }
}

/// Copies all packages of a project into the layout `vendored`; returns each one's file.
fn vendored(project: &Project) -> BTreeMap<String, PathBuf> {
    hardened(project, &["vendor", "oci:vendored"]);
    let of = |package: &toml::Table| {
        let digest = package["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        project.path("vendored/blobs/sha256").join(digest)
    };
    locked(project, PLATFORM).iter().map(|(name, package)| (name.clone(), of(package))).collect()
}

fn listed(project: &Project, dpkg: &Peer) -> BTreeMap<String, Listed> {
    let mut all = BTreeMap::new();
    for (package, path) in vendored(project) {
        for line in success(dpkg.command(&project.home(), 60).arg("-c").arg(&path)).lines() {
            let mut words = line.split_ascii_whitespace();
            let (mode, _owner, size) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            let name =
                line.split_once(" ./").unwrap().1.split(" -> ").next().unwrap().split(" link to ").next().unwrap().trim_end_matches('/');
            let kind = mode.chars().next().unwrap();
            if !name.is_empty() {
                let listed = Listed { package: package.clone(), kind, size: if kind == '-' { size.parse().unwrap() } else { 0 } };
                all.insert(merged(name), listed);
            }
        }
    }
    all
}

/// What is left out of packages, as the tables of the program say it.
pub(crate) struct LeftOut {
    paths: GlobSet,
    parts: BTreeMap<String, GlobSet>,
}

impl LeftOut {
    /// Reads the tables, for an image of these packages.
    pub(crate) fn of(packages: &BTreeMap<String, toml::Table>) -> Self {
        let strings = |value: Option<&toml::Value>| -> Vec<String> {
            let all = value.and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
            all.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let set = |patterns: &[String]| {
            let mut builder = GlobSetBuilder::new();
            for pattern in patterns {
                builder.add(GlobBuilder::new(pattern).literal_separator(true).build().unwrap());
            }
            builder.build().unwrap()
        };
        let table = |path: &Path| fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/base/debian");
        let (mut paths, mut parts) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
        for filter in table(&folder.join("filters.toml"))["filter"].as_array().unwrap() {
            if filter.get("slim").is_none() {
                paths.extend(strings(filter.get("paths")));
            }
        }
        for entry in fs::read_dir(folder.join("needs")).unwrap() {
            let need = table(&entry.unwrap().path());
            let of = strings(need.get("packages"));
            if of.is_empty() || packages.keys().any(|name| set(&of).is_match(name)) {
                paths.extend(strings(need.get("drop")));
                for part in need.get("part").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default() {
                    parts.entry(part["package"].as_str().unwrap().to_owned()).or_default().extend(strings(part.get("paths")));
                }
            }
        }
        Self { paths: set(&paths), parts: parts.into_iter().map(|(package, paths)| (package, set(&paths))).collect() }
    }

    /// Tells whether a file of a package is left out.
    pub(crate) fn explains(&self, package: &str, path: &str) -> bool {
        self.paths.is_match(path) || self.parts.get(package).is_some_and(|part| !part.is_match(path))
    }
}

/// Checks that `dpkg-deb` lists all that was placed, but for what was made, and that all that was not placed is explained.
fn compare_with_dpkg(project: &Project, dpkg: &Peer) {
    let (locked, listed) = (locked(project, PLATFORM), listed(project, dpkg));
    let left_out = LeftOut::of(&locked);
    let placed = entries(project);
    let mut ours = 0;
    for entry in placed.iter().filter(|entry| entry.kind.is_file()) {
        match listed.get(&entry.path) {
            Some(theirs) => {
                assert!(theirs.kind == '-' && theirs.size == entry.size || theirs.kind == 'h', "{}: {}", entry.path, entry.size);
                ours += 1;
            }
            None => {
                let made = entry.path.starts_with("var/lib/dpkg/status.d/") || entry.path.starts_with("etc/");
                assert!(made, "{} is in no package", entry.path);
            }
        }
    }
    let paths: BTreeSet<&str> = placed.iter().map(|entry| entry.path.as_str()).collect();
    let missing = listed.iter().filter(|(path, of)| of.kind != 'd' && !paths.contains(path.as_str()));
    let unexplained: Vec<&String> = missing.filter(|(path, of)| !left_out.explains(&of.package, path)).map(|(path, _)| path).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    assert!(ours > 1000, "only {ours} files were compared");
}

/// Checks that the list of libraries is the one that the machine's `ldconfig` makes of the image's files.
fn compare_with_ldconfig(project: &Project, root: &Path, ldconfig: &Peer) {
    fs::create_dir_all(root.join("var/cache/ldconfig")).unwrap();
    success(ldconfig.command(&project.home(), 60).arg("-X").arg("-r").arg(root).args(["-C", "/tmp/theirs"]));
    let (ours, theirs) = (root.join("etc/ld.so.cache"), root.join("tmp/theirs"));
    let (ours, theirs) = (printed(ldconfig, &project.home(), &ours), printed(ldconfig, &project.home(), &theirs));
    assert_eq!(ours, theirs);
    for library in ["libc.so.6", "libssl.so.3", "libsqlite3.so.0", "libstdc++.so.6"] {
        assert!(ours.iter().any(|line| line.starts_with(&format!("\t{library} (libc6,x86-64) => "))), "{library}: {ours:?}");
    }
}

/// Checks that the bundle is the one that `update-ca-certificates` makes of the same package and the same certificate of ours.
fn compare_with_update(project: &Project, root: &Path, dpkg: &Peer, update: &Peer, own: &str) {
    let home = project.home();
    let folder = home.join("certificates");
    let package = vendored(project).remove("ca-certificates").unwrap();
    success(dpkg.command(&home, 60).arg("-x").arg(package).arg(&folder));
    for name in ["local", "etc", "hooks"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fs::write(folder.join("local/own.crt"), own).unwrap();
    fs::write(folder.join("conf"), "").unwrap();
    let mut command = update.command(&home, 60);
    command.arg("--default").arg("--certsconf").arg(folder.join("conf"));
    command.arg("--certsdir").arg(folder.join("usr/share/ca-certificates")).arg("--localcertsdir").arg(folder.join("local"));
    success(command.arg("--etccertsdir").arg(folder.join("etc")).arg("--hooksdir").arg(folder.join("hooks")));
    let (ours, theirs) = (root.join("etc/ssl/certs/ca-certificates.crt"), folder.join("etc/ca-certificates.crt"));
    assert!(fs::read(ours).unwrap() == fs::read(theirs).unwrap(), "the bundles differ");
}

#[test]
fn parts_of_an_image_are_as_debian_makes_and_reads_them() {
    let (Some(_), Some(umoci), Some(dpkg), Some(ldconfig)) =
        (Mirror::find(), Peer::find("umoci"), Peer::find("dpkg-deb"), Peer::find("ldconfig"))
    else {
        return;
    };
    let (Some(update), Some(openssl), Some(authority)) = (Peer::find("update-ca-certificates"), Peer::find("openssl"), Authority::new())
    else {
        return;
    };
    for suite in SUITES {
        let project = Project::new(&recipe(suite, "python3", "certificates = [\"corp.pem\"]", "")).file("corp.pem", &authority.certificate);
        build(&project);
        let root = unpack(&umoci, &project);
        compare_with_dpkg(&project, &dpkg);
        compare_with_ldconfig(&project, &root, &ldconfig);
        compare_with_update(&project, &root, &dpkg, &update, &authority.certificate);

        // OpenSSL trusts what our own authority signed by the image's bundle, and not without it.
        let home = project.home();
        fs::write(home.join("server.pem"), &authority.server).unwrap();
        let verify = |bundle: &Path| {
            let mut command = openssl.command(&home, 60);
            command.args(["verify", "-no-CApath", "-no-CAstore", "-CAfile"]).arg(bundle).arg("server.pem").output().unwrap()
        };
        let output = verify(&root.join("etc/ssl/certs/ca-certificates.crt"));
        assert!(output.status.success() && output.stdout == b"server.pem: OK\n", "{output:?}");
        let without = home.join("certificates/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt");
        assert!(!verify(&without).status.success());
        // Where OpenSSL itself looks in the image is the same file.
        let link = fs::read_link(root.join("usr/lib/ssl/cert.pem")).unwrap();
        assert_eq!(link, Path::new("/etc/ssl/certs/ca-certificates.crt"));
    }
}

#[test]
fn keytool_lists_the_certificates_of_the_java_image() {
    let (Some(_), Some(umoci), Some(keytool), Some(authority)) =
        (Mirror::find(), Peer::find("umoci"), Peer::find("keytool"), Authority::new())
    else {
        return;
    };
    for suite in SUITES {
        let keys = "certificates = [\"corp.pem\"]\nlayers = 3";
        let project = Project::new(&recipe(suite, "java", keys, "")).file("corp.pem", &authority.certificate);
        build(&project);
        let root = unpack(&umoci, &project);
        let mut command = keytool.command(&project.home(), 120);
        command.args(["-list", "-storepass", "changeit", "-keystore"]).arg(root.join("etc/ssl/certs/java/cacerts"));
        let said = success(&mut command);
        let count = certificates(&project);
        assert!(said.contains("Keystore type: JKS") && said.contains(&format!("Your keystore contains {count} entries")), "{said}");
        assert!(count > 100 && said.matches("trustedCertEntry").count() == count, "{count}");
        // Where Java looks.
        let jvm = fs::read_dir(root.join("usr/lib/jvm")).unwrap().map(|entry| entry.unwrap().path());
        let links: Vec<PathBuf> = jvm.filter_map(|folder| fs::read_link(folder.join("lib/security/cacerts")).ok()).collect();
        assert!(links.contains(&PathBuf::from("/etc/ssl/certs/java/cacerts")), "{links:?}");
    }
}

/// Reads a blob of a registry on loopback by nothing but HTTP.
fn blob(address: &str, name: &str, digest: &str) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    write!(connection, "GET /v2/{name}/blobs/{digest} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..end]));
    answer.split_off(end + 4)
}

#[test]
fn a_lock_gives_one_digest_from_wherever_its_packages_come() {
    let (Some(_), Some(registry), Some(dpkg)) = (Mirror::find(), Registry::distribution(), Peer::find("dpkg-deb")) else { return };
    for suite in SUITES {
        let recipe = recipe(suite, "postgresql-client", "", "").replacen("\n\n", "\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\n", 1);
        let project = Project::new(&recipe);
        hardened(&project, &["lock"]);
        let built = |cache: &str, more: &[&str]| {
            let place = format!("oci:out-{cache}");
            let all = [&["build", "--locked", "-o", &place], more].concat();
            digest(&with_cache(&project, &project.path(cache), &all)).to_owned()
        };
        let first = digest(&hardened(&project, &["build", "--locked", "-o", "oci:out"])).to_owned();
        assert_eq!(built("emptied", &[]), first);
        hardened(&project, &["vendor", "oci:vendored"]);
        assert_eq!(built("of-a-layout", &["--offline", "--vendored", "oci:vendored"]), first);

        let name = format!("debian/{suite}");
        let place = format!("{}/{name}:1", registry.address());
        hardened(&project, &["vendor", &place]);
        let before = registry.requests().len();
        assert_eq!(built("of-a-registry", &["--vendored", &place]), first);
        let fetched = registry.requests().split_off(before);
        let packages = locked(&project, PLATFORM);
        for package in packages.values() {
            // The digest in the lock is that of the blob in the registry, and the blob is the package.
            let digest = package["digest"].as_str().unwrap();
            assert!(fetched.iter().any(|request| request.ends_with(&format!("/v2/{name}/blobs/{digest}"))), "{digest}: {fetched:?}");
        }
        let package = &packages["libpq5"];
        let content = blob(registry.address(), &name, package["digest"].as_str().unwrap());
        assert_eq!(format!("sha256:{}", hex(&Sha256::digest(&content))), package["digest"].as_str().unwrap());
        fs::write(project.home().join("libpq5.deb"), content).unwrap();
        let said = success(dpkg.command(&project.home(), 60).args(["-f", "libpq5.deb", "Version"]));
        assert_eq!(said.trim_end(), package["version"].as_str().unwrap());
    }
}

#[test]
fn syft_finds_the_packages_of_the_lock() {
    if Mirror::find().is_none() {
        return;
    }
    // `go install github.com/anchore/syft/cmd/syft@latest` takes nine minutes: it is used where it is, and never required.
    let Some(syft) = locate("syft") else {
        writeln!(io::stderr(), "skipped: syft is not installed, and is never required").unwrap();
        return;
    };
    for suite in SUITES {
        for flavour in ["python3", "java"] {
            let project = Project::new(&recipe(suite, flavour, "", ""));
            build(&project);
            let image = format!("oci-dir:{}", project.path("out").display());
            let mut command = crate::peer::bounded(&syft, &project.home(), 240);
            command.env("SYFT_CHECK_FOR_APP_UPDATE", "false").args(["scan", "--quiet", "--output", "json", &image]);
            let found: serde_json::Value = serde_json::from_str(&success(&mut command)).unwrap();
            let text = |artifact: &serde_json::Value, field: &str| artifact[field].as_str().unwrap().to_owned();
            let packages = found["artifacts"].as_array().unwrap().iter().filter(|artifact| artifact["type"] == "deb");
            let packages: BTreeSet<(String, String)> =
                packages.map(|artifact| (text(artifact, "name"), text(artifact, "version"))).collect();
            let locked = locked(&project, PLATFORM);
            let locked = locked.into_iter().map(|(name, package)| (name, package["version"].as_str().unwrap().to_owned()));
            assert_eq!(packages, locked.collect(), "{suite} {flavour}");
        }
    }
}
