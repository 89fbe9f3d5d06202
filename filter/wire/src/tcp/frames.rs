//! One direction of a protocol whose messages are a header with a length and a payload.

use super::BypassReason;
use super::prefix::Prefix;
use crate::chunk::Chunk;

/// The lengths in a complete header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    /// In bytes.
    pub(super) payload: u64,
    /// How many of the payload's first bytes are handed over as [`Event::Payload`]; the rest is skipped.
    pub(super) inspected: u64,
}

/// A step through the messages of one direction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a, const N: usize> {
    /// The header of a message is complete.
    Begin([u8; N]),
    /// Some of the bytes of the payload that are inspected.
    Payload(&'a [u8]),
    /// The message is complete.
    End,
}

/// Splits one direction into messages whose headers are at most `N` bytes long.
///
/// ```text
///            header complete
/// Header ──────────────────────▶ Payload ──┐
///   ▲                              │  ▲    │ bytes inspected or skipped
///   └──────────────────────────────┘  └────┘
///            payload complete
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Frames<const N: usize> {
    Header(Prefix<N>),
    Payload { inspected: u64, skipped: u64 },
}

impl<const N: usize> Default for Frames<N> {
    fn default() -> Self {
        Self::Header(Prefix::default())
    }
}

impl<const N: usize> Frames<N> {
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self, Self::Header(header) if header.is_empty())
    }

    /// Returns the next event, or None if it needs more bytes than the chunk has.
    ///
    /// `parse` gets the bytes of the header so far, and returns None while it is incomplete.
    pub(super) fn next<'c>(
        &mut self,
        chunk: &'c mut Chunk<'_>,
        parse: impl Fn(&[u8]) -> Result<Option<Lengths>, BypassReason>,
    ) -> Result<Option<Event<'c, N>>, BypassReason> {
        match self {
            Self::Header(header) => {
                let mut lengths = None;
                chunk.read_until(|byte| {
                    header.push_byte(byte);
                    lengths = parse(header.bytes())?;
                    Ok(lengths.is_some())
                })?;
                let Some(Lengths { payload, inspected }) = lengths else {
                    return Ok(None);
                };
                let begin = Event::Begin(header.padded());
                let inspected = inspected.min(payload);
                *self = Self::Payload {
                    inspected,
                    skipped: payload.saturating_sub(inspected),
                };
                Ok(Some(begin))
            }
            Self::Payload { inspected, .. } if *inspected > 0 => {
                let bytes = chunk.take(*inspected)?;
                if bytes.is_empty() {
                    return Ok(None);
                }
                let taken = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                *inspected = inspected.saturating_sub(taken);
                Ok(Some(Event::Payload(bytes)))
            }
            Self::Payload { skipped, .. } => {
                *skipped = chunk.skip(*skipped);
                if *skipped > 0 {
                    return Ok(None);
                }
                *self = Self::default();
                Ok(Some(Event::End))
            }
        }
    }
}
