//! The announcements, and how they come into a write.

use crate::h1::{PersistenceFields, ResponseHead, Span};

/// A replacement of `len` bytes at offset `at` of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub at: usize,
    /// How many bytes go.
    pub len: usize,
    /// What comes in their place.
    pub replacement: &'static [u8],
}

/// The edits that end an HTTP/1 connection with the response that `head` belongs to (RFC 9112 9.6): the head
/// has one `connection` field afterwards, which says `close`, and no `keep-alive` field. The last edit of the
/// write comes first, so that each leaves the offsets of those behind it valid. None where a part of what it replaces
/// came in an earlier write.
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

/// The `Keep-Alive` field (RFC 2068 19.7.1): for how many seconds and how many more requests the
/// connection will be served. None where there is nothing to say.
pub fn keep_alive_field(timeout: Option<u64>, max: Option<u64>) -> Option<Vec<u8>> {
    let value = match (timeout, max) {
        (Some(timeout), Some(max)) => format!("timeout={timeout}, max={max}"),
        (Some(timeout), None) => format!("timeout={timeout}"),
        (None, Some(max)) => format!("max={max}"),
        (None, None) => return None,
    };
    Some(format!("keep-alive: {value}\r\n").into_bytes())
}

/// `whole` with `replacement` instead of `len` bytes from offset `at`; at its end if it is shorter.
pub fn replace_range(whole: &[u8], at: usize, len: usize, replacement: &[u8]) -> Vec<u8> {
    let (before, rest) = whole.split_at_checked(at).unwrap_or((whole, &[]));
    let after = rest.get(len..).unwrap_or_default();
    [before, replacement, after].concat()
}
