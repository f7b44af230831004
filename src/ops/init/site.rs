use super::draft::{Draft, DraftFiles, FilesFrom, NOT_PROGRAM, Package};
use super::folder::Folder;

const NGINX: (&str, &str) = ("debian = { flavour = \"nginx\" }", "from signed Debian packages");
/// Where the pages of a site may be.
const FOLDERS: [&str; 7] = ["public", "dist", "build", "_site", "site", "www", "."];
const CONFIGURATION: &str = include_str!("../../../templates/nginx/nginx.conf");

/// Returns the recipe for static files.
pub(super) fn draft(folder: &Folder<'_>) -> Option<Draft> {
    let root = FOLDERS.into_iter().find(|below| folder.has_file(&format!("{below}/index.html")))?;
    let mut draft = Draft::new("nginx", format!("the pages beside `{root}/index.html`"), Package::default(), NGINX);
    let mut configuration = if folder.has_file("nginx.conf") {
        DraftFiles {
            comment: "listens above 1024; its pid and temporary files are in /tmp".to_owned(),
            ..DraftFiles::new("nginx.conf", "")
        }
    } else {
        draft.ports.push(8080);
        DraftFiles { from: FilesFrom::Text(CONFIGURATION), ..DraftFiles::default() }
    };
    "/etc/nginx/nginx.conf".clone_into(&mut configuration.to);
    let mut pages = DraftFiles::new(root, "/srv/public");
    pages.exclude = if root == "." { [&NOT_PROGRAM[..], &["/nginx.conf", "**/*.map"]].concat() } else { vec!["**/*.map"] };
    draft.files = vec![configuration, pages];
    draft.entrypoint = ["/usr/sbin/nginx", "-e", "stderr", "-g", "daemon off;"].map(str::to_owned).to_vec();
    Some(draft)
}
