//! Control lines, and the payloads behind them.

use crate::ByteSource;
use crate::tcp::BypassReason;
use crate::tcp::chunk::Chunk;
use crate::tcp::prefix::Prefix;

/// How many arguments are read, and how many bytes of each. HMSG has the most: subject, subscription, reply
/// subject, size of the headers, size of both.
const ARGUMENTS: usize = 5;
const ARGUMENT: usize = 48;

/// What a line is. Those with headers (HPUB, HMSG) differ from those without in their sizes alone.
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

/// A line whose payload has come as well.
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
        let names = [
            ("INFO", Operation::Info),
            ("CONNECT", Operation::Connect),
            ("PUB", Operation::Pub),
            ("HPUB", Operation::Pub),
            ("SUB", Operation::Sub),
            ("UNSUB", Operation::Unsub),
            ("MSG", Operation::Msg),
            ("HMSG", Operation::Msg),
            ("PING", Operation::Ping),
            ("PONG", Operation::Pong),
            ("+OK", Operation::Ok),
            ("-ERR", Operation::Err),
        ];
        let found = names.into_iter().find(|(name, _)| self.name.is(name));
        let (_, operation) = found.ok_or(BypassReason::Malformed)?;
        Ok(operation)
    }

    /// How many arguments there are behind the first `fixed` ones and before the sizes: a reply subject, or
    /// none. With headers, there are two sizes.
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

    /// True for a client that asks a consumer of JetStream for messages: it waits for those that come, and the
    /// server keeps what it does not acknowledge.
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

    /// How many bytes follow the line: the payload, and the line end behind it.
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
            argument.start.push(&[byte]);
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

/// Cuts one direction into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    at: At,
    line: Line,
}

/// ```text
///        first byte        space             LF
/// Start ───────────▶ Name ───────▶ Arguments ──▶ Payload ──▶ Start
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum At {
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
        matches!(self.at, At::Start)
    }

    /// Gives the next line with its payload, or none if it needs more bytes than the chunk has.
    pub(super) fn next<S: ByteSource>(
        &mut self,
        chunk: &mut Chunk<'_, S>,
    ) -> Result<Option<Line>, BypassReason> {
        loop {
            if let At::Payload { left } = &mut self.at {
                *left = left.saturating_sub(chunk.skip(*left));
                if *left > 0 {
                    return Ok(None);
                }
                return Ok(Some(core::mem::take(self).line));
            }
            let Some(byte) = chunk.byte()? else {
                return Ok(None);
            };
            self.push(byte)?;
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), BypassReason> {
        match (&mut self.at, byte) {
            // A TLS record: the server requires TLS, or the client begins with it.
            (At::Start, 0x16) => return Err(BypassReason::Encrypted),
            // Empty lines are allowed.
            (At::Start, b'\r' | b'\n') => {}
            (At::Name | At::Arguments { .. }, b'\n') => {
                let left = self.line.payload()?;
                self.at = At::Payload { left };
            }
            (At::Start | At::Name, b' ' | b'\t' | b'\r') => {
                self.line.operation()?;
                self.at = At::Arguments { in_argument: false };
            }
            (At::Start | At::Name, byte) => {
                if self.line.name.free() == 0 {
                    return Err(BypassReason::Malformed);
                }
                self.line.name.push(&[byte]);
                self.at = At::Name;
            }
            (At::Arguments { in_argument }, b' ' | b'\t' | b'\r') => *in_argument = false,
            (At::Arguments { in_argument }, byte) => {
                self.line.push(byte, !*in_argument);
                self.line.verbose.push(byte);
                *in_argument = true;
            }
            (At::Payload { .. }, _) => {}
        }
        Ok(())
    }
}
