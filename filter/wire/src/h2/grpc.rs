//! Whether a client's first request is a gRPC call, and the order of its first fields, without decoding HPACK.
//!
//! The dynamic table is empty at the first header block of a connection (RFC 7541 2.3.2), so the content type is in
//! that block as a string. Strings begin at a byte boundary, so "application/grpc" has only two encodings, which can
//! be compared without decoding.

/// "application/grpc" without Huffman coding.
const PLAIN: &[u8] = b"application/grpc";

/// "application/grpc" with Huffman coding (RFC 7541 B). It fills its last byte.
const HUFFMAN: &[u8] = &[
    0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x4d, 0x65, 0x64,
];

/// Scans the fields of one header block (RFC 7541 6), in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct GrpcDetector {
    /// How many bytes of the frame still precede the block: pad length and priority (RFC 9113 6.2).
    skip: u32,
    state: State,
    is_grpc: bool,
    first_fields: FirstFields,
}

/// The first two fields of a request, as far as they distinguish clients. Both are pseudo-header fields (RFC 9113
/// 8.3), whose order each library chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstFields {
    /// No field has come yet.
    #[default]
    None,
    /// `:method POST`, and nothing else yet.
    Method,
    /// `:method POST`, then `:scheme`.
    MethodScheme,
    /// `:method POST`, then another field.
    MethodOther,
    /// Another field than `:method POST`.
    Other,
}

impl FirstFields {
    /// Adds a field by its first byte: the static table has `:method POST` at index 3, `:scheme` at 6 and 7.
    fn with(self, byte: u8) -> Self {
        match (self, byte) {
            // A change of the dynamic table's size is no field.
            (fields, 0x20..=0x3f) => fields,
            (Self::None, 0x83) => Self::Method,
            (Self::None, _) => Self::Other,
            (Self::Method, 0x86 | 0x87) => Self::MethodScheme,
            (Self::Method, _) => Self::MethodOther,
            (fields, _) => fields,
        }
    }
}

/// What the next byte of the block belongs to.
///
/// ```text
///   ┌───────────────────── Next::Field ────────────────────┐
///   ▼                                                      │
/// Field ──▶ [Index ──▶] Length ──▶ [LongLength ──▶] Text ──┤
///   ▲            │        ▲                                │
///   └─ indexed ──┘        └──── Next::Name, Next::Value ───┘
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// The first byte of a field.
    #[default]
    Field,
    /// An index or a size of more than one byte (RFC 7541 5.1).
    Index(Next),
    /// The length of a string (RFC 7541 5.2).
    Length(Next),
    /// A length of more than one byte.
    LongLength {
        next: Next,
        is_huffman: bool,
        length: u32,
        shift: u8,
    },
    /// A string.
    Text {
        next: Next,
        left: u32,
        comparison: Comparison,
    },
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Field,
    /// A value, then a field.
    Value,
    /// A name, then a value.
    Name,
}

/// How far a string equals "application/grpc", but not "application/grpc-web".
#[derive(Clone, Copy, Debug)]
enum Comparison {
    Different,
    Equal { is_huffman: bool, bytes: u8 },
    Grpc,
}

impl GrpcDetector {
    /// Skips the bytes of a frame that precede the block.
    pub(super) fn skip(&mut self, bytes: u32) {
        self.skip = bytes;
    }

    /// Scans the next bytes of the frame.
    pub(super) fn scan<'a>(&mut self, bytes: impl Iterator<Item = &'a u8>) {
        for byte in bytes {
            if self.skip > 0 {
                self.skip = self.skip.saturating_sub(1);
            } else {
                self.state = self.step(*byte);
            }
        }
    }

    /// Whether a value was "application/grpc", possibly with a suffix ("+proto", ";...").
    pub(super) fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    pub(super) fn first_fields(&self) -> FirstFields {
        self.first_fields
    }

    fn step(&mut self, byte: u8) -> State {
        match self.state {
            State::Field => {
                self.first_fields = self.first_fields.with(byte);
                first_byte(byte)
            }
            State::Index(next) if byte & 0x80 != 0 => State::Index(next),
            State::Index(next) => start(next),
            State::Length(next) => match byte & 0x7f {
                0x7f => State::LongLength {
                    next,
                    is_huffman: byte & 0x80 != 0,
                    length: 0x7f,
                    shift: 0,
                },
                length => self.string(next, byte & 0x80 != 0, u32::from(length)),
            },
            State::LongLength {
                next,
                is_huffman,
                length,
                shift,
            } => {
                // RFC 7541 5.1: seven bits per byte, lowest first. An overlong length saturates, and the string never ends.
                let more = u32::from(byte & 0x7f)
                    .checked_shl(u32::from(shift))
                    .unwrap_or(u32::MAX);
                let length = length.saturating_add(more);
                if byte & 0x80 != 0 {
                    State::LongLength {
                        next,
                        is_huffman,
                        length,
                        shift: shift.saturating_add(7),
                    }
                } else {
                    self.string(next, is_huffman, length)
                }
            }
            State::Text {
                next,
                left,
                comparison,
            } => {
                let left = left.saturating_sub(1);
                let comparison = comparison.with(byte);
                if left > 0 {
                    return State::Text {
                        next,
                        left,
                        comparison,
                    };
                }
                // Only values are compared with the content type: a name is followed by a value.
                self.is_grpc |= next == Next::Field && comparison.is_grpc();
                start(next)
            }
        }
    }

    /// Starts a string of this length.
    fn string(&self, of: Next, is_huffman: bool, length: u32) -> State {
        // A name is followed by its value, a value by the next field.
        let next = match of {
            Next::Name => Next::Value,
            Next::Value | Next::Field => Next::Field,
        };
        if length == 0 {
            return start(next);
        }
        State::Text {
            next,
            left: length,
            comparison: Comparison::Equal {
                is_huffman,
                bytes: 0,
            },
        }
    }
}

/// The state after the first byte of a field (RFC 7541 6): its high bits select the representation, the others are an
/// index or the beginning of one.
fn first_byte(byte: u8) -> State {
    let (prefix, has_value) = match byte {
        0x80.. => (0x7f, false),
        0x40..=0x7f => (0x3f, true),
        0x20..=0x3f => (0x1f, false),
        _ => (0x0f, true),
    };
    let index = byte & prefix;
    // Index 0 means that a literal name follows (RFC 7541 6.2).
    let next = match (has_value, index) {
        (false, _) => Next::Field,
        (true, 0) => Next::Name,
        (true, _) => Next::Value,
    };
    if index == prefix {
        State::Index(next)
    } else {
        start(next)
    }
}

fn start(next: Next) -> State {
    match next {
        Next::Field => State::Field,
        Next::Value | Next::Name => State::Length(next),
    }
}

impl Comparison {
    fn with(self, byte: u8) -> Self {
        let Self::Equal { is_huffman, bytes } = self else {
            return self;
        };
        let whole = if is_huffman { HUFFMAN } else { PLAIN };
        match (whole.get(usize::from(bytes)), is_huffman) {
            (Some(&expected), _) if expected == byte => Self::Equal {
                is_huffman,
                bytes: bytes.saturating_add(1),
            },
            (Some(_), _) => Self::Different,
            // "+" or ";" and what follows. Both have at least eight bits in the Huffman code, so this byte is enough.
            (None, false) if matches!(byte, b'+' | b';') => Self::Grpc,
            (None, true) if matches!(byte, 0xff | 0xfb) => Self::Grpc,
            (None, _) => Self::Different,
        }
    }

    fn is_grpc(self) -> bool {
        match self {
            Self::Different => false,
            Self::Grpc => true,
            Self::Equal { is_huffman, bytes } => {
                let whole = if is_huffman { HUFFMAN } else { PLAIN };
                usize::from(bytes) == whole.len()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
