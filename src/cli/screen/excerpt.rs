use std::ops::Range;
use std::sync::Arc;

use super::passwords::hidden;
use crate::diagnostic::{Span, is_hostile};

/// The longest line that is rendered whole, in bytes, and how much of a longer one is rendered on either side of what is marked.
const LONGEST_LINE: usize = 1000;
const AROUND: usize = 200;
/// The longest text between two marks that are rendered together, in bytes.
const BETWEEN: usize = 16 << 10;

/// A part of a source text, as it is rendered, with the ranges that are marked in it.
pub(super) struct Excerpt<const COUNT: usize> {
    pub(super) text: String,
    /// What the source is called.
    pub(super) name: String,
    /// The number of its first line.
    pub(super) line: usize,
    /// The column of the mark, where the line is cut.
    pub(super) column: Option<usize>,
    pub(super) ranges: [Range<usize>; COUNT],
}

/// Returns the line of a span, cut around it where it is long. A value over several lines is marked in its first.
pub(super) fn of(span: &Span) -> Excerpt<1> {
    let text = &span.source.text;
    let marked = marked(span);
    let whole = line_around(text, marked.start);
    let line = text[..whole.start].matches('\n').count() + 1;
    // A password is hidden before the line is cut: a part of one does not look like it.
    let hidden = hidden(&text[whole.clone()]);
    let (part, is_cut) = if whole.len() <= LONGEST_LINE { (whole.clone(), false) } else { (cut(text, &whole, &marked), true) };
    let marked = marked.start.max(part.start)..marked.end.min(part.end);
    let column = is_cut.then(|| span.line_and_column().1);
    let (before, after) = if is_cut { ("…", "…") } else { ("", "") };
    let (text, [range]) =
        rendered(&hidden[part.start - whole.start..part.end - whole.start], [marked.start - part.start..marked.end - part.start]);
    let range = range.start + before.len()..range.end + before.len();
    Excerpt { text: format!("{before}{text}{after}"), name: escaped(&span.source.name), line, column, ranges: [range] }
}

/// Returns the lines of two spans of one source and those between, where they are near and none is long.
pub(super) fn of_both(span: &Span, other: &Span) -> Option<Excerpt<2>> {
    if !Arc::ptr_eq(&span.source, &other.source) && span.source != other.source {
        return None;
    }
    let text = &span.source.text;
    let (first, second) = (marked(span), marked(other));
    let lines = [line_around(text, first.start), line_around(text, second.start)];
    let part = lines[0].start.min(lines[1].start)..lines[0].end.max(lines[1].end);
    if lines.iter().any(|line| line.len() > LONGEST_LINE) || part.len() > BETWEEN {
        return None;
    }
    let line = text[..part.start].matches('\n').count() + 1;
    let relative = |marked: &Range<usize>| marked.start - part.start..marked.end - part.start;
    let (text, ranges) = rendered(&hidden(&text[part.clone()]), [relative(&first), relative(&second)]);
    Some(Excerpt { text, name: escaped(&span.source.name), line, column: None, ranges })
}

/// Returns the part of a span in its first line, at borders of characters.
fn marked(span: &Span) -> Range<usize> {
    let text = &span.source.text;
    let start = text.floor_char_boundary(span.range.start);
    let end = text.floor_char_boundary(span.range.end).max(start);
    start..text[start..end].find('\n').map_or(end, |newline| start + newline)
}

fn line_around(text: &str, position: usize) -> Range<usize> {
    let start = text[..position].rfind('\n').map_or(0, |newline| newline + 1);
    start..text[position..].find('\n').map_or(text.len(), |length| position + length)
}

fn cut(text: &str, line: &Range<usize>, marked: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(marked.start.saturating_sub(AROUND).max(line.start));
    let end = marked.end.min(marked.start + AROUND) + AROUND;
    start..text.floor_char_boundary(end.min(line.end))
}

/// Returns a part of a source text without passwords as it is rendered, and where ranges of it are then.
fn rendered<const COUNT: usize>(part: &str, ranges: [Range<usize>; COUNT]) -> (String, [Range<usize>; COUNT]) {
    let moved = |position: usize| single_spaced(&part[..position]).len();
    (single_spaced(part), ranges.map(|range| moved(range.start)..moved(range.end)))
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
