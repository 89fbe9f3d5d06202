//! The scanner for WebSockets (RFC 6455), from the 101 on.
//!
//! It follows messages by the headers of their frames and skips payloads, compressed or not: compression shows only in
//! RSV1 of the first frame (RFC 7692 6). A message may be fragmented and interrupted by control frames, and a Close
//! must not cut it, so a drain signal fits between messages.
//!
//! A WebSocket over HTTP/2 (RFC 8441) is a stream of a connection that is drained with GOAWAY. It is not scanned.

mod close_frame;
mod direction;
mod header;

pub use close_frame::{StatusCode, close_frame};

use crate::{BypassReason, ByteSource};
use direction::{Direction, Peer};

/// Follows both directions of a WebSocket. It takes 72 bytes.
#[derive(Debug)]
pub struct WebSocketScanner {
    client: Direction,
    server: Direction,
    /// The client sent the last message and may be waiting for a response.
    awaits_response: bool,
    /// The incomplete message of the server responds to one of the client.
    is_responding: bool,
}

/// What the scanner found in a write to the client. Control frames count only for `fits_at_end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebSocketWrite {
    /// A Close frame fits after it: no message is incomplete in either direction, and neither peer has sent Close.
    pub fits_at_end: bool,
    /// It has a part of a message that follows a message of the client.
    pub is_response: bool,
    /// The client sent the last message.
    pub awaits_response: bool,
}

impl Default for WebSocketScanner {
    fn default() -> Self {
        Self {
            client: Direction::new(Peer::Client),
            server: Direction::new(Peer::Server),
            awaits_response: false,
            is_responding: false,
        }
    }
}

impl WebSocketScanner {
    /// Scans bytes from the client. Returns whether they contain a part of a message.
    ///
    /// # Errors
    /// [`BypassReason::Message`] for what RFC 6455 does not allow, [`BypassReason::Unreadable`]. The scanner must not be
    /// used afterwards.
    pub fn scan_downstream(&mut self, source: &mut dyn ByteSource) -> Result<bool, BypassReason> {
        let has_message = self.client.scan(source)?;
        self.awaits_response |= has_message;
        Ok(has_message)
    }

    /// Scans a write to the client.
    ///
    /// # Errors
    /// As [`scan_downstream`](Self::scan_downstream).
    pub fn scan_upstream(
        &mut self,
        source: &mut dyn ByteSource,
    ) -> Result<WebSocketWrite, BypassReason> {
        let has_message = self.server.scan(source)?;
        // A response may span several writes: later parts of the message count too.
        let is_response = has_message && (self.awaits_response || self.is_responding);
        self.is_responding = is_response && !self.server.is_between_messages();
        self.awaits_response &= !has_message;
        Ok(WebSocketWrite {
            fits_at_end: self.client.is_between_messages() && self.server.is_between_messages(),
            is_response,
            awaits_response: self.awaits_response,
        })
    }

    /// Whether the client has sent a complete Close frame.
    pub fn client_has_closed(&self) -> bool {
        self.client.has_closed()
    }

    /// Whether both peers have sent a complete Close frame.
    pub fn is_over(&self) -> bool {
        self.client.has_closed() && self.server.has_closed()
    }
}

#[cfg(test)]
mod tests;
