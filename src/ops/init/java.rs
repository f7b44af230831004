use super::draft::{Draft, DraftFiles, Package};
use super::folder::{Folder, has_extension};

const JAVA: (&str, &str) = ("debian = { flavour = \"java\" }", "OpenJDK 21, from signed Debian packages");
/// Jars that are made beside the one that is started.
const BESIDE: [&str; 5] = ["-sources.jar", "-javadoc.jar", "-plain.jar", "-tests.jar", "-test.jar"];

/// Returns the recipe for a jar, built or not.
pub(super) fn draft(folder: &Folder<'_>) -> Option<Draft> {
    let package = maven(folder).or_else(|| gradle(folder));
    // What the project's build makes comes first.
    let built = ["target", "build/libs", ""].iter().find_map(|below| jar(folder, below));
    if let Some(path) = built {
        let package = package.map_or_else(|| of_name(&path), |(package, ..)| package);
        return Some(of_jar(folder, &path, package));
    }
    let (package, path, command) = package?;
    let mut draft = of_jar(folder, &path, package);
    draft.files[0].comment = format!("made by `{command}`");
    draft.first.push((command, "builds the jar"));
    Some(draft)
}

fn of_jar(folder: &Folder<'_>, path: &str, package: Package) -> Draft {
    let mut draft = Draft::new("java", format!("the jar `{path}`"), package, JAVA);
    draft.files.push(DraftFiles::new(path, "/app/app.jar"));
    draft.entrypoint = ["/usr/bin/java", "-XX:MaxRAMPercentage=75", "-jar", "/app/app.jar"].map(str::to_owned).to_vec();
    draft.workdir = Some("/app");
    let properties = folder.text("src/main/resources/application.properties").unwrap_or_default();
    let port = properties
        .lines()
        .find_map(|line| line.trim().strip_prefix("server.port")?.trim_start().strip_prefix('=')?.trim().parse::<u16>().ok());
    draft.ports.extend(port.filter(|port| *port != 0));
    draft
}

/// Returns the jar of a folder: of several the largest, since one with its libraries is larger than one without.
fn jar(folder: &Folder<'_>, below: &str) -> Option<String> {
    let is_started = |name: &String| {
        has_extension(name, "jar")
            && !name.starts_with("original-")
            && !BESIDE.iter().any(|end| name.ends_with(end))
            && !name.ends_with("-wrapper.jar")
    };
    let path = |name: String| if below.is_empty() { name } else { format!("{below}/{name}") };
    let jars = folder.names(below).into_iter().filter(is_started).map(path).filter(|path| folder.has_file(path));
    jars.max_by_key(|path| folder.size(path))
}

/// Returns what the name of a jar says: of `shop-api-1.4.2.jar`, `shop-api` and `1.4.2`.
fn of_name(path: &str) -> Package {
    let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".jar");
    let split = name.match_indices('-').find(|(at, _)| name[at + 1..].starts_with(|first: char| first.is_ascii_digit()));
    let (name, version) = split.map_or((name, None), |(at, _)| (&name[..at], Some(name[at + 1..].to_owned())));
    Package { name: Some(name.to_owned()), version, ..Package::default() }
}

/// Returns what a Maven project says of itself, the jar that it makes, and the command for it.
fn maven(folder: &Folder<'_>) -> Option<(Package, String, String)> {
    let text = folder.text("pom.xml")?;
    let document = roxmltree::Document::parse(&text).ok()?;
    let project = document.root_element();
    let child = |of: roxmltree::Node<'_, '_>, name: &str| {
        let found = of.children().find(|child| child.tag_name().name() == name)?;
        found.text().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty() && !text.contains("${"))
    };
    let node = |name: &str| project.children().find(|child| child.tag_name().name() == name);
    let name = child(project, "artifactId")?;
    let version = child(project, "version").or_else(|| child(node("parent")?, "version"))?;
    if child(project, "packaging").is_some_and(|packaging| packaging != "jar") {
        return None;
    }
    let file = node("build").and_then(|build| child(build, "finalName")).unwrap_or_else(|| format!("{name}-{version}"));
    let program = if folder.has_file("mvnw") { "./mvnw" } else { "mvn" };
    let package = Package { name: Some(name), version: Some(version), description: child(project, "description"), licenses: None };
    Some((package, format!("target/{file}.jar"), format!("{program} -q package")))
}

/// The same of a Gradle project. Its files are programs: only what they set to a text in quotes is known.
fn gradle(folder: &Folder<'_>) -> Option<(Package, String, String)> {
    let either = |name: &str| folder.text(name).or_else(|| folder.text(&format!("{name}.kts")));
    let build = either("build.gradle")?;
    let settings = either("settings.gradle").unwrap_or_default();
    let name = assigned(&settings, "rootProject.name").or_else(|| folder.name())?;
    let version = assigned(&build, "version");
    let file = version.as_ref().map_or_else(|| name.clone(), |version| format!("{name}-{version}"));
    let program = if folder.has_file("gradlew") { "./gradlew" } else { "gradle" };
    let package = Package { name: Some(name), version, ..Package::default() };
    Some((package, format!("build/libs/{file}.jar"), format!("{program} -q assemble")))
}

/// Returns the text that a line of a Gradle script assigns to a name.
fn assigned(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix(name)?.trim_start();
        let value = value.strip_prefix('=').unwrap_or(value).trim();
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
        let (value, _) = value[1..].split_once(quote)?;
        Some(value.to_owned()).filter(|value| !value.is_empty() && !value.contains('$'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jar_is_named_by_its_project_and_version() {
        for (path, name, version) in
            [("target/shop-api-1.4.2.jar", "shop-api", Some("1.4.2")), ("app.jar", "app", None), ("a-1-2.jar", "a", Some("1-2"))]
        {
            let package = of_name(path);
            assert_eq!((package.name.as_deref(), package.version.as_deref()), (Some(name), version), "{path}");
        }
        let script = "plugins {}\nversion = '1.2'\ngroup = \"x\"\nother = \"${y}\"\n";
        assert_eq!((assigned(script, "version").as_deref(), assigned(script, "other")), (Some("1.2"), None));
    }
}
