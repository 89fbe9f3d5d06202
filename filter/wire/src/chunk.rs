//! The bytes of one callback, read from the front.

use crate::source::Window;
use crate::{BypassReason, ByteSource};

/// The bytes of one callback, and how far they are read.
pub(crate) struct Chunk<'a> {
    window: Window<'a>,
    at: usize,
}

impl<'a> Chunk<'a> {
    /// Returns a chunk that reads `block_len` bytes at a time: a hostcall costs as much as copying a few hundred bytes,
    /// and often several short messages follow one another.
    pub(crate) fn new(source: &'a mut dyn ByteSource, block_len: usize) -> Self {
        Self {
            window: Window::new(source, block_len),
            at: 0,
        }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether all bytes are read.
    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.window.len()
    }

    /// The next bytes to the end of the block that was read; none at the end.
    ///
    /// # Errors
    /// [`BypassReason::Unreadable`] where the host gives none.
    pub(crate) fn peek(&mut self) -> Result<&[u8], BypassReason> {
        if self.is_empty() {
            return Ok(&[]);
        }
        match self.window.bytes_at(self.at) {
            [] => Err(BypassReason::Unreadable),
            bytes => Ok(bytes),
        }
    }

    /// Moves on by `count` bytes of those that [`peek`](Self::peek) returned.
    pub(crate) fn advance(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    /// Reads the next byte; none at the end.
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub(crate) fn byte(&mut self) -> Result<Option<u8>, BypassReason> {
        let byte = self.peek()?.first().copied();
        self.advance(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// Reads bytes until `push` returns true for one. Returns whether it did.
    ///
    /// # Errors
    /// As [`peek`](Self::peek), and those of `push`.
    pub(crate) fn read_until(
        &mut self,
        mut push: impl FnMut(u8) -> Result<bool, BypassReason>,
    ) -> Result<bool, BypassReason> {
        while !self.is_empty() {
            let bytes = self.peek()?;
            let len = bytes.len();
            for (count, byte) in (1..).zip(bytes) {
                if push(*byte)? {
                    self.advance(count);
                    return Ok(true);
                }
            }
            self.advance(len);
        }
        Ok(false)
    }

    /// Reads at least one and at most `max` bytes; none at the end.
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub(crate) fn take(&mut self, max: u64) -> Result<&[u8], BypassReason> {
        if self.is_empty() || max == 0 {
            return Ok(&[]);
        }
        let bytes = self.window.bytes_at(self.at);
        let bytes = bytes.get(..saturate(max)).unwrap_or(bytes);
        if bytes.is_empty() {
            return Err(BypassReason::Unreadable);
        }
        self.at = self.at.saturating_add(bytes.len());
        Ok(bytes)
    }

    /// Skips `count` bytes without a hostcall. Returns how many of them are in later callbacks.
    pub(crate) fn skip(&mut self, count: u64) -> u64 {
        let left = self.window.len().saturating_sub(self.at);
        let skipped = left.min(saturate(count));
        self.advance(skipped);
        count.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX))
    }
}

fn saturate(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
