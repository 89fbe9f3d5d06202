//! One direction of a connection: its frames, in the order that RFC 9113 requires of each peer.

use super::frame::{Frame, FrameType, HEADER};
use super::reader::{Cursor, Reader, Token};
use crate::BypassReason;

/// The progress of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A frame header is complete, and the frame is allowed here.
    Begin(Frame),
    /// The next part of the frame's payload, as long as it was [requested](Direction::want), padded with zeros; and
    /// its length.
    Payload(Frame, [u8; HEADER], u8),
    /// The frame is complete. With `ends_stream` its sender sends no more on the stream: END_STREAM of a HEADERS
    /// frame takes effect when the header block ends.
    End { frame: Frame, ends_stream: bool },
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
    reader: Reader,
    open_block: Option<OpenBlock>,
    /// The SETTINGS frame that must be the peer's first (RFC 9113 3.4) has arrived.
    has_settings: bool,
}

impl Direction {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            reader,
            open_block: None,
            has_settings: false,
        }
    }

    /// Whether a frame can be inserted here: between two frames, after the first SETTINGS, and not inside a header
    /// block.
    pub(super) fn is_boundary(&self) -> bool {
        self.has_settings && self.open_block.is_none() && self.reader.is_between_frames()
    }

    /// Whether the next frame is the first one.
    pub(super) fn is_first_frame(&self) -> bool {
        !self.has_settings
    }

    /// Requests the next `len` (at most 9) bytes of the current payload as [`Event::Payload`].
    pub(super) fn want(&mut self, len: u8) {
        self.reader.want(len);
    }

    /// Requests the next 9 bytes of the current payload, or the rest of it.
    pub(super) fn want_next(&mut self) {
        self.reader.want_next();
    }

    /// Returns the next event; None at the end of the callback's bytes.
    ///
    /// # Errors
    /// As [`Reader::next`], and [`BypassReason::Frame`] for a frame out of order.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Event>, BypassReason> {
        Ok(match self.reader.next(cursor)? {
            Some(Token::Begin(frame)) => {
                self.check(frame)?;
                Some(Event::Begin(frame))
            }
            Some(Token::Payload(frame, bytes, length)) => {
                Some(Event::Payload(frame, bytes, length))
            }
            Some(Token::End(frame)) => Some(Event::End {
                frame,
                ends_stream: self.end(frame),
            }),
            None => None,
        })
    }

    fn check(&self, frame: Frame) -> Result<(), BypassReason> {
        let is_continuation = frame.frame_type == FrameType::Continuation;
        let is_in_order = match self.open_block {
            Some(block) => is_continuation && frame.stream == block.stream,
            None => !is_continuation,
        };
        let is_settings = frame.frame_type == FrameType::Settings && !frame.is_ack();
        if is_in_order && (self.has_settings || is_settings) {
            Ok(())
        } else {
            Err(BypassReason::Frame)
        }
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
