//! A file from the command line.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Span;

/// A file's text and its name on the command line.
pub struct File {
    name: String,
    bytes: Vec<u8>,
    /// The text without a byte order mark; invalid UTF-8 is replaced.
    text: String,
}

/// A line and column, counted from 1 as editors do, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl File {
    /// Reads a file, or stdin for `-`.
    ///
    /// # Errors
    /// When the file cannot be read, with a hint.
    pub fn read(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            let bytes = limited(io::stdin().lock()).context("cannot read stdin")?;
            return Ok(Self::new("<stdin>", bytes));
        }
        let name = path.display().to_string();
        if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
            bail!("{name} is a directory: name the files in it, such as {name}/*.json");
        }
        let bytes = fs::File::open(path)
            .and_then(limited)
            .with_context(|| format!("cannot read {name}"))?;
        Ok(Self::new(&name, bytes))
    }

    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        let shown = bytes.strip_prefix(MARK).unwrap_or(&bytes);
        Self {
            name: name.to_owned(),
            text: String::from_utf8_lossy(shown).into_owned(),
            bytes,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the offset of the first byte that is not UTF-8.
    pub fn not_utf8(&self) -> Option<usize> {
        let error = std::str::from_utf8(self.shown()).err()?;
        Some(error.valid_up_to())
    }

    /// Whether the file begins with the byte order mark of UTF-16.
    pub fn is_utf16(&self) -> bool {
        matches!(self.bytes.get(..2), Some([0xff, 0xfe] | [0xfe, 0xff]))
    }

    /// Returns the offset of a line from 1 and a column in bytes from 1, where 0 is the end of the
    /// previous line.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let shown = self.shown();
        let lines = shown.split_inclusive(|byte| *byte == b'\n');
        let start: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
        let at = (start + column).saturating_sub(1).min(shown.len());
        let at = String::from_utf8_lossy(&shown[..at]).len();
        self.text.floor_char_boundary(at)
    }

    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.rsplit('\n').next().unwrap_or_default();
        Position {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }

    /// The character at a position; empty at the end of the text.
    pub fn character(&self, offset: usize) -> Span {
        let start = self.text.floor_char_boundary(offset);
        let width = self.text[start..].chars().next().map_or(0, char::len_utf8);
        start..start + width
    }

    /// The part of a span to underline: of a span of several lines, its first character.
    pub fn shown_span(&self, span: &Span) -> Span {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let first = text.chars().next().map_or(0, char::len_utf8);
        match text.contains('\n') {
            true => span.start..span.start + first,
            false => span.clone(),
        }
    }

    fn shown(&self) -> &[u8] {
        self.bytes.strip_prefix(MARK).unwrap_or(&self.bytes)
    }
}

/// The maximum size of a file: more than the configuration of a large gateway.
const LONGEST: u64 = 256 << 20;

fn limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(io::Error::other(format!(
            "it is longer than {LONGEST} bytes"
        ))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters_and_lines_by_their_ends() {
        let file = File::new("a", "{\r\n\t\"é漢\": 1\r\n}".into());
        let at = |text: &str| file.position(file.text().find(text).unwrap());
        assert_eq!(at("{"), Position { line: 1, column: 1 });
        assert_eq!(at("\"é"), Position { line: 2, column: 2 });
        assert_eq!(at("1"), Position { line: 2, column: 8 });
        assert_eq!(at("}"), Position { line: 3, column: 1 });
    }

    #[test]
    fn byte_positions_are_located() {
        let file = File::new("a", "\u{feff}{\n \"é\": x\n}".into());
        assert_eq!(&file.text()[file.offset(2, 8)..][..1], "x");
        assert_eq!(&file.text()[file.offset(2, 0)..][..1], "\n");
        assert_eq!(file.offset(9, 9), file.text().len());
    }

    #[test]
    fn invalid_utf8_is_replaced_and_located() {
        let file = File::new("a", b"{\"a\": \"\xff\"}".to_vec());
        assert_eq!(file.text(), "{\"a\": \"\u{fffd}\"}");
        assert_eq!(file.not_utf8(), Some(7));
        assert_eq!(&file.text()[file.offset(1, 10)..], "}");
    }
}
