//! One direction of a WebSocket: its frames in the order that RFC 6455 asks of each peer alone.

use super::header::{Frame, FrameKind, Header};
use crate::source::Window;
use crate::{BypassReason, ByteSource};

/// One look fetches this many bytes from a frame's beginning: what costs is the look, and small frames
/// come several in a piece.
const STRETCH: usize = 256;

/// An end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Server,
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Direction {
    sender: Peer,
    at: At,
    /// A message has begun, and its last frame has not come.
    in_message: bool,
    has_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Header(Header),
    /// So many bytes of a frame are to come.
    Payload {
        kind: FrameKind,
        left: u64,
    },
}

impl Direction {
    pub(super) fn new(sender: Peer) -> Self {
        Self {
            sender,
            at: At::Header(Header::default()),
            in_message: false,
            has_closed: false,
        }
    }

    /// Between two messages, and there may be a further one.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_between_frames = matches!(self.at, At::Header(header) if header.is_empty());
        is_between_frames && !self.in_message && !self.has_closed
    }

    /// The whole of a Close has come.
    pub(super) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Takes the bytes of a callback. True when a part of a message was among them.
    pub(super) fn scan(&mut self, source: &mut impl ByteSource) -> Result<bool, BypassReason> {
        let mut window = Window::new(source, STRETCH);
        let mut at = 0_usize;
        let mut spoke = false;
        while at < window.len() {
            match &mut self.at {
                At::Header(header) => {
                    let byte = *window.look(at).first().ok_or(BypassReason::Unreadable)?;
                    at = at.saturating_add(1);
                    let frame = header.push(byte, self.sender)?;
                    spoke |= header.is_data();
                    if let Some(frame) = frame {
                        self.begin(frame)?;
                    }
                }
                At::Payload { kind, left } => {
                    spoke |= matches!(kind, FrameKind::Message | FrameKind::Continuation);
                    let come = window.len().saturating_sub(at);
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(come);
                    at = at.saturating_add(taken);
                    *left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
                    if *left == 0 {
                        let kind = *kind;
                        self.end(kind);
                    }
                }
            }
        }
        Ok(spoke)
    }

    fn begin(&mut self, frame: Frame) -> Result<(), BypassReason> {
        let is_in_turn = match frame.kind {
            FrameKind::Message => !self.in_message && !self.has_closed,
            FrameKind::Continuation => self.in_message && !self.has_closed,
            FrameKind::Close => !self.has_closed,
            FrameKind::Ping => true,
        };
        if !is_in_turn {
            return Err(BypassReason::Message);
        }
        if matches!(frame.kind, FrameKind::Message | FrameKind::Continuation) {
            self.in_message = !frame.is_final;
        }
        self.at = At::Payload {
            kind: frame.kind,
            left: frame.rest,
        };
        if frame.rest == 0 {
            self.end(frame.kind);
        }
        Ok(())
    }

    fn end(&mut self, kind: FrameKind) {
        self.at = At::Header(Header::default());
        self.has_closed |= kind == FrameKind::Close;
    }
}
