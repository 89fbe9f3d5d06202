//! Access to the bytes of a callback.
//!
//! Envoy passes only the number of bytes to a callback. Each read is a hostcall that costs more than scanning, so a
//! scanner reads the few bytes that it needs (a head, a frame header) and skips the rest by arithmetic.

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
pub(crate) mod fakes;

/// The bytes of one callback, which the host holds.
pub trait ByteSource {
    /// The number of bytes.
    fn len(&self) -> usize;

    /// Whether there are none: Envoy makes such callbacks, for example at the end of a response.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads up to `len` bytes from offset `start`; fewer when the host has no more.
    fn read(&mut self, start: usize, len: usize) -> Vec<u8>;
}

impl ByteSource for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        let rest = self.get(start..).unwrap_or_default();
        rest.get(..len).unwrap_or(rest).to_vec()
    }
}

/// A [`ByteSource`] without its first `skip` bytes.
pub(crate) struct Tail<'a> {
    pub(crate) source: &'a mut dyn ByteSource,
    pub(crate) skip: usize,
}

impl ByteSource for Tail<'_> {
    fn len(&self) -> usize {
        self.source.len().saturating_sub(self.skip)
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        self.source.read(start.saturating_add(self.skip), len)
    }
}

/// Reads a [`ByteSource`] in blocks and keeps the last one.
///
/// Not generic: the scanners would be compiled for each type of source.
pub(crate) struct Window<'a> {
    source: &'a mut dyn ByteSource,
    len: usize,
    start: usize,
    bytes: Vec<u8>,
    block_len: usize,
}

impl<'a> Window<'a> {
    /// Returns a window that reads `block_len` bytes at a time.
    pub(crate) fn new(source: &'a mut dyn ByteSource, block_len: usize) -> Self {
        Self {
            len: source.len(),
            source,
            start: 0,
            bytes: Vec::new(),
            block_len,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes from `at` to the end of their block: at least one, unless `at` is the end or the host fails.
    pub(crate) fn bytes_at(&mut self, at: usize) -> &[u8] {
        // Scanners move forward, mostly within the block that was read last.
        match at.checked_sub(self.start) {
            Some(skip) if skip < self.bytes.len() => self.bytes.get(skip..).unwrap_or_default(),
            _ => self.read_block(at),
        }
    }

    #[inline(never)]
    fn read_block(&mut self, at: usize) -> &[u8] {
        let left = self.len.saturating_sub(at);
        self.start = at;
        self.bytes = if left == 0 {
            Vec::new()
        } else {
            self.source.read(at, left.min(self.block_len))
        };
        &self.bytes
    }
}
