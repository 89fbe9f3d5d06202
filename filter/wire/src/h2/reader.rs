//! Divides the bytes of one direction into frames.
//!
//! Payloads are skipped by arithmetic, except for the parts that the owner requests.

use super::PREFACE;
use super::frame::{Frame, HEADER};
use crate::source::Window;
use crate::{BypassReason, ByteSource};

/// The size of one read from the host. The hostcall costs more than its bytes, and several short frames often follow
/// one another.
const READ_SIZE: usize = 256;

/// The longest part of a payload that can be requested.
const MAX_PART: u8 = 9;

/// The position in the bytes of one callback.
pub(super) struct Cursor<'a> {
    window: Window<'a>,
    at: usize,
    /// The offset of the current frame, if it began in this callback.
    frame_at: Option<usize>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a mut dyn ByteSource) -> Self {
        Self {
            window: Window::new(source, READ_SIZE),
            at: 0,
            frame_at: None,
        }
    }

    /// The offset of the current frame; None when it began in an earlier callback.
    pub(super) fn frame_at(&self) -> Option<usize> {
        self.frame_at
    }

    fn left(&self) -> usize {
        self.window.len().saturating_sub(self.at)
    }

    /// The bytes from here to the end of the block that was read; None at the end of the callback.
    fn bytes(&mut self) -> Result<Option<&[u8]>, BypassReason> {
        if self.left() == 0 {
            return Ok(None);
        }
        match self.window.bytes_at(self.at) {
            [] => Err(BypassReason::Unreadable),
            bytes => Ok(Some(bytes)),
        }
    }

    fn advance(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }
}

/// What the reader has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A frame header is complete.
    Begin(Frame),
    /// The next part of the frame's payload, as long as it was [requested](Reader::want), padded with zeros; and its
    /// length.
    Payload(Frame, [u8; HEADER], u8),
    /// The frame is complete.
    End(Frame),
}

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
    /// A payload of which `left` bytes have not arrived, and the next `wanted` are requested.
    Payload { frame: Frame, left: u32, wanted: u8 },
}

/// Reads one direction.
#[derive(Debug)]
pub(super) struct Reader {
    state: State,
    /// The first `have` bytes of the current frame header or requested part.
    kept: [u8; HEADER],
    have: u8,
}

impl Reader {
    /// Returns a reader for what a client sends: its preface first (RFC 9113 3.4).
    pub(super) fn of_client() -> Self {
        Self {
            state: State::Preface(0),
            kept: [0; HEADER],
            have: 0,
        }
    }

    /// Returns a reader for what a server sends.
    pub(super) fn of_server() -> Self {
        Self {
            state: State::Header,
            kept: [0; HEADER],
            have: 0,
        }
    }

    /// Whether a frame begins with the next byte.
    pub(super) fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header) && self.have == 0
    }

    /// Requests the next `len` (at most 9) bytes of the current payload. A payload that is shorter gives nothing.
    pub(super) fn want(&mut self, len: u8) {
        if let State::Payload { left, wanted, .. } = &mut self.state
            && u32::from(len) <= *left
        {
            *wanted = len;
        }
    }

    /// Requests the next 9 bytes of the current payload, or the rest of it.
    pub(super) fn want_next(&mut self) {
        if let State::Payload { left, wanted, .. } = &mut self.state {
            *wanted = u8::try_from(*left).map_or(MAX_PART, |left| left.min(MAX_PART));
        }
    }

    /// Returns the next token; None at the end of the callback.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a wrong preface or frame header, [`BypassReason::Unreadable`].
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Token>, BypassReason> {
        loop {
            match self.state {
                State::Preface(arrived) => match cursor.bytes()? {
                    None => return Ok(None),
                    Some(bytes) => {
                        let (next, count) = compare_preface(arrived, bytes)?;
                        self.state = next;
                        cursor.advance(count);
                    }
                },
                State::Header => {
                    if self.have == 0 && cursor.left() > 0 {
                        cursor.frame_at = Some(cursor.at);
                    }
                    // A header may be split over callbacks; its first bytes are kept until the rest arrives.
                    let Some(bytes) = self.fill(cursor, HEADER)? else {
                        return Ok(None);
                    };
                    let frame = Frame::parse(bytes)?;
                    self.state = State::Payload {
                        frame,
                        left: frame.length,
                        wanted: 0,
                    };
                    return Ok(Some(Token::Begin(frame)));
                }
                // Ends before the next header is read, so that a frame of length 0 ends too.
                State::Payload { frame, left: 0, .. } => {
                    self.state = State::Header;
                    return Ok(Some(Token::End(frame)));
                }
                State::Payload {
                    frame,
                    left,
                    wanted: 0,
                } => {
                    // Nothing is requested: skipped without a hostcall.
                    let arrived = left.min(u32::try_from(cursor.left()).unwrap_or(u32::MAX));
                    if arrived == 0 {
                        return Ok(None);
                    }
                    cursor.advance(usize::try_from(arrived).unwrap_or(usize::MAX));
                    self.state = State::Payload {
                        frame,
                        left: left.saturating_sub(arrived),
                        wanted: 0,
                    };
                }
                State::Payload {
                    frame,
                    left,
                    wanted,
                } => {
                    let Some(bytes) = self.fill(cursor, usize::from(wanted))? else {
                        return Ok(None);
                    };
                    self.state = State::Payload {
                        frame,
                        left: left.saturating_sub(u32::from(wanted)),
                        wanted: 0,
                    };
                    return Ok(Some(Token::Payload(frame, bytes, wanted)));
                }
            }
        }
    }

    /// Collects `len` bytes across reads and callbacks.
    fn fill(
        &mut self,
        cursor: &mut Cursor<'_>,
        len: usize,
    ) -> Result<Option<[u8; HEADER]>, BypassReason> {
        loop {
            let have = usize::from(self.have);
            if have >= len {
                self.have = 0;
                // The zeros pad a shorter part next time.
                return Ok(Some(std::mem::take(&mut self.kept)));
            }
            let Some(bytes) = cursor.bytes()? else {
                return Ok(None);
            };
            let count = bytes.len().min(len.saturating_sub(have));
            for (kept, byte) in self
                .kept
                .iter_mut()
                .skip(have)
                .zip(bytes.iter().take(count))
            {
                *kept = *byte;
            }
            self.have = self
                .have
                .saturating_add(u8::try_from(count).unwrap_or(u8::MAX));
            cursor.advance(count);
        }
    }
}

/// Compares bytes with the rest of the preface. Returns the state after them, and their number.
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
