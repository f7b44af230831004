use super::folder::Folder;

/// What a Dockerfile says that a recipe can take over.
pub(super) struct Dockerfile {
    /// Its name.
    pub(super) name: &'static str,
    /// The ports of its `EXPOSE` lines.
    pub(super) ports: Vec<u16>,
    /// The template of the image that its last stage is from, where that is known.
    pub(super) template: Option<&'static str>,
}

/// Images by words in their names, and the template for what is on them.
const IMAGES: [(&str, &str); 9] = [
    ("node", "node"),
    ("python", "python"),
    ("openjdk", "java"),
    ("temurin", "java"),
    ("corretto", "java"),
    ("java", "java"),
    ("nginx", "nginx"),
    ("scratch", "static"),
    ("distroless/static", "static"),
];

/// Reads the Dockerfile of a folder.
pub(super) fn read(folder: &Folder<'_>) -> Option<Dockerfile> {
    let name = ["Dockerfile", "Containerfile"].into_iter().find(|name| folder.has_file(name))?;
    let text = folder.text(name).unwrap_or_default();
    let mut found = Dockerfile { name, ports: Vec::new(), template: None };
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("FROM") => {
                let image = words.find(|word| !word.starts_with("--")).unwrap_or_default();
                found.ports.clear();
                found.template = IMAGES.iter().find(|(word, _)| image.contains(word)).map(|(_, template)| *template);
            }
            Some("EXPOSE") => {
                let ports =
                    words.filter_map(|word| word.strip_suffix("/tcp").unwrap_or(word).parse::<u16>().ok()).filter(|port| *port != 0);
                for port in ports {
                    if !found.ports.contains(&port) {
                        found.ports.push(port);
                    }
                }
            }
            _ => {}
        }
    }
    Some(found)
}

impl Dockerfile {
    /// Returns what to do with it.
    pub(super) fn note(&self) -> String {
        format!(
            "`{}` is not read by `hardened build`: what `FROM` names becomes `[base]`, `COPY` becomes `[[files]]`, `ENTRYPOINT`, `CMD`, `ENV` and \
             `EXPOSE` become `[process]`, and what `RUN` does is run before the build",
            self.name
        )
    }
}
