//! The frames that the module inserts on a draining connection: the GOAWAY, and the PINGs that show what the client
//! has received.
//!
//! The same rules apply to each GOAWAY, regardless of its last-stream-id and position:
//!
//! - The write with the GOAWAY ends with a PING, so that the acknowledgement covers all frames of that write.
//!   Where the GOAWAY itself is at the end, the PING precedes it: python h2 accepts no frame after a GOAWAY that
//!   closes the connection.
//! - After that, each write in which a response ends has a PING at its end. It cannot wait for the last stream: the
//!   client may end that with RST_STREAM or the end of its request, and then no write follows.

use super::delivery::{Delivery, PING_LEN};
use super::{Http2Write, goaway_frame};

/// A GOAWAY frame to insert into a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedGoaway {
    /// Streams above it are refused; [`MAX_STREAM_ID`](super::MAX_STREAM_ID) refuses none.
    pub last_stream_id: u32,
    /// The offset in the write, between two frames.
    pub at: usize,
}

/// A frame to insert into a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insertion {
    /// The offset, after the insertions before this one.
    pub at: usize,
    /// The whole frame.
    pub frame: [u8; 17],
}

/// Returns the frames to insert, in this order, into a write of `len` bytes: `goaway`, and a PING where one is needed.
/// A PING that does not fit at the end of this write is inserted into the next one.
pub(super) fn insertions(
    delivery: &mut Delivery,
    write: Http2Write,
    len: usize,
    goaway: Option<PlannedGoaway>,
) -> impl Iterator<Item = Insertion> + use<> {
    let is_at_end = goaway.is_some_and(|goaway| goaway.at >= len);
    if goaway.is_some() {
        // A PING in transit covers everything before a GOAWAY at the end, so no further PING is needed.
        delivery.goaway_sent(!is_at_end);
    }
    let ping = (write.fits_at_end && delivery.needs_ping()).then(|| Insertion {
        at: len,
        frame: delivery.insert_ping(),
    });
    let end = if ping.is_some() {
        len.saturating_add(PING_LEN)
    } else {
        len
    };
    let goaway = goaway.map(|goaway| Insertion {
        at: if is_at_end { end } else { goaway.at },
        frame: goaway_frame(goaway.last_stream_id),
    });
    ping.into_iter().chain(goaway)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::h2::MAX_STREAM_ID;

    const LEN: usize = 100;

    const END_FITS: Http2Write = Http2Write {
        fits_at_start: true,
        fits_at_end: true,
        last_stream_end: None,
        has_goaway: false,
        aborted_response: None,
    };

    /// The types of the inserted frames, in their order on the wire.
    fn inserted(
        delivery: &mut Delivery,
        write: Http2Write,
        goaway: Option<(u32, usize)>,
    ) -> Vec<&'static str> {
        let goaway = goaway.map(|(last_stream_id, at)| PlannedGoaway { last_stream_id, at });
        let mut bytes = vec![0; LEN];
        for Insertion { at, frame } in insertions(delivery, write, LEN, goaway) {
            assert!(at <= bytes.len());
            bytes.splice(at..at, frame);
        }
        let mut frame_types = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((first, tail)) = rest.split_first() {
            // The write itself is zeros, and so is the first byte of an inserted frame; its third byte is its length.
            let frame_type = rest.get(2..4).filter(|bytes| bytes.first() == Some(&8));
            let frame_type = frame_type
                .and_then(|bytes| bytes.last())
                .filter(|_| *first == 0);
            rest = match frame_type {
                Some(frame_type) => {
                    frame_types.push(if *frame_type == 6 { "ping" } else { "goaway" });
                    rest.get(17..).unwrap()
                }
                None => tail,
            };
        }
        frame_types
    }

    #[test]
    fn every_goaway_has_a_ping() {
        for last in [1, MAX_STREAM_ID] {
            for (at, order) in [
                (0, ["goaway", "ping"]),
                (50, ["goaway", "ping"]),
                (LEN, ["ping", "goaway"]),
            ] {
                for has_response in [false, true] {
                    let mut delivery = Delivery::default();
                    if has_response {
                        delivery.response_ended();
                    }
                    let frame_types = inserted(&mut delivery, END_FITS, Some((last, at)));
                    assert_eq!(frame_types, order, "{last} at {at}");
                    assert!(delivery.is_ping_outstanding());
                }
            }
        }
    }

    #[test]
    fn ping_of_envoy_suffices_only_before_a_goaway() {
        for (at, expected) in [(0, &["goaway", "ping"][..]), (LEN, &["goaway"])] {
            let mut delivery = Delivery::default();
            delivery.response_ended();
            delivery.ping_sent(*b"envoy's.");
            let frame_types = inserted(&mut delivery, END_FITS, Some((1, at)));
            assert_eq!(frame_types, expected, "{at}");
        }
    }

    #[test]
    fn ping_that_does_not_fit_is_inserted_into_the_next_write() {
        let cut = Http2Write {
            fits_at_end: false,
            ..END_FITS
        };
        let mut delivery = Delivery::default();
        let goaway = Some((MAX_STREAM_ID, 0));
        assert_eq!(inserted(&mut delivery, cut, goaway), ["goaway"]);
        assert_eq!(inserted(&mut delivery, cut, None), [""; 0]);
        assert_eq!(inserted(&mut delivery, END_FITS, None), ["ping"]);
        assert_eq!(inserted(&mut delivery, END_FITS, None), [""; 0]);
    }

    #[test]
    fn every_write_that_ends_a_response_has_a_ping_while_draining() {
        let mut delivery = Delivery::default();
        delivery.response_ended();
        assert_eq!(inserted(&mut delivery, END_FITS, None), [""; 0]);
        inserted(&mut delivery, END_FITS, Some((MAX_STREAM_ID, 0)));
        for _ in 0..3 {
            delivery.response_ended();
            assert_eq!(inserted(&mut delivery, END_FITS, None), ["ping"]);
            assert_eq!(inserted(&mut delivery, END_FITS, None), [""; 0]);
        }
    }
}
