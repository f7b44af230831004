//! Programs that read images and layers: they see what was built, and copy it without changing a byte.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::elf;
use crate::layout::Layout;
use crate::peer::{Peer, success};
use crate::project::{Project, digest};
use crate::registry::Registry;

/// A project with whatever is awkward in an archive: long and foreign names, links of both kinds, modes, empty files and folders.
fn awkward(compression: &str) -> Project {
    let recipe = format!(
        r#"
[image]
name = "awkward"

[base]
static = true

[[files]]
from = "tree"
to = "/srv/tree"

[[files]]
from = "app"
to = "/app"

[[links]]
path = "/usr/bin/app"
target = "/app"

[[directories]]
path = "/var/empty"
mode = "0700"
owner = "user"

[process]
entrypoint = ["/usr/bin/app"]
writable = ["/data"]

[layers]
compression = "{compression}"
"#
    );
    let long = format!("tree/{}/{}.txt", "folder".repeat(20), "name".repeat(30));
    let project = Project::new(&recipe)
        .program("app", &elf::program("amd64", "awkward\n"))
        .program("tree/run", b"#!/app\n")
        .file("tree/empty", "")
        .file("tree/with space", "a")
        .file("tree/blåbær/日本語.txt", "b")
        .file("tree/large", vec![3; 3 << 20])
        .file(&long, "c")
        .file(&format!("tree/{}", "n".repeat(255)), "d")
        .file(&format!("tree/{}end", format!("{}/", "deep".repeat(40)).repeat(12)), "e");
    std::os::unix::fs::symlink("with space", project.path("tree/link")).unwrap();
    fs::hard_link(project.path("tree/large"), project.path("tree/the same")).unwrap();
    project
}

#[test]
fn skopeo_inspects_and_copies_with_the_same_digest() {
    let (Some(skopeo), Some(registry)) = (Peer::find("skopeo"), Registry::crane()) else { return };
    for compression in ["gzip", "zstd"] {
        let project = awkward(compression);
        let built = project.hardened(&["build", "-o", "oci:out:1"]);
        let layout = format!("oci:{}:1", project.path("out").display());
        let seen: serde_json::Value = serde_json::from_str(&skopeo.run(&project.home(), ["inspect", &layout])).unwrap();
        assert_eq!(seen["Digest"], digest(&built));
        assert_eq!((&seen["Os"], &seen["Architecture"]), (&"linux".into(), &"amd64".into()));

        let remote = format!("docker://{}/shop/{compression}:1", registry.address());
        let copy = ["copy", "--insecure-policy", "--preserve-digests", "--dest-tls-verify=false", &layout, &remote];
        skopeo.run(&project.home(), copy);
        let seen = skopeo.run(&project.home(), ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &remote]);
        assert_eq!(seen.trim(), digest(&built));

        let back = format!("oci:{}:1", project.path("back").display());
        skopeo.run(&project.home(), ["copy", "--insecure-policy", "--preserve-digests", "--src-tls-verify=false", &remote, &back]);
        assert_eq!(Layout::open(&project.path("back")).only(), digest(&built));
    }
}

#[test]
fn skopeo_copies_the_archives() {
    let Some(skopeo) = Peer::find("skopeo") else { return };
    let project = awkward("gzip");
    let built = project.hardened(&["build", "-t", "shop/api:1", "-o", "oci-archive:image.tar", "-o", "docker-archive:docker.tar"]);
    let archive = format!("oci-archive:{}", project.path("image.tar").display());
    assert_eq!(skopeo.run(&project.home(), ["inspect", "--format", "{{.Digest}}", &archive]).trim(), digest(&built));
    let archive = format!("docker-archive:{}", project.path("docker.tar").display());
    let copy = format!("oci:{}:1", project.path("copied").display());
    skopeo.run(&project.home(), ["copy", "--insecure-policy", &archive, &copy]);
}

#[test]
fn crane_validates_the_docker_archive() {
    let Some(crane) = Peer::find("crane") else { return };
    let project = awkward("gzip");
    project.hardened(&["build", "-t", "shop/api:1", "-o", "docker-archive:docker.tar"]);
    crane.run(&project.home(), ["validate", "--tarball", project.path("docker.tar").to_str().unwrap()]);
}

#[test]
fn umoci_unpacks_what_was_added() {
    let Some(umoci) = Peer::find("umoci") else { return };
    let project = awkward("gzip");
    project.hardened(&["build", "-o", "oci:out:1"]);
    let (image, bundle) = (format!("{}:1", project.path("out").display()), project.path("bundle"));
    // Only root may make files that belong to others.
    let rootless = if rustix::process::geteuid().is_root() { None } else { Some("--rootless") };
    let mut command = umoci.command(&project.home(), 60);
    success(command.arg("unpack").args(rootless).args(["--image", &image]).arg(&bundle));
    let root = bundle.join("rootfs");
    let mode = |path: &str| fs::symlink_metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(fs::read(root.join("srv/tree/blåbær/日本語.txt")).unwrap(), b"b");
    assert_eq!(fs::read_link(root.join("usr/bin/app")).unwrap(), Path::new("/app"));
    assert_eq!((mode("srv/tree/run"), mode("srv/tree/empty"), mode("tmp"), mode("var/empty")), (0o755, 0o644, 0o1777, 0o700));
    let (large, same) = (fs::metadata(root.join("srv/tree/large")).unwrap(), fs::metadata(root.join("srv/tree/the same")).unwrap());
    assert_eq!(large.ino(), same.ino(), "the hard link became a second file");
    assert_eq!(large.mtime(), 0);
    if rootless.is_none() {
        let owner = |path: &str| fs::metadata(root.join(path)).map(|found| (found.uid(), found.gid())).unwrap();
        assert_eq!((owner("app"), owner("data"), owner("var/empty")), ((0, 0), (65532, 65532), (65532, 65532)));
    }
    let config: serde_json::Value = serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!((&config["process"]["user"]["uid"], &config["process"]["args"][0]), (&65532.into(), &"/usr/bin/app".into()));
}

#[test]
fn four_programs_read_each_layer_alike() {
    let (Some(gnu), Some(bsd), Some(python), Some(go)) = (Peer::find("tar"), Peer::find("bsdtar"), Peer::find("python3"), Peer::find("go"))
    else {
        return;
    };
    for compression in ["gzip", "zstd"] {
        let project = awkward(compression).file("reader.go", READER);
        let reader = project.path("reader");
        let mut build = go.command(&project.home(), 240);
        // Go's own library needs no network, and no module of anybody.
        build.env("GO111MODULE", "off").env("GOFLAGS", "").args(["build", "-o"]).arg(&reader).arg(project.path("reader.go"));
        success(&mut build);
        project.hardened(&["build", "-o", "oci:out"]);
        let layout = Layout::open(&project.path("out"));
        let mut entries = 0;
        for layer in layout.layers(&layout.only()) {
            let path = project.path("layer.tar");
            fs::write(&path, layout.tar(&layer)).unwrap();
            let by_gnu =
                listed_by_gnu(&gnu.run(&project.home(), ["--numeric-owner", "--quoting-style=literal", "-tvf", path.to_str().unwrap()]));
            let by_bsd = listed_by_bsd(&bsd.run(&project.home(), ["--numeric-owner", "-tvf", path.to_str().unwrap()]));
            let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let by_python = lines(python.run(&project.home(), ["-I", "-c", LISTING, path.to_str().unwrap()]));
            let by_go = lines(success(crate::peer::bounded(&reader, &project.home(), 60).arg(&path)));
            assert_eq!(by_gnu, by_bsd);
            assert_eq!(by_gnu, by_python);
            assert_eq!(by_gnu, by_go);
            entries += by_gnu.len();
        }
        assert!(entries > 20, "{entries}");
    }
}

/// Lists an archive as the others do, and reads all of its contents.
const READER: &str = r#"
package main

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
)

func main() {
	file, failure := os.Open(os.Args[1])
	check(failure)
	reader := tar.NewReader(file)
	for {
		entry, failure := reader.Next()
		if failure == io.EOF {
			return
		}
		check(failure)
		read, failure := io.Copy(io.Discard, reader)
		check(failure)
		if entry.Typeflag == tar.TypeReg && read != entry.Size {
			panic(entry.Name)
		}
		kind, name, size := map[byte]string{tar.TypeReg: "-", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeLink: "h"}[entry.Typeflag], entry.Name, entry.Size
		switch entry.Typeflag {
		case tar.TypeSymlink:
			name, size = name+" -> "+entry.Linkname, 0
		case tar.TypeLink:
			name, size = name+" link to "+entry.Linkname, 0
		}
		fmt.Println(kind+permissions(entry.Mode), fmt.Sprintf("%d/%d", entry.Uid, entry.Gid), size, name)
	}
}

func permissions(mode int64) string {
	text := []byte("rwxrwxrwx")
	for place := range text {
		if mode>>(8-place)&1 == 0 {
			text[place] = '-'
		}
	}
	special := func(bit, place int64, with, without byte) {
		if mode&bit != 0 {
			if text[place] == 'x' {
				text[place] = with
			} else {
				text[place] = without
			}
		}
	}
	special(04000, 2, 's', 'S')
	special(02000, 5, 's', 'S')
	special(01000, 8, 't', 'T')
	return string(text)
}

func check(failure error) {
	if failure != nil {
		panic(failure)
	}
}
"#;

const LISTING: &str = "
import stat, sys, tarfile
kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.LNKTYPE: stat.S_IFREG, tarfile.REGTYPE: stat.S_IFREG}
for entry in tarfile.open(sys.argv[1]):
    mode = stat.filemode(kinds[entry.type] | entry.mode)
    name = entry.name + ('/' if entry.isdir() else '')
    if entry.islnk(): mode, name = 'h' + mode[1:], name + ' link to ' + entry.linkname
    if entry.issym(): name += ' -> ' + entry.linkname
    print(mode, f'{entry.uid}/{entry.gid}', 0 if entry.islnk() or entry.issym() else entry.size, name)
";

/// `-rw-r--r-- 0/0 12 1970-01-01 00:00 name`
fn listed_by_gnu(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let (fields, name) = split(line, 5);
        format!("{} {} {} {name}", fields[0], fields[1], fields[2])
    };
    text.lines().map(line).collect()
}

/// `-rw-r--r--  0 0      0          12 Jan  1  1970 name`
fn listed_by_bsd(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let (fields, name) = split(line, 8);
        format!("{} {}/{} {} {name}", fields[0], fields[2], fields[3], fields[4])
    };
    text.lines().map(line).collect()
}

/// Splits off so many fields; the rest, which may hold spaces, is the name.
fn split(line: &str, count: usize) -> (Vec<&str>, &str) {
    let mut rest = line;
    let mut fields = Vec::new();
    for _ in 0..count {
        let (field, after) = rest.trim_start().split_once(' ').unwrap();
        fields.push(field);
        rest = after;
    }
    (fields, rest)
}
