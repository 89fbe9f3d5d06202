//! Control lines, and the payloads that follow them.

use crate::chunk::Chunk;
use crate::tcp::prefix::Prefix;
use crate::tcp::{BypassReason, TLS_HANDSHAKE};

/// How many arguments are read, and how many bytes of each. HMSG has the most: subject, subscription, reply
/// subject, size of the headers, size of both.
const ARGUMENTS: usize = 5;
const ARGUMENT: usize = 48;

/// The operation of a line. HPUB and HMSG are PUB and MSG with one more size, that of the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Info,
    Connect,
    Pub,
    Sub,
    Unsub,
    Msg,
    Ping,
    Pong,
    Ok,
    Err,
}

/// A line whose payload is complete.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    name: Prefix<8>,
    arguments: [Argument; ARGUMENTS],
    count: usize,
    verbose: Verbose,
}

#[derive(Clone, Copy, Debug, Default)]
struct Argument {
    start: Prefix<ARGUMENT>,
    /// FNV-1a of the whole.
    hash: u64,
}

impl Line {
    pub(super) fn operation(&self) -> Result<Operation, BypassReason> {
        Ok(match self.name.to_uppercase().bytes() {
            b"INFO" => Operation::Info,
            b"CONNECT" => Operation::Connect,
            b"PUB" | b"HPUB" => Operation::Pub,
            b"SUB" => Operation::Sub,
            b"UNSUB" => Operation::Unsub,
            b"MSG" | b"HMSG" => Operation::Msg,
            b"PING" => Operation::Ping,
            b"PONG" => Operation::Pong,
            b"+OK" => Operation::Ok,
            b"-ERR" => Operation::Err,
            _ => return Err(BypassReason::Malformed),
        })
    }

    /// How many arguments there are between the first `fixed` ones and the sizes: the reply subject, if any.
    fn optional(&self, fixed: usize) -> Option<usize> {
        let has_headers = self.name.is("HPUB") || self.name.is("HMSG");
        let sizes = if has_headers { 2 } else { 1 };
        self.count.checked_sub(sizes)?.checked_sub(fixed)
    }

    /// The hash of the subject.
    pub(super) fn subject(&self) -> u64 {
        self.hash(0)
    }

    fn hash(&self, index: usize) -> u64 {
        self.arguments
            .get(index)
            .map_or(0, |argument| argument.hash)
    }

    /// The hash of the reply subject of a message that the client publishes.
    pub(super) fn publication_reply(&self) -> Option<u64> {
        (self.optional(1) == Some(1)).then(|| self.hash(1))
    }

    /// The hash of the reply subject of a message that the server delivers.
    pub(super) fn delivery_reply(&self) -> Option<u64> {
        (self.optional(2) == Some(1)).then(|| self.hash(2))
    }

    /// True for a pull request to a JetStream consumer. It may stay pending while there are no messages, and the
    /// server redelivers what is not acknowledged, so a close is safe.
    pub(super) fn is_pull(&self) -> bool {
        let subject = self
            .arguments
            .first()
            .map_or(&[][..], |argument| argument.start.bytes());
        let name = b".CONSUMER.MSG.NEXT.";
        subject.starts_with(b"$JS.") && subject.windows(name.len()).any(|window| window == name)
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose.is_set
    }

    /// How many bytes follow the line: the payload and its line end.
    fn payload(&self) -> Result<u64, BypassReason> {
        let fixed = match self.operation()? {
            Operation::Pub => 1,
            Operation::Msg => 2,
            _ => return Ok(0),
        };
        let size = self
            .count
            .checked_sub(1)
            .and_then(|last| self.arguments.get(last));
        match (self.optional(fixed), size) {
            (Some(0 | 1), Some(size)) => Ok(size.number()?.saturating_add(2)),
            _ => Err(BypassReason::Malformed),
        }
    }

    fn push(&mut self, byte: u8, is_first: bool) {
        if is_first {
            self.count = self.count.saturating_add(1);
        }
        let index = self.count.saturating_sub(1);
        if let Some(argument) = self.arguments.get_mut(index) {
            if is_first {
                argument.hash = 0xcbf2_9ce4_8422_2325;
            }
            argument.start.push_byte(byte);
            argument.hash = (argument.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Argument {
    fn number(&self) -> Result<u64, BypassReason> {
        let digits = core::str::from_utf8(self.start.bytes()).ok();
        // The server's limit is below 2^32 (`max_payload`).
        let number = digits.and_then(|digits| digits.parse::<u32>().ok());
        number.map(u64::from).ok_or(BypassReason::Malformed)
    }
}

/// Finds `"verbose":true` in the options of CONNECT.
#[derive(Clone, Copy, Debug, Default)]
struct Verbose {
    matched: usize,
    is_set: bool,
}

impl Verbose {
    fn push(&mut self, byte: u8) {
        const OPTION: &[u8] = b"\"verbose\":true";
        if matches!(byte, b' ' | b'\t') {
            return;
        }
        self.matched = match OPTION.get(self.matched) {
            Some(expected) if *expected == byte => self.matched.saturating_add(1),
            // No part of the option but its first byte is a beginning of it.
            _ => usize::from(byte == b'"'),
        };
        self.is_set |= self.matched == OPTION.len();
    }
}

/// Splits one direction into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    position: Position,
    line: Line,
}

/// ```text
///        first byte        space             LF
/// Start ───────────▶ Name ───────▶ Arguments ──▶ Payload ──▶ Start
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum Position {
    #[default]
    Start,
    Name,
    Arguments {
        in_argument: bool,
    },
    Payload {
        left: u64,
    },
}

impl Lines {
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.position, Position::Start)
    }

    /// Returns the next line with its payload, or None if it needs more bytes than the chunk has.
    pub(super) fn next(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<Line>, BypassReason> {
        loop {
            if let Position::Payload { left } = &mut self.position {
                *left = chunk.skip(*left);
                if *left > 0 {
                    return Ok(None);
                }
                return Ok(Some(core::mem::take(self).line));
            }
            let is_line = chunk.read_until(|byte| {
                self.push(byte)?;
                Ok(matches!(self.position, Position::Payload { .. }))
            })?;
            if !is_line {
                return Ok(None);
            }
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), BypassReason> {
        match (&mut self.position, byte) {
            // A TLS record: the server requires TLS, or the client begins with it.
            (Position::Start, TLS_HANDSHAKE) => return Err(BypassReason::Encrypted),
            // Empty lines are allowed.
            (Position::Start, b'\r' | b'\n') => {}
            (Position::Name | Position::Arguments { .. }, b'\n') => {
                let left = self.line.payload()?;
                self.position = Position::Payload { left };
            }
            (Position::Start | Position::Name, b' ' | b'\t' | b'\r') => {
                self.line.operation()?;
                self.position = Position::Arguments { in_argument: false };
            }
            (Position::Start | Position::Name, byte) => {
                if self.line.name.free() == 0 {
                    return Err(BypassReason::Malformed);
                }
                self.line.name.push_byte(byte);
                self.position = Position::Name;
            }
            (Position::Arguments { in_argument }, b' ' | b'\t' | b'\r') => *in_argument = false,
            (Position::Arguments { in_argument }, byte) => {
                self.line.push(byte, !*in_argument);
                self.line.verbose.push(byte);
                *in_argument = true;
            }
            (Position::Payload { .. }, _) => {}
        }
        Ok(())
    }
}
