//! What the server sends: replies, and push data beside them.

use super::decimal::Decimal;
use crate::chunk::Chunk;
use crate::tcp::BypassReason;
use crate::tcp::prefix::Prefix;

/// A complete reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reply {
    /// RESP3's push type.
    pub(super) is_push: bool,
    pub(super) is_error: bool,
    /// RESP3's map type.
    pub(super) is_map: bool,
    /// The first element of an array or push, if that is a string.
    pub(super) name: Prefix<16>,
    /// The last integer in it: in the confirmation of a subscription, how many there are after it.
    pub(super) last_number: u64,
}

impl Reply {
    /// A message of a channel ("Format of pushed messages").
    pub(super) fn is_message(&self) -> bool {
        ["message", "pmessage", "smessage"]
            .into_iter()
            .any(|name| self.name.is(name))
    }

    /// The confirmation that a channel is subscribed to, or no longer.
    pub(super) fn is_confirmation(&self) -> bool {
        let name = self.name.bytes();
        let name = name.strip_prefix(b"p").unwrap_or(name);
        let is = |name: &[u8]| matches!(name, b"subscribe" | b"unsubscribe");
        // The names of shard channels begin with an `s` as `subscribe` does.
        is(name) || name.strip_prefix(b"s").is_some_and(is)
    }
}

/// Splits what the server sends into replies.
///
/// Nested replies need no stack: an array of 3 is one element less to come, and three more.
#[derive(Debug, Default)]
pub(super) struct Replies {
    position: Position,
    reply: Reply,
    /// Elements that are not complete; none between replies.
    elements: u64,
    /// The next element is the first of the reply's own.
    is_first: bool,
}

/// ```text
///          type              line end
/// Start ────────▶ Line ──────────────────▶ Start
///   │             Number ─────┐ length
///   │                         ▼
///   │             Payload ── left = 0 ───▶ Start
///   └──────────────▲
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum Position {
    #[default]
    Start,
    /// In a simple string, error or number. With `is_name` it is kept as the reply's name.
    Line {
        is_name: bool,
    },
    Number {
        kind: u8,
        decimal: Decimal,
    },
    /// A string, and the CR and LF after it.
    Payload {
        left: u64,
        is_name: bool,
    },
}

impl Replies {
    pub(super) fn is_between_replies(&self) -> bool {
        self.elements == 0
    }

    /// Returns the next reply, or None if it needs more bytes than the chunk has.
    pub(super) fn next(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<Reply>, BypassReason> {
        loop {
            let is_complete = if let Position::Payload { left, is_name } = &mut self.position {
                let name = &mut self.reply.name;
                // The CR and LF after the string are not part of the name.
                let text = left.saturating_sub(2);
                let taken = if *is_name && text > 0 && name.free() > 0 {
                    let bytes = chunk.take(name.free().min(text))?;
                    name.push(bytes);
                    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
                } else {
                    left.saturating_sub(chunk.skip(*left))
                };
                *left = left.saturating_sub(taken);
                if taken == 0 {
                    return Ok(None);
                }
                *left == 0
            } else if let Some(byte) = chunk.byte()? {
                self.push(byte)?
            } else {
                return Ok(None);
            };
            if is_complete {
                self.position = Position::Start;
                self.elements = self.elements.saturating_sub(1);
                if self.elements == 0 {
                    return Ok(Some(core::mem::take(self).reply));
                }
            }
        }
    }

    /// Takes a byte outside of a payload. True if it ends an element.
    fn push(&mut self, byte: u8) -> Result<bool, BypassReason> {
        match &mut self.position {
            Position::Start => self.begin(byte)?,
            Position::Line { is_name } => {
                if *is_name && byte != b'\r' && byte != b'\n' {
                    self.reply.name.push_byte(byte);
                }
                return Ok(byte == b'\n');
            }
            Position::Number { kind, decimal } => {
                // The length of a stream is unknown; no server sends one.
                if byte == b'?' {
                    return Err(BypassReason::Unsupported);
                }
                if let Some(number) = decimal.push(byte)? {
                    let kind = *kind;
                    return Ok(self.apply_number(kind, number));
                }
            }
            Position::Payload { .. } => {}
        }
        Ok(false)
    }

    fn begin(&mut self, kind: u8) -> Result<(), BypassReason> {
        if self.elements == 0 {
            self.elements = 1;
            self.reply.is_push = kind == b'>';
            self.reply.is_error = matches!(kind, b'-' | b'!');
            self.reply.is_map = kind == b'%';
        } else if kind == b'>' {
            // Push data comes between replies alone.
            return Err(BypassReason::Malformed);
        }
        self.position = match kind {
            b'+' | b'-' | b'_' | b'#' | b',' | b'(' => Position::Line {
                is_name: kind == b'+' && self.is_first,
            },
            b':' | b'$' | b'=' | b'!' | b'*' | b'~' | b'>' | b'%' | b'|' => Position::Number {
                kind,
                decimal: Decimal::default(),
            },
            _ => return Err(BypassReason::Malformed),
        };
        self.is_first &= matches!(kind, b'$' | b'=');
        Ok(())
    }

    /// Applies an integer, a length or a count. True if it ends an element.
    fn apply_number(&mut self, kind: u8, number: Option<u64>) -> bool {
        let is_first = core::mem::take(&mut self.is_first);
        // A negative length or count is null.
        let Some(number) = number else {
            return true;
        };
        match kind {
            b':' => {
                self.reply.last_number = number;
                true
            }
            b'$' | b'=' | b'!' => {
                self.position = Position::Payload {
                    left: number.saturating_add(2),
                    is_name: is_first,
                };
                false
            }
            _ => {
                let is_map = matches!(kind, b'%' | b'|');
                let count = if is_map {
                    number.saturating_mul(2)
                } else {
                    number
                };
                self.is_first = self.elements == 1 && matches!(kind, b'*' | b'>');
                self.elements = self.elements.saturating_add(count);
                self.position = Position::Start;
                // The reply follows its attributes.
                kind != b'|'
            }
        }
    }
}
