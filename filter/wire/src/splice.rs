//! Edits of a write that carries an HTTP/1 head.

use crate::h1::{PersistenceFields, ResponseHead, Span};

/// The replacement of a part of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The offset of the part.
    pub at: usize,
    /// The length of the part in bytes.
    pub len: usize,
    /// The bytes that replace it.
    pub replacement: &'static [u8],
}

/// Returns the edits that end an HTTP/1 connection with the response of `head` (RFC 9112 9.6): the head then has one
/// `connection` field, with the option `close`, and no `keep-alive` field. The edit at the highest offset comes
/// first, so that the offset of the other one stays valid. None where a part of what they replace was sent in an
/// earlier write.
pub fn connection_close(head: ResponseHead) -> Option<impl Iterator<Item = Edit>> {
    let PersistenceFields { option, keep_alive } = head.persistence?;
    let close = match option {
        Some(Span { at, len: 0 }) => Edit {
            at,
            len: 0,
            replacement: b"close, ",
        },
        Some(Span { at, len }) => Edit {
            at,
            len,
            replacement: b"close",
        },
        None => Edit {
            at: head.insert_at?,
            len: 0,
            replacement: b"connection: close\r\n",
        },
    };
    let remove = keep_alive.map(|Span { at, len }| Edit {
        at,
        len,
        replacement: b"",
    });
    let (last, first) = match remove {
        Some(remove) if remove.at > close.at => (Some(remove), Some(close)),
        remove => (Some(close), remove),
    };
    Some(last.into_iter().chain(first))
}

/// Returns a `Keep-Alive` field (RFC 2068 19.7.1): for how many seconds and how many more requests the server keeps the
/// connection open. None without either.
pub fn keep_alive_field(timeout: Option<u64>, max: Option<u64>) -> Option<Vec<u8>> {
    let value = match (timeout, max) {
        (Some(timeout), Some(max)) => format!("timeout={timeout}, max={max}"),
        (Some(timeout), None) => format!("timeout={timeout}"),
        (None, Some(max)) => format!("max={max}"),
        (None, None) => return None,
    };
    Some(format!("keep-alive: {value}\r\n").into_bytes())
}

/// Replaces `len` bytes at offset `at` of `whole` with `replacement`; appends it where `whole` is shorter.
pub fn replace_range(whole: &[u8], at: usize, len: usize, replacement: &[u8]) -> Vec<u8> {
    let (before, rest) = whole.split_at_checked(at).unwrap_or((whole, &[]));
    let after = rest.get(len..).unwrap_or_default();
    [before, replacement, after].concat()
}
