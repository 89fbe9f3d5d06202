//! The streams of one connection (RFC 9113 5.1), as the server's end of it knows them.

use super::{MAX_STREAM_ID, MAX_STREAMS};
use crate::BypassReason;

/// Room that is kept when few streams are left: enough not to ask for memory at every request of a quiet
/// connection, little enough for ten thousand idle ones.
const ROOM_KEPT: usize = 4;

/// An end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Server,
}

/// A stream that was active and is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// No other stream was active at any time while it was.
    pub(super) was_alone: bool,
}

/// An active stream.
///
/// ```text
///          HEADERS                         END_STREAM of both, in either order
/// (idle) ───────────▶ active ─────────────────────────────────────────────────▶ (closed)
///          PUSH_PROMISE: active, the client's side ended     RST_STREAM of either
/// ```
#[derive(Clone, Copy, Debug)]
struct Stream {
    id: u32,
    client_ended: bool,
    server_ended: bool,
    /// HEADERS of the server have come.
    answered: bool,
    was_alone: bool,
}

/// The active streams, and what must be known of all others.
#[derive(Debug)]
pub(super) struct Streams {
    /// In the order of their ids.
    active: Vec<Stream>,
    requests: u64,
    /// The highest ids that the client has opened and the server has promised. Below them, what is not
    /// active is closed.
    last_opened: u32,
    last_promised: u32,
    /// What each peer's GOAWAY leaves the other: higher ids it ignores (RFC 9113 6.8).
    client_may_open: u32,
    server_may_promise: u32,
    /// The highest id that the server has reset before the client had ended it: up to here more may come
    /// from a client that does not know it yet.
    last_cut: u32,
    multiplexes: bool,
    has_bodies: bool,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            active: Vec::new(),
            requests: 0,
            last_opened: 0,
            last_promised: 0,
            client_may_open: MAX_STREAM_ID,
            server_may_promise: MAX_STREAM_ID,
            last_cut: 0,
            multiplexes: false,
            has_bodies: false,
        }
    }
}

impl Streams {
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn active(&self) -> usize {
        self.active.len()
    }

    pub(super) fn last_opened(&self) -> u32 {
        self.last_opened
    }

    pub(super) fn multiplexes(&self) -> bool {
        self.multiplexes
    }

    /// A request has had a body, or trailers.
    pub(super) fn has_bodies(&self) -> bool {
        self.has_bodies
    }

    /// HEADERS of the client: a request, or trailers of one.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for an id that is even or not higher than all before it, and for a stream that
    /// the client has ended; [`BypassReason::TooManyStreams`].
    pub(super) fn client_headers(
        &mut self,
        id: u32,
        ends_stream: bool,
    ) -> Result<(), BypassReason> {
        if id <= self.last_opened {
            // Only trailers come second, and they end the stream (RFC 9113 8.1).
            return if ends_stream || self.find(id).is_ok() {
                self.client_data(id)
            } else {
                Err(BypassReason::Frame)
            };
        }
        if is_promised(id) {
            return Err(BypassReason::Frame);
        }
        self.last_opened = id;
        if id <= self.client_may_open {
            self.multiplexes =
                self.multiplexes || self.active.iter().any(|stream| !is_promised(stream.id));
            self.has_bodies |= !ends_stream;
            self.requests = self.requests.saturating_add(1);
            self.open(id, false)?;
        }
        Ok(())
    }

    /// DATA (or trailers) of the client.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a stream that is not the client's, was never opened or is ended by it. Not
    /// for one that the server has reset or refused, which the client may not know yet.
    pub(super) fn client_data(&self, id: u32) -> Result<(), BypassReason> {
        let allowed = match self.get(id) {
            Some(stream) => !stream.client_ended,
            None => id <= self.last_opened && (id <= self.last_cut || id > self.client_may_open),
        };
        if allowed && !is_promised(id) {
            Ok(())
        } else {
            Err(BypassReason::Frame)
        }
    }

    /// HEADERS of the server.
    ///
    /// # Errors
    /// As [`Streams::server_message`].
    pub(super) fn server_headers(&mut self, id: u32) -> Result<(), BypassReason> {
        self.server_message(id)?;
        if let Ok(at) = self.find(id)
            && let Some(stream) = self.active.get_mut(at)
        {
            stream.answered = true;
        }
        Ok(())
    }

    /// Of a stream whose answer has begun and not ended, whether the client has ended its side.
    pub(super) fn in_answer(&self, id: u32) -> Option<bool> {
        self.get(id)
            .filter(|stream| stream.answered && !stream.server_ended)
            .map(|stream| stream.client_ended)
    }

    /// HEADERS or DATA of the server.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a stream that was never opened, or is ended by the server. Not for a closed
    /// one: the client may have reset it while the frame was made.
    pub(super) fn server_message(&self, id: u32) -> Result<(), BypassReason> {
        match self.get(id) {
            Some(stream) if stream.server_ended => Err(BypassReason::Frame),
            _ => self.known(id),
        }
    }

    /// A frame that only an idle stream cannot bear: WINDOW_UPDATE, RST_STREAM.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a stream that was never opened.
    pub(super) fn known(&self, id: u32) -> Result<(), BypassReason> {
        let last = if is_promised(id) {
            self.last_promised
        } else {
            self.last_opened
        };
        if id <= last {
            Ok(())
        } else {
            Err(BypassReason::Frame)
        }
    }

    /// PUSH_PROMISE of the server on the stream `on`: a stream on which the client has nothing to say.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for an id that is odd or not higher than all before it, and on a stream that is
    /// itself promised; [`BypassReason::TooManyStreams`].
    pub(super) fn promise(&mut self, on: u32, id: u32) -> Result<(), BypassReason> {
        if is_promised(on) || !is_promised(id) || id <= self.last_promised {
            return Err(BypassReason::Frame);
        }
        self.last_promised = id;
        if id <= self.server_may_promise {
            self.open(id, true)?;
        }
        Ok(())
    }

    /// A peer has said its last on a stream; gives the stream when it has thereby ended in both directions.
    pub(super) fn end(&mut self, id: u32, by: Peer) -> Option<Ended> {
        let at = self.find(id).ok()?;
        let stream = self.active.get_mut(at)?;
        match by {
            Peer::Client => stream.client_ended = true,
            Peer::Server => stream.server_ended = true,
        }
        if stream.client_ended && stream.server_ended {
            self.close(at)
        } else {
            None
        }
    }

    /// RST_STREAM; gives the stream if it was active.
    pub(super) fn reset(&mut self, id: u32, by: Peer) -> Option<Ended> {
        let at = self.find(id).ok()?;
        let stream = self.active.get(at)?;
        if by == Peer::Server && !stream.client_ended {
            self.last_cut = self.last_cut.max(id);
        }
        self.close(at)
    }

    /// GOAWAY: the sender ignores the other's streams above `last` (RFC 9113 6.8), so nothing ends them.
    pub(super) fn go_away(&mut self, by: Peer, last: u32) {
        let (limit, theirs) = match by {
            Peer::Client => (&mut self.server_may_promise, true),
            Peer::Server => (&mut self.client_may_open, false),
        };
        *limit = last.min(*limit);
        self.active
            .retain(|stream| is_promised(stream.id) != theirs || stream.id <= last);
        self.give_back();
    }

    fn open(&mut self, id: u32, promised: bool) -> Result<(), BypassReason> {
        if self.active.len() >= MAX_STREAMS {
            return Err(BypassReason::TooManyStreams);
        }
        // With more than one active, all but none have had company before.
        if let [only] = self.active.as_mut_slice() {
            only.was_alone = false;
        }
        let stream = Stream {
            id,
            client_ended: promised,
            server_ended: false,
            answered: false,
            was_alone: self.active.is_empty(),
        };
        let at = self.find(id).unwrap_or_else(|at| at);
        self.active.insert(at, stream);
        Ok(())
    }

    fn close(&mut self, at: usize) -> Option<Ended> {
        let stream = (at < self.active.len()).then(|| self.active.remove(at))?;
        self.give_back();
        Some(Ended {
            was_alone: stream.was_alone,
        })
    }

    /// Halves the room when three quarters of it are empty.
    fn give_back(&mut self) {
        let room = self.active.capacity();
        if room > ROOM_KEPT && self.active.len() <= room / 4 {
            self.active.shrink_to(ROOM_KEPT.max(room / 2));
        }
    }

    fn find(&self, id: u32) -> Result<usize, usize> {
        self.active.binary_search_by_key(&id, |stream| stream.id)
    }

    fn get(&self, id: u32) -> Option<&Stream> {
        self.find(id).ok().and_then(|at| self.active.get(at))
    }
}

/// Servers open streams with even ids, by PUSH_PROMISE (RFC 9113 5.1.1).
fn is_promised(id: u32) -> bool {
    id.is_multiple_of(2)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn memory_is_given_back_as_streams_end() {
        let mut streams = Streams::default();
        let ids = || (1..2 * u32::try_from(MAX_STREAMS).unwrap()).step_by(2);
        for id in ids() {
            streams.client_headers(id, true).unwrap();
        }
        assert_eq!(streams.active.capacity(), MAX_STREAMS);
        for id in ids() {
            streams.reset(id, Peer::Client).unwrap();
            let room = streams.active.capacity();
            assert!(
                room <= ROOM_KEPT.max(4 * streams.active()),
                "room for {room} at {}",
                streams.active()
            );
        }
        assert_eq!(streams.active.capacity(), ROOM_KEPT);
    }

    #[test]
    fn a_million_streams_leave_nothing_behind() {
        let mut streams = Streams::default();
        for id in (1..2_000_000).step_by(2) {
            streams.client_headers(id, false).unwrap();
            assert_eq!(streams.end(id, Peer::Client), None);
            assert_eq!(
                streams.end(id, Peer::Server),
                Some(Ended { was_alone: true })
            );
        }
        assert_eq!((streams.requests(), streams.active()), (1_000_000, 0));
        assert!(streams.active.capacity() <= ROOM_KEPT);
    }

    #[test]
    fn a_stream_is_eight_bytes() {
        assert_eq!(size_of::<Stream>(), 8);
    }
}
