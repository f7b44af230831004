use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::passwords::hidden;
use crate::diagnostic::{Diagnostic, Severity, Span, is_hostile};

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Text alone.
    Never,
    /// ANSI escapes.
    Always,
}

/// Renders diagnostics as text: each with its line, the marked text, and its hints. `width` is the terminal's, in columns.
pub fn render(diagnostics: &[Diagnostic], colors: Colors, width: usize) -> String {
    let renderer = match colors {
        Colors::Never => Renderer::plain(),
        Colors::Always => Renderer::styled(),
    };
    let renderer = renderer.term_width(width.clamp(40, 400));
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&one(diagnostic, &renderer));
        text.push('\n');
    }
    text
}

fn one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    if diagnostic.location.is_none() && diagnostic.also.is_none() {
        // Without a source text each hint is a line of its own, as below other failures.
        let titles = std::iter::once(level.primary_title(escaped(&diagnostic.message)))
            .chain(diagnostic.hints.iter().map(|text| Level::HELP.with_name("hint").primary_title(escaped(text))));
        let lines: Vec<String> = titles.map(|title| renderer.render(&[Group::with_title(title)])).collect();
        return lines.join("\n");
    }
    let mut elements: Vec<Element<'_>> = Vec::new();
    match (&diagnostic.location, &diagnostic.also) {
        (Some((span, label)), Some((other, word))) if span.source == other.source => {
            let snippet =
                snippet(span).annotation(mark(AnnotationKind::Primary, span, label)).annotation(mark(AnnotationKind::Context, other, word));
            elements.push(snippet.into());
        }
        (location, also) => {
            let marks = [(location, AnnotationKind::Primary), (also, AnnotationKind::Context)];
            for (span, label, kind) in
                marks.into_iter().filter_map(|(location, kind)| location.as_ref().map(|(span, label)| (span, label, kind)))
            {
                elements.push(snippet(span).annotation(mark(kind, span, label)).into());
            }
        }
    }
    let hint = Level::HELP.with_name("hint");
    elements.extend(diagnostic.hints.iter().map(|text| hint.clone().message(escaped(text)).into()));
    let group: Group<'_> = level.primary_title(escaped(&diagnostic.message)).elements(elements);
    let text = renderer.render(&[group]);
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn snippet(span: &Span) -> Snippet<'static, Annotation<'static>> {
    Snippet::source(single_spaced(&hidden(&span.source.text))).path(escaped(&span.source.name))
}

fn mark(kind: AnnotationKind, span: &Span, label: &str) -> Annotation<'static> {
    kind.span(range(span)).label(escaped(label))
}

/// Returns the marked range in the text as it is rendered. A value over several lines is marked in its first.
fn range(span: &Span) -> Range<usize> {
    let text = &hidden(&span.source.text);
    let boundary = |position: usize| (0..=position.min(text.len())).rev().find(|position| text.is_char_boundary(*position)).unwrap_or(0);
    let start = boundary(span.range.start);
    let end = boundary(span.range.end).max(start);
    let line = text[start..end].find('\n').map_or(end, |newline| start + newline);
    let before = single_spaced(&text[..start]).len();
    before..before + single_spaced(&text[start..line]).len()
}

/// Returns a text of which no character moves the cursor or turns the direction of writing.
pub(super) fn escaped(text: &str) -> String {
    hidden(text).chars().fold(String::with_capacity(text.len()), |mut line, character| {
        push(&mut line, character, character == '\n');
        line
    })
}

/// Returns a source text with the same lines, each tab as a space, and other control characters escaped.
fn single_spaced(text: &str) -> String {
    text.chars().filter(|character| *character != '\r').fold(String::with_capacity(text.len()), |mut line, character| {
        match character {
            '\n' => line.push('\n'),
            '\t' => line.push(' '),
            other => push(&mut line, other, false),
        }
        line
    })
}

fn push(line: &mut String, character: char, is_line_end: bool) {
    if is_line_end {
        line.push(' ');
    } else if is_hostile(character) {
        line.extend(character.escape_default());
    } else {
        line.push(character);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::SourceText;

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
}
