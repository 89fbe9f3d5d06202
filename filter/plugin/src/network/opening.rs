//! Where in the write in hand an announcement would go, and in which words.

use evenkeel_engine::{DrainPoint, Http2Client};
use evenkeel_wire::h1::Head;
use evenkeel_wire::h2::{self, LastStreamIds, Positions, Write};
use evenkeel_wire::{Connection, Place, splice, websocket};

/// An announcement that would be understood.
pub(super) struct Opening {
    pub(super) point: DrainPoint,
    /// An offset in the write.
    pub(super) at: usize,
    pub(super) words: Words,
}

pub(super) enum Words {
    /// An option of the `connection` field in this HTTP/1 head.
    Close(Head),
    /// Ends a WebSocket.
    CloseFrame,
    /// Ends an HTTP/2 connection; nothing above the id will be served.
    Goaway {
        exact: u32,
        /// Of whom it is for.
        client: &'static str,
        prefers: LastStreamIds,
        write: Write,
    },
}

impl Opening {
    /// The best place of a write of `len` bytes.
    pub(super) fn of(wire: &Connection, place: Place, len: usize) -> Option<Self> {
        match place {
            Place::None => None,
            Place::Head(head) => head_opening(head),
            Place::Frames(write) => wire
                .http2()
                .and_then(|http2| frames_opening(http2, write, len)),
            Place::Messages(write) => messages_opening(write, len),
        }
    }
}

fn head_opening(head: Head) -> Option<Opening> {
    let at = head.insert_at.filter(|_| head.may_close && !head.closes)?;
    let _edits = splice::close(head)?;
    Some(Opening {
        point: DrainPoint::ResponseHead,
        at,
        words: Words::Close(head),
    })
}

fn frames_opening(http2: &h2::Connection, write: Write, len: usize) -> Option<Opening> {
    let client = Http2Client {
        treatment: http2.client().treatment,
        multiplexes: http2.multiplexes(),
        has_bodies: http2.has_bodies(),
    };
    let words = Words::Goaway {
        exact: http2.last_stream_id(),
        client: http2.client().name,
        prefers: client.treatment.last_stream_id,
        write,
    };
    let end = write.end_fits.then_some(len);
    let quiet = |ends_stream, was_alone| DrainPoint::Idle {
        ends_stream,
        was_alone,
        client,
    };
    let (point, at) = match write.quiet {
        Some(last) => {
            // A GOAWAY that refuses is the last frame that passes, except for a PING at the end of its write.
            let end = end?;
            let at = match client.treatment.position {
                Positions::Before | Positions::Any => last.frame_at?,
                Positions::After | Positions::Conflict => end,
            };
            (quiet(true, last.alone), at)
        }
        None if http2.active() > 0 => {
            let start = write.start_fits.then_some(0);
            (DrainPoint::Active { client }, start.or(end)?)
        }
        // Nothing is going on: a PING, an acknowledgement. Nothing may follow a GOAWAY that refuses what is on
        // its way: to python h2, a PING on a connection that is closed is an error.
        None if http2.requests() > 0 => (quiet(false, true), end?),
        None => return None,
    };
    Some(Opening { point, at, words })
}

/// Only at the end: what the server says behind a Close never arrives.
fn messages_opening(write: websocket::Write, len: usize) -> Option<Opening> {
    let websocket::Write {
        end_fits,
        answers,
        owes,
    } = write;
    end_fits.then_some(Opening {
        point: DrainPoint::Message {
            is_response: answers,
            awaits_response: owes,
        },
        at: len,
        words: Words::CloseFrame,
    })
}
