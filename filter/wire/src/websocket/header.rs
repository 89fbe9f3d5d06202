//! The header of a frame (RFC 6455 5.2), in pieces of any size.

use super::direction::Peer;
use crate::BypassReason;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
/// No registered extension uses them.
const RSV2_AND_3: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const MASKING_KEY: u64 = 4;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// The first frame of a message, text or binary.
    Message,
    /// A further frame of a message.
    Continuation,
    Close,
    /// Ping or Pong.
    Ping,
}

/// A complete frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    /// The frame is the last one of its message.
    pub(super) is_final: bool,
    /// The length of what follows: the masking key, if there is one, and the payload.
    pub(super) rest_len: u64,
}

/// A frame header, as far as it has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    first: u8,
    second: u8,
    have: u8,
    /// The extended payload length, as far as it has arrived.
    extended: u64,
}

impl Header {
    /// Whether no byte of the header has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Adds bytes until the header is complete. Returns how many were added.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> usize {
        let before = self.have;
        for byte in bytes {
            match self.have {
                0 => self.first = *byte,
                1 => self.second = *byte,
                have if have < self.len() => {
                    self.extended = (self.extended << 8) | u64::from(*byte)
                }
                _ => break,
            }
            self.have = self.have.saturating_add(1);
        }
        usize::from(self.have.saturating_sub(before))
    }

    /// The length of the header in bytes, without the masking key.
    fn len(&self) -> u8 {
        match self.second & !MASK {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    /// Parses the bytes so far, at least one. Returns the frame's kind, which its first byte determines, and the frame
    /// when the header is complete.
    ///
    /// # Errors
    /// [`BypassReason::Message`] for what a receiver must reject (RFC 6455 5.1, 5.2, 5.5).
    pub(super) fn parse(&self, sender: Peer) -> Result<(FrameKind, Option<Frame>), BypassReason> {
        let kind = FrameKind::of(self.first)?;
        // Only the client masks its frames (RFC 6455 5.1).
        let is_masked = self.second & MASK != 0;
        if self.have > 1 && is_masked != (sender == Peer::Client) {
            return Err(BypassReason::Message);
        }
        if self.have < self.len() {
            return Ok((kind, None));
        }
        // The length must have its shortest encoding, and the highest bit of 64 is 0 (RFC 6455 5.2).
        let (length, is_shortest) = match self.second & !MASK {
            126 => (self.extended, self.extended > 125),
            127 => (
                self.extended,
                self.extended > 0xffff && self.extended >> 63 == 0,
            ),
            short => (u64::from(short), true),
        };
        let fits = match kind {
            // A Close has no body, or a status code of two bytes and a reason (RFC 6455 5.5.1).
            FrameKind::Close => length != 1 && length <= 125,
            FrameKind::Ping => length <= 125,
            FrameKind::Message | FrameKind::Continuation => true,
        };
        if !is_shortest || !fits {
            return Err(BypassReason::Message);
        }
        let key = if is_masked { MASKING_KEY } else { 0 };
        let frame = Frame {
            kind,
            is_final: self.first & FIN != 0,
            rest_len: length.saturating_add(key),
        };
        Ok((kind, Some(frame)))
    }
}

impl FrameKind {
    /// Whether the frame is a part of a message.
    pub(super) fn is_data(self) -> bool {
        matches!(self, Self::Message | Self::Continuation)
    }

    /// The kind of the frame with this first byte.
    fn of(first: u8) -> Result<Self, BypassReason> {
        let kind = match first & OPCODE {
            0x0 => Self::Continuation,
            0x1 | 0x2 => Self::Message,
            0x8 => Self::Close,
            0x9 | 0xa => Self::Ping,
            _ => return Err(BypassReason::Message),
        };
        // Compression sets RSV1 on the first frame of a message (RFC 7692 6); control frames are not fragmented (RFC
        // 6455 5.5).
        let rsv1_fits = first & RSV1 == 0 || kind == Self::Message;
        let is_whole = first & FIN != 0 || matches!(kind, Self::Message | Self::Continuation);
        if first & RSV2_AND_3 == 0 && rsv1_fits && is_whole {
            Ok(kind)
        } else {
            Err(BypassReason::Message)
        }
    }
}
