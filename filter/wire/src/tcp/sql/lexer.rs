//! Splits SQL into words and symbols.

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
///    │ $tag$                  $tag$
///    ├──▶ Tag ────▶ Dollar ──────────▶ Between
///    │ -- #                   line end
///    ├────────────▶ Line ────────────▶ Between
///    │ /*                     */
///    ├────────────▶ Block ───────────▶ Between
///    │ /*! 12345
///    └────────────▶ Version ─────────▶ Between
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Lexer {
    #[default]
    Between,
    /// After `-` or `/`, which may begin a comment.
    Started(u8),
    /// After `--`, which begins a comment in MySQL only before a space.
    Dashes,
    Word(Prefix<MAX_WORD>),
    Quoted {
        quote: u8,
        has_escapes: bool,
        /// After a backslash, which escapes a quote.
        is_escaped: bool,
    },
    /// In `$tag$`, or `$1`: the hash of the tag so far.
    Tag(u32),
    /// In a string between two `$tag$`.
    Dollar {
        tag: u32,
        /// After a `$` in it: the hash of what may be the tag.
        end: Option<u32>,
    },
    Line,
    /// After MySQL's `/*`, which begins a comment that is executed if `!` or MariaDB's `M!` follows.
    BlockStart,
    Block {
        /// PostgreSQL's comments nest.
        depth: u32,
        last: u8,
    },
    /// In the version in front of what a comment executes.
    Version,
}

/// What a byte ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tokens {
    pub(super) word: Option<Prefix<MAX_WORD>>,
    pub(super) symbol: Option<u8>,
    /// The hash of the tag of `$tag$`.
    pub(super) tag: Option<u32>,
}

const EMPTY_TAG: u32 = 0x811c_9dc5;

/// FNV-1a.
fn hash(tag: u32, byte: u8) -> u32 {
    (tag ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

impl Lexer {
    /// Takes the next byte. Returns the word that it ends, and the symbol that it is.
    pub(super) fn push(&mut self, byte: u8, dialect: Dialect) -> Tokens {
        let mut tokens = Tokens::default();
        let is_mysql = dialect == Dialect::MySql;
        // Names may have a `$`, but not as their first character.
        if let Self::Word(word) = self
            && (is_word(byte) || byte == b'$')
        {
            word.push_byte(byte.to_ascii_lowercase());
            return tokens;
        }
        *self = match *self {
            Self::Started(b'-') if byte == b'-' && is_mysql => Self::Dashes,
            Self::Started(b'-') if byte == b'-' => Self::Line,
            Self::Dashes if byte.is_ascii_whitespace() => Self::comment_line(byte),
            Self::Started(b'/') if byte == b'*' && is_mysql => Self::BlockStart,
            Self::Started(b'/') if byte == b'*' => Self::Block { depth: 1, last: 0 },
            Self::BlockStart if byte == b'!' => Self::Version,
            Self::BlockStart if byte == b'M' => Self::BlockStart,
            Self::BlockStart => Self::Block {
                depth: 1,
                last: byte,
            },
            Self::Block { depth, last } => Self::comment_block(depth, last, byte, dialect),
            Self::Line => Self::comment_line(byte),
            Self::Version if byte.is_ascii_digit() => Self::Version,
            Self::Quoted {
                quote, is_escaped, ..
            } if byte == quote && !is_escaped => Self::Between,
            Self::Quoted {
                quote,
                has_escapes,
                is_escaped,
            } => Self::Quoted {
                quote,
                has_escapes,
                is_escaped: has_escapes && byte == b'\\' && !is_escaped,
            },
            Self::Tag(tag) if byte == b'$' => {
                tokens.tag = Some(tag);
                Self::Dollar { tag, end: None }
            }
            Self::Tag(tag) if is_word(byte) => Self::Tag(hash(tag, byte)),
            Self::Dollar { tag, end } => match (end, byte) {
                (Some(end), b'$') if end == tag => Self::Between,
                (_, b'$') => Self::Dollar {
                    tag,
                    end: Some(EMPTY_TAG),
                },
                (end, byte) => Self::Dollar {
                    tag,
                    end: end.map(|end| hash(end, byte)),
                },
            },
            Self::Word(word) => {
                tokens.word = Some(word);
                let has_escapes = is_mysql || word.is("e");
                Self::begin(byte, dialect, has_escapes, &mut tokens)
            }
            _ => Self::begin(byte, dialect, is_mysql, &mut tokens),
        };
        tokens
    }

    /// Takes a byte that follows a complete token.
    fn begin(byte: u8, dialect: Dialect, has_escapes: bool, tokens: &mut Tokens) -> Self {
        tokens.symbol = matches!(byte, b';' | b':' | b'*' | b'@' | b'(' | b'=').then_some(byte);
        match byte {
            b'-' | b'/' => Self::Started(byte),
            b'#' if dialect == Dialect::MySql => Self::Line,
            b'$' if dialect == Dialect::PostgreSql => Self::Tag(EMPTY_TAG),
            b'\'' | b'"' | b'`' => Self::Quoted {
                quote: byte,
                has_escapes: has_escapes && byte != b'`',
                is_escaped: false,
            },
            _ if is_word(byte) => {
                let mut word = Prefix::default();
                word.push_byte(byte.to_ascii_lowercase());
                Self::Word(word)
            }
            _ => Self::Between,
        }
    }

    fn comment_line(byte: u8) -> Self {
        match byte {
            b'\n' => Self::Between,
            _ => Self::Line,
        }
    }

    fn comment_block(depth: u32, last: u8, byte: u8, dialect: Dialect) -> Self {
        match (last, byte) {
            (b'*', b'/') if depth <= 1 => Self::Between,
            (b'*', b'/') => Self::Block {
                depth: depth.saturating_sub(1),
                last: 0,
            },
            (b'/', b'*') if dialect == Dialect::PostgreSql => Self::Block {
                depth: depth.saturating_add(1),
                last: 0,
            },
            _ => Self::Block { depth, last: byte },
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
