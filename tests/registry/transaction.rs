//! An image goes to all destinations or to none: each request and each file of the outputs fails once.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::images::INDEX;
use crate::registry::{Fault, Guard, Seen, TestRegistry};
use crate::sandbox::{Ran, Sandbox, recipe};

/// What is in all destinations before.
const OLD: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
const TAGS: [(usize, &str); 3] = [(0, "1"), (0, "2"), (1, "1")];

/// Two registries that hold an old image, of which one refuses one request while `fails` is set.
struct Registries {
    both: [TestRegistry; 2],
    fails: Arc<AtomicBool>,
}

fn key(seen: &Seen) -> String {
    format!("{} {}", seen.method, seen.path())
}

impl Registries {
    fn start(refused: Option<(usize, &str)>) -> Self {
        let fails = Arc::new(AtomicBool::new(true));
        let both = [0, 1].map(|number| {
            let (fails, refused) = (Arc::clone(&fails), refused.filter(|(which, _)| *which == number).map(|(_, key)| key.to_owned()));
            TestRegistry::with(Guard::Open, move |seen, _| {
                let is_refused = fails.load(Ordering::SeqCst) && refused.as_ref() == Some(&key(seen));
                is_refused.then(|| Fault::Answer(403, vec![], String::new()))
            })
        });
        for (number, tag) in TAGS {
            both[number].put_manifest("shop/api", tag, INDEX, OLD.as_bytes());
        }
        Self { both, fails }
    }

    fn tag(&self, (number, tag): (usize, &str)) -> String {
        format!("{}/shop/api:{tag}", self.both[number].host())
    }

    /// Says which of the tags do not name the old image any more.
    fn moved(&self) -> Vec<String> {
        let moved = |tag: &&(usize, &str)| self.both[tag.0].manifest("shop/api", tag.1).unwrap() != OLD.as_bytes();
        TAGS.iter().filter(moved).map(|tag| self.tag(*tag)).collect()
    }
}

struct Outputs {
    sandbox: Sandbox,
    platforms: usize,
}

impl Outputs {
    fn new(platforms: usize) -> Self {
        let two = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[base]";
        let recipe = recipe("static = true").replace("from = \"app\"", "from = \"{platform.arch}/app\"");
        let sandbox = Sandbox::of(&if platforms == 2 { recipe.replace("[base]", two) } else { recipe });
        for (architecture, machine) in [("amd64", 62), ("arm64", 183)] {
            sandbox.write(&format!("{architecture}/app"), &crate::project::program(machine));
            sandbox.executable(&format!("{architecture}/app"));
        }
        // Files that are new are not known by their times.
        crate::project::settle();
        Self { sandbox, platforms }
    }

    fn archives(&self) -> &'static [&'static str] {
        if self.platforms == 1 { &["out.tar", "docker.tar"] } else { &["out.tar"] }
    }

    /// Puts what is old in all files.
    fn reset(&self) {
        let _ = fs::remove_dir_all(self.sandbox.path("out"));
        self.sandbox.write("out/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        self.sandbox.write("out/index.json", OLD.as_bytes());
        for archive in self.archives() {
            let _ = fs::remove_dir_all(self.sandbox.path(archive));
            self.sandbox.write(archive, b"old");
        }
    }

    fn publish(&self, registries: &Registries) -> Ran {
        let tags = TAGS.map(|tag| registries.tag(tag));
        let mut arguments = vec!["build", "--push", "-o", "oci:out:1", "-o", "oci-archive:out.tar"];
        if self.platforms == 1 {
            arguments.extend(["-o", "docker-archive:docker.tar"]);
        }
        for tag in &tags {
            arguments.extend(["-t", tag]);
        }
        self.sandbox.run(&arguments)
    }

    /// Names all that is not old any more, as messages name it.
    fn changed(&self, registries: &Registries) -> Vec<String> {
        let archives = self.archives().iter().filter(|archive| {
            let path = self.sandbox.path(archive);
            path.is_file() && fs::read(path).unwrap() != b"old"
        });
        let kind = |archive: &&str| if *archive == "out.tar" { "oci-archive" } else { "docker-archive" };
        let mut changed: Vec<String> = archives.map(|archive| format!("{}:{archive}", kind(archive))).collect();
        let index = self.sandbox.path("out/index.json");
        if index.is_file() && fs::read(index).unwrap() != OLD.as_bytes() {
            changed.push("oci:out:1".to_owned());
        }
        changed.extend(registries.moved());
        changed
    }

    fn all(&self, registries: &Registries) -> Vec<String> {
        let mut all: Vec<String> = vec!["oci-archive:out.tar".to_owned()];
        if self.platforms == 1 {
            all.push("docker-archive:docker.tar".to_owned());
        }
        all.push("oci:out:1".to_owned());
        all.extend(TAGS.map(|tag| registries.tag(tag)));
        all
    }

    /// Checks that a run that failed says exactly what it changed, and returns that.
    fn told(&self, ran: &Ran, registries: &Registries, what: &str) -> Vec<String> {
        ran.fails(3, &[]);
        let changed = self.changed(registries);
        let part = ran.err.lines().find_map(|line| line.split_once("published only partly: ").map(|(_, part)| part));
        let (now, still) = part.and_then(|part| part.split_once(" now; ")).unwrap_or_default();
        for name in self.all(registries) {
            let quoted = format!("`{name}`");
            assert_eq!(now.contains(&quoted), changed.contains(&name), "{what}, {name}:\n{}", ran.err);
            assert!(changed.is_empty() || changed.contains(&name) != still.contains(&quoted), "{what}, {name}:\n{}", ran.err);
        }
        let files = fs::read_dir(self.sandbox.path(".")).unwrap().chain(fs::read_dir(self.sandbox.path("out")).unwrap());
        let mut unfinished = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(unfinished.all(|name| !name.starts_with(".hardened-new-")), "{what}");
        changed
    }
}

#[test]
fn each_request_fails_once_and_no_name_moves_before_the_commit() {
    for platforms in [1, 2] {
        let outputs = Outputs::new(platforms);
        outputs.reset();
        let registries = Registries::start(None);
        outputs.publish(&registries).succeeds();
        assert_eq!(outputs.changed(&registries), outputs.all(&registries));
        let (mut before_commit, mut between_tags) = (0, 0);
        for which in [0, 1] {
            let seen: BTreeSet<String> = registries.both[which].seen().iter().map(key).collect();
            let tags = seen.iter().filter(|key| key.starts_with("PUT") && key.contains("/manifests/") && !key.contains("sha256:"));
            assert_eq!(tags.count(), [2, 1][which], "{seen:?}");
            for refused in &seen {
                let what = format!("{platforms} platforms, registry {which}, {refused}");
                outputs.reset();
                let registries = Registries::start(Some((which, refused)));
                let ran = outputs.publish(&registries);
                if ran.code == Some(0) {
                    // Whether a tag or a blob is there already is a question that may stay without an answer.
                    assert!(!refused.starts_with('P'), "{what}");
                    assert_eq!(outputs.changed(&registries), outputs.all(&registries), "{what}");
                    continue;
                }
                let changed = outputs.told(&ran, &registries, &what);
                if !refused.starts_with("PUT") || !refused.contains("/manifests/") || refused.contains("sha256:") {
                    assert_eq!(changed, Vec::<String>::new(), "{what}");
                    before_commit += 1;
                    continue;
                }
                // Archives and the layout come before the registries, and tags are moved one by one.
                let tag = refused.rsplit('/').next().unwrap();
                let failed = registries.tag((which, tag));
                let all = outputs.all(&registries);
                assert_eq!(changed, all[..all.iter().position(|name| *name == failed).unwrap()], "{what}");
                registries.fails.store(false, Ordering::SeqCst);
                outputs.publish(&registries).succeeds();
                assert_eq!(outputs.changed(&registries), all, "{what}, run again");
                between_tags += 1;
            }
        }
        assert!(before_commit >= 10 && between_tags == 3, "{before_commit} before the commit, {between_tags} between tags");
    }
}

#[test]
fn each_file_of_the_outputs_fails_once_and_no_name_moves_before_the_commit() {
    for platforms in [1, 2] {
        let outputs = Outputs::new(platforms);
        outputs.reset();
        let registries = Registries::start(None);
        outputs.publish(&registries).succeeds();
        let blobs = fs::read_dir(outputs.sandbox.path("out/blobs/sha256")).unwrap();
        let blobs = blobs.map(|entry| format!("out/blobs/sha256/{}", entry.unwrap().file_name().into_string().unwrap()));
        let archives = outputs.archives().iter().map(|archive| (*archive).to_owned());
        let mut failed = 0;
        // A folder stands where each of the files should be.
        for file in blobs.chain(archives) {
            outputs.reset();
            let _ = fs::remove_file(outputs.sandbox.path(&file));
            fs::create_dir_all(outputs.sandbox.path(&file)).unwrap();
            let registries = Registries::start(None);
            let ran = outputs.publish(&registries);
            assert_eq!(outputs.told(&ran, &registries, &file), Vec::<String>::new(), "{file}");
            failed += 1;
        }
        assert!(failed > 4, "{failed}");
        // A file stands where the folder for blobs should be.
        outputs.reset();
        outputs.sandbox.write("out/blobs", b"");
        let registries = Registries::start(None);
        assert_eq!(outputs.told(&outputs.publish(&registries), &registries, "blobs"), Vec::<String>::new());
        // A layout whose list of names cannot be read is found out when its manifests are read back.
        outputs.reset();
        fs::remove_file(outputs.sandbox.path("out/index.json")).unwrap();
        fs::create_dir(outputs.sandbox.path("out/index.json")).unwrap();
        let registries = Registries::start(None);
        assert_eq!(outputs.told(&outputs.publish(&registries), &registries, "index.json"), Vec::<String>::new());
    }
}

#[test]
fn a_destination_that_loses_what_it_took_is_found_out_before_the_commit() {
    for lost in ["HEAD blob", "GET manifest"] {
        let stored = Arc::new(AtomicBool::new(false));
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            let by_digest = seen.path().contains("/manifests/sha256:");
            if seen.method == "PUT" && by_digest {
                stored.store(true, Ordering::SeqCst);
            }
            let asked = if lost == "HEAD blob" { seen.path().contains("/blobs/sha256:") && seen.method == "HEAD" } else { by_digest };
            let is_lost = asked && seen.method != "PUT" && stored.load(Ordering::SeqCst);
            is_lost.then(|| Fault::Answer(200, vec![], "other".to_owned()))
        });
        test.put_manifest("shop/api", "1", INDEX, OLD.as_bytes());
        let sandbox = Sandbox::new("static = true");
        let ran = sandbox.run(&["build", "--push", "-t", &format!("{}/shop/api:1", test.host()), "-o", "oci:out"]);
        ran.fails(3, &[if lost == "HEAD blob" { "and does not have it" } else { "manifest" }]);
        assert_eq!(test.manifest("shop/api", "1").unwrap(), OLD.as_bytes());
        assert!(!sandbox.has("out/index.json"), "{lost}");
    }
}

/// An engine that says that it has loaded whatever it is sent, and counts.
fn engine() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (host, loads) = (format!("tcp://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&loads);
    // It ends with the process, as nobody waits for it.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut request, mut buffer) = (Vec::new(), vec![0; 8192]);
            while !request.ends_with(b"\r\n0\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let body = "{\"stream\":\"Loaded image\"}";
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    (host, loads)
}

#[test]
fn an_engine_loads_first_in_the_commit_and_is_named_when_a_tag_fails_after_it() {
    for (refused, is_loaded) in [("manifests/sha256:", false), ("manifests/1", true)] {
        let (host, loads) = engine();
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            (seen.method == "PUT" && seen.path().contains(refused)).then(|| Fault::Answer(403, vec![], String::new()))
        });
        let mut sandbox = Sandbox::new("static = true");
        sandbox.set("DOCKER_HOST", &host);
        let tag = format!("{}/shop/api:1", test.host());
        let ran = sandbox.run(&["build", "--push", "-t", &tag, "-o", "docker-daemon:"]);
        ran.fails(3, &["403"]);
        assert_eq!(loads.load(Ordering::SeqCst), usize::from(is_loaded), "{refused}");
        assert_eq!(ran.err.contains(&format!("published only partly: the engine at {host} has sha256:")), is_loaded, "{}", ran.err);
        assert_eq!(ran.err.contains(&format!("now; `{tag}` failed")), is_loaded, "{}", ran.err);
    }
}
