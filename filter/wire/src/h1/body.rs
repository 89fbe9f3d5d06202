//! The body of a message: passed over, but for the lines between chunks (RFC 9112 6 and 7).
use super::fields::Fields;
use super::framing::Length;
use super::look;
use super::text::{split, text};
use crate::source::Window;
use crate::{BypassReason, ByteSource};

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    Sized(u64),
    Chunked(Chunked),
    /// It ends with the connection.
    UntilClose,
}

/// Where the next byte stands in a chunked body.
///
/// ```text
///  ┌────────────────────────────────────────────────────┐
///  ▼                                                    │
/// Size ──▶ [Blank ──▶] [Extension] ──▶ Lf ──▶ Data ──▶ DataEnd
///                                      └─ size 0 ──▶ Trailers ──▶ the end
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunked {
    Size {
        size: u64,
        digits: u8,
    },
    /// White space behind a size is for the semicolon of an extension only (RFC 9112 7.1.1).
    Blank {
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
    Trailers(Fields),
}

/// Where a scanner stands after some bytes.
pub(super) enum Passed {
    /// At the end of what there is.
    All,
    /// At the end of the message, which is this offset.
    Message(usize),
}

impl Body {
    /// The body of such a length; None for the empty one.
    pub(super) fn new(length: Length) -> Option<Self> {
        match length {
            Length::Sized(0) => None,
            Length::Sized(length) => Some(Self::Sized(length)),
            Length::Chunked => Some(Self::Chunked(Chunked::START)),
            Length::Unsaid => Some(Self::UntilClose),
        }
    }

    /// Passes over what belongs to the body from offset `at`.
    pub(super) fn pass(
        &mut self,
        window: &mut Window<'_, impl ByteSource>,
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
            Self::Chunked(chunked) => chunked.pass(window, at),
            Self::UntilClose => Ok(Passed::All),
        }
    }
}

impl Chunked {
    const START: Self = Self::Size { size: 0, digits: 0 };

    fn pass(
        &mut self,
        window: &mut Window<'_, impl ByteSource>,
        mut at: usize,
    ) -> Result<Passed, BypassReason> {
        while at < window.len() {
            if let Self::Data { left } = self {
                at = skip(left, at, window.len());
                if *left == 0 {
                    *self = Self::DataEnd { cr: false };
                }
                continue;
            }
            let bytes = look(window, at)?;
            if let Self::Trailers(fields) = self {
                match fields.scan(bytes)? {
                    Some(end) => return Ok(Passed::Message(at.saturating_add(end))),
                    None => at = at.saturating_add(bytes.len()),
                }
                continue;
            }
            let rest = self.line(bytes)?;
            at = at.saturating_add(bytes.len().saturating_sub(rest.len()));
        }
        Ok(Passed::All)
    }

    /// Takes a byte, or a run of them, of what stands between the data of two chunks.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], BypassReason> {
        if let Self::Extension { size } = *self {
            let (_, tail) = split(bytes, text(bytes));
            return match tail.split_first() {
                None => Ok(tail),
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
            (Self::Size { size, digits: 1.. } | Self::Blank { size }, b';') => {
                Self::Extension { size }
            }
            (Self::Size { size, digits: 1.. } | Self::Blank { size }, b' ' | b'\t') => {
                Self::Blank { size }
            }
            (Self::Size { size, digits: 1.. }, b'\r') => Self::Lf { size },
            (Self::Size { size, digits }, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(BypassReason::Framing)?;
                // Sixteen digits are all that 64 bits hold.
                let digits = digits
                    .checked_add(1)
                    .filter(|digits| *digits <= 16)
                    .ok_or(BypassReason::Framing)?;
                Self::Size {
                    size: (size << 4) | u64::from(digit),
                    digits,
                }
            }
            (Self::Lf { size: 0 }, b'\n') => Self::Trailers(Fields::trailers()),
            (Self::Lf { size }, b'\n') => Self::Data { left: size },
            (Self::DataEnd { cr: false }, b'\r') => Self::DataEnd { cr: true },
            (Self::DataEnd { cr: true }, b'\n') => Self::START,
            _ => return Err(BypassReason::Framing),
        };
        Ok(after)
    }
}

/// Takes from `left` what there is of it between `at` and `end`; gives the offset behind it.
fn skip(left: &mut u64, at: usize, end: usize) -> usize {
    let there = end.saturating_sub(at);
    let skipped = usize::try_from(*left).map_or(there, |left| left.min(there));
    *left = left.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
    at.saturating_add(skipped)
}
