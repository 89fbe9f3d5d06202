//! Hosts for tests.
use super::ByteSource;

/// A host that records its reads.
pub struct CountingSource<'a> {
    bytes: &'a [u8],
    /// The offset and length of each read.
    pub reads: Vec<(usize, usize)>,
}

impl<'a> CountingSource<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            reads: Vec::new(),
        }
    }

    pub fn bytes_read(&self) -> usize {
        self.reads.iter().map(|(_, len)| len).sum()
    }
}

impl ByteSource for CountingSource<'_> {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        assert!(start < self.bytes.len() && len > 0 && start + len <= self.bytes.len());
        self.reads.push((start, len));
        self.bytes[start..start + len].to_vec()
    }
}

/// A host that returns at most 7 bytes per read, and announces one byte more than it has.
pub struct ShortSource<'a>(pub &'a [u8]);

impl ByteSource for ShortSource<'_> {
    fn len(&self) -> usize {
        self.0.len() + 1
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        { self.0 }.read(start, len.min(7))
    }
}
