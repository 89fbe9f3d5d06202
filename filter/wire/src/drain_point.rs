//! Where in a write a drain signal fits, which signal that is, and what decides whether the point is safe.

use crate::h1::ResponseHead;
use crate::h2::{Http2Scanner, Http2Write, LastStreamIdTolerance, PositionTolerance, Tolerance};
use crate::splice;
use crate::websocket::WebSocketWrite;

/// A point at which the client understands a drain signal, with everything that decides whether it is a safe
/// point for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainPoint {
    /// The head of the response to an HTTP/1 request, when no further request has arrived.
    ResponseHead,
    /// A frame boundary of an HTTP/2 connection without active streams.
    Idle {
        /// The write ended the last active stream.
        ends_stream: bool,
        /// No other stream was active while that stream was.
        was_alone: bool,
        /// The client.
        client: Http2Client,
    },
    /// A frame boundary of an HTTP/2 connection with active streams.
    Active {
        /// The client.
        client: Http2Client,
    },
    /// The end of a write to an HTTP/2 client that tolerates a GOAWAY at any time, and whose streams are not known.
    Unread,
    /// The end of a write to the client of a WebSocket, when no message is incomplete in either direction.
    Message {
        /// The write responds to a message, so the client is likely to send its next one.
        is_response: bool,
        /// The client sent the last message and may be waiting for a response.
        awaits_response: bool,
    },
}

/// What is known of an HTTP/2 client at a [`DrainPoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Client {
    /// Which GOAWAYs the client tolerates.
    pub tolerance: Tolerance,
    /// The client has had two streams open at once on the connection.
    pub multiplexes: bool,
    /// The client has sent a request with a body on the connection.
    pub has_bodies: bool,
}

/// A drain signal that fits into a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainOpportunity {
    /// What decides whether the signal may be sent.
    pub point: DrainPoint,
    /// The offset in the write.
    pub at: usize,
    /// What is sent.
    pub signal: DrainSignal,
}

/// A drain signal of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainSignal {
    /// HTTP/1: the option `close` of the `connection` field in this head (RFC 9112 9.6).
    ConnectionClose(ResponseHead),
    /// HTTP/2: a GOAWAY frame (RFC 9113 6.8).
    Goaway {
        /// The highest stream that the client has opened, for a GOAWAY that refuses what is in transit.
        last_stream_id: u32,
        /// The client's name.
        client: &'static str,
        /// Which last-stream-ids the client tolerates.
        tolerated: LastStreamIdTolerance,
        /// The write that the GOAWAY is inserted into.
        write: Http2Write,
    },
    /// WebSocket: a Close frame (RFC 6455 5.5.1).
    CloseFrame,
}

impl DrainOpportunity {
    /// `connection: close` in the head of a response.
    pub(crate) fn in_head(head: ResponseHead) -> Option<Self> {
        let at = head.insert_at.filter(|_| head.may_close && !head.closes)?;
        // A part of what the option replaces may have been sent in an earlier write.
        let _edits = splice::connection_close(head)?;
        Some(Self {
            point: DrainPoint::ResponseHead,
            at,
            signal: DrainSignal::ConnectionClose(head),
        })
    }

    /// A GOAWAY in a write of `len` bytes, at the boundary that the client tolerates best.
    pub(crate) fn between_frames(
        http2: &Http2Scanner,
        write: Http2Write,
        len: usize,
    ) -> Option<Self> {
        let client = Http2Client {
            tolerance: http2.client().tolerance,
            multiplexes: http2.multiplexes(),
            has_bodies: http2.has_bodies(),
        };
        let end = write.fits_at_end.then_some(len);
        let idle = |ends_stream, was_alone| DrainPoint::Idle {
            ends_stream,
            was_alone,
            client,
        };
        let (point, at) = match write.last_stream_end {
            Some(last) => {
                // A GOAWAY that refuses streams is the last frame that passes, except for a PING at the end of its
                // write: so the end must fit for any position of the GOAWAY.
                let end = end?;
                let at = match client.tolerance.position {
                    PositionTolerance::Before | PositionTolerance::Any => last.frame_at?,
                    PositionTolerance::After | PositionTolerance::Conflict => end,
                };
                (idle(true, last.was_alone), at)
            }
            None if http2.is_unread() => (DrainPoint::Unread, end?),
            None if http2.active() > 0 => {
                let start = write.fits_at_start.then_some(0);
                (DrainPoint::Active { client }, start.or(end)?)
            }
            // A PING or an acknowledgement. Nothing may follow a GOAWAY that refuses what is in transit: python h2
            // takes a PING on a closed connection for an error.
            None if http2.requests() > 0 => (idle(false, true), end?),
            None => return None,
        };
        Some(Self {
            point,
            at,
            signal: DrainSignal::Goaway {
                last_stream_id: http2.last_stream_id(),
                client: http2.client().name,
                tolerated: client.tolerance.last_stream_id,
                write,
            },
        })
    }

    /// A Close frame at the end of a write of `len` bytes. Only there: what the server sends after a Close is
    /// not read (RFC 6455 5.5.1).
    pub(crate) fn between_messages(write: WebSocketWrite, len: usize) -> Option<Self> {
        write.fits_at_end.then_some(Self {
            point: DrainPoint::Message {
                is_response: write.is_response,
                awaits_response: write.awaits_response,
            },
            at: len,
            signal: DrainSignal::CloseFrame,
        })
    }
}
