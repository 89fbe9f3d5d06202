//! A part of a frame that may be split over reads or callbacks.

use super::frame::HEADER;

/// The length of the longest part, a frame header.
pub(super) const MAX_PART: u8 = 9;

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
