//! gpgv says which signed files are good. Where hardened is stricter the case says why; it is never more lenient.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardened::debian::{Expected, Release, TrustedKeys};

use crate::apt;
use crate::peer::{Peer, told};

const BEGIN: &str = "-----BEGIN PGP SIGNATURE-----\n";
const END: &str = "-----END PGP SIGNATURE-----\n";

/// The same keys for both, and how to ask for a verdict.
struct Judges {
    gpgv: Peer,
    home: PathBuf,
    keyring: PathBuf,
    keys: TrustedKeys,
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

impl Judges {
    fn new(home: &Path, name: &str, files: &[Vec<u8>]) -> Option<Self> {
        let keyring = home.join(name);
        fs::write(&keyring, files.concat()).unwrap();
        let keys = files.iter().fold(TrustedKeys::none(), |keys, file| keys.clone().with(file).unwrap_or(keys));
        Some(Self { gpgv: Peer::find("gpgv")?, home: home.to_owned(), keyring, keys })
    }

    /// Returns what gpgv says as apt asks it: a good signature, none that is bad, and keys that are missing do no harm. With it, the text that it saw.
    fn gpgv(&self, file: &[u8]) -> (bool, String) {
        let (path, text) = (self.home.join("InRelease"), self.home.join("text"));
        fs::write(&path, file).unwrap();
        let _ = fs::remove_file(&text);
        let mut command = self.gpgv.command(&self.home, 60);
        command.args(["--status-fd", "1", "--weak-digest", "SHA1", "--keyring"]).arg(&self.keyring).arg("--output").arg(&text).arg(&path);
        let output = command.output().unwrap();
        let told = told(&command, &output);
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        let says =
            |word: &str| status.lines().any(|line| line.strip_prefix("[GNUPG:] ").is_some_and(|line| line.split(' ').next() == Some(word)));
        let is_bad = ["BADSIG", "NODATA", "UNEXPECTED", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADARMOR"].iter().any(|word| says(word));
        // The sixth word of a signature that could not be checked is the reason, and 9 a key that is not there.
        let is_unchecked = status.lines().any(|line| line.starts_with("[GNUPG:] ERRSIG ") && line.split(' ').nth(7) != Some("9"));
        let lacks_keys = says("NO_PUBKEY") && output.status.code() == Some(2);
        let is_good = says("GOODSIG") && !is_bad && !is_unchecked && (output.status.success() || lacks_keys);
        (is_good, if is_good { fs::read_to_string(&text).unwrap() } else { told })
    }

    fn hardened(&self, file: &[u8], suite: &str) -> Result<Release, String> {
        let expected = Expected { suite, now: now(), not_older_than: None };
        Release::verify(file, &self.keys, &expected).map_err(|fault| fault.to_string())
    }

    /// Compares the verdicts, and where both are good, what both read.
    fn compare(&self, name: &str, file: &[u8], suite: &str, stricter: Option<&str>, faults: &mut String) {
        let ((is_good, text), ours) = (self.gpgv(file), self.hardened(file, suite));
        if stricter == NOT_SIGNED && ours.is_err() {
            // What gpgv says of these depends on where they lie in its buffers, and changes from one day's file to the next.
            return;
        }
        match (is_good, &ours, stricter) {
            (true, Ok(release), None) => {
                let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
                if field("Codename:") != release.codename || field("Suite:") != release.suite {
                    writeln!(faults, "{name}: gpgv read another text").unwrap();
                }
            }
            (false, Err(_), None) | (true, Err(_), Some(_)) => {}
            (false, Err(_), Some(reason)) => {
                writeln!(faults, "{name}: gpgv refuses it too, so that the exception ({reason}) can go").unwrap();
            }
            _ => writeln!(faults, "{name}: gpgv says {is_good}, hardened {:?}\n{text}", ours.as_ref().map(|release| &release.signers))
                .unwrap(),
        }
    }
}

/// Returns the keys that are embedded.
fn embedded() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/debian/keys");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "gpg")).map(|path| fs::read(path).unwrap()).collect()
}

fn codename(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("Codename: ")).unwrap()
}

/// Takes a message apart: the part that is signed with its header, and the signature packets.
fn parts(message: &str) -> (&str, Vec<u8>) {
    let (head, rest) = message.split_once(BEGIN).unwrap();
    let base64: String = rest.lines().skip_while(|line| !line.is_empty()).take_while(|line| !line.starts_with(['=', '-'])).collect();
    (head, STANDARD.decode(base64).unwrap())
}

fn joined(head: &str, packets: &[u8]) -> String {
    let base64 = STANDARD.encode(packets);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("{head}{BEGIN}\n{}\n{END}", lines.join("\n"))
}

/// Cuts signature packets of the old format with two bytes of length apart, as GnuPG writes them.
fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let [0x89, high, low, ..] = rest {
        let (packet, after) = rest.split_at(3 + usize::from(u16::from_be_bytes([*high, *low])));
        found.push(packet.to_vec());
        rest = after;
    }
    if let [0x88, length, ..] = rest {
        found.push(rest[..2 + usize::from(*length)].to_vec());
    }
    found
}

const NOT_SIGNED: Option<&str> = Some("what follows the signature is not signed, and apt refuses it too");

const ONE_FORM: Option<&str> = Some("only one way to write a message is read, so that no two readers see two texts");

/// Changes of a good file: a name, the file, and why hardened is stricter, where it is.
fn mutations(good: &str, other: &str) -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let (head, signature) = parts(good);
    let (other_head, other_signature) = parts(other);
    let signatures = packets(&signature);
    let (first, last) = (signatures.first().unwrap().clone(), signatures.last().unwrap().clone());
    let mut broken = last.clone();
    *broken.last_mut().unwrap() ^= 1;
    let armored = joined("", &signature);
    let plain = head.split_once("\n\n").unwrap().1;
    let before_signature = |text: &str| good.replace(BEGIN, &format!("{text}{BEGIN}"));
    let text = |old: &str, new: &str| {
        assert!(good.contains(old), "{old:?}");
        good.replacen(old, new, 1)
    };
    let base64_line = good.split_once(BEGIN).unwrap().1.lines().nth(2).unwrap().to_owned();
    let checksum = good.lines().find(|line| line.starts_with('=') && line.len() == 5).unwrap().to_owned();
    let cases: Vec<(&'static str, String, Option<&'static str>)> = vec![
        ("unchanged", good.to_owned(), None),
        ("no line feed at the end", good.trim_end().to_owned(), None),
        ("an empty line at the end", format!("{good}\n"), ONE_FORM),
        ("text after", format!("{good}Origin: evil\n"), NOT_SIGNED),
        ("text before", format!("Origin: evil\n{good}"), ONE_FORM),
        ("an empty line before", format!("\n{good}"), ONE_FORM),
        ("a byte order mark before", format!("\u{feff}{good}"), None),
        ("the message twice", format!("{good}{good}"), NOT_SIGNED),
        ("two different messages", format!("{good}{other}"), NOT_SIGNED),
        ("an unsigned message before", format!("-----BEGIN PGP SIGNED MESSAGE-----\n\nOrigin: evil\n{good}"), None),
        (
            "an unsigned message with padded armor before (CVE-2013-1051)",
            format!("-----BEGIN PGP SIGNED MESSAGE----- \n\nOrigin: evil\n\n{good}"),
            None,
        ),
        ("one letter changed", text("Origin: Debian", "Origin: Debiam"), None),
        ("one digit of a digest changed", text("e3b0c44298fc", "e3b0c44298fd"), None),
        ("a line removed", text("Acquire-By-Hash: yes\n", ""), None),
        ("a line added at the beginning", text("\n\nOrigin", "\n\nX: y\nOrigin"), None),
        ("a line added at the end", before_signature("X: y\n"), None),
        ("an empty line added at the end", before_signature("\n"), None),
        ("space at the end of a line", text("Origin: Debian\n", "Origin: Debian  \n"), None),
        ("a tab at the end of a line", text("Origin: Debian\n", "Origin: Debian\t\n"), None),
        ("carriage returns", good.replace('\n', "\r\n"), ONE_FORM),
        ("one carriage return", text("Origin: Debian\n", "Origin: Debian\r\n"), ONE_FORM),
        ("a carriage return within a line", text("Origin: Debian", "Origin: Deb\rian"), None),
        ("a NUL within a line", text("Origin: Debian", "Origin: Deb\0ian"), None),
        ("no signature", head.to_owned(), None),
        ("no signed message around it", plain.to_owned(), None),
        ("only the signature", armored, None),
        ("half of it", good[..good.len() / 2].to_owned(), None),
        ("half of the signature", good[..good.len() - 300].to_owned(), None),
        ("nothing", String::new(), None),
        ("no end of the armor", good.replace(END, ""), ONE_FORM),
        ("no beginning of the message", good.replacen("-----BEGIN PGP SIGNED MESSAGE-----\n", "", 1), None),
        ("space after the beginning of the message", good.replacen("MESSAGE-----\n", "MESSAGE-----  \n", 1), ONE_FORM),
        ("space after the beginning of the armor", good.replace(BEGIN, "-----BEGIN PGP SIGNATURE----- \n"), ONE_FORM),
        ("an empty line within the armor", text(&base64_line, &format!("{base64_line}\n")), ONE_FORM),
        ("space after a line of the armor", text(&base64_line, &format!("{base64_line}  ")), ONE_FORM),
        ("a letter of the armor changed", text(&base64_line, &base64_line.replace(|letter: char| letter.is_ascii_uppercase(), "a")), None),
        ("another checksum", text(&checksum, "=AAAA"), None),
        ("no checksum", text(&format!("{checksum}\n"), ""), None),
        ("no empty line before the armor", good.replace(&format!("{BEGIN}\n"), BEGIN), None),
        ("an armor header", good.replace(BEGIN, &format!("{BEGIN}Version: GnuPG v2\nComment: x\n")), None),
        ("an unknown armor header", good.replace(BEGIN, &format!("{BEGIN}X-Evil: y\n")), ONE_FORM),
        ("no hash header", text("Hash: SHA256\n", ""), None),
        ("another hash header", text("Hash: SHA256", "Hash: SHA512"), None),
        ("two hashes in the header", text("Hash: SHA256", "Hash: SHA512,SHA256"), None),
        ("an unknown hash in the header", text("Hash: SHA256", "Hash: SHA9"), None),
        ("a comment among the headers", text("Hash: SHA256", "Comment: x\nHash: SHA256"), None),
        ("space instead of the empty line after the headers", text("SHA256\n\n", "SHA256\n \n"), ONE_FORM),
        ("dashes that escape nothing", text("\n\nOrigin", "\n\n- Origin"), None),
        ("a dash that is not escaped", text("Origin: Debian\n", "Origin: Debian\n-x: y\n"), None),
        ("the signature of another text", joined(head, &other_signature), None),
        ("the text of another signature", joined(other_head, &signature), None),
        ("the first signature only", joined(head, &first), None),
        ("the last signature only", joined(head, &last), None),
        ("the signatures in another order", joined(head, &[last.clone(), first.clone()].concat()), None),
        ("a wrong signature beside a good one", joined(head, &[last.clone(), broken.clone()].concat()), None),
        ("a wrong signature before a good one", joined(head, &[broken, last.clone()].concat()), None),
        (
            "a signature of another text beside a good one",
            joined(head, &[last.clone(), packets(&other_signature).last().unwrap().clone()].concat()),
            None,
        ),
        ("another packet beside a good one", joined(head, &[last.clone(), b"\xcb\x08t\x00\0\0\0\0hi".to_vec()].concat()), None),
        ("bytes after the last packet", joined(head, &[last, b"\x89\x02".to_vec()].concat()), None),
    ];
    cases.into_iter().map(|(name, file, stricter)| (name, file.into_bytes(), stricter)).collect()
}

#[test]
fn gpgv_agrees_on_what_apt_fetched_and_on_what_was_made_of_it() {
    let home = tempfile::tempdir().unwrap();
    let Some(judges) = Judges::new(home.path(), "keyring.gpg", &embedded()) else { return };
    let releases = apt::releases(&apt::lists(home.path()));
    let texts: Vec<&str> =
        releases.iter().map(|(_, bytes)| std::str::from_utf8(bytes).unwrap()).filter(|text| text.contains("\nOrigin: Debian\n")).collect();
    let mut faults = String::new();
    for text in &texts {
        judges.compare(codename(text), text.as_bytes(), codename(text), None, &mut faults);
        assert!(
            judges.hardened(text.as_bytes(), codename(text)).is_ok(),
            "{} is refused: {:?}",
            codename(text),
            judges.hardened(text.as_bytes(), codename(text))
        );
    }
    // Of those with two signatures or more whose last key is embedded, the shortest; and any other.
    let mut texts: Vec<&&str> = texts.iter().collect();
    texts.sort_by_key(|text| text.len());
    let [good, .., other] = texts.as_slice() else { return };
    let cases = mutations(good, other);
    assert!(cases.len() >= 50);
    for (name, file, stricter) in &cases {
        judges.compare(name, file, codename(good), *stricter, &mut faults);
    }
    assert!(faults.is_empty(), "{faults}");
}

/// A home of GnuPG with keys of its own.
struct Owner {
    gpg: Peer,
    home: PathBuf,
}

impl Owner {
    fn command(&self, time: &str) -> Command {
        let mut command = self.gpg.command(&self.home, 120);
        command.env("GNUPGHOME", self.home.join("gnupg")).args([
            "--batch",
            "--quiet",
            "--yes",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        command.args(["--trust-model", "always", "--faked-system-time", time]);
        command
    }

    fn run<'a>(&self, time: &str, arguments: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
        let mut command = self.command(time);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", told(&command, &output));
        output.stdout
    }

    /// Makes a key, and returns its public part.
    fn key(&self, time: &str, name: &str, kind: &str, usage: &str, life: &str) -> Vec<u8> {
        self.run(time, ["--quick-generate-key", name, kind, usage, life]);
        self.run(time, ["--export", &format!("={name}")])
    }

    fn sign(&self, time: &str, names: &[&str], text: &str, more: &[&str]) -> Vec<u8> {
        let file = self.home.join("Release");
        fs::write(&file, text).unwrap();
        let users: Vec<String> = names.iter().flat_map(|name| ["--local-user".to_owned(), format!("={name}")]).collect();
        let mut arguments: Vec<&str> = users.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let path = file.to_str().unwrap();
        arguments.extend(["--output", "-", "--clearsign", path]);
        self.run(time, arguments)
    }
}

#[test]
fn gpgv_agrees_on_keys_and_hashes() {
    let home = tempfile::tempdir().unwrap();
    let (Some(gpg), Some(_)) = (Peer::find("gpg"), Peer::find("gpgv")) else { return };
    let owner = Owner { gpg, home: home.path().to_owned() };
    let gnupg = home.path().join("gnupg");
    fs::create_dir(&gnupg).unwrap();
    fs::set_permissions(&gnupg, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let (old, recent, future) = ("20200101T000000", "20260101T000000", "20990101T000000");
    let text = format!(
        "Origin: Own\nSuite: stable\nCodename: own\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n {} 0 main/binary-amd64/Packages\n",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let keys: Vec<(&str, Vec<u8>)> = [
        ("rsa", "rsa2048", "sign,cert", "never"),
        ("curve", "ed25519", "sign,cert", "never"),
        ("nist", "nistp256", "sign,cert", "never"),
        ("expired", "ed25519", "sign,cert", "1y"),
        ("short", "rsa1024", "sign,cert", "never"),
        ("dsa", "dsa2048", "sign,cert", "never"),
    ]
    .into_iter()
    .map(|(name, kind, usage, life)| (name, owner.key(old, name, kind, usage, life)))
    .collect();
    let stranger = owner.key(old, "stranger", "ed25519", "sign,cert", "never");
    let all: Vec<Vec<u8>> = keys.iter().map(|(_, key)| key.clone()).collect();
    let own = Judges::new(home.path(), "own.gpg", &all).unwrap();
    let debian = Judges::new(home.path(), "debian.gpg", &embedded()).unwrap();
    let weak_key = Some("keys below 2048 bits and DSA are not trusted");
    let mut faults = String::new();
    for (name, judges, file, stricter) in [
        ("RSA", &own, owner.sign(recent, &["rsa"], &text, &[]), None),
        ("Ed25519", &own, owner.sign(recent, &["curve"], &text, &[]), None),
        ("NIST P-256", &own, owner.sign(recent, &["nist"], &text, &[]), None),
        ("another's key", &debian, owner.sign(recent, &["rsa"], &text, &[]), None),
        ("a stranger", &own, owner.sign(recent, &["stranger"], &text, &[]), None),
        ("a stranger beside a trusted key", &own, owner.sign(recent, &["stranger", "curve"], &text, &[]), None),
        ("two keys", &own, owner.sign(recent, &["curve", "rsa"], &text, &[]), None),
        ("SHA-384", &own, owner.sign(recent, &["rsa"], &text, &["--digest-algo", "SHA384"]), None),
        ("SHA-512", &own, owner.sign(recent, &["rsa"], &text, &["--digest-algo", "SHA512"]), None),
        ("SHA-1", &own, owner.sign(recent, &["rsa"], &text, &["--digest-algo", "SHA1"]), None),
        (
            "SHA-224",
            &own,
            owner.sign(recent, &["rsa"], &text, &["--digest-algo", "SHA224"]),
            Some("hashes shorter than 256 bits are not trusted"),
        ),
        ("a key that expired since", &own, owner.sign("20200601T000000", &["expired"], &text, &[]), None),
        ("a signature that ended", &own, owner.sign(recent, &["curve"], &text, &["--default-sig-expire", "1"]), None),
        (
            "a signature of the future",
            &own,
            owner.sign(future, &["curve"], &text, &[]),
            Some("a signature from the future is one of a wrong clock"),
        ),
        ("an RSA key of 1024 bits", &own, owner.sign(recent, &["short"], &text, &[]), weak_key),
        ("a DSA key", &own, owner.sign(recent, &["dsa"], &text, &["--digest-algo", "SHA256"]), weak_key),
        (
            "lines that begin with dashes",
            &own,
            owner.sign(recent, &["curve"], &text.replace("SHA256:", "Description: x\n - y\n --- z\nSHA256:"), &[]),
            None,
        ),
    ] {
        judges.compare(name, &file, "own", stricter, &mut faults);
    }
    for (name, _) in &keys[..3] {
        assert!(own.hardened(&owner.sign(recent, &[name], &text, &[]), "own").is_ok(), "{name}");
    }
    // What is signed by a subkey, and what its revocation does.
    let fingerprint = own.keys.summaries()[0].fingerprint.to_string();
    owner.run(old, ["--quick-add-key", &fingerprint, "ed25519", "sign", "never"]);
    let by_subkey = owner.sign(recent, &["rsa"], &text, &[]);
    let with_subkey = Judges::new(home.path(), "subkey.gpg", &[owner.run(old, ["--export", "=rsa"])]).unwrap();
    with_subkey.compare("a subkey", &by_subkey, "own", None, &mut faults);
    own.compare("a subkey that is not in the keyring", &by_subkey, "own", None, &mut faults);
    let revocation = fs::read_to_string(gnupg.join(format!("openpgp-revocs.d/{fingerprint}.rev"))).unwrap();
    fs::write(home.path().join("revocation"), revocation.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    owner.run(recent, ["--import", home.path().join("revocation").to_str().unwrap()]);
    let revoked = Judges::new(home.path(), "revoked.gpg", &[owner.run(recent, ["--export", "=rsa"])]).unwrap();
    revoked.compare("a revoked key", &by_subkey, "own", None, &mut faults);
    let mixed = Judges::new(home.path(), "mixed.gpg", &[stranger]).unwrap();
    mixed.compare("a stranger who is trusted here", &owner.sign(recent, &["stranger"], &text, &[]), "own", None, &mut faults);
    let _ = Command::new("gpgconf").env("GNUPGHOME", &gnupg).args(["--kill", "all"]).output();
    assert!(faults.is_empty(), "{faults}");
}
