//! Where in the write in hand an announcement would go, and in which words.

use evenkeel_engine::{Bearing, Care, Moment};
use evenkeel_wire::h1::Head;
use evenkeel_wire::h2::{self, Client, Write};
use evenkeel_wire::{Connection, Place, websocket};

/// An announcement that would be understood.
pub(super) struct Opening {
    pub(super) moment: Moment,
    /// An offset in the write.
    pub(super) at: usize,
    pub(super) words: Words,
}

pub(super) enum Words {
    /// A field of an HTTP/1 head.
    Close,
    /// Ends a WebSocket.
    CloseFrame,
    /// Ends an HTTP/2 connection; nothing above the id will be served.
    Goaway {
        exact: u32,
        /// Of whom it is for.
        family: &'static str,
        prefers: h2::Goaway,
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
    Some(Opening {
        moment: Moment::Head,
        at,
        words: Words::Close,
    })
}

fn frames_opening(http2: &h2::Connection, write: Write, len: usize) -> Option<Opening> {
    let client = http2.client();
    let bearing = match (client.busy, client.calm) {
        (h2::Busy::Bears, h2::Calm::Settled) => Bearing::Settled,
        (h2::Busy::Bears, _) => Bearing::Bears,
        (h2::Busy::Avoid, _) => Bearing::Avoid,
        (h2::Busy::Never, _) => Bearing::Never,
    };
    let words = Words::Goaway {
        exact: http2.last_stream_id(),
        family: client.family,
        prefers: client.goaway,
    };
    let boundary = if write.start_fits {
        Some(0)
    } else {
        write.end_fits.then_some(len)
    };
    let care = match (client.calm, client.busy, http2.multiplexes()) {
        (h2::Calm::Rest, ..) | (h2::Calm::Slow, _, true) => Care::Rest,
        (h2::Calm::Slow, _, false) => Care::Slow,
        (h2::Calm::Settled, ..) => Care::Settled,
        (h2::Calm::Any, h2::Busy::Never, true) => Care::Apart,
        (h2::Calm::Any, ..) => Care::None,
    };
    let quiet = |ends, alone| Moment::Quiet { ends, alone, care };
    let (moment, at) = match write.quiet {
        Some(end) => (quiet(true, end.alone), quiet_at(client, end, write, len)?),
        None if http2.active() > 0 => (Moment::Busy { bearing }, boundary?),
        // Nothing is going on: a PING, an acknowledgement. What is on its way counts as at any quiet moment.
        None if http2.requests() > 0 => (quiet(false, true), boundary?),
        None => return None,
    };
    Some(Opening { moment, at, words })
}

/// Before or after the frame that ends the last stream, as the client needs it.
fn quiet_at(client: &Client, end: h2::Quiet, write: Write, len: usize) -> Option<usize> {
    match client.place {
        h2::Place::Before => end.frame_at,
        h2::Place::After => write.end_fits.then_some(len),
    }
}

/// Only at the end: what the server says behind a Close never arrives.
fn messages_opening(write: websocket::Write, len: usize) -> Option<Opening> {
    let websocket::Write {
        end_fits,
        answers,
        owes,
    } = write;
    end_fits.then_some(Opening {
        moment: Moment::Message { answers, owes },
        at: len,
        words: Words::CloseFrame,
    })
}
