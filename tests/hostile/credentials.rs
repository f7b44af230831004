//! Registries that try to lure credentials away. One password is used, and looked for wherever it does not belong.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hardened::host::Environment;
use hardened::net::credentials::{Credential, Credentials};
use hardened::net::{Http, RetryPolicy, Secret, Settings};
use hardened::oci::{Compression, Descriptor, Digest, MediaType, RawManifest, Selector, Silent, Store, StoreError};
use hardened::store::registry::{Registry, Repository};

use crate::output::{CANARY, Forms, USER};
use crate::sandbox::{Sandbox, recipe};
use crate::trap::{Reply, Shown, Trap};

/// The registry that the password is for, asked without TLS because the user named it, over a proxy that is the trap.
const OWNER: &str = "registry.shop.example";
/// The password of the proxy.
const PROXY_CANARY: &str = "canary-of-the-proxy-5566";

struct Setting {
    trap: Trap,
    /// Listens on loopback, where a server on the internet must not send us.
    inside: Trap,
    registry: Registry,
    http: Http,
}

impl Setting {
    fn new(credential: Credential, realms: &[(&str, &str)], answer: impl Fn(&Shown) -> Reply + Send + Sync + 'static) -> Self {
        let trap = Trap::start(answer);
        let inside = Trap::start(|_| Reply::new(200).body(r#"{"token":"inside"}"#));
        let proxy = format!("http://proxy-user:{PROXY_CANARY}@{}", trap.address());
        let environment: Environment = [("http_proxy", proxy.as_str()), ("https_proxy", proxy.as_str())].into_iter().collect();
        let retry = RetryPolicy {
            attempts: 2,
            base: Duration::from_millis(1),
            cap: Duration::from_millis(2),
            unreached: Duration::from_millis(50),
            ..RetryPolicy::default()
        };
        let token_realms = realms.iter().map(|(registry, realm)| ((*registry).to_owned(), (*realm).to_owned())).collect();
        let settings = Settings { retry, insecure: insecure(), token_realms, ..Settings::new(environment) };
        let http = Http::new(settings);
        let registry = Registry::new(http.clone(), Credentials::given(OWNER, credential));
        Self { trap, inside, registry, http }
    }

    fn repository(&self) -> Repository {
        self.registry.repository(&format!("{OWNER}/team/app").parse().unwrap())
    }

    /// Does all that a registry is asked for, and returns all that was said about it.
    fn everything(&self) -> String {
        let to = self.repository();
        let content = b"some content".to_vec();
        let layer = Descriptor::of(MediaType::Layer(Compression::Gzip), &content);
        let index = RawManifest {
            bytes: br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#.to_vec(),
            media_type: MediaType::Index,
        };
        let tag = || "1".parse().unwrap();
        let mut said = String::new();
        let mut note = |error: Option<StoreError>| {
            if let Some(error) = error {
                let _ = write!(said, "{}\n{error:?}\n{}\n", crate::told(&error), error.error.hints.join("\n"));
            }
        };
        note(self.registry.check(OWNER).err());
        note(to.read_manifest(&Selector::Tag(tag())).err());
        note(to.read_manifest(&Selector::Digest(index.descriptor().digest)).err());
        note(to.has_blob(&layer).err());
        let read = to.open_blob(&layer).map(|blob| blob.read_all(1 << 20));
        if let Ok(Err(error)) = &read {
            let _ = write!(said, "{error}\n{error:?}\n");
        }
        let mut note = |error: Option<StoreError>| {
            if let Some(error) = error {
                let _ = write!(said, "{}\n{error:?}\n{}\n", crate::told(&error), error.error.hints.join("\n"));
            }
        };
        note(read.err());
        note(to.write_blob(&layer, &content, &Silent).err());
        note(to.write_manifest(&index, Some(&tag())).err());
        said + &self.http.hosts().into_iter().collect::<Vec<_>>().join("\n")
    }

    /// Checks that nobody but these origins was shown the password, that nobody but the proxy was shown the proxy's, and that nothing said holds either.
    fn check(&self, may_see: &[&str], name: &str) {
        let said = self.everything();
        let forms = Forms::of(USER, CANARY);
        forms.assert_absent(said.as_bytes(), name);
        Forms::of("proxy-user", PROXY_CANARY).assert_absent(said.as_bytes(), name);
        let all = self.trap.shown();
        assert!(!all.is_empty(), "{name}: nothing was asked at all");
        for shown in all.iter().filter(|shown| !may_see.contains(&shown.origin.as_str())) {
            forms.assert_absent(shown.text().as_bytes(), &format!("{name}, at {}", shown.origin));
            assert!(!shown.headers.contains_key("authorization"), "{name}: {shown:?}");
        }
        assert!(self.inside.shown().is_empty(), "{name}: something on this machine was asked: {:?}", self.inside.shown());
    }
}

/// The hosts of the traps are named as well: that TLS is missing must not be what saves the password.
fn insecure() -> Vec<String> {
    let traps =
        ["evil.example", "auth.evil.example", "evilshop.example", "shop.example.evil.example", "registry.shop.example.evil.example"];
    std::iter::once(OWNER).chain(traps).map(str::to_owned).collect()
}

fn own() -> String {
    format!("http://{OWNER}:80")
}

fn password() -> Credential {
    Credential::Password { user: USER.to_owned(), password: Secret::new(CANARY) }
}

fn is_own(shown: &Shown) -> bool {
    shown.origin == own()
}

fn challenge(realm: &str) -> Reply {
    Reply::new(401).header("WWW-Authenticate", &format!("Bearer realm=\"{realm}\",service=\"{OWNER}\",scope=\"repository:team/app:pull\""))
}

/// A free port of this machine is in each of these: the trap answers for every other host.
fn foreign(inside: &str) -> Vec<String> {
    let port = inside.rsplit(':').next().unwrap();
    let mut all: Vec<String> = [
        "http://auth.evil.example/token",
        "http://registry.shop.example.evil.example/token",
        "http://registry.shop.example:token@evil.example/",
        "http://registry.shop.example@evil.example/token",
        "http://evilshop.example/token",
        "http://shop.example.evil.example/token",
        "http://shop/token",
        "https://evil.example/token",
        "https://xn--shp-hoa.example/token",
        "http://8.8.8.8/token",
        "https://8.8.8.8/token",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "http://[fe80::1%25eth0]/token",
        "http://[fe80::1]/token",
        "//evil.example/token",
        "ftp://registry.shop.example/token",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://evil.example\\@registry.shop.example/token",
        "http://evil.example#@registry.shop.example/token",
        "http://evil.example?@registry.shop.example/token",
        "",
        "token",
    ]
    .map(str::to_owned)
    .to_vec();
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "127.1"] {
        all.push(format!("http://{host}:{port}/token"));
        all.push(format!("https://{host}:{port}/token"));
    }
    all
}

/// The address of the listener on loopback is known only after the trap was made.
#[derive(Clone, Default)]
struct Chosen(Arc<Mutex<String>>);

impl Chosen {
    fn set(&self, text: &str) {
        text.clone_into(&mut self.0.lock().unwrap());
    }

    fn get(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn realms_of_others() {
    for kind in ["password", "identity", "bearer"] {
        let chosen = Chosen::default();
        let realm = chosen.clone();
        let credential = || match kind {
            "password" => password(),
            "identity" => Credential::Identity(Secret::new(CANARY)),
            _ => Credential::Bearer(Secret::new(CANARY)),
        };
        let setting =
            Setting::new(
                credential(),
                &[],
                move |shown| if is_own(shown) { challenge(&realm.get()) } else { Reply::new(200).body(r#"{"token":"t"}"#) },
            );
        for realm in foreign(setting.inside.address()) {
            chosen.set(&realm);
            setting.check(&[&own()], &format!("{kind}, realm {realm}"));
        }
    }
}

#[test]
fn a_realm_of_the_registry_gets_what_it_needs_and_a_listed_one_too() {
    let token = |shown: &Shown, realm: &str| {
        if shown.target.starts_with("/token") {
            return Reply::new(200).body(r#"{"token":"granted","expires_in":300}"#);
        }
        let granted = shown.headers.get("authorization").is_some_and(|value| value == "Bearer granted");
        if granted { Reply::new(404) } else { challenge(realm) }
    };
    for (realm, listed, sees) in [
        (format!("http://{OWNER}/token"), None, true),
        ("http://auth.other.example/token".to_owned(), None, false),
        // Even a listed realm is not asked without TLS: only its host is trusted, not the way there.
        ("http://auth.other.example/token".to_owned(), Some((OWNER, "auth.other.example")), false),
    ] {
        let name = realm.clone();
        let setting = Setting::new(password(), listed.as_slice(), move |shown| token(shown, &realm));
        setting.everything();
        let with_password = |shown: &&Shown| shown.headers.get("authorization").is_some_and(|value| value.starts_with("Basic "));
        let at: BTreeSet<String> = setting.trap.shown().iter().filter(with_password).map(|shown| shown.origin.clone()).collect();
        assert_eq!(at.iter().any(|origin| *origin == own()), sees, "{name}: {at:?}");
        assert!(at.iter().all(|origin| *origin == own()), "{name}: {at:?}");
    }
}

#[test]
fn a_password_in_place_of_a_token_is_not_shown_without_tls() {
    // The host is named as insecure: its tokens and its first Basic go without TLS. Whoever stands in between could ask for more.
    let setting = Setting::new(password(), &[], |shown| match shown.headers.get("authorization") {
        _ if shown.target.starts_with("/token") => Reply::new(200).body(r#"{"token":"granted","expires_in":300}"#),
        None => challenge(&format!("http://{OWNER}/token")),
        Some(_) => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
    });
    setting.everything();
    let forms = Forms::of(USER, CANARY);
    let others: Vec<Shown> = setting.trap.shown().into_iter().filter(|shown| !shown.target.starts_with("/token")).collect();
    assert!(others.iter().any(|shown| shown.headers.contains_key("authorization")), "{others:?}");
    for shown in &others {
        forms.assert_absent(shown.text().as_bytes(), "asked for Basic after a token");
    }
}

#[test]
fn redirects_to_others_and_back() {
    let statuses = [301, 302, 303, 307, 308];
    for status in statuses {
        let chosen = Chosen::default();
        let to = chosen.clone();
        let setting = Setting::new(password(), &[], move |shown| match (is_own(shown), shown.headers.contains_key("authorization")) {
            (true, true) => Reply::new(status).header("Location", &to.get()),
            // The server that got it sends it back, and asks for the password as well.
            (false, _) if shown.target.contains("back") => {
                Reply::new(status).header("Location", &format!("http://{OWNER}/v2/team/app/secret"))
            }
            _ => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
        });
        for location in foreign(setting.inside.address()).into_iter().chain([
            "http://evil.example/back".to_owned(),
            format!("http://{OWNER}:8081/other-port"),
            format!("https://{OWNER}/other-scheme"),
            format!("http://{USER}:{CANARY}@evil.example/"),
            format!("http://{OWNER}:80/v2/x\u{9b}"),
        ]) {
            chosen.set(&location);
            setting.check(&[&own()], &format!("{status} to {location}"));
        }
        // What came back to the owner over another host came without the password.
        let back: Vec<Shown> = setting.trap.shown().into_iter().filter(|shown| shown.target.contains("/secret")).collect();
        assert!(!back.is_empty() && back.iter().all(|shown| !shown.headers.contains_key("authorization")), "{back:?}");
    }
}

#[test]
fn uploads_at_others() {
    let chosen = Chosen::default();
    let to = chosen.clone();
    let setting = Setting::new(password(), &[], move |shown| match (is_own(shown), shown.method.as_str()) {
        (true, _) if !shown.headers.contains_key("authorization") => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
        (true, "HEAD" | "GET") => Reply::new(404),
        (true, "POST") => Reply::new(202).header("Location", &to.get()),
        _ => Reply::new(201),
    });
    let others = foreign(setting.inside.address()).into_iter().filter(|location| location.contains("evil") || location.contains("127"));
    for location in others.chain([format!("http://{OWNER}:8081/other-port"), "https://8.8.8.8/upload".to_owned()]) {
        chosen.set(&location);
        setting.check(&[&own()], &format!("upload at {location}"));
        let content = |shown: &Shown| shown.body.windows(12).any(|piece| piece == b"some content");
        // Another port of the registry's own domain is the registry's, and gets the content without the password.
        for shown in setting.trap.shown().iter().filter(|shown| content(shown)) {
            assert!(shown.origin.starts_with(&format!("http://{OWNER}:")), "{location}: {shown:?}");
        }
    }
    // And the redirect of the upload itself.
    let setting = Setting::new(password(), &[], move |shown| match (is_own(shown), shown.method.as_str()) {
        (true, _) if !shown.headers.contains_key("authorization") => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
        (true, "HEAD" | "GET") => Reply::new(404),
        (true, "POST") => Reply::new(202).header("Location", "/v2/team/app/blobs/uploads/1"),
        (true, _) => Reply::new(307).header("Location", "http://evil.example/take"),
        _ => Reply::new(201),
    });
    setting.check(&[&own()], "upload sent on");
    assert!(setting.trap.shown().iter().all(|shown| is_own(shown) || shown.method == "CONNECT"), "{:?}", setting.trap.shown());
    assert!(setting.everything().contains("evil.example"), "the host that wanted the upload is named");
}

#[test]
fn a_registry_that_repeats_what_it_was_shown() {
    // An error page that shows the request is no attack, and still fills logs with passwords.
    for kind in ["body", "json", "location", "location path", "type"] {
        let setting = Setting::new(password(), &[], move |shown| {
            let Some(value) = shown.headers.get("authorization") else {
                return Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\"");
            };
            let plain = String::from_utf8(STANDARD.decode(value.trim_start_matches("Basic ")).unwrap_or_default()).unwrap_or_default();
            match kind {
                "body" => Reply::new(400).body(format!("bad request\nAuthorization: {value}\n{plain}\n{CANARY}")),
                "json" => Reply::new(403)
                    .body(serde_json::json!({"errors": [{"code": "DENIED", "message": format!("{value} is {plain}")}]}).to_string()),
                "location" => Reply::new(307).header("Location", &format!("https://{plain}@evil.example/{CANARY}?{CANARY}#{CANARY}")),
                "location path" => Reply::new(307).header("Location", &format!("http://127.0.0.1:1/{CANARY}")),
                _ => Reply::new(418).header("Content-Type", &format!("text/{CANARY}")).body("{}"),
            }
        });
        setting.check(&[&own()], kind);
    }
}

#[test]
fn proxies_keep_their_password() {
    // Loopback is asked without the proxy: there, and behind the proxy, its password is nobody's business.
    let direct = Trap::start(|_| Reply::new(404));
    let setting = Setting::new(password(), &[], |_| Reply::new(404));
    let local = setting.registry.repository(&format!("{}/team/app", direct.address()).parse().unwrap());
    let _ = local.read_manifest(&Selector::Tag("1".parse().unwrap()));
    setting.everything();
    assert!(!direct.shown().is_empty());
    let forms = Forms::of("proxy-user", PROXY_CANARY);
    for shown in direct.shown() {
        forms.assert_absent(shown.text().as_bytes(), "a host without the proxy");
        Forms::of(USER, CANARY).assert_absent(shown.text().as_bytes(), "a registry that it is not for");
    }
    let at_proxy = setting.trap.shown();
    assert!(at_proxy.iter().any(|shown| shown.headers.contains_key("proxy-authorization")), "the proxy itself is shown it: {at_proxy:?}");
    for shown in at_proxy {
        assert!(shown.headers.iter().all(|(name, value)| name == "proxy-authorization" || !value.contains(PROXY_CANARY)));
    }
}

#[test]
fn a_proxy_that_refuses_is_told_without_its_password() {
    let proxy = Trap::start(|_| Reply::new(407).body(format!("wrong: {PROXY_CANARY}")));
    let address = format!("http://proxy-user:{PROXY_CANARY}@{}", proxy.address());
    for host in ["tls.example", OWNER] {
        let environment: Environment = [("HTTPS_PROXY", address.as_str()), ("HTTP_PROXY", address.as_str())].into_iter().collect();
        let retry = RetryPolicy { attempts: 1, unreached: Duration::from_millis(10), ..RetryPolicy::default() };
        let http = Http::new(Settings { retry, insecure: vec![OWNER.to_owned()], ..Settings::new(environment.clone()) });
        let from = Registry::new(http, Credentials::new(environment)).repository(&format!("{host}/a").parse().unwrap());
        let error = from.read_manifest(&Selector::Tag("1".parse().unwrap())).unwrap_err();
        Forms::of("proxy-user", PROXY_CANARY).assert_absent(format!("{}\n{error:?}", crate::told(&error)).as_bytes(), host);
    }
    for wrong in [format!("socks5://u:{PROXY_CANARY}@x"), format!("http://u:{PROXY_CANARY}@:bad:"), format!("u:{PROXY_CANARY}@ x y")] {
        let environment: Environment = [("HTTPS_PROXY", wrong.as_str())].into_iter().collect();
        let http = Http::new(Settings::new(environment.clone()));
        let from = Registry::new(http, Credentials::new(environment)).repository(&"tls.example/a".parse().unwrap());
        let error = from.read_manifest(&Selector::Tag("1".parse().unwrap())).unwrap_err();
        Forms::of("u", PROXY_CANARY).assert_absent(format!("{}\n{error:?}", crate::told(&error)).as_bytes(), &wrong);
    }
}

#[test]
fn layers_at_foreign_addresses() {
    // The manifest is read like any other; a layer that only its `urls` lead to is not there.
    let content = b"elsewhere".to_vec();
    let layer =
        Descriptor { urls: vec!["http://evil.example/layer".to_owned()], ..Descriptor::of(MediaType::Layer(Compression::Gzip), &content) };
    let setting = Setting::new(password(), &[], |shown| match (is_own(shown), shown.headers.contains_key("authorization")) {
        (true, true) => Reply::new(404),
        _ => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
    });
    assert!(setting.repository().open_blob(&layer).is_err());
    assert!(setting.trap.shown().iter().all(|shown| shown.origin.contains(OWNER)), "{:?}", setting.trap.shown());
}

#[test]
fn helpers_and_entries_are_for_exactly_their_host() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |user: &str| format!("{{\"auth\":\"{}\"}}", STANDARD.encode(format!("{user}:{CANARY}")));
    let config = format!(
        "{{\"auths\":{{\"registry.shop.example\":{},\"123.dkr.ecr.eu-north-1.amazonaws.com\":{}}},\"credHelpers\":{{\"public.ecr.aws\":\"absent-helper\"}}}}",
        entry("a"),
        entry("b")
    );
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let environment: Environment = [("DOCKER_CONFIG", folder.path())].into_iter().collect();
    let credentials = Credentials::new(environment);
    let has = |host: &str| {
        let found = credentials.find(host, "team/app").unwrap();
        (found.credential.is_some(), !found.notes.is_empty())
    };
    assert_eq!(has("registry.shop.example"), (true, false));
    assert_eq!(has("public.ecr.aws"), (false, true));
    for host in [
        "evil-registry.shop.example",
        "registry.shop.example.evil.example",
        "registry.shop.example:5000",
        "shop.example",
        "123.dkr.ecr.eu-north-1.amazonaws.com.evil.example",
        "999.dkr.ecr.eu-north-1.amazonaws.com",
        "docker.io",
        "public.ecr.aws.evil.example",
    ] {
        assert_eq!(has(host), (false, false), "{host}");
    }
}

#[test]
fn tokens_that_no_header_may_hold() {
    for token in ["a\r\nX-Injected: 1", "a b", "", "\u{e9}"] {
        let body = serde_json::json!({ "token": token }).to_string();
        let setting = Setting::new(password(), &[], move |shown| {
            if shown.target.starts_with("/token") {
                Reply::new(200).body(body.clone())
            } else {
                challenge(&format!("http://{OWNER}/token"))
            }
        });
        let said = setting.everything();
        assert!(said.contains("token"), "{said}");
        assert!(setting.trap.shown().iter().all(|shown| !shown.headers.contains_key("x-injected")));
    }
    // A service that answers with more than a token.
    let setting = Setting::new(password(), &[], |shown| {
        if shown.target.starts_with("/token") {
            Reply::new(200).body(vec![b'['; 2 << 20])
        } else {
            challenge(&format!("http://{OWNER}/token"))
        }
    });
    assert!(setting.everything().contains("larger than"));
}

#[test]
fn a_digest_is_never_asked_of_another_repository() {
    let setting = Setting::new(password(), &[], |_| Reply::new(404));
    let _ = setting.repository().has_blob(&Descriptor::new(MediaType::Config, Digest::of(b"x"), 1));
    assert!(setting.trap.shown().iter().all(|shown| shown.method == "CONNECT" || shown.target.starts_with("/v2/")));
}

/// Returns the command lines of all processes here that hold the password.
fn command_lines_with_it() -> Vec<String> {
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    let lines = lines.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    lines.filter(|line| line.contains(CANARY) || line.contains(&STANDARD.encode(format!("{USER}:{CANARY}")))).collect()
}

#[test]
fn nothing_that_is_written_holds_a_password() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    let trap = Trap::start(move |shown| {
        lines.lock().unwrap().extend(command_lines_with_it());
        match shown.headers.get("authorization") {
            None => challenge(&format!("http://{OWNER}/token?{CANARY_KEY}")),
            Some(value) if value.starts_with("Basic ") => Reply::new(200).body(r#"{"token":"granted-token-9988","expires_in":300}"#),
            Some(value) => Reply::new(403).body(format!("you said {value}")),
        }
    });
    let mut sandbox = Sandbox::new("static = true");
    let auth = STANDARD.encode(format!("{USER}:{CANARY}"));
    sandbox.write("home/.docker/config.json", format!("{{\"auths\":{{\"{OWNER}\":{{\"auth\":\"{auth}\"}}}}}}").as_bytes());
    let proxy = format!("http://proxy-user:{PROXY_CANARY}@{}", trap.address());
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        sandbox.set(name, &proxy);
    }
    let name = format!("{OWNER}/team/app:1");
    let mut all = Vec::new();
    for more in [&[][..], &["-v"], &["--format", "json", "-v"], &["-q"]] {
        for verb in [
            &["build", "--push", "-t", &name, "-o", "oci:out"][..],
            &["inspect", &name],
            &["push", "oci:out", &name],
            &["lock"],
            &["cache", "stats"],
        ] {
            let ran = sandbox.run(&[&["--insecure", OWNER], more, verb].concat());
            all.extend_from_slice(ran.out.as_bytes());
            all.extend_from_slice(ran.err.as_bytes());
        }
    }
    assert!(trap.shown().iter().any(|shown| shown.headers.get("authorization").is_some_and(|value| value.contains(&auth))), "it was used");
    assert!(trap.shown().iter().any(|shown| shown.headers.get("authorization").is_some_and(|value| value.contains("granted-token-9988"))));
    let forms = [Forms::of(USER, CANARY), Forms::of("proxy-user", PROXY_CANARY), Forms::of("token", "granted-token-9988")];
    for forms in &forms {
        forms.assert_absent(&all, "what was said");
    }
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new(), "command lines");
    let mut files = 0;
    for path in files_below(&sandbox.path("")) {
        if path.ends_with(".docker/config.json") {
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        for forms in &forms {
            forms.assert_absent(&bytes, &path.display().to_string());
        }
    }
    assert!(files > 5, "{files}");
}

const CANARY_KEY: &str = "key";

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn users_in_references_and_addresses() {
    // What somebody pastes in the wrong place is in the shell's history already, and has no business in a log.
    let secret = "canary-pasted-3344";
    let pasted = format!("user:{secret}@127.0.0.1:1/team/app");
    let forms = Forms::of("user", secret);
    let check = |sandbox: &Sandbox, arguments: &[&str]| {
        let ran = sandbox.run(arguments);
        assert_ne!(ran.code, Some(0), "{arguments:?}");
        forms.assert_absent(format!("{}{}", ran.out, ran.err).as_bytes(), &format!("{arguments:?}"));
    };
    let addresses = [
        pasted.clone(),
        format!("https://{pasted}"),
        format!("docker://{pasted}"),
        format!("{pasted}:1"),
        format!("https://user:{secret}@registry.example/a"),
    ];
    for address in &addresses {
        let sandbox = Sandbox::new("static = true");
        for arguments in [
            &["inspect", address][..],
            &["push", "oci:out", address],
            &["build", "--push", "-t", address],
            &["build", "-o", address],
            &["login", address, "--username", "user", "--password-stdin"],
            &["cache", "export", address],
            &["build", "--set", &format!("base.image={address}"), "-o", "oci:out"],
            &["--token-realm", address, "inspect", "127.0.0.1:1/a"],
            &["--format", "json", "inspect", address],
        ] {
            check(&sandbox, arguments);
        }
        for recipe in [recipe(&format!("image = \"{address}\"")), recipe("static = true").replace("registry.example.no/shop/api", address)]
        {
            check(&Sandbox::of(&recipe), &["build", "-o", "oci:out"]);
            check(&Sandbox::of(&recipe), &["lock"]);
        }
    }
    for host in [format!("tcp://user:{secret}@127.0.0.1:1"), format!("user:{secret}@127.0.0.1:1"), format!("ssh://user:{secret}@127.0.0.1")]
    {
        let mut sandbox = Sandbox::new("static = true");
        sandbox.set("DOCKER_HOST", &host);
        check(&sandbox, &["build", "-o", "docker-daemon:"]);
    }
}
