//! The field section of a head or of trailers, in pieces of any size (RFC 9112 5 and 7.1.2).
use super::framing::FramingFields;
use super::text::{Word, is_text, split, text_len, token_len};
use crate::BypassReason;

/// The list-valued fields that matter for framing and persistence.
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

/// A field section, as far as it has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldSection {
    state: State,
    /// The name or the list element that is being scanned.
    word: Word,
    framing: FramingFields,
    is_trailers: bool,
    /// The length of the section so far.
    len: u32,
    /// The offsets in the section at which the current line and list element began.
    line_at: u32,
    element_at: u32,
}

/// What the next byte belongs to.
///
/// ```text
///   ┌──────────────────────────────────────────┐
///   ▼                                          │
/// Line ──▶ Name ──':'──▶ Value, Element ──CR──▶ Lf
///   └──CR──▶ LastLf ──LF──▶ the section ends
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Line,
    Name,
    /// A value that does not matter.
    Value,
    /// An element of a list that matters; `spaced` after white space that follows the element.
    Element {
        name: Name,
        spaced: bool,
    },
    Lf,
    LastLf,
}

impl FieldSection {
    /// Returns an empty trailer section. Its fields determine neither framing nor persistence (RFC 9110 6.5.1).
    pub(super) fn trailers() -> Self {
        Self {
            is_trailers: true,
            ..Self::default()
        }
    }

    pub(super) fn framing(&self) -> &FramingFields {
        &self.framing
    }

    /// The length of the section so far.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Scans `bytes`. Returns how many of them belong to the section once its empty line has arrived.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, BypassReason> {
        let begin = self.len;
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            let passed = bytes.len().saturating_sub(rest.len());
            let at = begin.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
            rest = match self.state {
                // An empty line ends the section.
                State::Line if byte == b'\r' => {
                    self.framing.end_line(at);
                    self.state = State::LastLf;
                    after
                }
                State::Line => {
                    self.framing.end_line(at);
                    self.line_at = at;
                    self.word.clear();
                    self.state = State::Name;
                    rest
                }
                State::Name => self.scan_name(rest)?,
                State::Value => {
                    let (_, tail) = split(rest, text_len(rest));
                    match tail {
                        [] => tail,
                        // The common case, without a state change for the LF.
                        [b'\r', b'\n', after @ ..] => {
                            self.state = State::Line;
                            after
                        }
                        [b'\r', after @ ..] => {
                            self.state = State::Lf;
                            after
                        }
                        _ => return Err(BypassReason::Field),
                    }
                }
                State::Element { name, spaced } => {
                    self.scan_element(name, spaced, byte, at)?;
                    after
                }
                State::Lf if byte == b'\n' => {
                    self.state = State::Line;
                    after
                }
                State::LastLf if byte == b'\n' => {
                    self.len = at.saturating_add(1);
                    return Ok(Some(bytes.len().saturating_sub(after.len())));
                }
                State::Lf | State::LastLf => return Err(BypassReason::Field),
            };
        }
        let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.len = begin.saturating_add(taken);
        Ok(None)
    }

    /// Scans a name and its colon. Neither contains white space, so a folded line and a space before the colon are
    /// rejected, as RFC 9112 5.1 and 5.2 require.
    fn scan_name<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], BypassReason> {
        let (piece, tail) = split(rest, token_len(rest));
        let Some((&next, after)) = tail.split_first() else {
            self.word.push(piece);
            return Ok(tail);
        };
        // Nearly all names come in one piece and need not be copied.
        let name = if self.word.is_empty() {
            Some(piece)
        } else {
            self.word.push(piece);
            self.word.get()
        };
        if next != b':' || name.is_some_and(<[u8]>::is_empty) {
            return Err(BypassReason::Field);
        }
        self.state = State::Value;
        if let Some(name) = name.filter(|_| !self.is_trailers) {
            // Its value is not read: `connection: close` removes the whole line.
            if name.eq_ignore_ascii_case(b"keep-alive") {
                self.framing.begin_keep_alive(self.line_at);
            }
            if let Some(name) = Name::of(name) {
                self.state = State::Element {
                    name,
                    spaced: false,
                };
            }
        }
        self.word.clear();
        Ok(after)
    }

    fn scan_element(
        &mut self,
        name: Name,
        spaced: bool,
        byte: u8,
        at: u32,
    ) -> Result<(), BypassReason> {
        match byte {
            b'\r' => {
                self.framing
                    .add_element(name, &self.word, self.element_at)?;
                self.state = State::Lf;
            }
            b',' => {
                self.framing
                    .add_element(name, &self.word, self.element_at)?;
                self.word.clear();
                self.state = State::Element {
                    name,
                    spaced: false,
                };
            }
            b' ' | b'\t' => {
                self.state = State::Element {
                    name,
                    spaced: !self.word.is_empty(),
                }
            }
            // An element of two words is none of those that matter.
            _ if is_text(byte) && spaced => self.word.discard(),
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
