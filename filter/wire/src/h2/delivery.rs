//! Whether the client is known to have read the responses that were written to it.
//!
//! What a filter writes may stay in the buffers of Envoy and the kernel until the client reads it. Only a PING
//! shows what an HTTP/2 client has read: it reads the frames in order and acknowledges a PING with the same payload
//! (RFC 9113 6.7), so the acknowledgement covers everything before that PING.

use super::frame::HEADER;

/// The payload of a PING (RFC 9113 6.7).
pub(super) type PingPayload = [u8; 8];

/// The length of a PING frame in bytes.
pub(super) const PING_LEN: usize = HEADER + 8;

/// ```text
///            response ends, GOAWAY               PING
/// Confirmed ──────────────────────▶ Unconfirmed ──────▶ PingSent
///     ▲                                 ▲   response ends   │
///     │                                 └───────────────────┤
///     └─────────────────────────────────────────────────────┘
///                         acknowledgement
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The client has read every response that has ended, and the GOAWAY, if there was one.
    #[default]
    Confirmed,
    /// A response has ended, or a GOAWAY was sent, since the last PING.
    Unconfirmed,
    /// A PING with this payload was written after the end of the last response.
    PingSent(PingPayload),
}

/// Follows the PINGs of the server: Envoy's own, and those that this module inserts.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    state: State,
    /// The client was sent a GOAWAY.
    is_draining: bool,
    /// The number of inserted PINGs. Each has a different payload, so that a late acknowledgement does not count for
    /// a later PING.
    pings: u16,
}

impl Delivery {
    pub(super) fn is_confirmed(&self) -> bool {
        self.state == State::Confirmed
    }

    /// Whether the acknowledgement of a PING in transit will cover everything that was written.
    pub(super) fn is_ping_outstanding(&self) -> bool {
        matches!(self.state, State::PingSent(_))
    }

    /// Whether the client was sent a GOAWAY.
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Records a GOAWAY. A PING in transit does not cover what follows the GOAWAY in its write (`has_more`).
    pub(super) fn goaway_sent(&mut self, has_more: bool) {
        self.is_draining = true;
        if has_more || !self.is_ping_outstanding() {
            self.state = State::Unconfirmed;
        }
    }

    /// Whether a PING is to be inserted: the connection drains, and something is not confirmed.
    pub(super) fn needs_ping(&self) -> bool {
        self.is_draining && self.state == State::Unconfirmed
    }

    /// Records the end of a response.
    pub(super) fn response_ended(&mut self) {
        self.state = State::Unconfirmed;
    }

    /// Records a PING of the server.
    pub(super) fn ping_sent(&mut self, payload: PingPayload) {
        if self.state != State::Confirmed {
            self.state = State::PingSent(payload);
        }
    }

    /// Records the acknowledgement of a PING by the client.
    pub(super) fn ping_acknowledged(&mut self, payload: PingPayload) {
        if self.state == State::PingSent(payload) {
            self.state = State::Confirmed;
        }
    }

    /// Returns a PING frame that is written after everything so far, and records it.
    pub(super) fn insert_ping(&mut self) -> [u8; PING_LEN] {
        self.pings = self.pings.wrapping_add(1);
        let [high, low] = self.pings.to_be_bytes();
        let payload = [b'e', b'v', b'k', b'e', b'e', b'l', high, low];
        self.state = State::PingSent(payload);
        let [a, b, c, d, e, f, g, h] = payload;
        let (length, frame_type) = (8, 0x6);
        [
            0, 0, length, frame_type, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h,
        ]
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const PAYLOAD: PingPayload = *b"12345678";

    #[test]
    fn acknowledgement_confirms_what_was_written_before_its_ping() {
        let mut delivery = Delivery::default();
        delivery.response_ended();
        delivery.ping_acknowledged(PAYLOAD);
        assert!(!delivery.is_confirmed());

        delivery.ping_sent(PAYLOAD);
        delivery.ping_acknowledged(*b"87654321");
        assert!(!delivery.is_confirmed());
        delivery.ping_acknowledged(PAYLOAD);
        assert!(delivery.is_confirmed());
    }

    #[test]
    fn response_after_a_ping_needs_another_ping() {
        let mut delivery = Delivery::default();
        delivery.response_ended();
        delivery.ping_sent(PAYLOAD);
        delivery.response_ended();
        delivery.ping_acknowledged(PAYLOAD);
        assert!(!delivery.is_confirmed() && !delivery.is_ping_outstanding());
    }

    #[test]
    fn inserted_pings_differ() {
        let mut delivery = Delivery::default();
        assert_ne!(delivery.insert_ping(), delivery.insert_ping());
        assert_eq!(delivery.insert_ping()[..9], [0, 0, 8, 0x6, 0, 0, 0, 0, 0]);
    }
}
