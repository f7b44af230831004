//! Every flavour, of both suites: podman and runc start it locked in, and its programs do what they are for.

use std::fs;
use std::path::Path;

use crate::debian::{Authority, LOCKED_IN, SUITES, build, certificates, check, entries, hardened, locked, recipe, unpack};
use crate::elf;
use crate::mirror::Mirror;
use crate::peer::{Peer, free_port, success};
use crate::podman::Podman;
use crate::project::{HELLO_SAYS, Project};

const OF_ONE_PROGRAM: &str = "[[files]]\nfrom = \"app\"\nto = \"/app\"\n[process]\nentrypoint = [\"/app\"]\n";

/// Says what a process is allowed to do, and asks the C library for what packages brought: names, time zones, character sets, OpenSSL.
const IN_C: &str = r#"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <net/if.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void status(const char *field, char *value) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    strcpy(value, "?");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':') {
            strcpy(value, line + strlen(field) + 2);
            value[strcspn(value, "\n")] = 0;
        }
    if (file) fclose(file);
}

int main(void) {
    char effective[256], privileges[256];
    status("CapEff", effective);
    status("NoNewPrivs", privileges);
    int written = open("/probe", O_CREAT | O_WRONLY, 0600);
    printf("uid %d, capabilities %s, no new privileges %s, root %s, network", (int)getuid(), effective, privileges,
           written < 0 && errno == EROFS ? "read-only" : "writable");
    struct if_nameindex *cards = if_nameindex();
    for (int i = 0; cards && cards[i].if_name; i++) printf(" %s", cards[i].if_name);

    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo("localhost", "https", &hints, &found);
    printf("\nlocalhost https: %s", failed ? gai_strerror(failed) : "");
    if (!failed) {
        const unsigned char *bytes = (const unsigned char *)found->ai_addr;
        printf("%d.%d.%d.%d port %d", bytes[4], bytes[5], bytes[6], bytes[7], bytes[2] * 256 + bytes[3]);
    }
    struct passwd *user = getpwuid(getuid());
    printf("\nname %s, home %s\n", user ? user->pw_name : "?", user ? user->pw_dir : "?");

    setenv("TZ", "Europe/Oslo", 1);
    time_t moment = 1751328000;
    char clock[64];
    strftime(clock, sizeof clock, "%F %R %Z", localtime(&moment));
    printf("time %s\n", clock);

    char input[] = "\xf0\xd2\xc9\xd7\xc5\xd4", output[64] = "", *from = input, *to = output;
    size_t left = 6, room = sizeof output - 1;
    iconv_t conversion = iconv_open("UTF-8", "KOI8-R");
    int converted = conversion != (iconv_t)-1 && iconv(conversion, &from, &left, &to, &room) != (size_t)-1;
    printf("converted %s\n", converted ? output : "nothing");

    void *ssl = dlopen("libssl.so.3", RTLD_NOW | RTLD_GLOBAL);
    int authorities = -1;
    if (ssl) {
        const void *(*method)(void) = (const void *(*)(void))dlsym(ssl, "TLS_client_method");
        void *(*create)(const void *) = (void *(*)(const void *))dlsym(ssl, "SSL_CTX_new");
        int (*load)(void *) = (int (*)(void *))dlsym(ssl, "SSL_CTX_set_default_verify_file");
        void *(*store)(void *) = (void *(*)(void *))dlsym(ssl, "SSL_CTX_get_cert_store");
        void *(*objects)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "X509_STORE_get0_objects");
        int (*count)(void *) = (int (*)(void *))dlsym(RTLD_DEFAULT, "OPENSSL_sk_num");
        unsetenv("SSL_CERT_FILE");
        void *trust = create(method());
        if (load(trust) == 1) authorities = count(objects(store(trust)));
    }
    printf("authorities %d\n", authorities);
    return 0;
}
"#;

const SAYS_IN_C: &str =
    "localhost https: 127.0.0.1 port 443\nname nonroot, home /home/nonroot\ntime 2025-07-01 02:00 CEST\nconverted Привет\nauthorities ";

/// Uses exceptions, threads, OpenMP and the locale-aware parts of the C++ library.
const IN_CPP: &str = r#"
#include <cstdio>
#include <future>
#include <iostream>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>

int main() {
    long sum = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(2)
    for (long i = 1; i <= 100000; i++) sum += i;
    std::string caught;
    try {
        throw std::runtime_error("caught");
    } catch (const std::exception &thrown) {
        caught = thrown.what();
    }
    auto later = std::async(std::launch::async, [] { return 42; });
    std::ostringstream text;
    text << std::regex_replace(std::string("a1b22"), std::regex("[0-9]+"), "-") << " " << later.get();
    std::cout << sum << " " << caught << " " << text.str() << std::endl;
}
"#;

/// Compiles a program with this machine's compiler.
fn compiled(compiler: &Peer, name: &str, source: &str, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), source).unwrap();
    compiler.run(folder.path(), [&["-O1", "-o", "app", name], options].concat());
    fs::read(folder.path().join("app")).unwrap()
}

#[test]
fn static_runs_a_static_program() {
    let (Some(_), Some(podman)) = (Mirror::find(), Podman::find()) else { return };
    for suite in SUITES {
        let project = Project::hello().file("hardened.toml", recipe(suite, "static", "", &OF_ONE_PROGRAM.replace("app", "hello")));
        let image = build(&project);
        check(&project);
        assert_eq!(podman.run(&image, &[]), HELLO_SAYS);
        let is_file = |entry: &&crate::debian::Placed| entry.kind.is_file() && entry.path != "hello";
        let size: u64 = entries(&project).iter().filter(is_file).map(|entry| entry.size).sum();
        assert!(size > 1_000_000 && size <= 1_500_000, "{suite}: {size} bytes");
    }
}

#[test]
fn base_runs_a_program_that_is_linked_to_the_c_library() {
    let (Some(_), Some(podman), Some(gcc)) = (Mirror::find(), Podman::find(), Peer::find("gcc")) else { return };
    let program = compiled(&gcc, "app.c", IN_C, &["-D_GNU_SOURCE", "-Wall", "-Werror", "-ldl"]);
    for suite in SUITES {
        let project = Project::new(&recipe(suite, "base", "", OF_ONE_PROGRAM)).program("app", &program);
        let image = build(&project);
        check(&project);
        assert_eq!(podman.run(&image, &[]), format!("{LOCKED_IN}\n{SAYS_IN_C}{}\n", certificates(&project)));
    }
}

#[test]
fn cc_runs_a_program_that_is_linked_to_the_cpp_library() {
    let (Some(_), Some(podman), Some(gxx)) = (Mirror::find(), Podman::find(), Peer::find("g++")) else { return };
    let program = compiled(&gxx, "app.cpp", IN_CPP, &["-fopenmp", "-pthread"]);
    for suite in SUITES {
        let project = Project::new(&recipe(suite, "cc", "", OF_ONE_PROGRAM)).program("app", &program);
        let image = build(&project);
        check(&project);
        assert_eq!(podman.run(&image, &[]), "5000050000 caught a-b- 42\n");
    }
}

const IN_PYTHON: &str = r#"
import bz2, ctypes, ctypes.util, curses, datetime, dbm, decimal, errno, hashlib, locale, lzma, os, readline, socket, sqlite3, ssl, subprocess, sys, threading
import unicodedata, uuid, venv, xml.etree.ElementTree, zlib, zoneinfo
status = dict(line.rstrip().split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
try:
    open("/probe", "w")
    root = "writable"
except OSError as error:
    root = "read-only" if error.errno == errno.EROFS else str(error)
cards = " ".join(name for _, name in socket.if_nameindex())
print(f"uid {os.getuid()}, capabilities {status['CapEff']}, no new privileges {status['NoNewPrivs']}, root {root}, network {cards}")
print("database", sqlite3.connect("/tmp/data").execute("select sum(value) from (select 40 as value union select 2)").fetchone()[0])
print("compressed", lzma.decompress(lzma.compress(bz2.decompress(bz2.compress(zlib.decompress(zlib.compress(b"same"))))))  == b"same")
print("zone", datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Oslo")).isoformat())
print("libraries", *(ctypes.util.find_library(name) for name in ["c", "ssl", "sqlite3", "stdc++", "nothing-like-this"]))
print("version of libc", ctypes.CDLL(ctypes.util.find_library("c")).gnu_get_libc_version() != 0)
print("locale", locale.setlocale(locale.LC_ALL, ""), sys.getfilesystemencoding(), "blåbær".encode("koi8-r", "replace"))
try:
    subprocess.run("true", shell=True)
    print("a shell")
except FileNotFoundError as error:
    print("no shell:", error.filename)
open("/tmp/server.pem", "w").write(sys.argv[1])
there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
there.load_cert_chain("/tmp/server.pem")
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    with there.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.sendall(b"trusted")
threading.Thread(target=serve).start()
trust = ssl.create_default_context()
with socket.create_connection(listener.getsockname()) as plain, trust.wrap_socket(plain, server_hostname="localhost") as connection:
    print("server", connection.recv(7).decode(), len(trust.get_ca_certs()))
print("names", socket.getaddrinfo("localhost", "https", socket.AF_INET)[0][4], __import__("pwd").getpwuid(os.getuid()).pw_name)
"#;

const SAYS_IN_PYTHON: &str = "\
database 42
compressed True
zone 2026-07-01T00:00:00+02:00
libraries libc.so.6 libssl.so.3 libsqlite3.so.0 libstdc++.so.6 None
version of libc True
locale C.UTF-8 utf-8 b'bl?b?r'
no shell: /bin/sh
server trusted ";

#[test]
fn python_does_real_work() {
    let (Some(_), Some(podman), Some(authority)) = (Mirror::find(), Podman::find(), Authority::new()) else { return };
    for suite in SUITES {
        let project = Project::new(&recipe(suite, "python3", "certificates = [\"corp.pem\"]", "")).file("corp.pem", &authority.certificate);
        let image = build(&project);
        check(&project);
        let said = podman.run(&image, &["-c", IN_PYTHON, &authority.server]);
        let count = certificates(&project);
        let expected = format!("{LOCKED_IN}\n{SAYS_IN_PYTHON}{count}\nnames ('127.0.0.1', 443) nonroot\n");
        assert_eq!(said, expected, "{suite}");
        // Every module of the standard library that Debian has in these packages can be imported.
        let all = "import sys, pkgutil\nfailed = []\nimport warnings; warnings.simplefilter('ignore')\n\
            for name in sorted(sys.stdlib_module_names - {'antigravity', 'this', 'idlelib', 'turtledemo'}):\n    try: __import__(name)\n    \
            except Exception as error: failed.append(f'{name}: {error}')\nprint(len(sys.modules) > 200, *failed, sep='\\n')";
        let said = podman.run(&image, &["-c", all]);
        // Modules of other systems, and those that Debian has in other packages.
        let allowed = [
            "True",
            "_gdbm:",
            "_msi:",
            "_overlapped:",
            "_scproxy:",
            "_tkinter:",
            "_winapi:",
            "ensurepip:",
            "lib2to3:",
            "msilib:",
            "msvcrt:",
            "nt:",
            "tkinter:",
            "turtle:",
            "winreg:",
            "winsound:",
            "_android_support:",
            "_apple_support:",
            "_ios_support:",
            "_wmi:",
        ];
        let unexpected: Vec<&str> = said.lines().filter(|line| !allowed.iter().any(|start| line.starts_with(start))).collect();
        assert!(said.starts_with("True\n") && unexpected.is_empty(), "{suite}: {unexpected:?}");
    }
}

const IN_NODE: &str = r#"
const fs = require("fs"), os = require("os"), tls = require("tls"), crypto = require("crypto"), zlib = require("zlib"), dns = require("dns");
const status = Object.fromEntries(fs.readFileSync("/proc/self/status", "utf8").split("\n").map(line => line.split(":\t")));
let root = "writable";
try { fs.writeFileSync("/probe", ""); } catch (error) { root = error.code == "EROFS" ? "read-only" : error.code; }
const cards = fs.readdirSync("/sys/class/net").join(" ");
console.log(`uid ${process.getuid()}, capabilities ${status.CapEff}, no new privileges ${status.NoNewPrivs}, root ${root}, network ${cards}`);
console.log("digest", crypto.createHash("sha256").update("abc").digest("hex").slice(0, 16));
console.log("compressed", zlib.brotliDecompressSync(zlib.brotliCompressSync("same")).toString(), zlib.gunzipSync(zlib.gzipSync("same")).toString());
console.log("number", new Intl.NumberFormat("de-DE").format(1234567.5));
console.log("month", new Intl.DateTimeFormat("fr-FR", { month: "long", hour: "numeric", timeZone: "Europe/Oslo" }).format(new Date(1751328000000)));
console.log("user", os.userInfo().username, process.env.NODE_ENV);
const pem = process.argv[1];
const server = tls.createServer({ key: pem, cert: pem }, socket => socket.end("trusted"));
server.listen(0, "127.0.0.1", () => {
    const client = tls.connect({ port: server.address().port, host: "127.0.0.1", servername: "localhost" }, () => console.log("server", client.authorized));
    client.on("data", data => console.log("says", data.toString()));
    client.on("error", error => { console.log("server", error.code); server.close(); });
    client.on("end", () => server.close());
});
"#;

const SAYS_IN_NODE: &str = "\
digest ba7816bf8f01cfea
compressed same same
number 1.234.567,5
month juillet à 02 h
user nonroot production
server true
says trusted
";

#[test]
fn node_does_real_work() {
    let (Some(_), Some(podman), Some(authority)) = (Mirror::find(), Podman::find(), Authority::new()) else { return };
    for suite in SUITES {
        let keys = "certificates = [\"corp.pem\"]\nlayers = 3";
        let project = Project::new(&recipe(suite, "nodejs", keys, "")).file("corp.pem", &authority.certificate);
        let image = build(&project);
        check(&project);
        let said = podman.run(&image, &["-e", IN_NODE, "--", &authority.server]);
        let (first, rest) = said.split_once('\n').unwrap();
        assert_eq!((first, rest), (LOCKED_IN, SAYS_IN_NODE), "{suite}");
    }
}

const IN_JAVA: &str = r#"
import java.io.ByteArrayInputStream;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.file.*;
import java.security.KeyStore;
import java.time.*;
import java.util.*;
import java.util.stream.Collectors;
import javax.net.ssl.*;

public class Probe {
    static String status(String field) throws Exception {
        return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith(field + ":")).map(line -> line.split("\t")[1]).findFirst().get();
    }

    public static void main(String[] arguments) throws Exception {
        String root = "writable";
        try {
            Files.createFile(Path.of("/probe"));
        } catch (FileSystemException error) {
            root = error.getReason().equals("Read-only file system") ? "read-only" : error.getReason();
        }
        String cards = Collections.list(NetworkInterface.getNetworkInterfaces()).stream().map(NetworkInterface::getName).collect(Collectors.joining(" "));
        System.out.printf("uid %s, capabilities %s, no new privileges %s, root %s, network %s%n", status("Uid"), status("CapEff"), status("NoNewPrivs"), root, cards);
        System.out.println("zone " + ZonedDateTime.ofInstant(Instant.ofEpochSecond(1751328000), ZoneId.of("Europe/Oslo")));
        System.out.println("charset " + java.nio.charset.Charset.defaultCharset() + " " + System.getProperty("user.name"));
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init((KeyStore) null);
        System.out.println("authorities " + ((X509TrustManager) trust.getTrustManagers()[0]).getAcceptedIssuers().length);
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new ByteArrayInputStream(Base64.getDecoder().decode(arguments[0])), "changeit".toCharArray());
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, "changeit".toCharArray());
        SSLContext there = SSLContext.getInstance("TLS");
        there.init(keys.getKeyManagers(), null, null);
        SSLServerSocket listener = (SSLServerSocket) there.getServerSocketFactory().createServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
        Thread server = new Thread(() -> {
            try (var connection = listener.accept()) {
                connection.getOutputStream().write("trusted".getBytes());
            } catch (Exception error) {
                System.out.println(error);
            }
        });
        server.start();
        SSLSocket client = (SSLSocket) SSLSocketFactory.getDefault().createSocket("localhost", listener.getLocalPort());
        SSLParameters parameters = client.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        client.setSSLParameters(parameters);
        System.out.println("server " + new String(client.getInputStream().readAllBytes()));
        server.join();
    }
}
"#;

#[test]
fn java_does_real_work() {
    let (Some(_), Some(podman), Some(javac), Some(authority)) = (Mirror::find(), Podman::find(), Peer::find("javac"), Authority::new())
    else {
        return;
    };
    for suite in SUITES {
        let rest =
            "[[files]]\nfrom = \"classes\"\nto = \"/app\"\n[process]\nentrypoint = [\"/usr/bin/java\", \"-cp\", \"/app\", \"Probe\"]\n";
        let keys = "certificates = [\"corp.pem\"]\nlayers = 3";
        let project = Project::new(&recipe(suite, "java", keys, rest)).file("corp.pem", &authority.certificate);
        let project = project.file("Probe.java", IN_JAVA);
        let arguments = ["--release", "17", "-d", "classes", "Probe.java"];
        success(javac.command(&project.home(), 120).args(arguments).current_dir(project.path(".")));
        let image = build(&project);
        check(&project);
        let said = podman.run(&image, &[&authority.store]);
        let count = certificates(&project);
        let expected =
            format!("{LOCKED_IN}\nzone 2025-07-01T02:00+02:00[Europe/Oslo]\ncharset UTF-8 nonroot\nauthorities {count}\nserver trusted\n");
        assert_eq!(said, expected, "{suite}");
        let output = podman.run_program(&image, "/usr/bin/java", &["-version"]);
        let version = if suite == "trixie" { "openjdk version \"21." } else { "openjdk version \"17." };
        assert!(String::from_utf8_lossy(&output.stderr).contains(version), "{output:?}");
    }
}

#[test]
fn nginx_checks_its_configuration_and_serves() {
    let (Some(_), Some(podman)) = (Mirror::find(), Podman::find()) else { return };
    for suite in SUITES {
        let port = free_port();
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path /tmp/{name};")).join(" ");
        let configuration = format!(
            "pid /tmp/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    {folders}\n    include /etc/nginx/mime.types;\n    access_log /dev/stdout;\n    \
             gzip on;\n    server {{\n        listen 127.0.0.1:{port};\n        root /site;\n        location ~ ^/old/([a-z]+)$ {{ return 301 /$1; }}\n    }}\n}}\n"
        );
        let rest = "[[files]]\nfrom = \"nginx.conf\"\nto = \"/etc/nginx/own.conf\"\n[[files]]\nfrom = \"site\"\nto = \"/site\"\n\
            [process]\nentrypoint = [\"/usr/sbin/nginx\", \"-c\", \"/etc/nginx/own.conf\", \"-g\", \"daemon off;\"]\n";
        let project = Project::new(&recipe(suite, "nginx", "", rest)).file("nginx.conf", configuration).file("site/hello.css", "body {}\n");
        let image = build(&project);
        check(&project);
        let output = podman.run_program(&image, "/usr/sbin/nginx", &["-t", "-c", "/etc/nginx/own.conf"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("configuration file /etc/nginx/own.conf test is successful"), "{said}");
        let output = podman.run_program(&image, "/usr/sbin/nginx", &["-v"]);
        let version = locked(&project, "linux/amd64")["nginx"]["version"].as_str().unwrap().split(['-', '+']).next().unwrap().to_owned();
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("nginx version: nginx/{version}")), "{output:?}");
        let service = podman.start(&image, &[]);
        let answer = service.ask(port, "/hello.css");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.contains("Content-Type: text/css") && answer.ends_with("body {}\n"),
            "{answer}"
        );
        assert!(service.ask(port, "/old/page").contains(&format!("Location: http://127.0.0.1:{port}/page")));
    }
}

#[test]
fn the_clients_of_postgresql_start() {
    let (Some(_), Some(podman)) = (Mirror::find(), Podman::find()) else { return };
    for suite in SUITES {
        let project = Project::new(&recipe(suite, "postgresql-client", "", ""));
        let image = build(&project);
        check(&project);
        let major = if suite == "trixie" { "17" } else { "15" };
        assert!(podman.run(&image, &["--version"]).starts_with(&format!("psql (PostgreSQL) {major}.")));
        for program in ["pg_dump", "pg_dumpall", "pg_restore", "pg_isready", "pg_basebackup"] {
            let output = podman.run_program(&image, &format!("/usr/bin/{program}"), &["--version"]);
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.starts_with(&format!("{program} (PostgreSQL) {major}.")), "{output:?}");
        }
        // The name is looked up and the connection tried: libpq and all that it is linked to work.
        let output =
            podman.run_program(&image, "/usr/bin/psql", &["--command", "select 1", "host=localhost port=9 sslmode=require dbname=none"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("\"localhost\" (127.0.0.1), port 9 failed: Connection refused"), "{said}");
    }
}

#[test]
fn images_for_arm64_run_where_there_is_an_emulator() {
    let (Some(_), Some(umoci), Some(emulator)) = (Mirror::find(), Peer::find("umoci"), Peer::find("qemu-aarch64-static")) else { return };
    let run = |project: &Project, root: &Path, program: &str, arguments: &[&str]| {
        let mut command = emulator.command(&project.home(), 120);
        command.env("LANG", "C.UTF-8").args(["-L"]).arg(root).arg(fs::canonicalize(root.join(program)).unwrap());
        success(command.args(arguments))
    };
    for suite in SUITES {
        let platform =
            |flavour: &str, rest: &str| recipe(suite, flavour, "", rest).replacen("\n\n", "\nplatforms = [\"linux/arm64\"]\n\n", 1);
        let project = Project::new(&platform("python3", ""));
        build(&project);
        let root = unpack(&umoci, &project);
        let script = "import platform, sys, ssl, sqlite3, lzma, bz2, ctypes, zoneinfo, readline, hashlib\n\
            print(platform.machine(), sys.version_info[:2], hashlib.sha256(b'abc').hexdigest()[:16], ssl.OPENSSL_VERSION_INFO[0], \
            sqlite3.connect(':memory:').execute('select 6 * 7').fetchone()[0])";
        let minor = if suite == "trixie" { 13 } else { 11 };
        let said = run(&project, &root, "usr/bin/python3", &["-c", script]);
        assert_eq!(said, format!("aarch64 (3, {minor}) ba7816bf8f01cfea 3 42\n"));
        assert!(locked(&project, "linux/arm64").values().all(|package| matches!(package["architecture"].as_str(), Some("arm64" | "all"))));

        let project = Project::new(&platform("cc", OF_ONE_PROGRAM)).program("app", &elf::program("arm64", "for arm64\n"));
        hardened(&project, &["lock"]);
        build(&project);
        let root = unpack(&umoci, &project);
        assert_eq!(run(&project, &root, "app", &[]), "for arm64\n");
        let said = run(&project, &root, "usr/lib/aarch64-linux-gnu/libc.so.6", &[]);
        assert!(said.starts_with("GNU C Library (Debian GLIBC 2."), "{said}");
        // The dynamic linker finds all that the C++ library, OpenMP and OpenSSL are linked to, in the image's own list.
        for library in ["libstdc++.so.6", "libgomp.so.1", "libssl.so.3"] {
            let path = root.join("usr/lib/aarch64-linux-gnu").join(library);
            let said = run(&project, &root, "usr/lib/ld-linux-aarch64.so.1", &["--list", path.to_str().unwrap()]);
            assert!(said.contains("libc.so.6 => /lib/aarch64-linux-gnu/libc.so.6") && !said.contains("not found"), "{library}: {said}");
        }
    }
}
