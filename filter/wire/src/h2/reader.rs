//! One direction's bytes, cut anywhere, as frames.
//!
//! Payloads are skipped by arithmetic; only where the owner asks for a piece of one is it looked at.

use super::PREFACE;
use super::frame::{Frame, HEADER};
use crate::source::Window;
use crate::{BypassReason, ByteSource};

/// One look fetches this many bytes from a frame's beginning: what costs is the look, not its size, and
/// the frames that follow are mostly short.
const STRETCH: usize = 256;

/// The longest piece.
const HEADER_LEN: u8 = 9;

/// The bytes of one callback and how far they are scanned.
pub(super) struct Cursor<'a, S> {
    window: Window<'a, S>,
    at: usize,
    /// Where the frame in hand began, if in this callback.
    frame_at: Option<usize>,
}

impl<'a, S: ByteSource> Cursor<'a, S> {
    pub(super) fn new(source: &'a mut S) -> Self {
        Self {
            window: Window::new(source, STRETCH),
            at: 0,
            frame_at: None,
        }
    }

    /// Where the frame in hand began; None when that was in an earlier callback.
    pub(super) fn frame_at(&self) -> Option<usize> {
        self.frame_at
    }

    fn left(&self) -> usize {
        self.window.len().saturating_sub(self.at)
    }

    /// The bytes from here that one look gives; None at the end.
    fn look(&mut self) -> Result<Option<&[u8]>, BypassReason> {
        if self.left() == 0 {
            return Ok(None);
        }
        match self.window.look(self.at) {
            [] => Err(BypassReason::Unreadable),
            bytes => Ok(Some(bytes)),
        }
    }

    fn advance(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }
}

/// What the next bytes of a direction mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A frame's header is complete.
    Begin(Frame),
    /// The next piece of the frame's payload, as long as it was [wanted](Reader::want), then zeros; and its
    /// length.
    Piece(Frame, [u8; HEADER], u8),
    /// The last byte of the frame has come.
    End(Frame),
}

/// Where in its direction the reader is.
#[derive(Clone, Copy, Debug)]
enum At {
    /// So many bytes of the client's preface have come.
    Preface(u8),
    /// Before or in a frame header.
    Header,
    /// In a payload, of which `left` bytes are to come and the next `wanted` are to be looked at.
    Payload { frame: Frame, left: u32, wanted: u8 },
}

/// Reads one direction.
#[derive(Debug)]
pub(super) struct Reader {
    at: At,
    /// The first `have` bytes of the frame header or piece in hand.
    kept: [u8; HEADER],
    have: u8,
}

impl Reader {
    /// Reads what a client sends: its preface first (RFC 9113 3.4).
    pub(super) fn of_client() -> Self {
        Self {
            at: At::Preface(0),
            kept: [0; HEADER],
            have: 0,
        }
    }

    /// Reads what a server sends.
    pub(super) fn of_server() -> Self {
        Self {
            at: At::Header,
            kept: [0; HEADER],
            have: 0,
        }
    }

    /// A frame begins with the next byte.
    pub(super) fn is_between_frames(&self) -> bool {
        matches!(self.at, At::Header) && self.have == 0
    }

    /// Asks for the next `len` (at most 9) bytes of the payload in hand as a piece. A payload that ends
    /// before gives none.
    pub(super) fn want(&mut self, len: u8) {
        if let At::Payload { left, wanted, .. } = &mut self.at
            && u32::from(len) <= *left
        {
            *wanted = len;
        }
    }

    /// Asks for the next 9 bytes of the payload in hand as a piece, or for what is left of it.
    pub(super) fn want_next(&mut self) {
        if let At::Payload { left, wanted, .. } = &mut self.at {
            *wanted = u8::try_from(*left).map_or(HEADER_LEN, |left| left.min(HEADER_LEN));
        }
    }

    /// The next token; None when the bytes are used up.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a wrong preface or frame header, [`BypassReason::Unreadable`].
    pub(super) fn next<S: ByteSource>(
        &mut self,
        cursor: &mut Cursor<'_, S>,
    ) -> Result<Option<Token>, BypassReason> {
        loop {
            match self.at {
                At::Preface(come) => match cursor.look()? {
                    None => return Ok(None),
                    Some(bytes) => {
                        let (next, count) = preface(come, bytes)?;
                        self.at = next;
                        cursor.advance(count);
                    }
                },
                At::Header => {
                    if self.have == 0 && cursor.left() > 0 {
                        cursor.frame_at = Some(cursor.at);
                    }
                    let Some(bytes) = self.fill(cursor, HEADER)? else {
                        return Ok(None);
                    };
                    let frame = Frame::parse(bytes)?;
                    self.at = At::Payload {
                        frame,
                        left: frame.length,
                        wanted: 0,
                    };
                    return Ok(Some(Token::Begin(frame)));
                }
                At::Payload { frame, left: 0, .. } => {
                    self.at = At::Header;
                    return Ok(Some(Token::End(frame)));
                }
                At::Payload {
                    frame,
                    left,
                    wanted: 0,
                } => {
                    let come = left.min(u32::try_from(cursor.left()).unwrap_or(u32::MAX));
                    if come == 0 {
                        return Ok(None);
                    }
                    cursor.advance(usize::try_from(come).unwrap_or(usize::MAX));
                    self.at = At::Payload {
                        frame,
                        left: left.saturating_sub(come),
                        wanted: 0,
                    };
                }
                At::Payload {
                    frame,
                    left,
                    wanted,
                } => {
                    let Some(bytes) = self.fill(cursor, usize::from(wanted))? else {
                        return Ok(None);
                    };
                    self.at = At::Payload {
                        frame,
                        left: left.saturating_sub(u32::from(wanted)),
                        wanted: 0,
                    };
                    return Ok(Some(Token::Piece(frame, bytes, wanted)));
                }
            }
        }
    }

    /// Gathers `len` bytes across looks and callbacks.
    fn fill<S: ByteSource>(
        &mut self,
        cursor: &mut Cursor<'_, S>,
        len: usize,
    ) -> Result<Option<[u8; HEADER]>, BypassReason> {
        loop {
            let have = usize::from(self.have);
            if have >= len {
                self.have = 0;
                return Ok(Some(std::mem::take(&mut self.kept)));
            }
            let Some(bytes) = cursor.look()? else {
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

/// Compares bytes with the preface from `come` on: where the reader is after them, and how many they are.
fn preface(come: u8, bytes: &[u8]) -> Result<(At, usize), BypassReason> {
    let owed = PREFACE.get(usize::from(come)..).unwrap_or_default();
    let count = bytes.len().min(owed.len());
    if bytes.get(..count) != owed.get(..count) {
        return Err(BypassReason::Frame);
    }
    let come = come.saturating_add(u8::try_from(count).unwrap_or(u8::MAX));
    let at = if count == owed.len() {
        At::Header
    } else {
        At::Preface(come)
    };
    Ok((at, count))
}
