use super::follow::Call;
use super::root::Root;
use super::step::Action;

/// Reads `update-alternatives --install LINK NAME TARGET PRIORITY [--slave LINK NAME TARGET]…` (update-alternatives(1)).
pub(super) fn alternatives(call: &Call) -> Vec<Action> {
    let words = &call.words;
    let Some(start) = words.iter().position(|word| word.text == "--install") else {
        return vec![Action::harmless("changes or reads an alternative; a new image has none")];
    };
    let text = |position: usize| words.get(position).filter(|word| word.known).map(|word| word.text.as_str());
    let priority = text(start + 4).and_then(|text| text.parse().ok());
    let mut actions = Vec::new();
    for (position, word) in words.iter().enumerate() {
        if position != start && word.text != "--slave" {
            continue;
        }
        let path = |offset: usize| text(position + offset).and_then(Root::path);
        actions.push(if let (Some(link), Some(target), Some(priority)) = (path(1), path(3), priority) {
            Action::Alternative { link, target, priority }
        } else {
            let link = words.get(position + 1).map(|word| word.text.clone());
            Action::Missing { file: link, needed: "an alternative with a path that the script computes".to_owned() }
        });
    }
    actions
}
