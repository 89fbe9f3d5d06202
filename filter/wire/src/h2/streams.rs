//! The streams of one connection (RFC 9113 5.1), as Envoy's end of it knows them.

use super::{MAX_STREAM_ID, MAX_STREAMS};
use crate::BypassReason;

/// The capacity that is kept when few streams remain: enough not to allocate for every request of a connection with
/// little traffic, little enough for ten thousand idle connections.
const MIN_CAPACITY: usize = 4;

/// One end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Server,
}

/// A stream that has ended in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndedStream {
    /// No other stream was active at any time while it was.
    pub(super) was_alone: bool,
}

/// An active stream.
///
/// ```text
///          HEADERS                         END_STREAM of both, in either order
/// (idle) ───────────▶ active ─────────────────────────────────────────────────▶ (closed)
///          PUSH_PROMISE (the client's side has ended)        RST_STREAM of either
/// ```
#[derive(Clone, Copy, Debug)]
struct Stream {
    id: u32,
    client_ended: bool,
    server_ended: bool,
    /// The server has sent HEADERS.
    has_response: bool,
    was_alone: bool,
}

/// The active streams, and what is needed to classify the others.
#[derive(Debug)]
pub(super) struct Streams {
    /// Sorted by id.
    active: Vec<Stream>,
    requests: u64,
    /// The highest ids that the client has opened and the server has promised. Lower streams that are not active are
    /// closed (RFC 9113 5.1.1).
    last_opened: u32,
    last_promised: u32,
    /// The limits that each peer's GOAWAY sets for the other: it ignores higher ids (RFC 9113 6.8).
    max_client_stream: u32,
    max_promised_stream: u32,
    /// The highest id that the server reset before the client had ended it: frames of the client may still be in
    /// transit.
    last_reset: u32,
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
            max_client_stream: MAX_STREAM_ID,
            max_promised_stream: MAX_STREAM_ID,
            last_reset: 0,
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

    /// Frees what is known of the active streams.
    pub(super) fn forget_active(&mut self) {
        self.active = Vec::new();
    }

    pub(super) fn last_opened(&self) -> u32 {
        self.last_opened
    }

    pub(super) fn multiplexes(&self) -> bool {
        self.multiplexes
    }

    /// Whether a request has had a body or trailers.
    pub(super) fn has_bodies(&self) -> bool {
        self.has_bodies
    }

    /// Handles HEADERS of the client: a request, or the trailers of one.
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
            // Trailers, which end the stream (RFC 9113 8.1). On a closed stream, HEADERS without END_STREAM cannot be
            // trailers that crossed a reset.
            return if ends_stream || self.get(id).is_some() {
                self.client_data(id)
            } else {
                Err(BypassReason::Frame)
            };
        }
        if is_promised(id) {
            return Err(BypassReason::Frame);
        }
        self.last_opened = id;
        // Streams above the last-stream-id of a server GOAWAY get no response; the client repeats them elsewhere.
        if id <= self.max_client_stream {
            self.multiplexes =
                self.multiplexes || self.active.iter().any(|stream| !is_promised(stream.id));
            self.has_bodies |= !ends_stream;
            self.requests = self.requests.saturating_add(1);
            self.open(id, false)?;
        }
        Ok(())
    }

    /// Handles DATA or trailers of the client.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a stream that is not the client's, was never opened or was ended by the client. Not
    /// for a stream that the server has reset or refused, which the client may not know yet.
    pub(super) fn client_data(&self, id: u32) -> Result<(), BypassReason> {
        let allowed = match self.get(id) {
            Some(stream) => !stream.client_ended,
            // A closed stream: only after a reset or a GOAWAY may its client still send.
            None => {
                id <= self.last_opened && (id <= self.last_reset || id > self.max_client_stream)
            }
        };
        if allowed && !is_promised(id) {
            Ok(())
        } else {
            Err(BypassReason::Frame)
        }
    }

    /// Handles HEADERS of the server.
    ///
    /// # Errors
    /// As [`Streams::server_data`].
    pub(super) fn server_headers(&mut self, id: u32) -> Result<(), BypassReason> {
        match self.get_mut(id) {
            Some(stream) if stream.server_ended => Err(BypassReason::Frame),
            Some(stream) => {
                stream.has_response = true;
                Ok(())
            }
            None => self.check_opened(id),
        }
    }

    /// For a stream whose response has started and not ended, whether the client has ended its side.
    pub(super) fn unfinished_response(&self, id: u32) -> Option<bool> {
        self.get(id)
            .filter(|stream| stream.has_response && !stream.server_ended)
            .map(|stream| stream.client_ended)
    }

    /// Handles HEADERS or DATA of the server.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a stream that was never opened or was ended by the server. Not for a closed one:
    /// the client may have reset it while the frame was in transit.
    pub(super) fn server_data(&self, id: u32) -> Result<(), BypassReason> {
        match self.get(id) {
            Some(stream) if stream.server_ended => Err(BypassReason::Frame),
            _ => self.check_opened(id),
        }
    }

    /// Checks a frame that is an error only on an idle stream: WINDOW_UPDATE, RST_STREAM (RFC 9113 5.1).
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a stream that was never opened.
    pub(super) fn check_opened(&self, id: u32) -> Result<(), BypassReason> {
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

    /// Handles PUSH_PROMISE on the stream `on`: the promised stream is open in the server's direction only.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for an id that is odd or not higher than all before it, and on a stream that is
    /// itself promised; [`BypassReason::TooManyStreams`].
    pub(super) fn promise(&mut self, on: u32, id: u32) -> Result<(), BypassReason> {
        if is_promised(on) || !is_promised(id) || id <= self.last_promised {
            return Err(BypassReason::Frame);
        }
        self.last_promised = id;
        if id <= self.max_promised_stream {
            self.open(id, true)?;
        }
        Ok(())
    }

    /// Ends a peer's side of a stream. Returns the stream if it has ended in both directions.
    pub(super) fn end(&mut self, id: u32, by: Peer) -> Option<EndedStream> {
        let stream = self.get_mut(id)?;
        match by {
            Peer::Client => stream.client_ended = true,
            Peer::Server => stream.server_ended = true,
        }
        if stream.client_ended && stream.server_ended {
            self.close(id)
        } else {
            None
        }
    }

    /// Handles RST_STREAM. Returns the stream if it was active.
    pub(super) fn reset(&mut self, id: u32, by: Peer) -> Option<EndedStream> {
        // A client that has ended its side sends nothing more, so nothing can cross the reset.
        if by == Peer::Server && !self.get(id)?.client_ended {
            self.last_reset = self.last_reset.max(id);
        }
        self.close(id)
    }

    /// Handles GOAWAY: its sender ignores the other peer's streams above `last` (RFC 9113 6.8), so no frame ends them.
    pub(super) fn go_away(&mut self, by: Peer, last: u32) {
        let (limit, are_promised) = match by {
            Peer::Client => (&mut self.max_promised_stream, true),
            Peer::Server => (&mut self.max_client_stream, false),
        };
        *limit = last.min(*limit);
        self.active
            .retain(|stream| is_promised(stream.id) != are_promised || stream.id <= last);
        self.shrink();
    }

    fn open(&mut self, id: u32, promised: bool) -> Result<(), BypassReason> {
        if self.active.len() >= MAX_STREAMS {
            return Err(BypassReason::TooManyStreams);
        }
        // Where more than one stream is active, none of them is alone any more.
        if let [only] = self.active.as_mut_slice() {
            only.was_alone = false;
        }
        let stream = Stream {
            id,
            client_ended: promised,
            server_ended: false,
            has_response: false,
            was_alone: self.active.is_empty(),
        };
        // A pushed stream may have a lower id than client streams that are open.
        let at = self.find(id).unwrap_or_else(|at| at);
        self.active.insert(at, stream);
        Ok(())
    }

    fn close(&mut self, id: u32) -> Option<EndedStream> {
        let at = self.find(id).ok()?;
        let stream = (at < self.active.len()).then(|| self.active.remove(at))?;
        self.shrink();
        Some(EndedStream {
            was_alone: stream.was_alone,
        })
    }

    /// Halves the capacity when three quarters of it are unused.
    fn shrink(&mut self) {
        let capacity = self.active.capacity();
        if capacity > MIN_CAPACITY && self.active.len() <= capacity / 4 {
            self.active.shrink_to(MIN_CAPACITY.max(capacity / 2));
        }
    }

    fn find(&self, id: u32) -> Result<usize, usize> {
        self.active.binary_search_by_key(&id, |stream| stream.id)
    }

    #[inline(never)]
    fn get(&self, id: u32) -> Option<&Stream> {
        self.find(id).ok().and_then(|at| self.active.get(at))
    }

    #[inline(never)]
    fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.find(id).ok().and_then(|at| self.active.get_mut(at))
    }
}

/// Whether the id is even: a stream that the server opens with PUSH_PROMISE (RFC 9113 5.1.1).
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
    fn memory_is_freed_as_streams_end() {
        let mut streams = Streams::default();
        let ids = || (1..2 * u32::try_from(MAX_STREAMS).unwrap()).step_by(2);
        for id in ids() {
            streams.client_headers(id, true).unwrap();
        }
        assert_eq!(streams.active.capacity(), MAX_STREAMS);
        for id in ids() {
            streams.reset(id, Peer::Client).unwrap();
            let capacity = streams.active.capacity();
            assert!(
                capacity <= MIN_CAPACITY.max(4 * streams.active()),
                "capacity {capacity} at {}",
                streams.active()
            );
        }
        assert_eq!(streams.active.capacity(), MIN_CAPACITY);
    }

    #[test]
    fn million_streams_leave_no_state() {
        let mut streams = Streams::default();
        for id in (1..2_000_000).step_by(2) {
            streams.client_headers(id, false).unwrap();
            assert_eq!(streams.end(id, Peer::Client), None);
            assert_eq!(
                streams.end(id, Peer::Server),
                Some(EndedStream { was_alone: true })
            );
        }
        assert_eq!((streams.requests(), streams.active()), (1_000_000, 0));
        assert!(streams.active.capacity() <= MIN_CAPACITY);
    }

    #[test]
    fn stream_takes_eight_bytes() {
        assert_eq!(size_of::<Stream>(), 8);
    }
}
