//! Whether a client's first request is a gRPC call, without decoding HPACK.
//!
//! The first header block of a connection refers to nothing that was sent before (RFC 7541 2.3.2), so the
//! content type is in it as a string. Strings begin at a byte, so "application/grpc" has only two
//! spellings, and no code has to be decoded to recognise them.

/// "application/grpc" as it is.
const PLAIN: &[u8] = b"application/grpc";

/// "application/grpc" in the Huffman code (RFC 7541 B). It ends with a whole byte.
const CODED: &[u8] = &[
    0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x4d, 0x65, 0x64,
];

/// Follows the fields of one header block (RFC 7541 6) that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct FieldScan {
    /// So many bytes of the frame stand before the block: padding and priority (RFC 9113 6.2).
    skip: u32,
    at: At,
    has_grpc: bool,
}

/// Where in the block the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// At the beginning of a field.
    #[default]
    Field,
    /// In an index or a size that takes more than one byte.
    Index(Next),
    /// At the length of a string.
    Length(Next),
    /// In a length that takes more than one byte.
    LongLength {
        next: Next,
        is_coded: bool,
        length: u32,
        shift: u8,
    },
    /// In a string.
    Text {
        next: Next,
        left: u32,
        spelling: Spelling,
    },
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Field,
    /// A value, and then a field.
    Value,
    /// A name, then a value.
    Name,
}

/// How far a string is "application/grpc", and not "application/grpc-web".
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Other,
    Same { is_coded: bool, bytes: u8 },
    Grpc,
}

impl FieldScan {
    /// A frame begins in which so many bytes stand before the block.
    pub(super) fn skip(&mut self, bytes: u32) {
        self.skip = bytes;
    }

    /// Takes the next bytes of the frame.
    pub(super) fn take(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            if self.skip > 0 {
                self.skip = self.skip.saturating_sub(1);
            } else {
                self.at = self.step(byte);
            }
        }
    }

    /// A value was "application/grpc", or that with a suffix.
    pub(super) fn has_grpc(&self) -> bool {
        self.has_grpc
    }

    fn step(&mut self, byte: u8) -> At {
        match self.at {
            At::Field => field(byte),
            At::Index(next) if byte & 0x80 != 0 => At::Index(next),
            At::Index(next) => begin(next),
            At::Length(next) => match byte & 0x7f {
                0x7f => At::LongLength {
                    next,
                    is_coded: byte & 0x80 != 0,
                    length: 0x7f,
                    shift: 0,
                },
                length => self.text(next, byte & 0x80 != 0, u32::from(length)),
            },
            At::LongLength {
                next,
                is_coded,
                length,
                shift,
            } => {
                let more = u32::from(byte & 0x7f)
                    .checked_shl(u32::from(shift))
                    .unwrap_or(u32::MAX);
                let length = length.saturating_add(more);
                if byte & 0x80 != 0 {
                    At::LongLength {
                        next,
                        is_coded,
                        length,
                        shift: shift.saturating_add(7),
                    }
                } else {
                    self.text(next, is_coded, length)
                }
            }
            At::Text {
                next,
                left,
                spelling,
            } => {
                let left = left.saturating_sub(1);
                let spelling = spelling.with(byte);
                if left > 0 {
                    return At::Text {
                        next,
                        left,
                        spelling,
                    };
                }
                self.has_grpc |= next == Next::Field && spelling.is_grpc();
                begin(next)
            }
        }
    }

    fn text(&self, of: Next, is_coded: bool, length: u32) -> At {
        // Behind a name stands its value, behind a value the next field.
        let next = match of {
            Next::Name => Next::Value,
            Next::Value | Next::Field => Next::Field,
        };
        if length == 0 {
            return begin(next);
        }
        At::Text {
            next,
            left: length,
            spelling: Spelling::Same { is_coded, bytes: 0 },
        }
    }
}

/// The first byte of a field (RFC 7541 6): an index of one byte, or the beginning of a longer one.
fn field(byte: u8) -> At {
    let (prefix, has_value) = match byte {
        0x80.. => (0x7f, false),
        0x40..=0x7f => (0x3f, true),
        0x20..=0x3f => (0x1f, false),
        _ => (0x0f, true),
    };
    let index = byte & prefix;
    let next = match (has_value, index) {
        (false, _) => Next::Field,
        (true, 0) => Next::Name,
        (true, _) => Next::Value,
    };
    if index == prefix {
        At::Index(next)
    } else {
        begin(next)
    }
}

fn begin(next: Next) -> At {
    match next {
        Next::Field => At::Field,
        Next::Value | Next::Name => At::Length(next),
    }
}

impl Spelling {
    fn with(self, byte: u8) -> Self {
        let Self::Same { is_coded, bytes } = self else {
            return self;
        };
        let whole = if is_coded { CODED } else { PLAIN };
        match (whole.get(usize::from(bytes)), is_coded) {
            (Some(&expected), _) if expected == byte => Self::Same {
                is_coded,
                bytes: bytes.saturating_add(1),
            },
            (Some(_), _) => Self::Other,
            // "+" or ";" and what follows. In the Huffman code both have at least eight bits.
            (None, false) if matches!(byte, b'+' | b';') => Self::Grpc,
            (None, true) if matches!(byte, 0xff | 0xfb) => Self::Grpc,
            (None, _) => Self::Other,
        }
    }

    fn is_grpc(self) -> bool {
        match self {
            Self::Other => false,
            Self::Grpc => true,
            Self::Same { is_coded, bytes } => {
                let whole = if is_coded { CODED } else { PLAIN };
                usize::from(bytes) == whole.len()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Whether a block says gRPC, in one piece and byte by byte.
    fn has_grpc(block: &[u8]) -> bool {
        let mut whole = FieldScan::default();
        whole.take(block.iter().copied());
        let mut bytes = FieldScan::default();
        for byte in block {
            bytes.take(core::iter::once(*byte));
        }
        assert_eq!(whole.has_grpc(), bytes.has_grpc());
        whole.has_grpc()
    }

    /// content-type (entry 31) with a value, in plain text, behind other fields.
    fn plain(value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).unwrap();
        [&[0x83, 0x86, 0x44, 2, b'/', b'a', 0x5f, length][..], value].concat()
    }

    fn coded(rest: &[u8]) -> Vec<u8> {
        let length = 0x80 | u8::try_from(CODED.len() + rest.len()).unwrap();
        [&[0x83, 0x86, 0x5f, length][..], CODED, rest].concat()
    }

    #[test]
    fn grpc_content_types_are_recognised_in_both_spellings() {
        for value in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;a=b",
        ] {
            assert!(has_grpc(&plain(value.as_bytes())), "{value}");
        }
        assert!(has_grpc(&coded(b"")));
        // "+proto".
        assert!(has_grpc(&coded(&[0xff, 0x75, 0xd8, 0x74, 0x9f])));
    }

    #[test]
    fn other_content_types_are_not() {
        for value in [
            "application/grpc-web",
            "application/json",
            "application/grp",
            "",
        ] {
            assert!(!has_grpc(&plain(value.as_bytes())), "{value}");
        }
        // "-web".
        assert!(!has_grpc(&coded(&[0x5b, 0xc1, 0x63])));
    }

    #[test]
    fn a_name_is_no_value() {
        let named = [&[0x40, 16][..], b"application/grpc", &[1, b'x']].concat();
        assert!(!has_grpc(&named));
        let value = [&[0x40, 1, b'x', 16][..], b"application/grpc"].concat();
        assert!(has_grpc(&value));
    }

    #[test]
    fn long_indexes_and_strings_are_passed_over() {
        let long = vec![b'a'; 300];
        // A size update of two bytes, an index above the prefix, a name of 300 bytes and a value of 300.
        let mut block = vec![0x3f, 0xe1, 0x1f, 0xff, 0x01, 0x0f, 0x10, 1, b'x', 0x00];
        for _ in 0..2 {
            block.extend([0x7f, 0xad, 0x01]);
            block.extend(&long);
        }
        block.extend(plain(b"application/grpc"));
        assert!(has_grpc(&block));
    }

    #[test]
    fn padding_and_priority_are_no_part_of_the_block() {
        let mut scan = FieldScan::default();
        scan.skip(6);
        scan.take(
            [&[4, 0, 0, 0, 0, 15][..], &plain(b"application/grpc")]
                .concat()
                .into_iter(),
        );
        assert!(scan.has_grpc());
    }

    #[test]
    fn no_block_is_too_strange() {
        let mut random = 7_u64;
        for _ in 0..2000 {
            let block: Vec<u8> = (0..200)
                .map(|_| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (random >> 56) as u8
                })
                .collect();
            has_grpc(&block);
        }
    }
}
