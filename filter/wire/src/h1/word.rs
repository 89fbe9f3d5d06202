//! The few words of a head that are kept.
use std::mem;

use super::text::split;

/// The longest word that matters: the 20 digits of a 64-bit length.
const CAPACITY: usize = 20;

/// Equals no word that matters.
const UNKNOWN: &[u8] = b"?";

/// The part of a word that arrived in earlier callbacks. A word that is too long to matter becomes [`UNKNOWN`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    bytes: [u8; CAPACITY],
    len: u8,
}

impl Word {
    /// Adds a piece, after which the word may continue.
    #[inline(never)]
    pub(super) fn push(&mut self, piece: &[u8]) {
        let start = usize::from(self.len);
        let end = start.saturating_add(piece.len());
        match self.bytes.get_mut(start..end) {
            Some(room) => {
                room.copy_from_slice(piece);
                self.len = u8::try_from(end).unwrap_or_default();
            }
            None => self.discard(),
        }
    }

    /// Makes the word unknown, whatever follows.
    pub(super) fn discard(&mut self) {
        self.len = 0;
        self.push(UNKNOWN);
    }

    /// Ends the word with its last piece, and returns it. Nearly all words come in one piece and are not copied.
    pub(super) fn end<'a>(&'a mut self, piece: &'a [u8]) -> &'a [u8] {
        if self.is_empty() && piece.len() <= CAPACITY {
            piece
        } else {
            self.join(piece)
        }
    }

    /// Ends the word after `N` bytes. None, if `rest` ends before.
    pub(super) fn end_after<'a, 'b: 'a, const N: usize>(
        &'a mut self,
        rest: &mut &'b [u8],
    ) -> Option<&'a [u8; N]> {
        if self.is_empty()
            && let Some((word, after)) = rest.split_first_chunk()
        {
            *rest = after;
            return Some(word);
        }
        let missing = N.saturating_sub(usize::from(self.len));
        let (piece, after) = split(rest, missing);
        *rest = after;
        if piece.len() < missing {
            self.push(piece);
            return None;
        }
        self.join(piece).first_chunk()
    }

    #[inline(never)]
    fn join(&mut self, piece: &[u8]) -> &[u8] {
        self.push(piece);
        let len = mem::take(&mut self.len);
        self.bytes.get(..usize::from(len)).unwrap_or_default()
    }

    /// The word so far.
    pub(super) fn get(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn word_is_joined_from_pieces() {
        let mut word = Word::default();
        word.push(b"Transfer-");
        assert_eq!(word.end(b"Encoding"), b"Transfer-Encoding");
        assert_eq!(word.end(b"close"), b"close");
        let mut rest = &b"HTTP/1"[..];
        assert_eq!(word.end_after::<9>(&mut rest), None);
        assert_eq!(word.get(), b"HTTP/1");
        rest = b".1 200";
        assert_eq!(word.end_after(&mut rest), Some(b"HTTP/1.1 "));
        assert_eq!(rest, b"200");
    }

    #[test]
    fn long_word_is_unknown() {
        let long = [b'0'; CAPACITY + 1];
        let mut word = Word::default();
        assert_eq!(word.end(&long), UNKNOWN);
        let (first, last) = long.split_at(CAPACITY);
        word.push(first);
        assert_eq!(word.end(last), UNKNOWN);
        word.push(first);
        assert_eq!(word.end(b""), first);
    }
}
