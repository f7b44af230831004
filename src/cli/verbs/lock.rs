use super::recipe;
use crate::cli::arguments::Lock;
use crate::cli::settings::Door;
use crate::ops::Failure;
use crate::ops::lock::{self, LockUse};

pub(in crate::cli) fn run(arguments: &Lock, door: &Door) -> Result<String, Failure> {
    let how = if arguments.update { LockUse::Update } else { LockUse::Keep };
    let tools = door.tools(None)?;
    let locked = lock::lock(&recipe(&arguments.recipe), how, &tools, door.observer())?;
    let path = locked.path.display();
    match (&locked.before, locked.changed) {
        (_, false) => door.screen.say(&format!("{path} holds already")),
        (Some(before), true) if *before != locked.after => {
            door.screen.say(&format!("wrote {path}\n  was {before}\n  is  {}", locked.after));
        }
        _ => door.screen.say(&format!("wrote {path}")),
    }
    door.written(&locked, || locked.after.clone())
}
