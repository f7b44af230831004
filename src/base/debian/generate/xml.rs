use roxmltree::{Document, ParsingOptions};

/// How many nodes a document may have; Debian's MIME database has about 200,000 with all its translations.
const NODES: u32 = 1_000_000;
/// How large a document may be, in bytes.
const SIZE: usize = 8 << 20;
/// How many attributes an element may have: the parser compares each with each.
const ATTRIBUTES: usize = 64;

/// Why an XML file of a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum XmlFault {
    /// It is larger than any such file.
    #[error("is larger than 8 MiB")]
    Large,
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    Encoding,
    /// An element has more attributes than any in such files.
    #[error("has an element with more than {ATTRIBUTES} attributes")]
    Attributes,
    /// It is not well-formed, or has more nodes than any such file.
    #[error("is not well-formed XML: {0}")]
    Syntax(#[from] roxmltree::Error),
}

/// The text of a document without its document type, whose declarations of elements no reader here needs. Entities that are declared there are unknown
/// then, so that a document cannot grow, and nothing is ever fetched.
pub(super) struct XmlText(String);

impl XmlText {
    /// # Errors
    /// When it is not UTF-8, or beyond the bounds.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, XmlFault> {
        if bytes.len() > SIZE {
            return Err(XmlFault::Large);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| XmlFault::Encoding)?;
        without_document_type(text.trim_start_matches('\u{feff}')).map(Self)
    }

    /// Reads the document.
    ///
    /// # Errors
    /// When it is not well-formed, or has too many nodes.
    pub(super) fn document(&self) -> Result<Document<'_>, XmlFault> {
        let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
        Ok(Document::parse_with_options(&self.0, options)?)
    }
}

/// Removes the document type, and counts the attributes of elements. What this misreads is still refused by the parser, which allows no document type.
fn without_document_type(text: &str) -> Result<String, XmlFault> {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, markup)) = rest.split_once('<') {
        kept.push_str(before);
        let behind = |end: &str| markup.find(end).map_or(markup.len(), |at| at + end.len());
        let (length, is_kept) = match markup.as_bytes() {
            [b'!', b'-', b'-', ..] => {
                (3.max(markup.get(3..).and_then(|inside| inside.find("-->")).map_or(markup.len(), |at| at + 6)), true)
            }
            [b'?', ..] => (behind("?>"), true),
            [b'/', ..] => (behind(">"), true),
            _ if markup.starts_with("![CDATA[") => (behind("]]>"), true),
            _ if markup.starts_with("!DOCTYPE") => (end_of_document_type(markup), false),
            _ => (end_of_tag(markup)?, true),
        };
        let (inside, after) = markup.split_at(length);
        if is_kept {
            kept.push('<');
            kept.push_str(inside);
        }
        rest = after;
    }
    Ok(kept + rest)
}

/// Returns the length of a start tag behind its `<`.
fn end_of_tag(tag: &str) -> Result<usize, XmlFault> {
    let (mut quote, mut attributes) = (None, 0);
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Ok(at + 1),
            (None, b'"' | b'\'') => {
                attributes += 1;
                if attributes > ATTRIBUTES {
                    return Err(XmlFault::Attributes);
                }
                quote = Some(byte);
            }
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    Ok(tag.len())
}

/// Returns the length of a document type behind its `<`: it may hold declarations in brackets, and these comments and texts in quotes.
fn end_of_document_type(text: &str) -> usize {
    let (mut brackets, mut at) = (0_usize, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        let skipped = |start: usize, end: &str| {
            text.get(start..).and_then(|inside| inside.find(end)).map_or(text.len(), |found| start + found + end.len())
        };
        at = match byte {
            b'<' if text[at..].starts_with("<!--") => skipped(at + 4, "-->"),
            b'"' => skipped(at + 1, "\""),
            b'\'' => skipped(at + 1, "'"),
            b'[' => {
                brackets += 1;
                at + 1
            }
            b']' => {
                brackets = brackets.saturating_sub(1);
                at + 1
            }
            b'>' if brackets == 0 => return at + 1,
            _ => at + 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read(text: &str) -> bool {
        XmlText::new(text.as_bytes()).and_then(|text| text.document().map(drop)).is_ok()
    }

    #[test]
    fn hostile_documents_are_refused_at_once() {
        let attributes = |count: usize| (0..count).map(|number| format!(" a{number}='>'")).collect::<Vec<_>>().concat();
        for (text, expected) in [
            ("<!DOCTYPE a [<!ENTITY e 'lol'><!ENTITY f '&e;&e;'>]><a>&f;</a>".to_owned(), false),
            ("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>".to_owned(), false),
            ("<a/><!DOCTYPE a>".to_owned(), true),
            (format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000)), true),
            (format!("<a{}/>", attributes(ATTRIBUTES)), true),
            (format!("<a{}/>", attributes(100_000)), false),
            (format!("<!DOCTYPE a [<!ATTLIST a b CDATA \"<!--\">]><a{}/><!-- -->", attributes(100_000)), false),
            (format!("<!-- ' --><a b=\"<!--\"{}/><!-- -->", attributes(100_000)), false),
            ("<a".to_owned(), false),
            ("<".to_owned(), false),
            ("<!--".to_owned(), false),
            ("<!DOCTYPE a [".to_owned(), false),
            ("<a/>".to_owned(), true),
        ] {
            let start: String = text.chars().take(60).collect();
            assert_eq!(is_read(&text), expected, "{start}");
        }
        assert!(matches!(XmlText::new(b"<a>\xff</a>"), Err(XmlFault::Encoding)));
        assert!(matches!(XmlText::new(&vec![b' '; SIZE + 1]), Err(XmlFault::Large)));
        assert!(!is_read(&format!("<a>{}</a>", "<b/>".repeat(NODES as usize))));
    }

    #[test]
    fn all_but_the_document_type_stays() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!DOCTYPE a PUBLIC \"x>\" [\n<!ELEMENT a (b)>\n<!-- ]> ' -->\n<!ATTLIST a b CDATA ']>'>\n]>\n<!-- it's <b --><a b='>'><![CDATA[<!DOCTYPE]]></a>\n";
        let kept = XmlText::new(text.as_bytes()).unwrap();
        assert_eq!(kept.0, "<?xml version=\"1.0\"?>\n\n<!-- it's <b --><a b='>'><![CDATA[<!DOCTYPE]]></a>\n");
        assert_eq!(kept.document().unwrap().root_element().text(), Some("<!DOCTYPE"));
    }
}
