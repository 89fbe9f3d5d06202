//! What the client sends: arrays of bulk strings, and inline commands.

use super::ReplyMode;
use super::decimal::Decimal;
use crate::ByteSource;
use crate::tcp::BypassReason;
use crate::tcp::chunk::Chunk;
use crate::tcp::prefix::Prefix;

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

    /// How many there are behind the name.
    pub(super) fn arguments(&self) -> u32 {
        self.count.saturating_sub(1)
    }

    pub(super) fn is_client_reply(&self) -> Option<ReplyMode> {
        if !self.is(0, "client") || !self.is(1, "reply") {
            return None;
        }
        match () {
            () if self.is(2, "off") => Some(ReplyMode::Off),
            () if self.is(2, "skip") => Some(ReplyMode::Skip),
            () if self.is(2, "on") => Some(ReplyMode::On),
            () => None,
        }
    }
}

/// Cuts what the client sends into commands.
#[derive(Debug, Default)]
pub(super) struct Commands {
    at: At,
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
enum At {
    #[default]
    Start,
    Inline {
        length: u32,
        in_word: bool,
    },
    Count(Decimal),
    /// At the `$` or in the length.
    Bulk(Option<Decimal>),
    Argument {
        left: u64,
    },
    /// Between the CR and the LF behind an argument.
    End,
}

impl Commands {
    pub(super) fn is_between_commands(&self) -> bool {
        matches!(self.at, At::Start)
    }

    /// Gives the next command, or none if it needs more bytes than the chunk has.
    pub(super) fn next<S: ByteSource>(
        &mut self,
        chunk: &mut Chunk<'_, S>,
    ) -> Result<Option<Command>, BypassReason> {
        loop {
            if let At::Argument { left } = &mut self.at
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
                    chunk.skip(*left)
                };
                *left = left.saturating_sub(taken);
                if taken == 0 {
                    return Ok(None);
                }
                continue;
            }
            let Some(byte) = chunk.byte()? else {
                return Ok(None);
            };
            if self.push(byte)? {
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
        match &mut self.at {
            At::Start => {
                self.at = match byte {
                    b'*' => At::Count(Decimal::default()),
                    // A TLS record.
                    0x16 => return Err(BypassReason::Encrypted),
                    b'\n' => At::Start,
                    b' '..=b'~' | b'\t' | b'\r' => {
                        self.at = At::Inline {
                            length: 0,
                            in_word: false,
                        };
                        return self.push(byte);
                    }
                    _ => return Err(BypassReason::Malformed),
                };
            }
            At::Inline { length, in_word } => {
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
                            argument.push(&[byte]);
                        }
                    }
                }
            }
            At::Count(decimal) => {
                if let Some(count) = decimal.push(byte)? {
                    let count = u32::try_from(count.unwrap_or(0));
                    self.command.count = count.map_err(|_| BypassReason::Malformed)?;
                    self.at = At::Bulk(None);
                    return Ok(self.command.count == 0);
                }
            }
            At::Bulk(None) if byte == b'$' => self.at = At::Bulk(Some(Decimal::default())),
            At::Bulk(Some(decimal)) => {
                if let Some(length) = decimal.push(byte)? {
                    let left = length.ok_or(BypassReason::Malformed)?;
                    self.at = At::Argument { left };
                }
            }
            // The whole argument has come, and this is the CR.
            At::Argument { .. } if byte == b'\r' => self.at = At::End,
            At::End if byte == b'\n' => {
                self.complete = self.complete.saturating_add(1);
                self.at = At::Bulk(None);
                return Ok(self.complete >= self.command.count);
            }
            At::Bulk(None) | At::Argument { .. } | At::End => {
                return Err(BypassReason::Malformed);
            }
        }
        Ok(false)
    }
}
