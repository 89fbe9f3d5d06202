//! WebSocket (RFC 6455): both directions of a connection from its 101 on.
//!
//! Messages are followed by the headers of their frames alone. Payloads are skipped, compressed or not: a
//! compressed message shows in RSV1 of its first frame and in nothing else (RFC 7692 6). What comes in
//! pieces, may be interrupted by control frames, and is not to be cut by a Close, is a message; so that
//! is where places are told of.
//!
//! A WebSocket over HTTP/2 (RFC 8441) is one stream among others of a connection that has a GOAWAY of its
//! own. It is not looked at here.

mod close_frame;
mod direction;
mod header;

pub use close_frame::{StatusCode, close_frame};

use crate::{BypassReason, ByteSource};
use direction::{Direction, Peer};

/// Both directions of a WebSocket: 72 bytes, whatever comes.
#[derive(Debug)]
pub struct WebSocketScanner {
    client: Direction,
    server: Direction,
    /// The client has spoken last: it may be waiting for an answer.
    asked: bool,
    /// The message of the server that is open is_response one of the client's.
    answering: bool,
}

/// What one write to the client did. Only messages count as speech, control frames do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebSocketWrite {
    /// A Close may stand behind it: no message is open on either side, and neither side has said Close.
    pub fits_at_end: bool,
    /// It has a part of a message before which the last was the client's.
    pub is_response: bool,
    /// After it, the client has spoken last.
    pub awaits_response: bool,
}

impl Default for WebSocketScanner {
    fn default() -> Self {
        Self {
            client: Direction::new(Peer::Client),
            server: Direction::new(Peer::Server),
            asked: false,
            answering: false,
        }
    }
}

impl WebSocketScanner {
    /// Takes bytes from the client. True when a part of a message was among them.
    ///
    /// # Errors
    /// [`BypassReason::Message`] for what RFC 6455 does not allow, [`BypassReason::Unreadable`]. The connection is not
    /// to be followed any further.
    pub fn scan_downstream(&mut self, source: &mut impl ByteSource) -> Result<bool, BypassReason> {
        let spoke = self.client.scan(source)?;
        self.asked |= spoke;
        Ok(spoke)
    }

    /// Takes a write to the client.
    ///
    /// # Errors
    /// As [`WebSocketScanner::scan_downstream`].
    pub fn scan_upstream(
        &mut self,
        source: &mut impl ByteSource,
    ) -> Result<WebSocketWrite, BypassReason> {
        let spoke = self.server.scan(source)?;
        let is_response = spoke && (self.asked || self.answering);
        self.answering = is_response && !self.server.is_at_rest();
        self.asked &= !spoke;
        Ok(WebSocketWrite {
            fits_at_end: self.client.is_at_rest() && self.server.is_at_rest(),
            is_response,
            awaits_response: self.asked,
        })
    }

    /// The client has sent the whole of a Close.
    pub fn client_has_closed(&self) -> bool {
        self.client.has_closed()
    }

    /// Each side has sent the whole of a Close.
    pub fn is_over(&self) -> bool {
        self.client.has_closed() && self.server.has_closed()
    }
}

#[cfg(test)]
mod tests;
