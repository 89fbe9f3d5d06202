//! The first bytes of a field that arrives in pieces.

/// The first `N` bytes of a payload, a line or an argument; what follows them is not kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Prefix<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }
}

impl<const N: usize> Prefix<N> {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let free = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.len = self.len.saturating_add(bytes.len()).min(N);
    }

    pub(super) fn push_byte(&mut self, byte: u8) {
        if let Some(free) = self.bytes.get_mut(self.len) {
            *free = byte;
            self.len = self.len.saturating_add(1);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The bytes, padded with zeros.
    pub(super) fn padded(&self) -> [u8; N] {
        self.bytes
    }

    pub(super) fn to_uppercase(mut self) -> Self {
        self.bytes.make_ascii_uppercase();
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more bytes are kept.
    pub(super) fn free(&self) -> u64 {
        u64::try_from(N.saturating_sub(self.len)).unwrap_or(0)
    }

    /// True if the bytes are `word`, in upper or lower case.
    pub(super) fn is(&self, word: &str) -> bool {
        self.bytes().eq_ignore_ascii_case(word.as_bytes())
    }
}
