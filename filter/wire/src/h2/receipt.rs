//! Whether the client is known to have read the responses that were written to it.
//!
//! What a filter writes may stay in Envoy's buffers and in the kernel for as long as the client does not
//! read. Of HTTP/2 only a PING tells: the client reads the frames in order and answers with the same eight
//! bytes (RFC 9113 6.7), so its acknowledgement shows that it has read everything before the PING.

use super::frame::HEADER;

/// The payload of a PING (RFC 9113 6.7).
pub(super) type Payload = [u8; 8];

/// The length of a PING frame in bytes.
pub(super) const PING_LEN: usize = HEADER + 8;

/// ```text
///            a response ends, GOAWAY            PING
/// Received ──────────────────▶ Unconfirmed ───────────────▶ Asked
///     ▲                            ▲      a response ends     │
///     │                            └──────────────────────────┤
///     └───────────────────────────────────────────────────────┘
///                        the client's acknowledgement
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The client has read every response that has ended, and the GOAWAY, if there was one.
    #[default]
    Received,
    /// A response has ended, or the GOAWAY was sent, since the last PING.
    Unconfirmed,
    /// A PING with this payload was written after the end of the last response.
    Asked(Payload),
}

/// Follows PINGs of the server, Envoy's own and those of this module alike.
#[derive(Debug, Default)]
pub(super) struct Receipt {
    state: State,
    /// The client was sent a GOAWAY.
    is_draining: bool,
    /// How many PINGs of its own it has made: each has another payload, or a late acknowledgement would
    /// pass for that of a later PING.
    pings: u16,
}

impl Receipt {
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Received
    }

    /// A PING is on its way whose acknowledgement will show everything that has been written.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked(_))
    }

    /// The client is sent a GOAWAY. Its receipt is needed unless a PING is on its way already;
    /// `has_more` when the write goes on after the GOAWAY, which no earlier PING covers.
    pub(super) fn drain(&mut self, has_more: bool) {
        self.is_draining = true;
        if has_more || !self.is_asked() {
            self.state = State::Unconfirmed;
        }
    }

    /// A PING is to be written: the connection drains, and something is not confirmed.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_draining && self.state == State::Unconfirmed
    }

    /// The server has ended a response.
    pub(super) fn response_ended(&mut self) {
        self.state = State::Unconfirmed;
    }

    /// The server has written a PING.
    pub(super) fn asked(&mut self, payload: Payload) {
        if self.state != State::Received {
            self.state = State::Asked(payload);
        }
    }

    /// The client has acknowledged a PING.
    pub(super) fn acknowledged(&mut self, payload: Payload) {
        if self.state == State::Asked(payload) {
            self.state = State::Received;
        }
    }

    /// A PING frame to be written behind everything that has been written so far.
    pub(super) fn ask(&mut self) -> [u8; PING_LEN] {
        self.pings = self.pings.wrapping_add(1);
        let [high, low] = self.pings.to_be_bytes();
        let payload = [b'e', b'v', b'k', b'e', b'e', b'l', high, low];
        self.state = State::Asked(payload);
        let [a, b, c, d, e, f, g, h] = payload;
        let (length, kind) = (8, 0x6);
        [0, 0, length, kind, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const PAYLOAD: Payload = *b"12345678";

    #[test]
    fn acknowledgement_confirms_what_was_written_before_its_ping() {
        let mut receipt = Receipt::default();
        receipt.response_ended();
        receipt.acknowledged(PAYLOAD);
        assert!(!receipt.is_complete());

        receipt.asked(PAYLOAD);
        receipt.acknowledged(*b"87654321");
        assert!(!receipt.is_complete());
        receipt.acknowledged(PAYLOAD);
        assert!(receipt.is_complete());
    }

    #[test]
    fn response_behind_a_ping_needs_another_one() {
        let mut receipt = Receipt::default();
        receipt.response_ended();
        receipt.asked(PAYLOAD);
        receipt.response_ended();
        receipt.acknowledged(PAYLOAD);
        assert!(!receipt.is_complete() && !receipt.is_asked());
    }

    #[test]
    fn every_ping_has_a_payload_of_its_own() {
        let mut receipt = Receipt::default();
        assert_ne!(receipt.ask(), receipt.ask());
        assert_eq!(receipt.ask()[..9], [0, 0, 8, 0x6, 0, 0, 0, 0, 0]);
    }
}
