//! The bytes of one callback, and what is kept of a part that is split over callbacks.

use super::frame::HEADER;
use crate::source::Window;
use crate::{BypassReason, ByteSource};

/// The size of one read from the host. The hostcall costs more than its bytes, and several short frames often follow
/// one another.
const READ_SIZE: usize = 256;

/// The length of the longest part that is kept, a frame header.
pub(super) const MAX_PART: u8 = 9;

/// The position in the bytes of one callback.
pub(super) struct Cursor<'a> {
    window: Window<'a>,
    /// After a skip this may be beyond the end.
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a mut dyn ByteSource) -> Self {
        Self {
            window: Window::new(source, READ_SIZE),
            at: 0,
        }
    }

    /// The offset in the callback.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.window.len()
    }

    /// The bytes from here to the end of the block that was read.
    ///
    /// # Errors
    /// [`BypassReason::Unreadable`] where there are none.
    pub(super) fn bytes(&mut self) -> Result<&[u8], BypassReason> {
        match self.window.bytes_at(self.at) {
            [] => Err(BypassReason::Unreadable),
            bytes => Ok(bytes),
        }
    }

    pub(super) fn advance(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }

    /// Skips `count` bytes without a hostcall. Returns how many of them are beyond the end of the callback.
    pub(super) fn skip(&mut self, count: u32) -> u32 {
        self.advance(usize::try_from(count).unwrap_or(usize::MAX));
        let beyond = self.at.saturating_sub(self.window.len());
        u32::try_from(beyond).unwrap_or(u32::MAX)
    }
}

/// The first bytes of a frame header, or of another part of a frame, whose last ones have not arrived.
#[derive(Debug, Default)]
pub(super) struct Part {
    bytes: [u8; HEADER],
    have: u8,
}

impl Part {
    pub(super) fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Adds bytes until there are `len`. Returns how many were added.
    pub(super) fn fill(&mut self, bytes: &[u8], len: u8) -> usize {
        match bytes.first_chunk() {
            // Mostly a frame header that is not split.
            Some(whole) if len == MAX_PART && self.have == 0 => {
                self.bytes = *whole;
                self.have = MAX_PART;
                HEADER
            }
            _ => self.extend(bytes, len),
        }
    }

    #[inline(never)]
    fn extend(&mut self, bytes: &[u8], len: u8) -> usize {
        let free = self.bytes.iter_mut().take(usize::from(len));
        let mut count = 0_u8;
        for (kept, byte) in free.skip(usize::from(self.have)).zip(bytes) {
            *kept = *byte;
            count = count.saturating_add(1);
        }
        self.have = self.have.saturating_add(count);
        usize::from(count)
    }

    /// Takes the part if it has `len` bytes; those after them have no meaning.
    pub(super) fn take(&mut self, len: u8) -> Option<&[u8; HEADER]> {
        if self.have < len {
            return None;
        }
        self.have = 0;
        Some(&self.bytes)
    }
}
