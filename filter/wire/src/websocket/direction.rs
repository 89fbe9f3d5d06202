//! One direction of a WebSocket: its frames, in the order that RFC 6455 requires of each peer.

use super::header::{Frame, FrameKind, Header};
use crate::chunk::Chunk;
use crate::{BypassReason, ByteSource};

/// The size of one read from the host.
const READ_SIZE: usize = 256;

/// One end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Server,
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Direction {
    sender: Peer,
    state: State,
    /// A message has begun and its last frame has not arrived.
    in_message: bool,
    has_closed: bool,
}

/// What the next byte belongs to.
///
/// ```text
/// Header ──▶ Payload ──▶ Header
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    Header(Header),
    /// A masking key or payload, of which `left` bytes have not arrived.
    Payload {
        kind: FrameKind,
        left: u64,
    },
}

impl Direction {
    pub(super) fn new(sender: Peer) -> Self {
        Self {
            sender,
            state: State::Header(Header::default()),
            in_message: false,
            has_closed: false,
        }
    }

    /// Whether a frame can be inserted here without interrupting a message: between two messages, before Close.
    pub(super) fn is_between_messages(&self) -> bool {
        let is_between_frames = matches!(self.state, State::Header(header) if header.is_empty());
        is_between_frames && !self.in_message && !self.has_closed
    }

    /// Whether a Close frame is complete.
    pub(super) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Scans the bytes of a callback. Returns whether they contain a part of a message.
    pub(super) fn scan(&mut self, source: &mut dyn ByteSource) -> Result<bool, BypassReason> {
        let mut chunk = Chunk::new(source, READ_SIZE);
        let mut has_message = false;
        while !chunk.is_empty() {
            match &mut self.state {
                State::Header(header) => {
                    let count = header.extend(chunk.peek()?);
                    chunk.advance(count);
                    let (kind, frame) = header.parse(self.sender)?;
                    has_message |= kind.is_data();
                    if let Some(frame) = frame {
                        self.begin_frame(frame)?;
                    }
                }
                State::Payload { kind, left } => {
                    let kind = *kind;
                    has_message |= kind.is_data();
                    *left = chunk.skip(*left);
                    if *left == 0 {
                        self.end_frame(kind);
                    }
                }
            }
        }
        Ok(has_message)
    }

    fn begin_frame(&mut self, frame: Frame) -> Result<(), BypassReason> {
        let is_in_order = match frame.kind {
            // A message must end before the next one begins, and nothing but control frames follows Close (RFC 6455 5.4, 5.5.1).
            FrameKind::Message => !self.in_message && !self.has_closed,
            FrameKind::Continuation => self.in_message && !self.has_closed,
            FrameKind::Close => !self.has_closed,
            // Control frames may interrupt a message (RFC 6455 5.4).
            FrameKind::Ping => true,
        };
        if !is_in_order {
            return Err(BypassReason::Message);
        }
        if frame.kind.is_data() {
            self.in_message = !frame.is_final;
        }
        self.state = State::Payload {
            kind: frame.kind,
            left: frame.rest_len,
        };
        if frame.rest_len == 0 {
            self.end_frame(frame.kind);
        }
        Ok(())
    }

    fn end_frame(&mut self, kind: FrameKind) {
        self.state = State::Header(Header::default());
        self.has_closed |= kind == FrameKind::Close;
    }
}
