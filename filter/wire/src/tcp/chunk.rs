//! The bytes of one callback, read from the front.

use super::BypassReason;
use crate::ByteSource;
use crate::source::Window;

/// What is read from the host at once: one hostcall costs as much as copying a few hundred bytes, and small
/// messages come several in a chunk.
const BLOCK: usize = 512;

/// The bytes of one callback, and how far they are read.
pub(super) struct Chunk<'a> {
    window: Window<'a>,
    at: usize,
}

impl<'a> Chunk<'a> {
    pub(super) fn new(source: &'a mut dyn ByteSource) -> Self {
        Self {
            window: Window::new(source, BLOCK),
            at: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.window.len()
    }

    /// The bytes from here to the end of the block that was read; none at the end.
    pub(super) fn peek(&mut self) -> Result<&[u8], BypassReason> {
        if self.is_empty() {
            return Ok(&[]);
        }
        match self.window.bytes_at(self.at) {
            [] => Err(BypassReason::Unreadable),
            bytes => Ok(bytes),
        }
    }

    pub(super) fn advance(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }

    /// Reads the next byte; none at the end.
    pub(super) fn byte(&mut self) -> Result<Option<u8>, BypassReason> {
        let byte = self.peek()?.first().copied();
        self.advance(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// Reads at least one and at most `max` bytes; none at the end.
    pub(super) fn take(&mut self, max: u64) -> Result<&[u8], BypassReason> {
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

    /// Skips at most `max` bytes without reading them, and returns how many.
    pub(super) fn skip(&mut self, max: u64) -> u64 {
        let left = self.window.len().saturating_sub(self.at);
        let skipped = left.min(saturate(max));
        self.at = self.at.saturating_add(skipped);
        u64::try_from(skipped).unwrap_or(u64::MAX)
    }
}

fn saturate(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
