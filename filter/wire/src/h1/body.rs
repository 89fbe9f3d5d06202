//! The body of a message (RFC 9112 6 and 7): skipped by length, except for the lines between chunks.
use super::bytes_at;
use super::fields::FieldSection;
use super::framing::Length;
use super::text::{consumed, skip_text};
use crate::BypassReason;
use crate::source::Window;

/// What remains of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    Sized(u64),
    Chunked(Chunked),
    /// It ends when the connection closes.
    UntilClose,
}

/// What the next byte of a chunked body belongs to (RFC 9112 7.1).
///
/// ```text
///  ┌────────────────────────────────────────────────────┐
///  ▼                                                    │
/// Size ──▶ [Space ──▶] [Extension] ──▶ Lf ──▶ Data ──▶ DataEnd
///                                      └─ size 0 ──▶ Trailers ──▶ the body ends
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunked {
    Size {
        size: u64,
        digits: u8,
    },
    /// White space after a size, allowed only before the semicolon of an extension (RFC 9112 7.1.1).
    Space {
        size: u64,
    },
    Extension {
        size: u64,
    },
    Lf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataEnd {
        cr: bool,
    },
    Trailers,
}

/// How far a body reaches in a callback.
pub(super) enum Passed {
    /// Over all its bytes.
    All,
    /// Up to this offset, at which the message ends.
    Message(usize),
}

impl Body {
    /// Returns a body of this length; None for an empty one.
    pub(super) fn new(length: Length) -> Option<Self> {
        match length {
            Length::Sized(0) => None,
            Length::Sized(length) => Some(Self::Sized(length)),
            Length::Chunked => Some(Self::Chunked(Chunked::START)),
            Length::Unknown => Some(Self::UntilClose),
        }
    }

    /// Skips what belongs to the body from offset `at`. `fields` scans the trailers.
    #[inline]
    pub(super) fn pass(
        &mut self,
        fields: &mut FieldSection,
        window: &mut Window<'_>,
        at: usize,
    ) -> Result<Passed, BypassReason> {
        match self {
            Self::Sized(left) => {
                let end = skip(left, at, window.len());
                Ok(if *left == 0 {
                    Passed::Message(end)
                } else {
                    Passed::All
                })
            }
            Self::Chunked(chunked) => chunked.pass(fields, window, at),
            Self::UntilClose => Ok(Passed::All),
        }
    }
}

impl Chunked {
    const START: Self = Self::Size { size: 0, digits: 0 };

    #[inline(never)]
    fn pass(
        &mut self,
        fields: &mut FieldSection,
        window: &mut Window<'_>,
        mut at: usize,
    ) -> Result<Passed, BypassReason> {
        while at < window.len() {
            // The data of a chunk is skipped by arithmetic.
            if let Self::Data { left } = self {
                at = skip(left, at, window.len());
                if *left == 0 {
                    *self = Self::DataEnd { cr: false };
                }
                continue;
            }
            let bytes = bytes_at(window, at)?;
            // Trailers end with an empty line, as a field section does (RFC 9112 7.1.2).
            if let Self::Trailers = self {
                let tail = fields.scan(bytes)?;
                at = at.saturating_add(consumed(bytes, tail.unwrap_or_default()));
                if tail.is_some() {
                    *fields = FieldSection::default();
                    return Ok(Passed::Message(at));
                }
                continue;
            }
            let rest = self.scan_line(bytes)?;
            if let Self::Trailers = self {
                *fields = FieldSection::trailers();
            }
            at = at.saturating_add(consumed(bytes, rest));
        }
        Ok(Passed::All)
    }

    /// Scans one byte, or an extension, between the data of two chunks. Returns the bytes after it.
    fn scan_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], BypassReason> {
        if let Self::Extension { size } = *self {
            return match skip_text(bytes).split_first() {
                None => Ok(&[]),
                Some((b'\r', after)) => {
                    *self = Self::Lf { size };
                    Ok(after)
                }
                Some(_) => Err(BypassReason::Framing),
            };
        }
        let Some((&byte, after)) = bytes.split_first() else {
            return Ok(bytes);
        };
        *self = match (*self, byte) {
            (Self::Size { size, digits: 1.. } | Self::Space { size }, b';') => {
                Self::Extension { size }
            }
            (Self::Size { size, digits: 1.. } | Self::Space { size }, b' ' | b'\t') => {
                Self::Space { size }
            }
            (Self::Size { size, digits: 1.. }, b'\r') => Self::Lf { size },
            (Self::Size { size, digits }, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(BypassReason::Framing)?;
                // Sixteen hexadecimal digits fill 64 bits.
                let digits = digits
                    .checked_add(1)
                    .filter(|digits| *digits <= 16)
                    .ok_or(BypassReason::Framing)?;
                Self::Size {
                    size: (size << 4) | u64::from(digit),
                    digits,
                }
            }
            (Self::Lf { size: 0 }, b'\n') => Self::Trailers,
            (Self::Lf { size }, b'\n') => Self::Data { left: size },
            (Self::DataEnd { cr: false }, b'\r') => Self::DataEnd { cr: true },
            (Self::DataEnd { cr: true }, b'\n') => Self::START,
            _ => return Err(BypassReason::Framing),
        };
        Ok(after)
    }
}

/// Reduces `left` by what lies between `at` and `end`. Returns the offset after it.
fn skip(left: &mut u64, at: usize, end: usize) -> usize {
    let available = u64::try_from(end.saturating_sub(at)).unwrap_or(u64::MAX);
    let skipped = available.min(*left);
    *left = left.saturating_sub(skipped);
    at.saturating_add(usize::try_from(skipped).unwrap_or(usize::MAX))
}
