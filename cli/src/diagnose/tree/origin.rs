//! Maps positions in a decoded string to positions in the file: a policy's JSON may be inside a YAML or JSON string.

use super::Quoting;
use crate::diagnose::Span;

/// The position in the file of each byte of a text.
#[derive(Debug)]
pub struct Origin {
    /// None if the text is the file itself.
    places: Option<Vec<usize>>,
    is_escaped: bool,
}

impl Origin {
    /// The origin of the text of the file itself.
    pub fn file() -> Self {
        Self {
            places: None,
            is_escaped: false,
        }
    }

    /// The origin of the decoded string `text`, which is at `span` of `file`.
    pub fn of(text: &str, quoting: Quoting, file: &str, span: &Span) -> Self {
        let mut cursor = Cursor {
            file,
            at: span.start,
            end: span.end,
        };
        // The span of a block scalar starts at its first line, after the indicator.
        if matches!(quoting, Quoting::Single | Quoting::Double) {
            cursor.at += 1;
        }
        let mut places = Vec::with_capacity(text.len() + 1);
        for c in text.chars() {
            let place = file.floor_char_boundary(cursor.take(c, quoting));
            places.extend(std::iter::repeat_n(place, c.len_utf8()));
        }
        places.push(file.floor_char_boundary(cursor.at.min(span.end)));
        Self {
            places: Some(places),
            is_escaped: quoting == Quoting::Double,
        }
    }

    /// The origin of a text that is encoded in the file: all of it is at one position.
    pub fn encoded(at: usize) -> Self {
        Self {
            places: Some(vec![at]),
            is_escaped: true,
        }
    }

    /// Whether quotation marks of the text are escaped in the file.
    pub fn is_escaped(&self) -> bool {
        self.is_escaped
    }

    /// The position in the file of an offset in the text.
    pub fn at(&self, offset: usize) -> usize {
        match &self.places {
            None => offset,
            Some(places) => {
                let last = places.last().copied().unwrap_or_default();
                places.get(offset).copied().unwrap_or(last)
            }
        }
    }

    pub fn span(&self, span: Span) -> Span {
        self.at(span.start)..self.at(span.end)
    }
}

/// A position in the notation of a string.
struct Cursor<'a> {
    file: &'a str,
    at: usize,
    end: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        self.file.get(self.at..self.end).unwrap_or_default()
    }

    fn skip_white_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Returns the position of the character `c` and advances past it. Line breaks and indentation are skipped only before
    /// the next character that is not white space, so that the end of a token stays on its line.
    fn take(&mut self, c: char, quoting: Quoting) -> usize {
        if quoting == Quoting::Double && self.is_continued() {
            self.at += 1;
            self.skip_white_space();
        }
        if quoting == Quoting::Double && self.rest().starts_with('\\') {
            let place = self.at;
            self.at += escape(self.rest());
            return place;
        }
        if c.is_whitespace() {
            let place = self.at;
            if self.rest().starts_with(c) {
                self.at += c.len_utf8();
            }
            return place;
        }
        self.skip_white_space();
        if quoting == Quoting::Double && self.rest().starts_with('\\') {
            return self.take(c, quoting);
        }
        let place = self.at;
        self.at += match quoting {
            Quoting::Single if c == '\'' => 2,
            _ => c.len_utf8(),
        };
        place
    }

    /// A backslash at the end of a line, with which YAML joins two lines without a space (YAML 1.2.2, 7.3.1).
    fn is_continued(&self) -> bool {
        let behind = self.rest().strip_prefix('\\').unwrap_or_default();
        behind.starts_with(['\n', '\r'])
    }
}

/// The length of an escape sequence (RFC 8259 7; YAML 1.2.2, 5.7).
fn escape(text: &str) -> usize {
    let hex = |range| {
        let digits = text.get(range)?;
        u32::from_str_radix(digits, 16).ok()
    };
    match text.as_bytes().get(1) {
        Some(b'x') => 4,
        // A surrogate pair is two escapes and one character.
        Some(b'u') if hex(2..6).is_some_and(|unit| (0xd800..0xdc00).contains(&unit)) => 12,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Node, Value, from_yaml};
    use super::*;

    /// The string below `a` of a YAML text.
    fn string(yaml: &str) -> (String, Origin) {
        let documents = from_yaml(yaml, &Origin::file());
        let document = documents.into_iter().next().unwrap().unwrap();
        let node: &Node = document.get("a").unwrap();
        let Value::String(text) = &node.value else {
            panic!("{yaml} has no string");
        };
        let origin = Origin::of(&text.text, text.quoting, yaml, &node.span);
        (text.text.clone(), origin)
    }

    #[test]
    fn every_notation_maps_characters_to_the_file() {
        for yaml in [
            "a: |\n  {\n    \"k\": 1, \"é\": 2\n  }\nb: 1",
            "a: |2- # with a comment\n    {\n      \"k\": 1 }\n",
            "a: |\r\n  {\r\n    \"k\": 1 }\r\n",
            "a: >\n  {\n  \"k\":\n  1 }\n",
            "a: '{ \"k\": 1,\n  \"it''s\": 2 }'",
            "a: \"{ \\\"k\\\": 1,\\n \\\"\\u00e9\\\": 2 }\"",
            "a: \"{ \\\"k\\\":\\\n  1 }\"",
            "{\"a\": \"{\\\"k\\\": \\\"\\ud83d\\ude00\\\", \\\"l\\\": 1}\"}",
            "a: one two\n  three",
        ] {
            let (text, origin) = string(yaml);
            for (offset, c) in text.char_indices() {
                if c.is_ascii_alphanumeric() {
                    let place = origin.at(offset);
                    assert_eq!(
                        yaml[place..].chars().next(),
                        Some(c),
                        "{yaml:?} at {offset}"
                    );
                }
            }
            assert!(origin.at(text.len()) <= yaml.len());
        }
    }

    #[test]
    fn end_of_a_token_stays_on_its_line() {
        let yaml = "a: |\n  {\n    \"k\": 12\n  }\n";
        let (text, origin) = string(yaml);
        let at = text.find("12").unwrap();
        assert_eq!(&yaml[origin.span(at..at + 2)], "12");
    }
}
