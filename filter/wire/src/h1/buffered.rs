//! Bytes of further requests that Envoy has not taken yet.
//!
//! Envoy's codec stops at the end of a request until it has its response. The bytes after it stay in the
//! connection's buffer and come again at the front of the next callback, unless Envoy responded immediately and
//! took them in its own loop, which no filter sees.
use super::bytes_at;
use crate::BypassReason;
use crate::source::Window;

/// How many bytes are compared: enough to distinguish two requests, few enough to keep per connection.
const PREFIX_LEN: usize = 32;

/// The number of buffered bytes, and the first of them to recognize them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BufferedBytes {
    len: usize,
    prefix: [u8; PREFIX_LEN],
}

impl BufferedBytes {
    /// Records the bytes of `window` from offset `at`.
    pub(super) fn record(window: &mut Window<'_>, at: usize) -> Result<Self, BypassReason> {
        let len = window.len().saturating_sub(at);
        let mut prefix = [0; PREFIX_LEN];
        let mut room = prefix.get_mut(..len.min(PREFIX_LEN)).unwrap_or_default();
        let mut at = at;
        while !room.is_empty() {
            let bytes = bytes_at(window, at)?;
            let taken = bytes.len().min(room.len());
            let (now, later) = room.split_at_mut_checked(taken).unwrap_or_default();
            now.copy_from_slice(bytes.get(..taken).unwrap_or_default());
            room = later;
            at = at.saturating_add(taken);
        }
        Ok(Self { len, prefix })
    }

    /// Whether `window` begins with these bytes.
    pub(super) fn is_prefix_of(&self, window: &mut Window<'_>) -> Result<bool, BypassReason> {
        if window.len() < self.len {
            return Ok(false);
        }
        let mut expected = self.prefix();
        let mut at = 0_usize;
        while !expected.is_empty() {
            let bytes = bytes_at(window, at)?;
            let common = bytes.len().min(expected.len());
            if bytes.get(..common) != expected.get(..common) {
                return Ok(false);
            }
            expected = expected.get(common..).unwrap_or_default();
            at = at.saturating_add(common);
        }
        Ok(true)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether they contain the beginning of a request, and not only empty lines, which some clients send after a
    /// body (RFC 9112 2.2).
    pub(super) fn contains_request(&self) -> bool {
        self.len > PREFIX_LEN
            || self
                .prefix()
                .iter()
                .any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    fn prefix(&self) -> &[u8] {
        self.prefix.get(..self.len).unwrap_or(&self.prefix)
    }
}
