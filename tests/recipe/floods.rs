//! Recipes with a thousand of entries: what is wrong is told in a bounded answer, whatever is repeated.

use crate::project::program;
use crate::sandbox::Sandbox;

const HEAD: &str = "[image]\nname = \"a.example/b\"\n[base]\nstatic = true\n[process]\nentrypoint = [\"/app\"]\n";
const COUNT: usize = 1000;

#[test]
fn a_thousand_faults_are_counted_and_fifty_are_shown() {
    let repeated = |text: &str| text.repeat(COUNT);
    let numbered = |text: &str| (0..COUNT).map(|number| text.replace('N', &number.to_string())).collect::<String>();
    let program_entry = "[[files]]\nfrom = \"app\"\nto = \"/app\"\n";
    for (name, more, faults) in [
        ("files", repeated(program_entry), COUNT - 1),
        ("texts", repeated("[[files]]\ntext = \"x\"\nto = \"/x\"\n"), COUNT - 1),
        (
            "files below files",
            "[[files]]\ntext = \"x\"\nto = \"/x\"\n".to_owned() + &numbered("[[files]]\ntext = \"x\"\nto = \"/x/N\"\n"),
            COUNT,
        ),
        ("links", repeated("[[links]]\npath = \"/l\"\ntarget = \"/app\"\n"), COUNT - 1),
        ("missing files", numbered("[[files]]\nfrom = \"gone-N\"\nto = \"/N\"\n"), COUNT),
        ("ports", format!("ports = [{}]\n", repeated("80,")), COUNT - 1),
        ("volumes", format!("volumes = [{}]\n", repeated("\"/v\",")), COUNT - 1),
        ("environment", "[process.env]\n".to_owned() + &numbered("\"A N\" = \"x\"\n"), COUNT),
        ("equal variables", "[process.env]\n".to_owned() + &repeated("A = \"x\"\n"), COUNT - 1),
        ("labels", "[metadata.labels]\n".to_owned() + &numbered("\"N\\u0007\" = \"x\"\n"), COUNT),
        ("unknown keys", numbered("keyN = 1\n"), COUNT),
        ("unknown tables", numbered("[tableN]\n"), COUNT),
        ("syntax", numbered("keyN\n"), COUNT),
        ("nulls", "[metadata.labels]\n".to_owned() + &numbered("keyN = null\n"), COUNT),
    ] {
        let sandbox = Sandbox::with(&(HEAD.to_owned() + &more), &program(62));
        let ran = sandbox.run(&["build", "-o", "oci:out"]);
        ran.fails(2, &[&format!("error: and {} more, which are not shown\nhint: correct these first", faults - 50)]);
        assert_eq!(ran.err.matches("error: ").count(), 51, "{name}");
        assert!(ran.err.len() < 50_000, "{name}: {}", ran.err.len());
        let report = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).json();
        assert_eq!((report["errors"].as_array().unwrap().len(), report["more"].as_u64().unwrap()), (50, faults as u64 - 50), "{name}");
    }
}

#[test]
fn a_thousand_entries_that_are_right_are_built() {
    let numbered = |text: &str| (0..COUNT).map(|number| text.replace('N', &number.to_string())).collect::<String>();
    let program_entry = "[[files]]\nfrom = \"app\"\nto = \"/app\"\nlayer = \"one\"\n".to_owned();
    for more in [
        program_entry.clone() + &numbered("[[files]]\ntext = \"x\"\nto = \"/x/N\"\nlayer = \"one\"\n"),
        program_entry.clone() + &"[[files]]\ntext = \"x\"\nto = \"/x\"\nlayer = \"one\"\nreplace = true\n".repeat(COUNT),
        program_entry + &numbered("[[links]]\npath = \"/l/N\"\ntarget = \"/app\"\n[[directories]]\npath = \"/d/N\"\n"),
    ] {
        let sandbox = Sandbox::with(&(HEAD.to_owned() + &more), &program(62));
        sandbox.run(&["build", "-q", "-o", "oci:out"]).succeeds();
    }
}

#[test]
fn a_thousand_warnings_are_counted_and_fifty_are_shown() {
    let variables: String = (0..COUNT).map(|number| "A#_TOKEN = \"x\"\n".replace('#', &number.to_string())).collect();
    let files = "[process.env]\n".to_owned() + &variables + "[[files]]\nfrom = \"app\"\nto = \"/app\"\n";
    let sandbox = Sandbox::with(&(HEAD.to_owned() + &files), &program(62));
    let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    assert_eq!(ran.err.matches("looks like a credential").count(), 50);
    assert!(ran.err.contains("note: and 950 more warnings about the recipe"), "{}", ran.err);
}
