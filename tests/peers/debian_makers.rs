//! What we make in place of Debian's own programs: `ldconfig`, `update-ca-certificates` and `keytool` make and read the same.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardened::base::debian::{
    CachedLibrary, LibraryAbi, LibraryFile, SharedObject, ca_bundle, java_alias, java_key_store, ld_so_cache, libraries,
    library_directories, pem_certificates,
};
use hardened::debian::DebKind;
use hardened::rootfs::{Head, ImagePath};

use crate::debian_deb::{download, download_of, read};
use crate::peer::{Peer, success};

/// Packages with libraries, those of them for other programs, and what `ldconfig` reads.
const PACKAGES: &[&str] = &[
    "ca-certificates",
    "libbz2-1.0",
    "libc-bin",
    "libc6",
    "libc6-i386",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "libgssapi-krb5-2",
    "libicu72",
    "libicu76",
    "libk5crypto3",
    "libkrb5-3",
    "liblzma5",
    "libncursesw6",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libssl3t64",
    "libstdc++6",
    "libtinfo6",
    "python3.11-minimal",
    "python3.13-minimal",
    "zlib1g",
    "zlib1g-dev",
];

/// A root with merged `/usr`, on disk and as values.
#[derive(Default)]
struct Root {
    files: BTreeMap<ImagePath, LibraryFile>,
    configuration: BTreeMap<ImagePath, String>,
}

impl Root {
    /// Says where a path of a package lies once `/usr` is merged.
    fn merged(path: &ImagePath) -> ImagePath {
        let first = path.names().next().unwrap_or_default();
        let moves = matches!(first, b"bin" | b"sbin") || first.starts_with(b"lib");
        if moves { ImagePath::new(&[b"usr/", path.as_bytes()].concat()).unwrap() } else { path.clone() }
    }

    fn file(&mut self, folder: &Path, path: &ImagePath, content: &[u8]) {
        let place = folder.join(std::str::from_utf8(path.as_bytes()).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, content).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
        if path.as_bytes().starts_with(b"etc/ld.so.conf") {
            self.configuration.insert(path.clone(), String::from_utf8(content.to_vec()).unwrap());
        }
        let object = SharedObject::of(&Head::of(content)).map_or(LibraryFile::Other, LibraryFile::Object);
        self.files.insert(path.clone(), object);
    }

    fn link(&mut self, folder: &Path, path: &ImagePath, target: &str) {
        let place = folder.join(std::str::from_utf8(path.as_bytes()).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(target, place).unwrap();
        self.files.insert(path.clone(), LibraryFile::Symlink(target.as_bytes().to_vec()));
    }

    /// Puts packages into a folder.
    fn of(packages: &[std::path::PathBuf], folder: &Path) -> Self {
        let mut root = Self::default();
        for name in ["bin", "sbin", "lib", "lib32", "lib64"] {
            fs::create_dir_all(folder.join("usr").join(name)).unwrap();
            root.link(folder, &ImagePath::new(name.as_bytes()).unwrap(), &format!("usr/{name}"));
        }
        for package in packages {
            let (facts, spool) = read(&fs::read(package).unwrap());
            for entry in facts.entries {
                let path = Self::merged(&entry.path);
                match entry.kind {
                    // The links of this root stand for `/lib` and its like, and a link of a package for what its folder would be.
                    DebKind::Directory => {}
                    DebKind::File { offset, size, .. } => {
                        let start = usize::try_from(offset).unwrap();
                        root.file(folder, &path, &spool[start..start + usize::try_from(size).unwrap()]);
                    }
                    DebKind::Symlink(target) => root.link(folder, &path, std::str::from_utf8(&target.0).unwrap()),
                    DebKind::HardLink(target) => {
                        let content = fs::read(folder.join(std::str::from_utf8(Self::merged(&target).as_bytes()).unwrap())).unwrap();
                        root.file(folder, &path, &content);
                    }
                }
            }
        }
        root
    }

    fn cache(&self, abi: LibraryAbi) -> Vec<u8> {
        ld_so_cache(&libraries(&self.files, &library_directories(&self.configuration, abi), abi))
    }
}

/// Returns the part of a cache that says which libraries there are: all before the extensions.
fn before_extensions(cache: &[u8]) -> &[u8] {
    let offset = u32::from_le_bytes(cache[32..36].try_into().unwrap());
    &cache[..usize::try_from(offset).unwrap()]
}

/// Returns a cache as `ldconfig` makes it since glibc 2.37: the ones before have another flag, which means the same to the dynamic linker, for
/// 32-bit x86 libraries that ask for no other.
fn as_of_now(cache: &[u8]) -> Vec<u8> {
    let mut cache = cache.to_vec();
    let count = u32::from_le_bytes(cache[20..24].try_into().unwrap());
    for number in 0..usize::try_from(count).unwrap() {
        let flags = &mut cache[48 + 24 * number..][..4];
        if flags == [1, 0, 0, 0] {
            flags[0] = 3;
        }
    }
    cache
}

/// Returns what `ldconfig -p` prints of a cache, without who made it.
pub(crate) fn printed(ldconfig: &Peer, home: &Path, cache: &Path) -> Vec<String> {
    let text = success(ldconfig.command(home, 60).arg("-p").arg("-C").arg(cache));
    assert!(text.contains("Cache generated by: "), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with("Cache generated by: "));
    lines.map(|line| line.replace(" (ELF) ", " (libc6) ")).map(|line| line.replace(&*cache.to_string_lossy(), "the cache")).collect()
}

#[test]
fn ldconfig_makes_the_cache_that_we_make() {
    let Some(ldconfig) = Peer::find("ldconfig") else { return };
    if std::env::consts::ARCH != "x86_64" {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let Some(packages) = download(home, PACKAGES) else { return };
    let folder = home.join("root");
    let mut root = Root::of(&packages, &folder);
    let path = |text: &str| ImagePath::absolute(text).unwrap();
    // A library in a folder of its own, those for newer processors, and links of every kind.
    let zlib = fs::read(fs::canonicalize(folder.join("usr/lib/x86_64-linux-gnu/libz.so.1")).unwrap()).unwrap();
    root.file(&folder, &path("/opt/odd/libz.so.1"), &zlib);
    root.file(&folder, &path("/etc/ld.so.conf.d/aaa.conf"), b"# ours\n  /opt/odd/  # here\n/nowhere\n");
    root.file(&folder, &path("/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libz.so.1.2.3"), &zlib);
    root.file(&folder, &path("/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2/libz.so.1.2.3"), &zlib);
    root.link(&folder, &path("/usr/lib/x86_64-linux-gnu/libalias.so.7"), "libz.so.1");
    root.link(&folder, &path("/usr/lib/libz.so"), "x86_64-linux-gnu/libz.so.1");
    root.file(&folder, &path("/usr/lib/libtext.so"), b"/* GNU ld script */");
    let ours = root.cache(LibraryAbi::Amd64);

    for needed in ["etc", "var/cache/ldconfig"] {
        fs::create_dir_all(folder.join(needed)).unwrap();
    }
    let before = links(&folder);
    success(ldconfig.command(home, 60).arg("-r").arg(&folder));
    assert_eq!(links(&folder), before, "ldconfig made or removed links");
    let theirs = fs::read(folder.join("etc/ld.so.cache")).unwrap();
    let (one, other) = (home.join("ours"), home.join("theirs"));
    fs::write(&one, &ours).unwrap();
    fs::write(&other, &theirs).unwrap();
    let list = printed(&ldconfig, home, &one);
    let expected = printed(&ldconfig, home, &other);
    let different: Vec<_> = list.iter().zip(&expected).filter(|(one, other)| one != other).collect();
    assert!(list.len() == expected.len() && different.is_empty(), "{different:#?}");
    assert!(before_extensions(&ours) == as_of_now(before_extensions(&theirs)), "the entries are equal and the bytes are not");
    assert!(list.len() > 60, "{list:?}");
    for line in [
        "\tlibz.so.1 (libc6,x86-64) => /opt/odd/libz.so.1",
        "\tlibz.so.1 (libc6,x86-64, hwcap: \"x86-64-v3\") => /lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libz.so.1.2.3",
        "\tlibc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6",
        "\tlibc.so.6 (libc6) => /lib32/libc.so.6",
    ] {
        assert!(list.iter().any(|found| found == line), "{line}\n{}", list.join("\n"));
    }

    // The dynamic linker finds by our cache what lies in no standard folder.
    for name in ["libz.so.1", "libalias.so.7", "libz.so"] {
        let path = path(&format!("/usr/lib/x86_64-linux-gnu/{name}"));
        if root.files.remove(&path).is_some() {
            fs::remove_file(folder.join(std::str::from_utf8(path.as_bytes()).unwrap())).unwrap();
        }
    }
    root.files.retain(|path, _| !path.to_string().contains("/glibc-hwcaps/"));
    fs::write(folder.join("etc/ld.so.cache"), root.cache(LibraryAbi::Amd64)).unwrap();
    let Some(unshare) = Peer::find("unshare") else { return };
    let python = fs::read_dir(folder.join("usr/bin")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let python = python.into_iter().find(|name| name.starts_with("python3.")).unwrap();
    let mut command = unshare.command(home, 60);
    command.args(["--user", "--map-root-user", "chroot"]).arg(&folder);
    let listed = success(command.args(["/lib64/ld-linux-x86-64.so.2", "--list"]).arg(format!("/usr/bin/{python}")));
    assert!(listed.contains("libz.so.1 => /opt/odd/libz.so.1"), "{listed}");
}

#[test]
fn ldconfig_of_arm64_makes_the_cache_that_we_make() {
    let (Some(qemu), Some(ldconfig)) = (Peer::find("qemu-aarch64-static"), Peer::find("ldconfig")) else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let names =
        ["libc-bin", "libc6", "libexpat1", "libffi8", "libgcc-s1", "libncursesw6", "libsqlite3-0", "libstdc++6", "libtinfo6", "zlib1g"];
    for (suite, own) in [("bookworm", "libssl3"), ("trixie", "libssl3t64")] {
        let names = [&names[..], &[own]].concat();
        let Some(packages) = download_of(home, suite, "arm64", &names) else { return };
        let folder = home.join(suite);
        let root = Root::of(&packages, &folder);
        fs::create_dir_all(folder.join("var/cache/ldconfig")).unwrap();
        // Each suite's own program, of the other processor.
        success(qemu.command(home, 120).arg(folder.join("usr/sbin/ldconfig")).arg("-r").arg(&folder));
        let theirs = fs::read(folder.join("etc/ld.so.cache")).unwrap();
        let ours = root.cache(LibraryAbi::Arm64);
        assert!(before_extensions(&ours) == before_extensions(&theirs), "{suite}");
        fs::write(home.join("ours"), &ours).unwrap();
        let list = printed(&ldconfig, home, &home.join("ours"));
        let line = "\tlibssl.so.3 (libc6,AArch64) => /lib/aarch64-linux-gnu/libssl.so.3";
        assert!(list.len() > 25 && list.iter().any(|found| found == line), "{list:#?}");
    }
}

/// Returns all links of a root, and where they lead.
fn links(folder: &Path) -> Vec<(std::path::PathBuf, std::path::PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_symlink() => found.push((entry.path(), fs::read_link(entry.path()).unwrap())),
            kind if kind.is_dir() => found.extend(links(&entry.path())),
            _ => {}
        }
    }
    found.sort();
    found
}

#[test]
fn ldconfig_knows_every_interface() {
    let Some(ldconfig) = Peer::find("ldconfig") else { return };
    let home = tempfile::tempdir().unwrap();
    for (abi, told) in [
        (LibraryAbi::Amd64, "libc6,x86-64"),
        (LibraryAbi::X32, "libc6,x32"),
        (LibraryAbi::I386, "libc6"),
        (LibraryAbi::Arm64, "libc6,AArch64"),
        (LibraryAbi::Armhf, "libc6,hard-float"),
        (LibraryAbi::Ppc64el, "libc6,64bit"),
        (LibraryAbi::Riscv64, "libc6,double-float"),
    ] {
        let library = CachedLibrary { name: "liba.so.1".into(), path: "/lib/liba.so.1".into(), abi, hwcaps: None, isa_level: 0 };
        let cache = home.path().join("cache");
        fs::write(&cache, ld_so_cache(&[library])).unwrap();
        let list = printed(&ldconfig, home.path(), &cache);
        assert_eq!(list, ["1 libs found in cache `the cache'".to_owned(), format!("\tliba.so.1 ({told}) => /lib/liba.so.1")]);
    }
}

#[test]
fn update_ca_certificates_makes_the_bundle_that_we_make() {
    let (Some(update), Some(openssl)) = (Peer::find("update-ca-certificates"), Peer::find("openssl")) else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let Some(packages) = download(home, &["ca-certificates"]) else { return };
    let (facts, _) = read(&fs::read(&packages[0]).unwrap());
    let prefix = ImagePath::absolute("/usr/share/ca-certificates").unwrap();
    let mut files = BTreeMap::new();
    for (path, content) in facts.kept.iter().filter(|(path, _)| path.starts_with(&prefix)) {
        let name = std::str::from_utf8(&path.as_bytes()[prefix.as_bytes().len() + 1..]).unwrap();
        files.insert(name.to_owned(), content.0.to_vec());
    }
    assert!(files.len() > 100, "{:?}", files.keys());
    let without_newline = files.values().next().unwrap().trim_ascii_end().to_vec();
    // What is sorted otherwise in other languages, and what has no newline at its end.
    files.insert("mozilla/aaa.crt".to_owned(), without_newline.clone());
    files.insert("Upper.crt".to_owned(), without_newline.clone());
    for (name, content) in &files {
        let place = home.join("certificates").join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
    for folder in ["local", "etc", "hooks"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    fs::write(home.join("local/corp.crt"), &without_newline).unwrap();
    fs::write(home.join("conf"), "").unwrap();
    let mut command = update.command(home, 60);
    command.arg("--default").arg("--certsconf").arg(home.join("conf")).arg("--certsdir").arg(home.join("certificates"));
    command.arg("--localcertsdir").arg(home.join("local")).arg("--etccertsdir").arg(home.join("etc"));
    success(command.arg("--hooksdir").arg(home.join("hooks")));
    let theirs = fs::read(home.join("etc/ca-certificates.crt")).unwrap();
    let ours = ca_bundle(&files, &[without_newline]);
    assert!(ours == theirs, "{} bytes instead of {}", ours.len(), theirs.len());

    let certificates = pem_certificates(&ours).unwrap();
    assert_eq!(certificates.len(), files.len() + 1);
    // OpenSSL reads the same certificates from our bytes, and we from its.
    fs::write(home.join("bundle.pem"), &ours).unwrap();
    let together = success(openssl.command(home, 60).args(["crl2pkcs7", "-nocrl", "-certfile", "bundle.pem", "-out", "bundle.p7"]));
    assert!(together.is_empty());
    let pem = success(openssl.command(home, 60).args(["pkcs7", "-in", "bundle.p7", "-print_certs"]));
    let theirs = pem_certificates(pem.as_bytes()).unwrap();
    let sorted = |certificates: &[Vec<u8>]| {
        let mut sorted = certificates.to_vec();
        sorted.sort();
        sorted.dedup();
        sorted
    };
    assert!(sorted(&theirs) == sorted(&certificates));
    let key = success(openssl.command(home, 60).args(["genpkey", "-algorithm", "ed25519"]));
    assert!(pem_certificates(key.as_bytes()).unwrap_err().to_string().contains("private key in line 1"));
}

#[test]
fn keytool_lists_what_we_trust() {
    let (Some(keytool), Some(openssl)) = (Peer::find("keytool"), Peer::find("openssl")) else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let Some(packages) = download(home, &["ca-certificates"]) else { return };
    let (facts, _) = read(&fs::read(&packages[0]).unwrap());
    let mut certificates = BTreeMap::new();
    for (path, content) in facts.kept.iter().filter(|(path, _)| path.as_bytes().starts_with(b"usr/share/ca-certificates/")) {
        let [certificate] = pem_certificates(&content.0).unwrap().try_into().unwrap();
        certificates.insert(java_alias(std::str::from_utf8(path.as_bytes()).unwrap()), certificate);
    }
    fs::write(home.join("cacerts"), java_key_store(&certificates, 1_751_000_000_000)).unwrap();
    let keytool = |password: &str, form: &str| {
        let mut command = keytool.command(home, 120);
        command.args(["-J-Dstdout.encoding=UTF-8", "-J-Dsun.stdout.encoding=UTF-8", "-J-Duser.timezone=UTC", "-list", form]);
        command.args(["-keystore", "cacerts", "-storepass", password]).output().unwrap()
    };
    let listed = keytool("changeit", "-v");
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.status.success(), "{text}");
    assert!(text.contains("Keystore type: JKS"), "{text}");
    assert!(text.contains(&format!("Your keystore contains {} entries", certificates.len())), "{text}");
    let mut found = BTreeMap::new();
    let mut alias = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Alias name: ") {
            alias = name;
        } else if let Some(print) = line.trim_start().strip_prefix("SHA256: ") {
            found.insert(alias.to_owned(), print.to_owned());
        }
    }
    let mut expected = BTreeMap::new();
    for (alias, certificate) in &certificates {
        fs::write(home.join("one.der"), certificate).unwrap();
        let print =
            success(openssl.command(home, 60).args(["x509", "-inform", "DER", "-in", "one.der", "-noout", "-fingerprint", "-sha256"]));
        expected.insert(alias.clone(), print.trim_end().split_once('=').unwrap().1.to_owned());
    }
    assert_eq!(found, expected);
    assert_eq!(text.matches("Entry type: trustedCertEntry").count(), certificates.len());
    assert_eq!(text.matches("Creation date: Jun 27, 2025").count(), certificates.len());
    // The password is checked by the digest at the store's end.
    assert!(!keytool("changed", "-v").status.success());
    let pem = String::from_utf8(keytool("changeit", "-rfc").stdout).unwrap();
    let encoded: String = pem.lines().filter(|line| !line.contains(' ')).collect();
    assert!(encoded.contains(&STANDARD.encode(&certificates.values().next().unwrap()[..300])));
}
