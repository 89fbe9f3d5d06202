//! Cuts SQL into words and symbols.

use super::Dialect;
use crate::tcp::prefix::Prefix;

/// The longest word that is recognized: `pg_try_advisory_lock_shared`.
pub(super) const MAX_WORD: usize = 28;

/// A word, in lower case, or a symbol outside of quotes and comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a [u8]),
    Symbol(u8),
}

/// ```text
///          letter            other
/// Between ────────▶ Word ───────────▶ Between
///    │ ' " `                  same quote
///    ├────────────▶ Quoted ──────────▶ Between
///    │ -- #                   line end
///    ├────────────▶ Line ────────────▶ Between
///    │ /*                     */
///    └────────────▶ Block ───────────▶ Between
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Lexer {
    #[default]
    Between,
    /// After `-` or `/`, which may begin a comment.
    Started(u8),
    Word(Prefix<MAX_WORD>),
    Quoted {
        quote: u8,
        /// After a backslash, which escapes a quote in MySQL.
        is_escaped: bool,
    },
    Line,
    Block {
        /// After `*`.
        may_end: bool,
    },
}

impl Lexer {
    /// Takes the next byte. Gives the word that it ends, and the symbol that it is.
    pub(super) fn push(
        &mut self,
        byte: u8,
        dialect: Dialect,
    ) -> (Option<Prefix<MAX_WORD>>, Option<u8>) {
        match *self {
            Self::Between => (None, self.begin(byte, dialect)),
            Self::Started(first) => match (first, byte) {
                (b'-', b'-') => {
                    *self = Self::Line;
                    (None, None)
                }
                (b'/', b'*') => {
                    *self = Self::Block { may_end: false };
                    (None, None)
                }
                _ => (None, self.begin(byte, dialect)),
            },
            Self::Word(mut word) => {
                if is_word(byte) {
                    word.push(&[byte.to_ascii_lowercase()]);
                    *self = Self::Word(word);
                    (None, None)
                } else {
                    (Some(word), self.begin(byte, dialect))
                }
            }
            Self::Quoted { quote, is_escaped } => {
                if byte == quote && !is_escaped {
                    *self = Self::Between;
                } else {
                    let has_escapes = dialect == Dialect::MySql && quote != b'`';
                    *self = Self::Quoted {
                        quote,
                        is_escaped: has_escapes && byte == b'\\' && !is_escaped,
                    };
                }
                (None, None)
            }
            Self::Line => {
                if byte == b'\n' {
                    *self = Self::Between;
                }
                (None, None)
            }
            Self::Block { may_end } => {
                *self = if may_end && byte == b'/' {
                    Self::Between
                } else {
                    Self::Block {
                        may_end: byte == b'*',
                    }
                };
                (None, None)
            }
        }
    }

    /// Takes a byte that follows a complete token. Gives the symbol that it is.
    fn begin(&mut self, byte: u8, dialect: Dialect) -> Option<u8> {
        *self = match byte {
            b'-' | b'/' => Self::Started(byte),
            b'#' if dialect == Dialect::MySql => Self::Line,
            b'\'' | b'"' | b'`' => Self::Quoted {
                quote: byte,
                is_escaped: false,
            },
            _ if is_word(byte) => {
                let mut word = Prefix::default();
                word.push(&[byte.to_ascii_lowercase()]);
                Self::Word(word)
            }
            _ => Self::Between,
        };
        matches!(byte, b';' | b'*' | b'@' | b'(' | b'=').then_some(byte)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
