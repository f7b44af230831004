use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::ops::Failure;

/// What somebody types who knows another tool, and what it is here.
struct Habit {
    /// The verb that was typed, or the verb whose option it is; `*` for every verb.
    verb: &'static str,
    /// The option; empty where the verb itself is meant.
    option: &'static str,
    /// Why it is not here.
    told: &'static str,
    /// The command to type, and what it does.
    instead: &'static [&'static str],
}

const fn verb(verb: &'static str, told: &'static str, instead: &'static [&'static str]) -> Habit {
    Habit { verb, option: "", told, instead }
}

const fn option(verb: &'static str, option: &'static str, told: &'static str, instead: &'static [&'static str]) -> Habit {
    Habit { verb, option, told, instead }
}

/// What engines do with containers.
const CONTAINERS: &str = "hardened makes images and runs no containers";
/// Images are not kept in a list of this machine.
const NO_LIST: &str = "hardened keeps no list of images: an image is in a file, a folder or a registry, and named by it";
/// No instruction of an image is run.
const NO_COMMANDS: &str = "no command is run while an image is built";

const RUN: &[&str] = &[
    "`hardened build -o docker-daemon: -t shop/api:dev` loads the image into the engine, and `docker run --rm --read-only shop/api:dev` runs it",
    "`podman run --rm --read-only oci:image` runs what `hardened build -o oci:image` wrote",
];
const ENGINE: &[&str] = &["ask the engine that runs the container: `docker`, `podman` or `kubectl`"];
const COMPOSE: &[&str] = &[
    "`hardened build --push` prints the reference to write as `image:` in compose.yaml; `docker compose up` starts it",
    "`hardened build -o docker-daemon:` loads it into the engine without a registry",
];
const SAVE: &[&str] = &[
    "`hardened build -o docker-archive:image.tar` writes what `docker load` reads",
    "`hardened push IMAGE oci-archive:image.tar` writes an image that exists",
];
const LOAD: &[&str] = &["`hardened build -o docker-daemon:` builds the image and loads it into the engine"];
const INSPECT: &[&str] = &["`hardened inspect IMAGE` shows its layers and settings, `hardened ls IMAGE` its files"];
const BASE: &[&str] =
    &["`hardened lock` pins the base and fetches what it needs", "`hardened push IMAGE oci:image` copies an image to this machine"];
const COPY: &[&str] = &["`hardened push IMAGE NAME:TAG` copies an image that exists, byte for byte"];
const INIT: &[&str] = &["`hardened init` writes a recipe, `hardened init FOLDER` into another folder"];
const PLAN: &[&str] = &["`hardened build --dry-run` decides everything and writes nothing"];
const UPDATE: &[&str] = &["`hardened lock --update` moves the base to what it is now, `hardened lock --update PACKAGE` one package"];
const PACKAGES: &[&str] = &[
    "write it in hardened.toml, `packages = [\"NAME\"]` in `base.debian`, and run `hardened lock`",
    "`hardened explain package NAME` says why one is in",
];
const PRUNE: &[&str] = &["`hardened cache prune` empties the cache, `hardened cache show` says how large it is"];
const PUBLISH: &[&str] = &["`hardened build --push` builds the image and pushes it to every name of the recipe"];
const ENGINE_OUTPUT: &[&str] = &["`hardened build -o docker-daemon:` loads the image into the engine"];
const NO_CACHE: &[&str] = &["`hardened build --cache-dir \"$(mktemp -d)\"` builds with an empty cache"];
const CARRY: &[&str] = &[
    "`hardened cache import registry.example.no/shop/api:cache` before the build",
    "`hardened cache export registry.example.no/shop/api:cache` after it",
];
const FROZEN: &[&str] =
    &["`hardened build --locked` refuses a missing or stale lock", "`hardened build --locked --offline` fetches nothing either"];
const BUILD: &[&str] = &["`hardened build -o oci:image` builds the recipe of this folder"];
const LISTED: &[&str] = &["leave it out: `hardened ls IMAGE` lists everything, with mode, owner and size"];
const JSON: &[&str] = &["`--format json` writes the result as JSON, which `jq` reads"];
const FOLDER: &[&str] = &["`hardened build FOLDER` builds the recipe in another folder; `-f FILE` names a file for every verb"];

/// One line for each. The first that fits is told.
const HABITS: &[Habit] = &[
    verb("run", CONTAINERS, RUN),
    verb("start", CONTAINERS, RUN),
    verb("create", CONTAINERS, RUN),
    verb(
        "exec",
        "images of hardened have no shell, and hardened runs no containers",
        &[
            "`hardened ls IMAGE` and `hardened cat IMAGE PATH` show what is in an image",
            "`kubectl debug` and `docker debug` bring tools of their own to a container that runs",
        ],
    ),
    verb("shell", "images of hardened have no shell", &["`hardened ls IMAGE` and `hardened cat IMAGE PATH` show what is in an image"]),
    verb("ps", CONTAINERS, &["`docker ps` or `podman ps` lists containers"]),
    verb("logs", CONTAINERS, ENGINE),
    verb("stop", CONTAINERS, ENGINE),
    verb("kill", CONTAINERS, ENGINE),
    verb("rm", CONTAINERS, &["`docker rm` removes a container; `hardened cache prune` empties the cache"]),
    verb("restart", CONTAINERS, ENGINE),
    verb("attach", CONTAINERS, ENGINE),
    verb("stats", CONTAINERS, ENGINE),
    verb("top", CONTAINERS, ENGINE),
    verb("port", CONTAINERS, ENGINE),
    verb("wait", CONTAINERS, ENGINE),
    verb("container", CONTAINERS, ENGINE),
    verb("volume", CONTAINERS, ENGINE),
    verb("network", CONTAINERS, ENGINE),
    verb("compose", CONTAINERS, COMPOSE),
    verb("up", CONTAINERS, COMPOSE),
    verb("down", CONTAINERS, COMPOSE),
    verb("pull", "images are fetched where they are used", BASE),
    verb("fetch", "packages and bases are fetched where they are used", BASE),
    verb("images", NO_LIST, INSPECT),
    verb("image", NO_LIST, INSPECT),
    verb("list", NO_LIST, INSPECT),
    verb("history", "layers have no history of commands here", INSPECT),
    verb("manifest", "a manifest is shown by `inspect`", &["`hardened inspect IMAGE --format json` shows manifests and config"]),
    verb("digest", "a digest is shown by `inspect`", &["`hardened inspect IMAGE` shows it first"]),
    verb("config", "the config of an image is shown by `inspect`", &["`hardened inspect IMAGE --format json` shows it whole"]),
    verb(
        "tag",
        "a tag is a name in a registry, a layout or an engine",
        &[
            "`hardened push NAME:TAG NAME:OTHER` tags an image in its registry",
            "`hardened build -t NAME:TAG --push` builds under another name",
        ],
    ),
    verb("rmi", NO_LIST, &["`rm -r FOLDER` removes a layout that `-o oci:FOLDER` wrote", "`hardened cache prune` empties the cache"]),
    verb("save", "an image is written where it is built, or copied", SAVE),
    verb("export", "an image is written where it is built, or copied", SAVE),
    verb("load", "an image is loaded where it is built", LOAD),
    verb("import", "an image is loaded where it is built", LOAD),
    verb("copy", "images are copied by `push`", COPY),
    verb(
        "cp",
        "images are copied by `push`, and files are read by `cat`",
        &["`hardened push IMAGE NAME:TAG` copies an image", "`hardened cat IMAGE PATH > FILE` copies a file out of one"],
    ),
    verb("commit", "an image is made from its recipe alone", BUILD),
    verb("buildx", "there is one way to build", BUILD),
    verb("builder", "there is no builder to start or choose", PRUNE),
    verb("bake", "there is one recipe for one image", BUILD),
    verb("system", "there is no daemon; hardened keeps a cache", PRUNE),
    verb("info", "there is no daemon; hardened keeps a cache", PRUNE),
    verb("version", "the version is an option", &["`hardened --version` prints it"]),
    verb("search", "registries are not searched", &["`hardened inspect NAME:TAG` shows an image whose name is known"]),
    verb("new", "a recipe is written by `init`", INIT),
    verb("create-recipe", "a recipe is written by `init`", INIT),
    verb("check", "a recipe is checked by a build that writes nothing", PLAN),
    verb("test", "a recipe is checked by a build that writes nothing", PLAN),
    verb("lint", "a recipe is checked by a build that writes nothing", PLAN),
    verb("validate", "a recipe is checked by a build that writes nothing", PLAN),
    verb("verify", "a recipe is checked by a build that writes nothing", PLAN),
    verb("plan", "the plan is shown by a build that writes nothing", PLAN),
    verb("metadata", "the plan is shown by a build that writes nothing", &["`hardened build --dry-run --format json` prints it"]),
    verb("add", "packages are written in the recipe", PACKAGES),
    verb("remove", "packages are written in the recipe", PACKAGES),
    verb("install", "packages are written in the recipe", PACKAGES),
    verb("uninstall", "packages are written in the recipe", PACKAGES),
    verb("pip", "packages are written in the recipe", PACKAGES),
    verb("tree", "why a package is in the image is explained", &["`hardened explain package NAME` shows the way to it"]),
    verb("why", "why a package is in the image is explained", &["`hardened explain package NAME` shows the way to it"]),
    verb("update", "what is locked is moved by `lock`", UPDATE),
    verb("upgrade", "what is locked is moved by `lock`", UPDATE),
    verb(
        "sync",
        "what is locked is brought up to date by `lock`",
        &["`hardened lock` writes hardened.lock, `hardened build` builds from it"],
    ),
    verb("clean", "what is kept between builds is the cache", PRUNE),
    verb("prune", "what is kept between builds is the cache", PRUNE),
    verb("gc", "what is kept between builds is the cache", PRUNE),
    verb("publish", "an image is published by a build that pushes", PUBLISH),
    verb("deploy", "an image is published by a build that pushes", PUBLISH),
    verb("release", "an image is published by a build that pushes", PUBLISH),
    verb("cache clean", "the cache is emptied by `prune`", PRUNE),
    verb("cache clear", "the cache is emptied by `prune`", PRUNE),
    verb("cache rm", "the cache is emptied by `prune`", PRUNE),
    verb("cache gc", "the cache is emptied by `prune`", PRUNE),
    verb("cache dir", "where the cache is is said by `show`", &["`hardened cache show` prints its folder and size"]),
    verb("cache ls", "what the cache holds is said by `show`", &["`hardened cache show` prints its folder and size"]),
    verb("cache list", "what the cache holds is said by `show`", &["`hardened cache show` prints its folder and size"]),
    verb("cache verify", "the cache is read by `check`", &["`hardened cache check` reads everything and removes what is damaged"]),
    option("build", "--load", "an engine is an output", ENGINE_OUTPUT),
    option("build", "--no-cache", "a layer that did not change is the same bytes, so the cache never decides what is built", NO_CACHE),
    option(
        "build",
        "--build-arg",
        "a recipe has keys instead of build arguments",
        &["`--set KEY=VALUE` sets any key for this build: `--set process.env.MODE=\"prod\"`", "`hardened schema` prints all keys"],
    ),
    option("build", "--env", "a variable is a key of the recipe", &["`--set process.env.NAME=VALUE` sets it for this build"]),
    option("build", "-e", "a variable is a key of the recipe", &["`--set process.env.NAME=VALUE` sets it for this build"]),
    option("build", "--pull", "the base is pinned in hardened.lock", UPDATE),
    option("build", "--upgrade", "the base is pinned in hardened.lock", UPDATE),
    option("build", "-U", "the base is pinned in hardened.lock", UPDATE),
    option("build", "--update", "the base is pinned in hardened.lock", UPDATE),
    option(
        "build",
        "--target",
        "a recipe has no stages",
        &["`-f OTHER.toml` builds another recipe of the folder", "`--platform linux/arm64` builds for another platform"],
    ),
    option("build", "--cache-from", "a cache is imported and exported", CARRY),
    option("build", "--cache-to", "a cache is imported and exported", CARRY),
    option("build", "--secret", NO_COMMANDS, &["fetch what needs the secret before the build, and name the result in `[[files]]`"]),
    option("build", "--ssh", NO_COMMANDS, &["fetch what needs the key before the build, and name the result in `[[files]]`"]),
    option("build", "--network", NO_COMMANDS, &["`--offline` keeps the build itself from every socket"]),
    option("build", "--squash", "every entry of the recipe is one layer", &["write the same `layer = \"NAME\"` in entries that share one"]),
    option("build", "--rm", NO_COMMANDS, &["leave it out: no container is made"]),
    option("build", "--force-rm", NO_COMMANDS, &["leave it out: no container is made"]),
    option("build", "--iidfile", "the digest is written by another name", &["`--digest-file FILE` writes it"]),
    option("build", "--context", "files are named by the recipe", FOLDER),
    option("build", "--build-context", "files are named by the recipe", FOLDER),
    option("build", "--file-path", "the recipe is named by `-f`", FOLDER),
    option(
        "build",
        "--annotation",
        "an annotation is a key of the recipe",
        &["`--set metadata.annotations.NAME=VALUE` sets it for this build"],
    ),
    option("build", "--name", "a name is given with its tag", &["`-t NAME:TAG` names the image"]),
    option("build", "--output-file", "an output is named by `-o`", SAVE),
    option("build", "--check", "a recipe is checked by a build that writes nothing", PLAN),
    option("build", "--release", "an image has one form", BUILD),
    option("build", "--jobs", "threads are counted by `--threads`", &["`--threads 2` compresses with two"]),
    option("build", "-j", "threads are counted by `--threads`", &["`--threads 2` compresses with two"]),
    option("build", "--arch", "a platform is named whole", &["`--platform linux/arm64` builds for it"]),
    option("build", "--os", "a platform is named whole", &["`--platform linux/arm64` builds for it"]),
    option("lock", "--upgrade", "what is locked is moved by `--update`", UPDATE),
    option("lock", "-U", "what is locked is moved by `--update`", UPDATE),
    option("lock", "--upgrade-package", "what is locked is moved by `--update`", UPDATE),
    option("lock", "-P", "what is locked is moved by `--update`", UPDATE),
    option("lock", "--locked", "a lock is checked by a build", &["`hardened build --locked --dry-run` refuses a missing or stale one"]),
    option("lock", "--check", "a lock is checked by a build", &["`hardened build --locked --dry-run` refuses a missing or stale one"]),
    option("lock", "--frozen", "a lock is checked by a build", &["`hardened build --locked --dry-run` refuses a missing or stale one"]),
    option("lock", "--dry-run", "a lock is checked by a build", &["`hardened build --dry-run` decides everything and writes nothing"]),
    option("init", "--force", "a recipe that exists is never overwritten", &["`rm hardened.toml` and `hardened init` write a new one"]),
    option("init", "--overwrite", "a recipe that exists is never overwritten", &["`rm hardened.toml` and `hardened init` write a new one"]),
    option("init", "-f", "a recipe that exists is never overwritten", &["`rm hardened.toml` and `hardened init` write a new one"]),
    option(
        "init",
        "--name",
        "the name is written in the recipe",
        &["`hardened init`, and then `name = \"registry.example.no/shop/api\"` in `[image]`"],
    ),
    option("init", "--type", "a template is chosen by its name", &["`hardened init --template node`"]),
    option("init", "--lang", "a template is chosen by its name", &["`hardened init --template node`"]),
    option("ls", "-l", "everything is listed", LISTED),
    option("ls", "-a", "everything is listed", LISTED),
    option("ls", "-R", "everything is listed", LISTED),
    option("inspect", "--raw", "the result is for people or for programs", JSON),
    option("inspect", "--config", "the result is for people or for programs", JSON),
    option("push", "--all-tags", "an image is pushed under the names that are written", &["`hardened push IMAGE NAME:ONE NAME:TWO`"]),
    option("push", "-a", "an image is pushed under the names that are written", &["`hardened push IMAGE NAME:ONE NAME:TWO`"]),
    option("*", "--frozen", "a build that changes no lock is `--locked`", FROZEN),
    option("*", "--json", "the result is for people or for programs", JSON),
    option("*", "--no-color", "colours are set by `--color`", &["`--color never` uses none"]),
    option("*", "--no-progress", "progress is set by how much is said", &["`-q` says only what is wrong"]),
    option("*", "--progress", "progress is set by how much is said", &["`-q` says only what is wrong, `-v` says more"]),
    option("*", "--debug", "how much is said is set by `-v`", &["`-v` says more: each layer, transfer and file"]),
    option("*", "-D", "how much is said is set by `-v`", &["`-v` says more: each layer, transfer and file"]),
    option("*", "--log-level", "how much is said is set by `-q` and `-v`", &["`-v` says more, `-q` only what is wrong"]),
    option("*", "--no-cache", "the cache never decides what is built", NO_CACHE),
    option("*", "--tls-verify", "a registry without TLS is named", &["`--insecure HOST` reaches this registry without TLS"]),
    option("*", "--insecure-registry", "a registry without TLS is named", &["`--insecure HOST` reaches this registry without TLS"]),
    option(
        "*",
        "--creds",
        "credentials are kept by `login`, or come from the environment",
        &["`hardened login HOST --username NAME --password-stdin`"],
    ),
    option(
        "*",
        "--authfile",
        "credentials are kept by `login`, or come from the environment",
        &["`DOCKER_CONFIG=FOLDER` names the folder of `config.json`"],
    ),
    option(
        "*",
        "--host",
        "the engine is named by the environment",
        &["`DOCKER_HOST=unix:///run/docker.sock hardened build -o docker-daemon:`"],
    ),
    option(
        "*",
        "-H",
        "the engine is named by the environment",
        &["`DOCKER_HOST=unix:///run/docker.sock hardened build -o docker-daemon:`"],
    ),
    option("*", "-C", "a folder is named by its path", FOLDER),
    option("*", "--directory", "a folder is named by its path", FOLDER),
    option("*", "--project", "a folder is named by its path", FOLDER),
    option("*", "--manifest-path", "the recipe is named by `-f`", FOLDER),
    option(
        "*",
        "--config",
        "settings are in a file of their own",
        &["`XDG_CONFIG_HOME=FOLDER` names the folder of `hardened/settings.toml`"],
    ),
];

/// Returns what a mistaken command line means to users of docker, podman, cargo or uv.
pub(super) fn answer(error: &clap::Error, verbs: &[&str]) -> Option<Failure> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (found, typed) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand)?;
            let typed = verbs.iter().copied().chain([word]).collect::<Vec<_>>().join(" ");
            (HABITS.iter().find(|habit| habit.option.is_empty() && habit.verb == typed), typed)
        }
        ErrorKind::UnknownArgument => {
            let option = text(ContextKind::InvalidArg)?;
            let option = option.split('=').next().unwrap_or(option);
            let verb = verbs.first().copied().unwrap_or_default();
            let fits = |habit: &&Habit| habit.option == option && (habit.verb == verb || habit.verb == "*");
            (HABITS.iter().find(fits), [verb, option].join(" ").trim().to_owned())
        }
        ErrorKind::ArgumentConflict if conflicts_with_path(error) => return Some(two_recipes()),
        _ => return None,
    };
    let Habit { told, instead, .. } = found?;
    let failure = Failure::wrong(format!("there is no `hardened {typed}`: {told}"));
    Some(instead.iter().fold(failure, |failure, command| failure.hint(*command)))
}

/// Says whether the recipe is named by `-f` and by its path: docker takes a file and, behind it, the folder that it may read.
fn conflicts_with_path(error: &clap::Error) -> bool {
    let text = error.render().to_string();
    text.contains("'--file <FILE>'") && text.contains("'[PATH]'")
}

fn two_recipes() -> Failure {
    Failure::wrong("`-f FILE` and `PATH` both name the recipe: there is no build context, and the recipe names its files itself")
        .hint("`hardened build -f FILE` builds the recipe of this name")
        .hint("`hardened build PATH` builds the recipe in this folder")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::arguments::Arguments;

    fn told(words: &[&str]) -> String {
        let error = Arguments::try_parse_from([&["hardened"], words].concat()).unwrap_err();
        match answer(&error, &super::super::command_line::verbs(words.iter().map(std::ffi::OsStr::new))) {
            Some(Failure::Wrong(diagnostics)) => format!("{}\n{}", diagnostics[0].message, diagnostics[0].hints.join("\n")),
            other => format!("{words:?}: {other:?}: {error}"),
        }
    }

    #[test]
    fn what_users_of_other_tools_type_is_answered() {
        for (words, expected) in [
            (&["run", "image"][..], "docker run"),
            (&["pull", "nginx"], "`hardened lock`"),
            (&["images"], "`hardened inspect IMAGE`"),
            (&["tag", "a", "b"], "`hardened push NAME:TAG NAME:OTHER`"),
            (&["ps", "-a"], "docker ps"),
            (&["rmi", "x"], "hardened cache prune"),
            (&["exec", "-it", "x", "sh"], "hardened cat IMAGE PATH"),
            (&["compose", "up"], "docker compose up"),
            (&["build", "--load", "."], "-o docker-daemon:"),
            (&["build", "--load=true"], "-o docker-daemon:"),
            (&["build", ".", "--no-cache"], "--cache-dir"),
            (&["build", "--build-arg", "A=1"], "--set KEY=VALUE"),
            (&["build", "--build-arg=A=1"], "--set KEY=VALUE"),
            (&["-v", "build", "--frozen"], "--locked --offline"),
            (&["init", "--force"], "rm hardened.toml"),
            (&["init", "-f"], "rm hardened.toml"),
            (&["new", "app"], "hardened init"),
            (&["check"], "--dry-run"),
            (&["update"], "hardened lock --update"),
            (&["lock", "--upgrade"], "hardened lock --update"),
            (&["lock", "--check"], "--locked --dry-run"),
            (&["cache", "clean"], "hardened cache prune"),
            (&["--color", "never", "cache", "dir"], "hardened cache show"),
            (&["ls", "-l", "oci:x"], "lists everything"),
            (&["inspect", "--json", "oci:x"], "--format json"),
            (&["--debug", "build"], "-v"),
        ] {
            let told = told(words);
            assert!(told.starts_with("there is no `hardened ") && told.contains(expected), "{told}");
        }
    }

    #[test]
    fn a_folder_behind_the_file_is_answered() {
        let error = Arguments::try_parse_from(["hardened", "build", "-f", "Dockerfile", "-t", "a/b", "."]).unwrap_err();
        assert!(matches!(answer(&error, &["build"]), Some(Failure::Wrong(told)) if told[0].message.contains("no build context")));
        let error = Arguments::try_parse_from(["hardened", "build", "--dry-run", "--push"]).unwrap_err();
        assert!(answer(&error, &["build"]).is_none());
    }

    #[test]
    fn every_line_is_needed_and_names_commands_that_exist() {
        let command = Arguments::command();
        for habit in HABITS {
            let own = command.get_subcommands().find(|verb| verb.get_name() == habit.verb.split(' ').next().unwrap_or_default());
            if habit.option.is_empty() {
                let deeper = habit.verb.split_once(' ').map(|(_, word)| own.unwrap().get_subcommands().any(|verb| verb.get_name() == word));
                assert!(deeper.map_or(own.is_none(), |exists| !exists), "`{}` is a verb", habit.verb);
            } else {
                assert!(habit.verb == "*" || own.is_some(), "`{}` is no verb", habit.verb);
            }
            assert!(!habit.instead.is_empty(), "{} {}", habit.verb, habit.option);
            for text in habit.instead {
                for words in text.split("hardened ").skip(1).map(|rest| rest.split(['`', ' ']).next().unwrap_or_default()) {
                    let exists = command.get_subcommands().any(|verb| verb.get_name() == words) || words.starts_with('-');
                    assert!(exists, "`hardened {words}` of `{text}` is no verb");
                }
            }
        }
    }
}
