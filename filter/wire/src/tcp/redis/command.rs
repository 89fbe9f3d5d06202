//! What the client sends: arrays of bulk strings, and inline commands.

use super::ReplyMode;
use super::decimal::Decimal;
use crate::chunk::Chunk;
use crate::tcp::prefix::Prefix;
use crate::tcp::{BypassReason, TLS_HANDSHAKE};

/// How many arguments are read, the name included, and how many bytes of each.
const ARGUMENTS: usize = 3;
const ARGUMENT: usize = 16;

/// The longest line: an inline command (`PROTO_INLINE_MAX_SIZE`).
const MAX_INLINE: u32 = 64 << 10;

/// The first arguments of a command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Command {
    arguments: [Prefix<ARGUMENT>; ARGUMENTS],
    count: u32,
}

impl Command {
    /// True if an argument is `word`, in upper or lower case. The name has index 0.
    pub(super) fn is(&self, index: usize, word: &str) -> bool {
        self.arguments
            .get(index)
            .is_some_and(|argument| argument.is(word))
    }

    /// How many arguments follow the name.
    pub(super) fn arguments(&self) -> u32 {
        self.count.saturating_sub(1)
    }

    /// The mode that `CLIENT REPLY` sets.
    pub(super) fn reply_mode(&self) -> Option<ReplyMode> {
        let modes = [
            ("off", ReplyMode::Off),
            ("skip", ReplyMode::Skip),
            ("on", ReplyMode::On),
        ];
        let is_client_reply = self.is(0, "client") && self.is(1, "reply");
        let mode = modes.into_iter().find(|(word, _)| self.is(2, word));
        mode.filter(|_| is_client_reply).map(|(_, mode)| mode)
    }
}

/// Splits what the client sends into commands.
#[derive(Debug, Default)]
pub(super) struct Commands {
    position: Position,
    command: Command,
    /// Arguments that are complete.
    complete: u32,
}

/// ```text
///        `*`          line end          `$`, line end       length
/// Start ─────▶ Count ──────────▶ Bulk ────────────────▶ Argument ──▶ End
///   │                             ▲   more arguments                  │
///   │                             └───────────────────────────────────┤
///   ├◀────────────────────────────────────────────────────────────────┘
///   │ other             line end
///   └──────────▶ Inline ──────────▶ Start
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum Position {
    #[default]
    Start,
    Inline {
        length: u32,
        in_word: bool,
    },
    Count(Decimal),
    /// Position the `$` or in the length.
    Bulk(Option<Decimal>),
    Argument {
        left: u64,
    },
    /// Between the CR and the LF after an argument.
    End,
}

impl Commands {
    pub(super) fn is_between_commands(&self) -> bool {
        matches!(self.position, Position::Start)
    }

    /// Returns the next command, or None if it needs more bytes than the chunk has.
    pub(super) fn next(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<Command>, BypassReason> {
        loop {
            if let Position::Argument { left } = &mut self.position
                && *left > 0
            {
                // Of the first arguments, the first bytes are read.
                let argument = usize::try_from(self.complete)
                    .ok()
                    .and_then(|index| self.command.arguments.get_mut(index))
                    .filter(|argument| argument.free() > 0);
                let taken = if let Some(argument) = argument {
                    let bytes = chunk.take(argument.free().min(*left))?;
                    argument.push(bytes);
                    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
                } else {
                    left.saturating_sub(chunk.skip(*left))
                };
                *left = left.saturating_sub(taken);
                if taken == 0 {
                    return Ok(None);
                }
                continue;
            }
            let mut is_complete = false;
            let has_stopped = chunk.read_until(|byte| {
                is_complete = self.push(byte)?;
                Ok(is_complete || matches!(self.position, Position::Argument { left: 1.. }))
            })?;
            if !has_stopped {
                return Ok(None);
            }
            if is_complete {
                let command = core::mem::take(self).command;
                // An empty line, or an array of none, is no command.
                if command.count > 0 {
                    return Ok(Some(command));
                }
            }
        }
    }

    /// Takes a byte outside of an argument. True if it ends a command.
    fn push(&mut self, byte: u8) -> Result<bool, BypassReason> {
        match &mut self.position {
            Position::Start => {
                self.position = match byte {
                    b'*' => Position::Count(Decimal::default()),
                    TLS_HANDSHAKE => return Err(BypassReason::Encrypted),
                    b'\n' => Position::Start,
                    b' '..=b'~' | b'\t' | b'\r' => {
                        self.position = Position::Inline {
                            length: 0,
                            in_word: false,
                        };
                        return self.push(byte);
                    }
                    _ => return Err(BypassReason::Malformed),
                };
            }
            Position::Inline { length, in_word } => {
                *length = length.saturating_add(1);
                if *length > MAX_INLINE {
                    return Err(BypassReason::Malformed);
                }
                match byte {
                    b'\n' => return Ok(true),
                    b' ' | b'\t' | b'\r' => *in_word = false,
                    byte => {
                        if !*in_word {
                            self.command.count = self.command.count.saturating_add(1);
                        }
                        *in_word = true;
                        let index = usize::try_from(self.command.arguments()).unwrap_or(usize::MAX);
                        if let Some(argument) = self.command.arguments.get_mut(index) {
                            argument.push_byte(byte);
                        }
                    }
                }
            }
            Position::Count(decimal) => {
                if let Some(count) = decimal.push(byte)? {
                    let count = u32::try_from(count.unwrap_or(0));
                    self.command.count = count.map_err(|_| BypassReason::Malformed)?;
                    self.position = Position::Bulk(None);
                    return Ok(self.command.count == 0);
                }
            }
            Position::Bulk(None) if byte == b'$' => {
                self.position = Position::Bulk(Some(Decimal::default()))
            }
            Position::Bulk(Some(decimal)) => {
                if let Some(length) = decimal.push(byte)? {
                    let left = length.ok_or(BypassReason::Malformed)?;
                    self.position = Position::Argument { left };
                }
            }
            // The whole argument has come, and this is the CR.
            Position::Argument { .. } if byte == b'\r' => self.position = Position::End,
            Position::End if byte == b'\n' => {
                self.complete = self.complete.saturating_add(1);
                self.position = Position::Bulk(None);
                return Ok(self.complete >= self.command.count);
            }
            Position::Bulk(None) | Position::Argument { .. } | Position::End => {
                return Err(BypassReason::Malformed);
            }
        }
        Ok(false)
    }
}
