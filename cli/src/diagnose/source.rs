//! The text of a policy, as it was found.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use evenkeel_policy::{Errors, Policy};

/// A policy's text under the name that the operator knows it by.
pub struct Source {
    name: String,
    /// As the module would get it.
    bytes: Vec<u8>,
    /// To be shown: without a byte order mark, and with a sign in place of what is not UTF-8.
    text: String,
}

/// A place in a text as editors count it: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl Source {
    /// Reads a file, or stdin for `-`, as far as a policy may be long.
    ///
    /// # Errors
    /// When it cannot be read, with what to do.
    pub fn read(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            let bytes = limited(io::stdin().lock()).context("cannot read stdin")?;
            return Ok(Self::new("<stdin>", bytes));
        }
        let name = path.display().to_string();
        if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
            bail!("{name} is a directory: name the policies in it, such as {name}/*.json");
        }
        let bytes = File::open(path)
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

    /// What the module would make of it.
    ///
    /// # Errors
    /// Every mistake.
    pub fn policy(&self) -> Result<Policy, Errors> {
        Policy::parse(&self.bytes)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the first byte stands that is not UTF-8.
    pub fn not_utf8(&self) -> Option<usize> {
        let error = std::str::from_utf8(self.shown()).err()?;
        Some(error.valid_up_to())
    }

    /// It begins as what Windows calls Unicode.
    pub fn is_utf16(&self) -> bool {
        matches!(self.bytes.get(..2), Some([0xff, 0xfe] | [0xfe, 0xff]))
    }

    /// The place in the text of a line from 1 and a column in bytes from 1, where 0 is the end of the
    /// line before.
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

    fn shown(&self) -> &[u8] {
        self.bytes.strip_prefix(MARK).unwrap_or(&self.bytes)
    }
}

/// One byte more than a policy may have is enough to see that it is too long.
fn limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(Policy::MAX_LEN as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters_and_lines_by_their_ends() {
        let source = Source::new("a", "{\r\n\t\"é漢\": 1\r\n}".into());
        let at = |text: &str| source.position(source.text().find(text).unwrap());
        assert_eq!(at("{"), Position { line: 1, column: 1 });
        assert_eq!(at("\"é"), Position { line: 2, column: 2 });
        assert_eq!(at("1"), Position { line: 2, column: 8 });
        assert_eq!(at("}"), Position { line: 3, column: 1 });
    }

    #[test]
    fn what_the_policy_counts_in_bytes_is_found_again() {
        let source = Source::new("a", "\u{feff}{\n \"é\": x\n}".into());
        assert_eq!(&source.text()[source.offset(2, 8)..][..1], "x");
        assert_eq!(&source.text()[source.offset(2, 0)..][..1], "\n");
        assert_eq!(source.offset(9, 9), source.text().len());
    }

    #[test]
    fn what_is_not_utf8_is_shown_by_a_sign_and_found() {
        let source = Source::new("a", b"{\"a\": \"\xff\"}".to_vec());
        assert_eq!(source.text(), "{\"a\": \"\u{fffd}\"}");
        assert_eq!(source.not_utf8(), Some(7));
        assert_eq!(&source.text()[source.offset(1, 10)..], "}");
    }
}
