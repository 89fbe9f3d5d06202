//! One direction of a connection: its frames, in the order that RFC 9113 requires of each peer.

use super::PREFACE;
use super::frame::{Frame, FrameType};
use super::handler::FrameHandler;
use super::part::{MAX_PART, Part};
use crate::chunk::Chunk;
use crate::{BypassReason, ByteSource};

/// The size of one read from the host.
pub(super) const READ_SIZE: usize = 256;

/// What the next byte belongs to.
///
/// ```text
/// Preface ──▶ Header ──▶ Payload ──▶ Header
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    /// The client's preface, of which this many bytes have arrived.
    Preface(u8),
    /// A frame header.
    Header,
    /// A payload of which `left` bytes have not arrived, and the next `wanted` are read.
    Payload { frame: Frame, left: u32, wanted: u8 },
}

/// A header block that CONTINUATION must complete, and that no other frame may interrupt (RFC 9113 4.3).
#[derive(Clone, Copy, Debug)]
struct OpenBlock {
    stream: u32,
    ends_stream: bool,
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Direction {
    state: State,
    /// The current frame header or requested part, as far as it has arrived.
    part: Part,
    open_block: Option<OpenBlock>,
    /// The SETTINGS frame that must be the peer's first (RFC 9113 3.4) has arrived.
    has_settings: bool,
}

impl Direction {
    /// Returns the direction of the client, which begins with its preface (RFC 9113 3.4).
    pub(super) fn of_client() -> Self {
        Self {
            state: State::Preface(0),
            ..Self::of_server()
        }
    }

    /// Returns the direction of the server.
    pub(super) fn of_server() -> Self {
        Self {
            state: State::Header,
            part: Part::default(),
            open_block: None,
            has_settings: false,
        }
    }

    /// Whether a frame can be inserted here: between two frames, after the first SETTINGS, and not inside a header
    /// block.
    pub(super) fn is_boundary(&self) -> bool {
        let is_between_frames = matches!(self.state, State::Header) && self.part.is_empty();
        is_between_frames && self.has_settings && self.open_block.is_none()
    }

    /// Scans the bytes of a callback.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a wrong preface or frame header and for a frame out of order,
    /// [`BypassReason::Unreadable`], and those of the handler.
    pub(super) fn scan(
        &mut self,
        source: &mut dyn ByteSource,
        handler: &mut FrameHandler<'_>,
    ) -> Result<(), BypassReason> {
        let mut chunk = Chunk::new(source, READ_SIZE);
        let mut frame_at = None;
        loop {
            // A frame of length 0 ends here too, even at the end of the callback.
            if let State::Payload {
                frame,
                left,
                wanted,
            } = self.state
                && (wanted == 0 || left == 0)
            {
                let left = u32::try_from(chunk.skip(left.into())).unwrap_or(u32::MAX);
                if left > 0 {
                    self.state = State::Payload {
                        frame,
                        left,
                        wanted,
                    };
                    return Ok(());
                }
                self.state = State::Header;
                handler.end(frame, frame_at, self.end(frame));
            }
            let at = chunk.at();
            let bytes = chunk.peek()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let count = match self.state {
                State::Preface(arrived) => {
                    let (state, count) = compare_preface(arrived, bytes)?;
                    self.state = state;
                    count
                }
                State::Header => {
                    if self.part.is_empty() && self.open_block.is_none() {
                        frame_at = Some(at);
                    }
                    let count = self.part.fill(bytes, MAX_PART);
                    if let Some(header) = self.part.take(MAX_PART) {
                        let frame = Frame::parse(header);
                        if !frame.is_allowed() || !self.is_in_order(frame) {
                            return Err(BypassReason::Frame);
                        }
                        self.state = State::Payload {
                            frame,
                            left: frame.length,
                            wanted: handler.begin(frame, !self.has_settings)?,
                        };
                    }
                    count
                }
                State::Payload {
                    frame,
                    left,
                    wanted,
                } => {
                    let wanted = wanted.min(MAX_PART);
                    let len = u8::try_from(left).map_or(wanted, |left| left.min(wanted));
                    let count = self.part.fill(bytes, len);
                    if let Some(part) = self.part.take(len) {
                        self.state = State::Payload {
                            frame,
                            left: left.saturating_sub(u32::from(len)),
                            wanted: handler.read(frame, part, len)?,
                        };
                    }
                    count
                }
            };
            chunk.advance(count);
        }
    }

    fn is_in_order(&self, frame: Frame) -> bool {
        let is_continuation = frame.frame_type == FrameType::Continuation;
        let is_in_block = match self.open_block {
            Some(block) => is_continuation && frame.stream == block.stream,
            None => !is_continuation,
        };
        let is_settings = frame.frame_type == FrameType::Settings && !frame.is_ack();
        is_in_block && (self.has_settings || is_settings)
    }

    /// Ends a frame. Returns whether the sender has ended its side of the stream.
    fn end(&mut self, frame: Frame) -> bool {
        self.has_settings = true;
        if frame.leaves_block_open() {
            // The flags of the HEADERS frame count, not those of a CONTINUATION.
            self.open_block.get_or_insert(OpenBlock {
                stream: frame.stream,
                ends_stream: frame.ends_stream(),
            });
            return false;
        }
        self.open_block
            .take()
            .map_or(frame.ends_stream(), |block| block.ends_stream)
    }
}

/// Compares bytes with the rest of the preface. Returns the state after them, and their number.
#[inline(never)]
fn compare_preface(arrived: u8, bytes: &[u8]) -> Result<(State, usize), BypassReason> {
    let expected = PREFACE.get(usize::from(arrived)..).unwrap_or_default();
    let count = bytes.len().min(expected.len());
    if bytes.get(..count) != expected.get(..count) {
        return Err(BypassReason::Frame);
    }
    let arrived = arrived.saturating_add(u8::try_from(count).unwrap_or(u8::MAX));
    let state = if count == expected.len() {
        State::Header
    } else {
        State::Preface(arrived)
    };
    Ok((state, count))
}
