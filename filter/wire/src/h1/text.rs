//! Which bytes may stand where in a head, and the few of them that are kept.

/// The longest word that matters: the digits of a 64-bit length; the name `transfer-encoding` is shorter.
const CAPACITY: usize = 20;

/// A word that may come in pieces. Of a longer one only the fact is kept: it is none of those that matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    bytes: [u8; CAPACITY],
    /// Above `CAPACITY`: spoilt.
    len: u8,
}

impl Word {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes it a word that matters to nobody.
    pub(super) fn spoil(&mut self) {
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
            None => self.spoil(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The word, unless it is longer than any that matters.
    pub(super) fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..usize::from(self.len))
    }

    /// Names and tokens of fields know no case (RFC 9110 5.1).
    pub(super) fn is(&self, name: &[u8]) -> bool {
        self.get()
            .is_some_and(|word| word.eq_ignore_ascii_case(name))
    }
}

/// `bytes` before and after offset `at`.
pub(super) fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// How many of the first bytes are those of a token (RFC 9110 5.6.2).
pub(super) fn token(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&byte| !is_token(byte))
        .unwrap_or(bytes.len())
}

/// How many of the first bytes may stand in a request target: visible ASCII (RFC 3986 2).
pub(super) fn target(bytes: &[u8]) -> usize {
    run::<b'!', false>(bytes)
}

/// How many of the first bytes may stand in a field value, a reason or a chunk extension: what is no
/// control, and HTAB (RFC 9110 5.5).
pub(super) fn text(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at = at.saturating_add(run::<b' ', true>(rest));
        match bytes.get(at) {
            Some(b'\t') => at = at.saturating_add(1),
            _ => return at,
        }
    }
}

/// True for a byte of a field value.
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != DEL)
}

const DEL: u8 = 0x7f;

/// How many of the first bytes are from `LEAST` to `~`, or, where it may be, no ASCII at all. Takes eight
/// at a time, for most of a head is long values.
fn run<const LEAST: u8, const OBSOLETE: bool>(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const DELS: u64 = u64::from_le_bytes([DEL; 8]);
    let least = u64::from_le_bytes([LEAST; 8]);
    let mut taken = 0_usize;
    let (eights, _) = bytes.as_chunks::<8>();
    for eight in eights {
        let eight = u64::from_le_bytes(*eight);
        // In each, the lowest high bit that is set marks the first such byte.
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
    fn a_run_ends_at_the_first_byte_that_does_not_belong_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut bytes = vec![b'a'; 20];
                bytes[place] = byte;
                let control = byte < b' ' || byte == DEL;
                assert_eq!(
                    text(&bytes),
                    if control && byte != b'\t' { place } else { 20 }
                );
                assert_eq!(is_text(byte), !control || byte == b'\t');
                assert_eq!(
                    target(&bytes),
                    if byte.is_ascii_graphic() { 20 } else { place }
                );
            }
        }
    }

    #[test]
    fn a_token_is_what_rfc_9110_says() {
        let delimiters = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_graphic() && !delimiters.contains(&byte);
            assert_eq!(token(&[byte]) == 1, expected, "{byte}");
        }
    }

    #[test]
    fn a_word_in_pieces_is_the_word() {
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
