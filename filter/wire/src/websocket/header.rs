//! The first bytes of a frame (RFC 6455 5.2), as they come.

use super::direction::Peer;
use crate::BypassReason;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
/// No extension that is known uses them.
const RSV2_AND_3: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const MASKING_KEY: u64 = 4;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// The first frame of a message, text or binary.
    Message,
    /// A further one.
    Continuation,
    Close,
    /// PING or PONG.
    Ping,
}

/// A frame header whose last byte has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    /// It is its message's last.
    pub(super) is_final: bool,
    /// How many bytes follow: the masking key, if there is one, and the payload.
    pub(super) rest: u64,
}

/// A frame header as far as it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    first: u8,
    second: u8,
    have: u8,
    /// The extended payload length as far as it has come.
    extended: u64,
}

impl Header {
    /// No byte of it has come.
    pub(super) fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// It is a data frame's, or will be: the first byte says so.
    pub(super) fn is_data(&self) -> bool {
        matches!(
            FrameKind::of(self.first),
            Ok(FrameKind::Message | FrameKind::Continuation)
        )
    }

    /// Takes the next byte; gives the frame with the last one.
    ///
    /// # Errors
    /// [`BypassReason::Message`] for what a receiver must refuse (RFC 6455 5.1, 5.2, 5.5).
    pub(super) fn push(&mut self, byte: u8, sender: Peer) -> Result<Option<Frame>, BypassReason> {
        match self.have {
            0 => {
                self.first = byte;
                FrameKind::of(byte)?;
            }
            1 => {
                self.second = byte;
                if (byte & MASK != 0) != (sender == Peer::Client) {
                    return Err(BypassReason::Message);
                }
            }
            _ => self.extended = (self.extended << 8) | u64::from(byte),
        }
        self.have = self.have.saturating_add(1);
        if self.have < 2 || self.have < self.size() {
            return Ok(None);
        }
        self.frame(sender).map(Some)
    }

    /// In bytes, without the masking key.
    fn size(&self) -> u8 {
        match self.second & !MASK {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn frame(&self, sender: Peer) -> Result<Frame, BypassReason> {
        let kind = FrameKind::of(self.first)?;
        // The shortest form is the only one, and the highest bit of the longest is 0.
        let (length, is_shortest) = match self.second & !MASK {
            126 => (self.extended, self.extended > 125),
            127 => (
                self.extended,
                self.extended > 0xffff && self.extended >> 63 == 0,
            ),
            short => (u64::from(short), true),
        };
        let fits = match kind {
            // A status is two bytes long.
            FrameKind::Close => length != 1 && length <= 125,
            FrameKind::Ping => length <= 125,
            FrameKind::Message | FrameKind::Continuation => true,
        };
        if !is_shortest || !fits {
            return Err(BypassReason::Message);
        }
        let key = if sender == Peer::Client {
            MASKING_KEY
        } else {
            0
        };
        Ok(Frame {
            kind,
            is_final: self.first & FIN != 0,
            rest: length.saturating_add(key),
        })
    }
}

impl FrameKind {
    /// Of the frame with this first byte.
    fn of(first: u8) -> Result<Self, BypassReason> {
        let kind = match first & OPCODE {
            0x0 => Self::Continuation,
            0x1 | 0x2 => Self::Message,
            0x8 => Self::Close,
            0x9 | 0xa => Self::Ping,
            _ => return Err(BypassReason::Message),
        };
        // Compression marks a message by its first frame, and control frames are never fragmented.
        let rsv1_fits = first & RSV1 == 0 || kind == Self::Message;
        let is_whole = first & FIN != 0 || matches!(kind, Self::Message | Self::Continuation);
        if first & RSV2_AND_3 == 0 && rsv1_fits && is_whole {
            Ok(kind)
        } else {
            Err(BypassReason::Message)
        }
    }
}
