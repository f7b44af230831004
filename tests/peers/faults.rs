//! The rows of `docs/FAULTS.md` that need another program, or root: registries that others wrote behind a proxy that fails, system
//! calls that fail one after the other, certificates, another clock, another user.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use sha2::{Digest as _, Sha256};

use crate::elf;
use crate::layout::{Layout, hex};
use crate::peer::{Peer, Server, bounded, free_port, listens, success, told};
use crate::project::{Project, digest};
use crate::proxy::FaultyProxy;
use crate::registry::Registry;

fn small() -> Project {
    let recipe = "[image]\nname = \"small\"\n[base]\nstatic = true\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[[files]]\nfrom = \"tree\"\nto = \"/srv\"\n[process]\nentrypoint = [\"/app\"]\n";
    let noise: Vec<u8> =
        (0..3_000_000_u64).map(|place| (place.wrapping_mul(place).wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    Project::new(recipe).program("app", &elf::program("amd64", "small\n")).file("tree/noise", noise).file("tree/text", "text")
}

#[test]
fn f05_real_registries_behind_a_proxy_that_fails_three_of_ten() {
    let (Some(crane), Some(skopeo), Some(umoci)) = (Peer::find("crane"), Peer::find("skopeo"), Peer::find("umoci")) else { return };
    for (seed, registry) in [(1, Registry::distribution()), (2, Registry::crane())] {
        let Some(registry) = registry else { return };
        let project = small();
        let built = project.hardened(&["build", "-o", "oci:out:1"]);
        let proxy = FaultyProxy::start(registry.address(), 30, seed);
        for number in 0..4 {
            let through = format!("{}/shop/api-{number}:1", proxy.host());
            let direct = format!("{}/shop/api-{number}:1", registry.address());
            project.hardened(&["push", "oci:out:1", &through]);
            assert_eq!(crane.run(&project.home(), ["digest", &direct]).trim(), digest(&built));
            crane.run(&project.home(), ["validate", "--remote", &direct]);
            let back = format!("back-{seed}-{number}");
            project.hardened(&["push", &through, &format!("oci:{back}:1")]);
            assert_eq!(Layout::open(&project.path(&back)).only(), digest(&built));
            let image = format!("oci:{}:1", project.path(&back).display());
            assert_eq!(skopeo.run(&project.home(), ["inspect", "--format", "{{.Digest}}", &image]).trim(), digest(&built));
            umoci.run(&project.home(), ["stat", "--image", &format!("{}:1", project.path(&back).display())]);
        }
        let (requests, failed) = proxy.requests();
        assert!(failed > 8, "{failed} of {requests} requests failed");
    }
}

/// Runs hardened in a project under strace, with these arguments of strace.
fn traced(strace: &Peer, project: &Project, arguments: &[&str], verb: &[&str]) -> Output {
    let mut command = strace.command(&project.home(), 120);
    command.args(["-f", "-qq", "-o"]).arg(project.path("trace")).args(arguments).arg(env!("CARGO_BIN_EXE_hardened")).args(verb);
    command.current_dir(project.path(".")).env("HARDENED_CACHE_DIR", project.path("cache")).env("HARDENED_THREADS", "1");
    command.output().unwrap()
}

/// Lists files under digests' names that hold something else.
fn wrong(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            found.extend(wrong(&path));
        } else if name.len() == 64 && hex(&Sha256::digest(fs::read(&path).unwrap())) != name {
            found.push(name);
        }
    }
    found
}

#[test]
fn f27_every_system_call_of_a_small_build_fails_once() {
    let Some(strace) = Peer::find("strace") else { return };
    let recipe =
        "[image]\nname = \"small\"\n[base]\nstatic = true\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[process]\nentrypoint = [\"/app\"]\n";
    let project = Project::new(recipe).program("app", &elf::program("amd64", "small\n"));
    let build = ["build", "-o", "oci:out"];
    let fresh = |project: &Project| {
        for name in ["out", "cache"] {
            let _ = fs::remove_dir_all(project.path(name));
        }
        let _ = fs::remove_file(project.path("hardened.lock"));
    };
    let plain = traced(&strace, &project, &["-e", "trace=write"], &build);
    assert!(plain.status.success(), "{}", String::from_utf8_lossy(&plain.stderr));
    let expected = String::from_utf8(plain.stdout).unwrap();
    let (mut failed, mut survived) = (0, 0);
    for (call, errors) in [
        ("write", &["ENOSPC", "EIO", "EINTR"][..]),
        ("fsync", &["EIO", "ENOSPC"]),
        ("rename,renameat,renameat2", &["ENOSPC", "EIO"]),
        ("openat", &["EMFILE", "EIO", "ENOSPC"]),
        ("openat2", &["EMFILE", "EINTR"]),
        ("mkdir,mkdirat", &["ENOSPC"]),
        ("link,linkat", &["EMFILE", "EIO"]),
        ("read,pread64", &["EIO", "EINTR"]),
        ("newfstatat,statx,fstat", &["EIO"]),
        ("getdents64", &["EIO"]),
        ("flock", &["EINTR", "EIO"]),
    ] {
        fresh(&project);
        traced(&strace, &project, &["-y", "-e", &format!("trace={call}")], &build);
        let trace = fs::read_to_string(project.path("trace")).unwrap();
        let lines: Vec<&str> = trace.lines().filter(|line| !line.contains("resumed>")).collect();
        // What the loader and the start of the runtime do comes before anything of ours.
        let folder = project.path(".").display().to_string();
        let ours = |line: &&str| line.contains("hardened.toml") || line.contains(&folder);
        let first = lines.iter().position(ours).unwrap_or(lines.len());
        for error in errors {
            // Each of the first, and then ever fewer: the last calls are like those before them.
            let numbers = (first + 1..=lines.len()).filter(|number| number - first <= 12 || (number - first).is_multiple_of(7));
            for number in numbers {
                fresh(&project);
                let inject = format!("inject={call}:error={error}:when={number}");
                let ran = traced(&strace, &project, &["-e", &format!("trace={call}"), "-e", &inject], &build);
                let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
                let what = format!("{inject}: {:?}\n{out}\n{err}", ran.status);
                assert!(!err.contains("panicked") && ran.status.code().is_some_and(|code| code != 101), "{what}");
                if ran.status.success() {
                    assert_eq!(out, expected, "{what}");
                    survived += 1;
                } else {
                    // Where the system tells nothing to standard error, there is nothing to tell it with.
                    assert!(err.contains("error: ") || call == "write", "{what}");
                    failed += 1;
                }
                assert!(wrong(&project.path("cache/blobs")).is_empty() && wrong(&project.path("out")).is_empty(), "{what}");
                if number.is_multiple_of(5) {
                    assert_eq!(project.hardened(&build), expected.trim_end(), "{what}");
                }
            }
        }
    }
    assert!(failed > 50 && survived > 20, "{failed} failed, {survived} survived");
}

#[test]
fn f26_files_are_flushed_before_they_get_their_name_and_folders_after() {
    let Some(strace) = Peer::find("strace") else { return };
    let project = small();
    let calls = "trace=openat,fsync,fdatasync,rename,renameat,renameat2,close";
    let ran = traced(&strace, &project, &["-y", "-e", calls], &["build", "-o", "oci:out", "-o", "oci-archive:out.tar"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let trace = fs::read_to_string(project.path("trace")).unwrap();
    let (mut flushed, mut waiting, mut renames) = (BTreeSet::new(), BTreeSet::new(), 0);
    for line in trace.lines() {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let shown = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path.to_owned());
        if line.contains("sync(") {
            let path = shown.unwrap();
            waiting.remove(&path);
            flushed.insert(path);
        } else if line.contains("rename") && quoted.len() == 2 {
            let absolute = |path: &str| project.path(".").join(path.trim_start_matches("./"));
            let (from, to) = (absolute(quoted[0]), absolute(quoted[1]));
            let from = fs::canonicalize(from.parent().unwrap()).unwrap().join(from.file_name().unwrap());
            assert!(flushed.contains(from.to_str().unwrap()), "{line}: it was not flushed before");
            waiting.insert(fs::canonicalize(to.parent().unwrap()).unwrap().to_str().unwrap().to_owned());
            renames += 1;
        }
    }
    assert!(renames > 5, "{renames} renames");
    assert!(waiting.is_empty(), "folders that were not flushed: {waiting:?}");
}

/// Makes a key and a certificate that signs itself, for these names, and returns their paths.
fn certificate(openssl: &Peer, project: &Project, name: &str, names: &str) -> (String, String) {
    let path = |ending: &str| project.path(&format!("{name}.{ending}")).display().to_string();
    let (key, certificate, settings) = (path("key"), path("crt"), path("cnf"));
    let text = format!(
        "[req]\ndistinguished_name = who\nx509_extensions = what\nprompt = no\n[who]\nCN = test\n[what]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = {names}\n"
    );
    fs::write(&settings, text).unwrap();
    let base =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-config", &settings, "-keyout", &key, "-out", &certificate];
    openssl.run(&project.home(), base);
    (key, certificate)
}

#[test]
fn f19_each_fault_of_a_certificate_is_told_apart() {
    let (Some(openssl), Some(faketime)) = (Peer::find("openssl"), Peer::find("faketime")) else { return };
    let project = small();
    let here = "IP:127.0.0.1, DNS:localhost";
    let served = |name: &str, subject: &str, more: &[&str], faked: Option<&str>, own: bool| {
        let (key, certificate) = certificate(&openssl, &project, name, subject);
        let port = free_port();
        let mut server = openssl.command(&project.home(), 60);
        server
            .args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}"), "-key", &key, "-cert", &certificate])
            .args(more);
        let _server = Server::start(server, &project.path("server.log"), || listens(port));
        let image = format!("127.0.0.1:{port}/a/b:1");
        let trust = ["--ca-file", &certificate];
        let arguments = [&["inspect", &image, "--retry-for", "0"][..], if own { &trust[..] } else { &[] }].concat();
        let mut command = match faked {
            Some(when) => {
                let mut command = faketime.command(&project.home(), 60);
                command.args([when, env!("CARGO_BIN_EXE_hardened")]).args(&arguments).current_dir(project.path("."));
                command
            }
            None => project.command(&arguments),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{name}: {}", told(&command, &output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (name, subject, more, faked, own, words) in [
        ("unknown", here, &[][..], None, false, "not signed by an authority that this machine trusts"),
        ("other-name", "DNS:other.example", &[], None, true, "for another name"),
        ("expired", here, &[], Some("+5 years"), true, "expired, or this machine's clock is wrong"),
        ("early", here, &[], Some("-5 years"), true, "not valid yet, or this machine's clock is wrong"),
        ("client", here, &["-Verify", "1"], None, true, "client certificate"),
    ] {
        let said = served(name, subject, more, faked, own);
        assert!(said.contains(words), "{name}: `{words}` is not in {said}");
    }
}

#[test]
fn f18_nothing_leads_from_https_to_http() {
    let Some(openssl) = Peer::find("openssl") else { return };
    let project = small();
    let (key, certificate) = certificate(&openssl, &project, "redirecting", "IP:127.0.0.1");
    let plain = Registry::crane();
    let Some(plain) = plain else { return };
    let answer = format!(
        "HTTP/1.1 307 Elsewhere\r\nLocation: http://{}/v2/a/b/manifests/1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        plain.address()
    );
    let project = project.file("v2/a/b/manifests/1", answer);
    let port = free_port();
    let mut server = openssl.command(&project.home(), 60);
    server.args(["s_server", "-quiet", "-HTTP", "-accept", &format!("127.0.0.1:{port}"), "-key", &key, "-cert", &certificate]);
    server.current_dir(project.path("."));
    let _server = Server::start(server, &project.path("server.log"), || listens(port));
    let mut command = project.command(&["inspect", &format!("127.0.0.1:{port}/a/b:1"), "--ca-file", &certificate, "--retry-for", "0"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", told(&command, &output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("which is not HTTPS"), "{}", told(&command, &output));
    assert!(plain.requests().is_empty(), "{:?}", plain.requests());
}

#[test]
fn f29_a_clock_of_another_century_makes_the_same_image() {
    let Some(faketime) = Peer::find("faketime") else { return };
    let project = small();
    let expected = digest(&project.hardened(&["build", "-o", "oci:out"])).to_owned();
    for when in ["1970-01-02 00:00:00", "2037-12-31 23:59:50", "2100-06-01 12:00:00"] {
        let mut command = faketime.command(&project.home(), 120);
        command.args([when, env!("CARGO_BIN_EXE_hardened"), "build", "-o", "oci:then"]).current_dir(project.path("."));
        assert_eq!(digest(success(&mut command).trim_end()), expected, "{when}");
        assert_eq!(digest(&project.hardened(&["build", "-o", "oci:then"])), expected, "after {when}");
    }
}

/// Says whether the tests run as root. What needs root is only done where they do; CI does.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn f28_another_user_works_without_the_cache_that_is_not_theirs() {
    let Some(setpriv) = Peer::find("setpriv") else { return };
    if !is_root() {
        return;
    }
    let project = small();
    let expected = digest(&project.hardened(&["build", "-o", "oci:out"])).to_owned();
    let cache = project.path("cache");
    fs::create_dir(&cache).unwrap();
    // The whole way to the project is open to all; the cache is root's.
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let outer = project.path(".");
    outer.ancestors().skip(1).take_while(|folder| *folder != Path::new("/") && !folder.ends_with("tmp")).for_each(open);
    let out = project.path("theirs");
    fs::create_dir(&out).unwrap();
    std::os::unix::fs::chown(&out, Some(65_534), Some(65_534)).unwrap();
    // The program may be where that user cannot go.
    let program = outer.join("hardened-copy");
    fs::copy(env!("CARGO_BIN_EXE_hardened"), &program).unwrap();
    for mode in [0o755, 0o700, 0o777] {
        fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = setpriv.command(&project.home(), 120);
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["build", "--locked", "-o"]).arg(format!("oci:{}", out.join("image").display()));
        command.env("HARDENED_CACHE_DIR", &cache).env("TMPDIR", "/tmp").current_dir(&outer);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{mode:o}: {}", told(&command, &output));
        assert_eq!(digest(String::from_utf8_lossy(&output.stdout).trim_end()), expected, "{mode:o}");
        // Where all may write, this user has a folder in it; elsewhere the cache lasts for the run.
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((cache.join("user-65534").is_dir(), said.contains("lasts for this run only")), (mode == 0o777, mode != 0o777), "{said}");
    }
}

/// Puts all that one cache knows into another, under that one's keys: every record says then that the layers are those of the first.
const PLANT: &str = r"
victim=$1; own=$2
for kind in blobs layers-2; do [ -d $victim/$kind ] && mv $victim/$kind $victim/old-$kind && cp -r $victim/old-$kind $victim/$kind; done
mv $victim/user-2001 $victim/old-user 2>/dev/null && cp -r $own $victim/user-2001
cp -r $own/. $victim/ 2>/dev/null
for folder in $victim $victim/user-2001; do
    for record in $(find $folder/layers-2 -type f 2>/dev/null); do cat $(find $own/layers-2 -type f | sort | tail -n 1) > $record; done
done
chmod -R 777 $victim 2>/dev/null
true
";

#[test]
fn f28_what_other_users_write_into_a_cache_never_reaches_an_image() {
    let (Some(setpriv), Some(shell)) = (Peer::find("setpriv"), Peer::find("bash")) else { return };
    if !is_root() {
        return;
    }
    let project = small();
    let outer = project.path(".");
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    outer.ancestors().skip(1).take_while(|folder| *folder != Path::new("/") && !folder.ends_with("tmp")).for_each(open);
    let program = outer.join("hardened-copy");
    fs::copy(env!("CARGO_BIN_EXE_hardened"), &program).unwrap();
    fs::write(project.path("plant.sh"), PLANT).unwrap();
    let cache = project.path("shared");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let give = |path: &Path, user: u32| std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
    give(&cache, 2001);
    for (user, content) in [(2001, "good"), (2002, "evil")] {
        let folder = project.path(&user.to_string());
        fs::create_dir_all(folder.join("tree")).unwrap();
        for file in ["app", "hardened.toml"] {
            fs::copy(project.path(file), folder.join(file)).unwrap();
        }
        fs::write(folder.join("tree/file"), content).unwrap();
        let recipe = fs::read_to_string(folder.join("hardened.toml")).unwrap() + "\n[[files]]\nfrom = \"tree\"\nto = \"/planted\"\n";
        fs::write(folder.join("hardened.toml"), recipe).unwrap();
        [folder.clone(), folder.join("tree"), folder.join("tree/file"), folder.join("app"), folder.join("hardened.toml")]
            .iter()
            .for_each(|path| give(path, user));
    }
    std::thread::sleep(std::time::Duration::from_millis(3000));
    let run = |user: u32, cache: &Path, program: &Path, arguments: &[&str]| {
        let mut command = setpriv.command(&project.home(), 120);
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]).arg(program).args(arguments);
        command.env("HARDENED_CACHE_DIR", cache).env("TMPDIR", "/tmp").current_dir(project.path(&user.to_string()));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", told(&command, &output));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    let build = |user: u32, cache: &Path, output: &str| digest(&run(user, cache, &program, &["build", "-o", output])).to_owned();
    let expected = build(2001, &cache, "oci:first");
    let own = project.path("2002/cache");
    assert_ne!(build(2002, &own, "oci:out"), expected);
    let plant = project.path("plant.sh");
    run(2002, &cache, shell.path(), &[plant.to_str().unwrap(), cache.to_str().unwrap(), own.to_str().unwrap()]);
    for round in 0..2 {
        let name = format!("oci:again-{round}");
        assert_eq!(build(2001, &cache, &name), expected);
    }
}

#[test]
fn f33_a_capability_that_is_not_kept_is_told() {
    let Some(setcap) = Peer::find("setcap") else { return };
    if !is_root() {
        return;
    }
    let project = small();
    let before = project.hardened(&["build", "-o", "oci:out"]);
    setcap.run(&project.home(), ["cap_net_bind_service=+ep", project.path("app").to_str().unwrap()]);
    let mut command = project.command(&["build", "-o", "oci:out"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", told(&command, &output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), before);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("the file capabilities of `/app` are not kept"),
        "{}",
        told(&command, &output)
    );
}

#[test]
fn f35_devices_are_refused_by_name() {
    let Some(mknod) = Peer::find("mknod") else { return };
    if !is_root() {
        return;
    }
    for kind in ["c", "b"] {
        let project = small();
        let device = project.path("tree/device");
        success(&mut bounded_mknod(&mknod, &project, &device, kind));
        let found = fs::symlink_metadata(&device).unwrap().file_type();
        assert!(found.is_char_device() || found.is_block_device());
        let mut command = project.command(&["build", "-o", "oci:out"]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains("tree/device") && said.contains("is a device"),
            "{}",
            told(&command, &output)
        );
    }
}

fn bounded_mknod(mknod: &Peer, project: &Project, device: &Path, kind: &str) -> Command {
    let mut command = bounded(mknod.path(), &project.home(), 10);
    command.arg(device).args([kind, "1", "3"]);
    command
}
