//! The field section of a head or of trailers, in pieces of any size (RFC 9112 5).
use super::framing::FramingFields;
use super::text::{Word, is_text, split, text, token};
use crate::BypassReason;

/// The fields that decide about length and connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Connection,
    ContentLength,
    TransferEncoding,
    Upgrade,
}

impl Name {
    fn of(name: &[u8]) -> Option<Self> {
        let (known, this): (&[u8], _) = match name.len() {
            7 => (b"upgrade", Self::Upgrade),
            10 => (b"connection", Self::Connection),
            14 => (b"content-length", Self::ContentLength),
            17 => (b"transfer-encoding", Self::TransferEncoding),
            _ => return None,
        };
        name.eq_ignore_ascii_case(known).then_some(this)
    }
}

/// A field section as far as it has been seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    place: Place,
    /// The name, or the element of the value, that is being read.
    word: Word,
    framing: FramingFields,
    trailers: bool,
    /// How many bytes of the section have been taken.
    taken: u32,
    /// Where the line and the list element in hand began, as offsets in the section.
    line_at: u32,
    element_at: u32,
}

/// Where the next byte stands.
///
/// ```text
///   ┌──────────────────────────────────────────┐
///   ▼                                          │
/// Line ──▶ Name ──':'──▶ Value, Element ──CR──▶ Lf
///   └──CR──▶ LastLf ──LF──▶ the end
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Line,
    Name,
    /// In a value that does not matter.
    Value,
    /// In a list that does; `spaced` after white space behind an element.
    Element {
        name: Name,
        spaced: bool,
    },
    Lf,
    LastLf,
}

impl Fields {
    /// Trailers: whatever they say, it says nothing about the connection (RFC 9110 6.5.1).
    pub(super) fn trailers() -> Self {
        Self {
            trailers: true,
            ..Self::default()
        }
    }

    pub(super) fn framing(&self) -> &FramingFields {
        &self.framing
    }

    /// How many bytes the section has, as far as it has been seen.
    pub(super) fn len(&self) -> u32 {
        self.taken
    }

    /// Takes `bytes` and gives how many of them belong to the section, once its empty line has come.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, BypassReason> {
        let begin = self.taken;
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            let passed = bytes.len().saturating_sub(rest.len());
            let at = begin.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
            rest = match self.place {
                Place::Line if byte == b'\r' => {
                    self.framing.end_line(at);
                    self.place = Place::LastLf;
                    after
                }
                Place::Line => {
                    self.framing.end_line(at);
                    self.line_at = at;
                    self.word.clear();
                    self.place = Place::Name;
                    rest
                }
                Place::Name => self.name(rest)?,
                Place::Value => {
                    let (_, tail) = split(rest, text(rest));
                    match tail {
                        [] => tail,
                        [b'\r', b'\n', after @ ..] => {
                            self.place = Place::Line;
                            after
                        }
                        [b'\r', after @ ..] => {
                            self.place = Place::Lf;
                            after
                        }
                        _ => return Err(BypassReason::Field),
                    }
                }
                Place::Element { name, spaced } => {
                    self.element(name, spaced, byte, at)?;
                    after
                }
                Place::Lf if byte == b'\n' => {
                    self.place = Place::Line;
                    after
                }
                Place::LastLf if byte == b'\n' => {
                    self.taken = at.saturating_add(1);
                    return Ok(Some(bytes.len().saturating_sub(after.len())));
                }
                Place::Lf | Place::LastLf => return Err(BypassReason::Field),
            };
        }
        let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.taken = begin.saturating_add(taken);
        Ok(None)
    }

    /// Takes what `rest` has of a name, and its colon. White space is no part of either, so neither a
    /// folded line nor a blank before the colon passes.
    fn name<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], BypassReason> {
        let (piece, tail) = split(rest, token(rest));
        let Some((&next, after)) = tail.split_first() else {
            self.word.push(piece);
            return Ok(tail);
        };
        // A name in one piece, as nearly all are, need not be kept.
        let name = if self.word.is_empty() {
            Some(piece)
        } else {
            self.word.push(piece);
            self.word.get()
        };
        if next != b':' || name.is_some_and(<[u8]>::is_empty) {
            return Err(BypassReason::Field);
        }
        self.place = Place::Value;
        if let Some(name) = name.filter(|_| !self.trailers) {
            if name.eq_ignore_ascii_case(b"keep-alive") {
                self.framing.begin_keep_alive(self.line_at);
            }
            if let Some(name) = Name::of(name) {
                self.place = Place::Element {
                    name,
                    spaced: false,
                };
            }
        }
        self.word.clear();
        Ok(after)
    }

    fn element(&mut self, name: Name, spaced: bool, byte: u8, at: u32) -> Result<(), BypassReason> {
        match byte {
            b'\r' => {
                self.framing.element(name, &self.word, self.element_at)?;
                self.place = Place::Lf;
            }
            b',' => {
                self.framing.element(name, &self.word, self.element_at)?;
                self.word.clear();
                self.place = Place::Element {
                    name,
                    spaced: false,
                };
            }
            b' ' | b'\t' => {
                self.place = Place::Element {
                    name,
                    spaced: !self.word.is_empty(),
                }
            }
            // Two words in one element are none that matters.
            _ if is_text(byte) && spaced => self.word.spoil(),
            _ if is_text(byte) => {
                if self.word.is_empty() {
                    self.element_at = at;
                }
                self.word.push(&[byte]);
            }
            _ => return Err(BypassReason::Field),
        }
        Ok(())
    }
}
