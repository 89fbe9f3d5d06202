//! The announcements, and how they come into a write.

/// Ends an HTTP/1 connection with the answer that it stands in (RFC 9112 9.6).
pub const CLOSE: &[u8] = b"connection: close\r\n";

/// The `Keep-Alive` field (RFC 2068 19.7.1): for how many seconds and how many more requests the
/// connection will be served. None where there is nothing to say.
pub fn keep_alive(timeout: Option<u64>, max: Option<u64>) -> Option<Vec<u8>> {
    let value = match (timeout, max) {
        (Some(timeout), Some(max)) => format!("timeout={timeout}, max={max}"),
        (Some(timeout), None) => format!("timeout={timeout}"),
        (None, Some(max)) => format!("max={max}"),
        (None, None) => return None,
    };
    Some(format!("keep-alive: {value}\r\n").into_bytes())
}

/// `whole` with `words` instead of `len` bytes from offset `at`; at its end if it is shorter.
pub fn splice(whole: &[u8], at: usize, len: usize, words: &[u8]) -> Vec<u8> {
    let (before, rest) = whole.split_at_checked(at).unwrap_or((whole, &[]));
    let after = rest.get(len..).unwrap_or_default();
    [before, words, after].concat()
}
