use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::excerpt::{self, Excerpt, escaped};
use crate::diagnostic::{Diagnostic, Selection, Severity};

/// The longest message, label and hint, in characters.
const MESSAGE: usize = 1000;
const LABEL: usize = 200;
const HINT: usize = 16_000;

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Text alone.
    Never,
    /// ANSI escapes.
    Always,
}

/// Renders diagnostics as text: each with its line, the marked text, and its hints. `width` is the terminal's, in columns. Of very many, the
/// first are rendered and the others counted.
pub fn render(diagnostics: &[Diagnostic], colors: Colors, width: usize) -> String {
    let renderer = match colors {
        Colors::Never => Renderer::plain(),
        Colors::Always => Renderer::styled(),
    };
    let renderer = renderer.term_width(width.clamp(40, 400));
    let Selection { diagnostics, more } = Selection::of(diagnostics);
    let mut texts: Vec<String> = diagnostics.iter().map(|diagnostic| one(diagnostic, &renderer)).collect();
    if more > 0 {
        texts.push(one(&Diagnostic::error(format!("and {more} more, which are not shown")).hint("correct these first"), &renderer));
    }
    texts.iter().fold(String::new(), |text, next| format!("{text}{}{next}\n", if text.is_empty() { "" } else { "\n" }))
}

fn one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    if diagnostic.location.is_none() && diagnostic.also.is_none() {
        // Without a source text each hint is a line of its own, as below other failures.
        let titles = std::iter::once(level.primary_title(limited(&diagnostic.message, MESSAGE)))
            .chain(diagnostic.hints.iter().map(|text| Level::HELP.with_name("hint").primary_title(limited(text, HINT))));
        let lines: Vec<String> = titles.map(|title| renderer.render(&[Group::with_title(title)])).collect();
        return lines.join("\n");
    }
    let mut elements: Vec<Element<'_>> = Vec::new();
    match (&diagnostic.location, &diagnostic.also) {
        (Some((span, label)), Some((other, word))) if let Some(both) = excerpt::of_both(span, other) => {
            let Excerpt { text, name, line, ranges: [first, second], .. } = both;
            let snippet = Snippet::source(text).path(name).line_start(line);
            let marks = [(AnnotationKind::Primary, first, label), (AnnotationKind::Context, second, word)];
            elements.push(snippet.annotations(marks.map(|(kind, range, label)| kind.span(range).label(limited(label, LABEL)))).into());
        }
        (location, also) => {
            let marks = [(location, AnnotationKind::Primary), (also, AnnotationKind::Context)];
            for (span, label, kind) in
                marks.into_iter().filter_map(|(location, kind)| location.as_ref().map(|(span, label)| (span, label, kind)))
            {
                let Excerpt { text, name, line, column, ranges: [range] } = excerpt::of(span);
                let snippet = Snippet::source(text).line_start(line).annotation(kind.span(range).label(limited(label, LABEL)));
                match column {
                    None => elements.push(snippet.path(name).into()),
                    Some(column) => {
                        elements.push(Origin::path(name).line(line).char_column(column).into());
                        elements.push(snippet.into());
                    }
                }
            }
        }
    }
    let hint = Level::HELP.with_name("hint");
    elements.extend(diagnostic.hints.iter().map(|text| hint.clone().message(limited(text, HINT)).into()));
    let group: Group<'_> = level.primary_title(limited(&diagnostic.message, MESSAGE)).elements(elements);
    let text = renderer.render(&[group]);
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Returns a text of at most `longest` characters of which none moves the cursor or turns the direction of writing.
fn limited(text: &str, longest: usize) -> String {
    let end = text.char_indices().nth(longest).map(|(end, _)| end);
    match end {
        None => escaped(text),
        Some(end) => format!("{}… ({} more bytes)", escaped(&text[..end]), text.len() - end),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::{SourceText, Span};

    fn span(text: &str, marked: &str) -> Span {
        let source = Arc::new(SourceText { name: "hardened.toml".to_owned(), text: text.to_owned() });
        let start = text.find(marked).unwrap_or_default();
        Span { source, range: start..start + marked.len() }
    }

    #[test]
    fn a_fault_is_shown_with_its_place_and_hint() {
        let fault = Diagnostic::error("unknown key `nmae` in `[image]`")
            .at(Some(&span("[image]\nnmae = \"x\"\n", "nmae")), "not a key here")
            .hint("write `name`");
        let expected = "\
error: unknown key `nmae` in `[image]`
 --> hardened.toml:2:1
  |
2 | nmae = \"x\"
  | ^^^^ not a key here
  |
  = hint: write `name`
";
        assert_eq!(render(&[fault], Colors::Never, 100), expected);
    }

    #[test]
    fn two_places_and_none() {
        let text = "a = 1\nb = 2\n";
        let faults = [
            Diagnostic::error("both `a` and `b`").at(Some(&span(text, "b")), "the second").also_at(Some(&span(text, "a")), "the first"),
            Diagnostic::warning("nothing").hint("go on").hint("or\nstop"),
        ];
        let expected = "\
error: both `a` and `b`
 --> hardened.toml:2:1
  |
1 | a = 1
  | - the first
2 | b = 2
  | ^ the second

warning: nothing
hint: go on
hint: or stop
";
        assert_eq!(render(&faults, Colors::Never, 100), expected);
    }

    #[test]
    fn foreign_text_cannot_speak_to_the_terminal() {
        let text = "a\t= \"\u{1b}[2J\u{202e}æ\"\r\nb = 1\r\n";
        let fault = Diagnostic::error("bad \u{1b}[31m\nerror: fake").at(Some(&span(text, "\u{1b}[2J")), "\u{7}");
        let rendered = render(&[fault], Colors::Never, 100);
        assert!(!rendered.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{rendered}");
        assert!(!rendered.contains("\nerror: fake"), "{rendered}");
    }

    #[test]
    fn odd_spans_are_shown_too() {
        for (text, range) in [("", 0..0), ("æ", 1..2), ("a", 5..9), ("a\nb", 0..3), ("a\n", 2..2)] {
            let source = Arc::new(SourceText { name: "x".to_owned(), text: text.to_owned() });
            let rendered = render(&[Diagnostic::error("odd").at(Some(&Span { source, range }), "here")], Colors::Always, 80);
            assert!(rendered.contains("odd"));
        }
    }

    #[test]
    fn of_very_many_faults_the_first_are_shown_and_the_others_counted() {
        let mut faults = vec![Diagnostic::warning("a warning")];
        faults.extend((0..3000).map(|number| Diagnostic::error(format!("fault {number}."))));
        let rendered = render(&faults, Colors::Never, 100);
        assert_eq!(rendered.matches("error: fault ").count(), 50);
        assert!(rendered.starts_with("error: fault 0.\n") && !rendered.contains("a warning"), "{rendered}");
        assert!(rendered.ends_with("error: and 2951 more, which are not shown\nhint: correct these first\n"), "{rendered}");
    }

    #[test]
    fn long_texts_are_cut_around_what_is_marked() {
        let text = format!("a = 1\nb = [{}\"mark\"{}]\n", "\"x\", ".repeat(100_000), ", \"y\"".repeat(100_000));
        let marked = span(&text, "\"mark\"");
        let long = "z".repeat(1 << 20);
        let first = span(&text, "a = 1");
        let first = Span { source: Arc::clone(&marked.source), ..first };
        let fault = Diagnostic::error(long.clone()).at(Some(&marked), long.clone()).also_at(Some(&first), "before").hint(long);
        let rendered = render(&[fault], Colors::Never, 100);
        assert!(rendered.len() < 30_000, "{}", rendered.len());
        for part in
            ["--> hardened.toml:2:500006", "\"mark\", \"y\"", "^^^^^^", "(1047576 more bytes)", "(1032576 more bytes)", "a = 1", "- before"]
        {
            assert!(rendered.contains(part), "`{part}` is not in:\n{rendered}");
        }
    }
}
