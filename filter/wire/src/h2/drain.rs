//! The frames of its own that a draining connection gets: the GOAWAY, and the PINGs that show what the client
//! has received.
//!
//! Every PING is placed here. The rule is the same for each GOAWAY, whatever its last-stream-id and place:
//!
//! - The write with the GOAWAY ends with a PING, so that its acknowledgement covers all frames of that write.
//!   Where the GOAWAY itself stands at the end, the PING is before it: python h2 takes no frame after one
//!   that closes the connection.
//! - After that, each write in which a response ends has a PING at its end. It cannot wait for the last
//!   stream: the client may end that by RST_STREAM or by the end of its request, and then no write follows.

use super::receipt::{PING_LEN, Receipt};
use super::{Http2Write, goaway_frame};

/// A GOAWAY frame that is to be put into a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedGoaway {
    /// Streams above it are refused; [`MAX_STREAM_ID`](super::MAX_STREAM_ID) refuses none.
    pub last_stream_id: u32,
    /// The offset in the write, between two frames.
    pub at: usize,
}

/// A frame that is to be put into a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insertion {
    /// The offset, after the insertions before this one.
    pub at: usize,
    /// The whole frame.
    pub frame: [u8; 17],
}

/// The frames for a write of `len` bytes, to be inserted in this order: the GOAWAY of `signal`, and a PING where
/// the receipt of the client is needed. A PING that does not fit at the end of this write is in the next.
pub(super) fn insertions(
    receipt: &mut Receipt,
    write: Http2Write,
    len: usize,
    signal: Option<PlannedGoaway>,
) -> impl Iterator<Item = Insertion> + use<> {
    let is_behind_all = signal.is_some_and(|signal| signal.at >= len);
    if signal.is_some() {
        // A PING that the client has not acknowledged yet covers what is before a GOAWAY at the end.
        receipt.drain(!is_behind_all);
    }
    let ping = (write.fits_at_end && receipt.is_wanted()).then(|| Insertion {
        at: len,
        frame: receipt.ask(),
    });
    let end = if ping.is_some() {
        len.saturating_add(PING_LEN)
    } else {
        len
    };
    let goaway = signal.map(|signal| Insertion {
        at: if is_behind_all { end } else { signal.at },
        frame: goaway_frame(signal.last_stream_id),
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

    /// The kinds of the frames that are inserted, in their order on the wire.
    fn inserted(
        receipt: &mut Receipt,
        write: Http2Write,
        signal: Option<(u32, usize)>,
    ) -> Vec<&'static str> {
        let signal = signal.map(|(last_stream_id, at)| PlannedGoaway { last_stream_id, at });
        let mut bytes = vec![0; LEN];
        for Insertion { at, frame } in insertions(receipt, write, LEN, signal) {
            assert!(at <= bytes.len());
            bytes.splice(at..at, frame);
        }
        let mut kinds = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((first, tail)) = rest.split_first() {
            // The write itself is zeros, and so is the first byte of a frame; the third is its length.
            let kind = rest.get(2..4).filter(|bytes| bytes.first() == Some(&8));
            let kind = kind.and_then(|bytes| bytes.last()).filter(|_| *first == 0);
            rest = match kind {
                Some(kind) => {
                    kinds.push(if *kind == 6 { "ping" } else { "goaway" });
                    rest.get(17..).unwrap()
                }
                None => tail,
            };
        }
        kinds
    }

    #[test]
    fn every_goaway_comes_with_a_ping() {
        for last in [1, MAX_STREAM_ID] {
            for (at, order) in [
                (0, ["goaway", "ping"]),
                (50, ["goaway", "ping"]),
                (LEN, ["ping", "goaway"]),
            ] {
                for has_response in [false, true] {
                    let mut receipt = Receipt::default();
                    if has_response {
                        receipt.response_ended();
                    }
                    let kinds = inserted(&mut receipt, END_FITS, Some((last, at)));
                    assert_eq!(kinds, order, "{last} at {at}");
                    assert!(receipt.is_asked());
                }
            }
        }
    }

    #[test]
    fn ping_of_envoy_is_enough_before_a_goaway_and_not_behind_one() {
        for (at, expected) in [(0, &["goaway", "ping"][..]), (LEN, &["goaway"])] {
            let mut receipt = Receipt::default();
            receipt.response_ended();
            receipt.asked(*b"envoy's.");
            let kinds = inserted(&mut receipt, END_FITS, Some((1, at)));
            assert_eq!(kinds, expected, "{at}");
        }
    }

    #[test]
    fn ping_that_does_not_fit_is_in_the_next_write() {
        let cut = Http2Write {
            fits_at_end: false,
            ..END_FITS
        };
        let mut receipt = Receipt::default();
        let signal = Some((MAX_STREAM_ID, 0));
        assert_eq!(inserted(&mut receipt, cut, signal), ["goaway"]);
        assert_eq!(inserted(&mut receipt, cut, None), [""; 0]);
        assert_eq!(inserted(&mut receipt, END_FITS, None), ["ping"]);
        assert_eq!(inserted(&mut receipt, END_FITS, None), [""; 0]);
    }

    #[test]
    fn every_write_that_ends_a_response_has_a_ping_once_it_drains() {
        let mut receipt = Receipt::default();
        receipt.response_ended();
        assert_eq!(inserted(&mut receipt, END_FITS, None), [""; 0]);
        inserted(&mut receipt, END_FITS, Some((MAX_STREAM_ID, 0)));
        for _ in 0..3 {
            receipt.response_ended();
            assert_eq!(inserted(&mut receipt, END_FITS, None), ["ping"]);
            assert_eq!(inserted(&mut receipt, END_FITS, None), [""; 0]);
        }
    }
}
