//! One direction of a connection: its frames, in the order that RFC 9113 asks of each peer alone.

use super::frame::{Frame, FrameType, HEADER};
use super::reader::{Cursor, Reader, Token};
use crate::{BypassReason, ByteSource};

/// What a direction says, frame by frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A frame's header is complete, and the frame may stand here.
    Begin(Frame),
    /// The next piece of the frame's payload, as long as it was [wanted](Direction::want), then zeros; and its
    /// length.
    Piece(Frame, [u8; HEADER], u8),
    /// The frame is complete. `ends_stream` when its sender has thereby said its last on the stream: of a
    /// header block, END_STREAM counts when the block ends.
    End { frame: Frame, ends_stream: bool },
}

/// A header block that CONTINUATION must complete, and nothing else may interrupt (RFC 9113 4.3).
#[derive(Clone, Copy, Debug)]
struct Block {
    stream: u32,
    ends_stream: bool,
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Direction {
    reader: Reader,
    block: Option<Block>,
    /// The SETTINGS that must be a peer's first frame (RFC 9113 3.4) have come.
    has_sent_settings: bool,
}

impl Direction {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            reader,
            block: None,
            has_sent_settings: false,
        }
    }

    /// A frame of one's own, that needs no more than the peer's SETTINGS before it, fits here.
    pub(super) fn fits(&self) -> bool {
        self.has_sent_settings && self.block.is_none() && self.reader.is_between_frames()
    }

    /// The next frame is the direction's first.
    pub(super) fn is_first_frame(&self) -> bool {
        !self.has_sent_settings
    }

    /// Asks for the next `len` (at most 9) bytes of the payload in hand as a piece.
    pub(super) fn want(&mut self, len: u8) {
        self.reader.want(len);
    }

    /// Asks for the next 9 bytes of the payload in hand as a piece, or for what is left of it.
    pub(super) fn want_next(&mut self) {
        self.reader.want_next();
    }

    /// The next event; None when the bytes are used up.
    ///
    /// # Errors
    /// As [`Reader::next`], and [`BypassReason::Frame`] for a frame out of order.
    pub(super) fn next<S: ByteSource>(
        &mut self,
        cursor: &mut Cursor<'_, S>,
    ) -> Result<Option<Event>, BypassReason> {
        Ok(match self.reader.next(cursor)? {
            Some(Token::Begin(frame)) => {
                self.check(frame)?;
                Some(Event::Begin(frame))
            }
            Some(Token::Piece(frame, bytes, length)) => Some(Event::Piece(frame, bytes, length)),
            Some(Token::End(frame)) => Some(Event::End {
                frame,
                ends_stream: self.end(frame),
            }),
            None => None,
        })
    }

    fn check(&self, frame: Frame) -> Result<(), BypassReason> {
        let in_turn = match self.block {
            Some(block) => {
                frame.frame_type == FrameType::Continuation && frame.stream == block.stream
            }
            None => frame.frame_type != FrameType::Continuation,
        };
        let greets =
            self.has_sent_settings || frame.frame_type == FrameType::Settings && !frame.is_ack();
        if in_turn && greets {
            Ok(())
        } else {
            Err(BypassReason::Frame)
        }
    }

    fn end(&mut self, frame: Frame) -> bool {
        self.has_sent_settings = true;
        if frame.leaves_block_open() {
            self.block.get_or_insert(Block {
                stream: frame.stream,
                ends_stream: frame.ends_stream(),
            });
            return false;
        }
        self.block
            .take()
            .map_or(frame.ends_stream(), |block| block.ends_stream)
    }
}
