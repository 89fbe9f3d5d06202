//! Which bytes a head may contain where, and the few of them that are kept.

/// The longest word that matters: the 20 digits of a 64-bit length.
const CAPACITY: usize = 20;

/// A word that may arrive in pieces. A word longer than any that matters is not kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    bytes: [u8; CAPACITY],
    /// Above `CAPACITY` when the word is not kept.
    len: u8,
}

impl Word {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Stops keeping the word: it equals no name.
    pub(super) fn discard(&mut self) {
        self.len = u8::MAX;
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        let start = usize::from(self.len);
        let end = start.saturating_add(piece.len());
        match self.bytes.get_mut(start..end) {
            Some(room) => {
                room.copy_from_slice(piece);
                self.len = u8::try_from(end).unwrap_or(u8::MAX);
            }
            None => self.discard(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The word; None when it is not kept.
    pub(super) fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..usize::from(self.len))
    }

    /// Compares without case, as for field names and most tokens (RFC 9110 5.1).
    pub(super) fn is(&self, name: &[u8]) -> bool {
        self.get()
            .is_some_and(|word| word.eq_ignore_ascii_case(name))
    }
}

/// Splits `bytes` at offset `at`.
pub(super) fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// The length of the token at the front (RFC 9110 5.6.2).
pub(super) fn token_len(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&byte| !is_token(byte))
        .unwrap_or(bytes.len())
}

/// The length of the request target at the front: visible ASCII (RFC 3986 2).
pub(super) fn target_len(bytes: &[u8]) -> usize {
    run_len::<b'!', false>(bytes)
}

/// The length of the field value, reason or chunk extension at the front: HTAB and everything but control
/// characters (RFC 9110 5.5).
pub(super) fn text_len(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at = at.saturating_add(run_len::<b' ', true>(rest));
        match bytes.get(at) {
            Some(b'\t') => at = at.saturating_add(1),
            _ => return at,
        }
    }
}

/// Whether a field value may contain the byte.
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != DEL)
}

const DEL: u8 = 0x7f;

/// How many of the first bytes are in `LEAST..='~'` or, with `OBSOLETE`, not ASCII (obs-text, RFC 9110 5.5). Compares
/// eight bytes at a time, because most of a head is long values.
fn run_len<const LEAST: u8, const OBSOLETE: bool>(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const DELS: u64 = u64::from_le_bytes([DEL; 8]);
    let least = u64::from_le_bytes([LEAST; 8]);
    let mut taken = 0_usize;
    let (eights, _) = bytes.as_chunks::<8>();
    for eight in eights {
        let eight = u64::from_le_bytes(*eight);
        // SWAR: the lowest high bit that is set in a mask marks the first byte that matches it. Bits above may be
        // wrong because of borrows, but are not used.
        let below = eight.wrapping_sub(least) & !eight;
        let obsolete = if OBSOLETE { 0 } else { eight };
        let del = eight ^ DELS;
        let del = del.wrapping_sub(ONES) & !del;
        let stops = (below | del | obsolete) & HIGH;
        if stops != 0 {
            let before = stops.trailing_zeros() / 8;
            return taken.saturating_add(usize::try_from(before).unwrap_or(0));
        }
        taken = taken.saturating_add(8);
    }
    let rest = bytes.get(taken..).unwrap_or_default();
    let stops = |&byte: &u8| byte < LEAST || byte == DEL || !(OBSOLETE || byte.is_ascii());
    let fits = rest.iter().position(stops).unwrap_or(rest.len());
    taken.saturating_add(fits)
}

fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut rest: &[u8] =
            b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        while let Some((byte, more)) = rest.split_first() {
            if let Some(slot) = table.split_at_mut(*byte as usize).1.first_mut() {
                *slot = true;
            }
            rest = more;
        }
        table
    };
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn run_ends_at_the_first_foreign_byte() {
        for byte in 0..=u8::MAX {
            for position in 0..20 {
                let mut bytes = vec![b'a'; 20];
                bytes[position] = byte;
                let control = byte < b' ' || byte == DEL;
                assert_eq!(
                    text_len(&bytes),
                    if control && byte != b'\t' {
                        position
                    } else {
                        20
                    }
                );
                assert_eq!(is_text(byte), !control || byte == b'\t');
                assert_eq!(
                    target_len(&bytes),
                    if byte.is_ascii_graphic() {
                        20
                    } else {
                        position
                    }
                );
            }
        }
    }

    #[test]
    fn tokens_follow_rfc_9110() {
        let delimiters = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_graphic() && !delimiters.contains(&byte);
            assert_eq!(token_len(&[byte]) == 1, expected, "{byte}");
        }
    }

    #[test]
    fn word_is_joined_from_pieces() {
        let mut word = Word::default();
        word.push(b"Transfer-");
        word.push(b"Encoding");
        assert!(word.is(b"transfer-encoding"));
        word.push(b"-too-long");
        assert_eq!(word.get(), None);
        word.push(b"");
        assert_eq!(word.get(), None);
        word.clear();
        assert!(word.is(b""));
    }
}
