//! The field section of a head or of trailers, in pieces of any size (RFC 9112 5 and 7.1.2).
use super::framing::FramingFields;
use super::text::{before, consumed, is_same, skip_element, skip_text, skip_token};
use super::word::Word;
use crate::BypassReason;

/// The list-valued fields that matter for framing and persistence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Connection,
    ContentLength,
    TransferEncoding,
    Upgrade,
    /// Its value is not read: `connection: close` removes the whole line.
    KeepAlive,
}

impl Name {
    fn of(name: &[u8]) -> Option<Self> {
        let (known, this) = Self::candidate(name.len(), *name.first()?)?;
        is_same(name, known).then_some(this)
    }

    /// The only one that a name of this length with this first letter can be.
    fn candidate(len: usize, first: u8) -> Option<(&'static [u8], Self)> {
        match (len, first | 0x20) {
            (7, b'u') => Some((b"upgrade", Self::Upgrade)),
            (10, b'c') => Some((b"connection", Self::Connection)),
            (10, b'k') => Some((b"keep-alive", Self::KeepAlive)),
            (14, b'c') => Some((b"content-length", Self::ContentLength)),
            (17, b't') => Some((b"transfer-encoding", Self::TransferEncoding)),
            _ => None,
        }
    }
}

/// A field section, as far as it has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldSection {
    state: State,
    /// The name or the list element that is cut.
    word: Word,
    framing: FramingFields,
    is_trailers: bool,
    /// The length of the section so far, or with the bytes that are being scanned.
    len: u32,
    /// The offset in the section at which the current list element began.
    element_at: u32,
}

/// What the next byte belongs to.
///
/// ```text
///   ┌─────────────────────────────────┐
///   ▼                                 │
/// Name ──':'──▶ Value, Element ──CR──▶ Lf
///   └──CR──▶ LastLf ──LF──▶ the section ends
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
// The tag in a byte of its own: reading it from a niche takes ten instructions more, several times a line.
#[repr(u8)]
enum State {
    #[default]
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

    /// The room for a word of the start line that is cut.
    pub(super) fn word(&mut self) -> &mut Word {
        &mut self.word
    }

    /// Scans `bytes`. Returns those after the section once its empty line has arrived.
    pub(super) fn scan<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, BypassReason> {
        self.len = self.len.wrapping_add(length(bytes));
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match (self.state, rest) {
                (State::Name, _) if self.word.is_empty() => {
                    let (line, tail) = skip_fields(rest);
                    if let [b'\r', b'\n', after @ ..] = line {
                        self.len = self.offset(after);
                        return Ok(Some(after));
                    }
                    self.scan_name(line, tail)?
                }
                (State::Name, _) => self.scan_name(rest, skip_token(rest))?,
                (State::Element { name, spaced }, _) => self.scan_element(name, spaced, rest)?,
                (State::Value, _) => match skip_text(rest) {
                    [] => &[],
                    [b'\r', after @ ..] => {
                        self.state = State::Lf;
                        after
                    }
                    _ => return Err(BypassReason::Field),
                },
                (State::Lf, [b'\n', after @ ..]) => {
                    self.state = State::Name;
                    after
                }
                (State::LastLf, [b'\n', after @ ..]) => {
                    self.len = self.offset(after);
                    return Ok(Some(after));
                }
                (State::Lf | State::LastLf, _) => return Err(BypassReason::Field),
            };
        }
        Ok(None)
    }

    /// Scans a name and its colon; `tail` follows the token at the front of `rest`. Neither contains white space, so a
    /// folded line and a space before the colon are rejected, as RFC 9112 5.1 and 5.2 require.
    fn scan_name<'a>(&mut self, rest: &'a [u8], tail: &'a [u8]) -> Result<&'a [u8], BypassReason> {
        let piece = before(rest, tail);
        let Some((&byte, after)) = tail.split_first() else {
            self.word.push(piece);
            return Ok(tail);
        };
        self.state = match (self.word.end(piece), byte) {
            // An empty line ends the section.
            (b"", b'\r') => State::LastLf,
            (b"", _) => return Err(BypassReason::Field),
            (name, b':') => match Name::of(name).filter(|_| !self.is_trailers) {
                Some(name) => State::Element {
                    name,
                    spaced: false,
                },
                None => State::Value,
            },
            _ => return Err(BypassReason::Field),
        };
        if let State::Element {
            name: Name::KeepAlive,
            ..
        } = self.state
        {
            self.framing.begin_keep_alive(self.offset(tail));
        }
        Ok(after)
    }

    /// The offset in the section of the rest of the bytes that are being scanned.
    fn offset(&self, rest: &[u8]) -> u32 {
        self.len.wrapping_sub(length(rest))
    }

    /// Scans an element of a list up to the comma or CR after it (RFC 9110 5.6.1).
    #[inline(never)]
    fn scan_element<'a>(
        &mut self,
        name: Name,
        spaced: bool,
        rest: &'a [u8],
    ) -> Result<&'a [u8], BypassReason> {
        let tail = skip_element(rest);
        let piece = before(rest, tail);
        let element = piece.trim_ascii_start();
        if self.word.is_empty() {
            self.element_at = self.offset(tail).wrapping_sub(length(element));
        } else if !element.is_empty() && (spaced || element.len() < piece.len()) {
            // An element of two words is none of those that matter.
            self.word.discard();
        }
        let element = element.trim_ascii_end();
        let Some((&byte, after)) = tail.split_first() else {
            self.word.push(element);
            let spaced = matches!(piece.last(), Some(b' ' | b'\t'));
            self.state = State::Element { name, spaced };
            return Ok(tail);
        };
        self.state = match byte {
            b',' => State::Element {
                name,
                spaced: false,
            },
            b'\r' => State::Lf,
            _ => return Err(BypassReason::Field),
        };
        let element = self.word.end(element);
        self.framing.add_element(name, element, self.element_at)?;
        if name == Name::KeepAlive && byte == b'\r' {
            self.framing.end_keep_alive(self.offset(after));
        }
        Ok(after)
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Skips the field lines at the front that are complete and do not matter: most of a head. Returns the lines after them,
/// and what follows the token at their front.
fn skip_fields(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = bytes;
    loop {
        let tail = skip_token(rest);
        rest = match (consumed(rest, tail), rest, tail) {
            (len @ 1.., [first, ..], [b':', value @ ..])
                if Name::candidate(len, *first).is_none() =>
            {
                match skip_text(value) {
                    [b'\r', b'\n', after @ ..] => after,
                    _ => return (rest, tail),
                }
            }
            _ => return (rest, tail),
        };
    }
}
