//! Which bytes a head may contain where.

/// Compares without case, as for field names and most tokens (RFC 9110 5.1). `name` consists of letters and hyphens.
#[inline(never)]
pub(super) fn is_same(word: &[u8], name: &[u8]) -> bool {
    // With this bit a letter is in lower case, and no text turns into a letter or hyphen.
    let fold = |eight: &[u8; 8]| u64::from_le_bytes(*eight) | repeat(0x20);
    match (
        word.first_chunk(),
        word.last_chunk(),
        name.first_chunk(),
        name.last_chunk(),
    ) {
        // Both halves, which may overlap.
        (Some(first), Some(last), Some(name_first), Some(name_last)) if word.len() <= 16 => {
            word.len() == name.len()
                && fold(first) == fold(name_first)
                && fold(last) == fold(name_last)
        }
        _ => word.eq_ignore_ascii_case(name),
    }
}

/// Splits `bytes` at offset `at`.
pub(super) fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// The part of `bytes` that precedes `tail`, with which they end.
pub(super) fn before<'a>(bytes: &'a [u8], tail: &'a [u8]) -> &'a [u8] {
    bytes.get(..consumed(bytes, tail)).unwrap_or_default()
}

/// How many of `bytes` precede `tail`, with which they end.
pub(super) fn consumed(bytes: &[u8], tail: &[u8]) -> usize {
    bytes.len().wrapping_sub(tail.len())
}

/// Skips the token at the front (RFC 9110 5.6.2).
#[inline(always)]
pub(super) fn skip_token(bytes: &[u8]) -> &[u8] {
    // Letters and hyphens eight at a time, other bytes one by one.
    let stops = |eight: u64| {
        let folded = eight | repeat(0x20);
        let letters = folded.wrapping_add(repeat(HIGH - b'a'))
            & !folded.wrapping_add(repeat(HIGH - b'z' - 1));
        let hyphens = repeat(HIGH).wrapping_sub(eight ^ repeat(b'-'));
        !(letters | hyphens) | eight
    };
    skip_run(bytes, stops, is_token)
}

/// Skips the request target at the front: visible ASCII (RFC 3986 2).
#[inline(always)]
pub(super) fn skip_target(bytes: &[u8]) -> &[u8] {
    let stops =
        |eight: u64| eight.wrapping_sub(repeat(b'!')) | eight.wrapping_add(repeat(1)) | eight;
    skip_run(bytes, stops, |byte| byte.is_ascii_graphic())
}

/// Skips the field value, reason or chunk extension at the front: HTAB and everything but control characters
/// (RFC 9110 5.5).
#[inline(always)]
pub(super) fn skip_text(bytes: &[u8]) -> &[u8] {
    let stops =
        |eight: u64| (eight.wrapping_sub(repeat(b' ')) | eight.wrapping_add(repeat(1))) & !eight;
    skip_run(bytes, stops, is_text)
}

/// Skips the list element at the front: text without a comma (RFC 9110 5.6.1).
#[inline(always)]
pub(super) fn skip_element(bytes: &[u8]) -> &[u8] {
    let stops = |eight: u64| {
        let commas = (eight ^ repeat(b',')).wrapping_sub(repeat(1));
        (eight.wrapping_sub(repeat(b' ')) | eight.wrapping_add(repeat(1)) | commas) & !eight
    };
    skip_run(bytes, stops, |byte| byte != b',' && is_text(byte))
}

/// Whether a field value may contain the byte.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != DEL)
}

const DEL: u8 = 0x7f;

/// The bit by which `stops` marks a byte.
const HIGH: u8 = 0x80;

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Skips the bytes at the front that are `allowed`, eight at a time (SWAR), because most of a head is long values:
/// `stops` sets the high bit of those that may not be allowed. Carries and borrows spoil only the bytes after such a
/// one, which are compared again.
#[inline(always)]
fn skip_run(bytes: &[u8], stops: impl Fn(u64) -> u64, allowed: impl Fn(u8) -> bool) -> &[u8] {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let stops = stops(u64::from_le_bytes(*eight)) & repeat(HIGH);
        if stops == 0 {
            rest = after;
            continue;
        }
        let before = usize::try_from(stops.trailing_zeros() / 8).unwrap_or_default();
        (_, rest) = split(rest, before);
        match rest.split_first() {
            Some((&byte, after)) if allowed(byte) => rest = after,
            _ => return rest,
        }
    }
    while let Some((&byte, after)) = rest.split_first()
        && allowed(byte)
    {
        rest = after;
    }
    rest
}

pub(super) fn is_token(byte: u8) -> bool {
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
                    consumed(&bytes, skip_text(&bytes)),
                    if control && byte != b'\t' {
                        position
                    } else {
                        20
                    }
                );
                assert_eq!(is_text(byte), !control || byte == b'\t');
                assert_eq!(
                    consumed(&bytes, skip_target(&bytes)),
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
            assert_eq!(skip_token(&[byte]).is_empty(), expected, "{byte}");
        }
    }

    #[test]
    fn token_of_any_bytes_ends_at_the_first_other_byte() {
        for before in 0..=u8::MAX {
            for byte in 0..=u8::MAX {
                let bytes = [b'a', b'-', before, byte, b'Z', b'0', b'a', b'-', b'z'];
                let expected = bytes.iter().position(|&byte| !is_token(byte));
                assert_eq!(
                    consumed(&bytes, skip_token(&bytes)),
                    expected.unwrap_or(bytes.len()),
                    "{bytes:?}"
                );
            }
        }
    }

    #[test]
    fn case_is_ignored() {
        for name in [
            "close",
            "upgrade",
            "keep-alive",
            "content-length",
            "transfer-encoding",
        ] {
            let upper = name.to_uppercase();
            assert!(is_same(upper.as_bytes(), name.as_bytes()));
            for position in 0..name.len() {
                let mut other = upper.clone().into_bytes();
                other[position] = b'_';
                assert!(!is_same(&other, name.as_bytes()), "{name}: {position}");
            }
            assert!(!is_same(&upper.as_bytes()[1..], name.as_bytes()));
        }
    }
}
