//! Where a scanner gets its bytes from.
//!
//! In Envoy a callback says only how many bytes there are; each look at them is a hostcall that costs
//! more than the scanning. So a scanner asks for the few bytes that it must see (a head, a frame header)
//! and skips the rest by arithmetic.

/// The bytes of one callback, lying in the host.
pub trait ByteSource {
    /// How many bytes there are.
    fn len(&self) -> usize;

    /// True when there are none (Envoy makes such callbacks).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `len` bytes from offset `start`. Fewer than asked for means that the host has no more to give.
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

/// What lies in a [`ByteSource`] behind its first `skip` bytes.
pub(crate) struct Tail<'a, S> {
    pub(crate) source: &'a mut S,
    pub(crate) skip: usize,
}

impl<S: ByteSource> ByteSource for Tail<'_, S> {
    fn len(&self) -> usize {
        self.source.len().saturating_sub(self.skip)
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        self.source.read(start.saturating_add(self.skip), len)
    }
}

/// A look at a [`ByteSource`] that reads a stretch at a time and remembers the last one.
pub(crate) struct Window<'a, S> {
    source: &'a mut S,
    start: usize,
    bytes: Vec<u8>,
    stretch: usize,
}

impl<'a, S: ByteSource> Window<'a, S> {
    /// Reads `stretch` bytes a look.
    pub(crate) fn new(source: &'a mut S, stretch: usize) -> Self {
        Self {
            source,
            start: 0,
            bytes: Vec::new(),
            stretch,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.source.len()
    }

    /// The bytes from `at` that one look gives: at least one, unless `at` is the end or the host refuses.
    pub(crate) fn look(&mut self, at: usize) -> &[u8] {
        let held = at
            .checked_sub(self.start)
            .is_some_and(|skip| skip < self.bytes.len());
        if !held {
            let left = self.source.len().saturating_sub(at);
            self.start = at;
            self.bytes = if left == 0 {
                Vec::new()
            } else {
                self.source.read(at, left.min(self.stretch))
            };
        }
        self.bytes
            .get(at.saturating_sub(self.start)..)
            .unwrap_or_default()
    }
}
