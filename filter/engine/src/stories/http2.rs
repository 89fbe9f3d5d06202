//! HTTP/2 clients and their drain points.

use super::*;

/// An HTTP/2 client with this tolerance, which has sent one request at a time and no body.
pub(super) const fn client(tolerance: Tolerance) -> Http2Client {
    Http2Client {
        tolerance,
        multiplexes: false,
        has_bodies: false,
    }
}

/// A client that is drained at the end of its last stream under these conditions, and otherwise when idle.
pub(super) const fn at_end(conditions: Conditions) -> Tolerance {
    Tolerance {
        at_end: conditions,
        ..Tolerance::WHEN_IDLE
    }
}

pub(super) const ANY_TIME: Http2Client = client(Tolerance::ANY_TIME);
pub(super) const WHEN_IDLE: Http2Client = client(Tolerance::WHEN_IDLE);
pub(super) const AFTER_SLOW_RESPONSE: Http2Client =
    client(at_end(Conditions::SLOW.and(Conditions::SEQUENTIAL)));
pub(super) const SETTLED: Http2Client = client(Tolerance {
    when_active: Conditions::SETTLED,
    ..at_end(Conditions::SETTLED)
});
/// A client that may discard responses that it has not read, and has had several streams open at once.
pub(super) const UNREAD_RESPONSES: Http2Client = Http2Client {
    multiplexes: true,
    ..client(at_end(Conditions::ALONE))
};

/// The end of the last active stream, which was alone.
pub(super) fn stream_end(client: Http2Client) -> DrainPoint {
    DrainPoint::Idle {
        ends_stream: true,
        was_alone: true,
        client,
    }
}

/// A write of the proxy's own, such as a PING, while no stream is active.
pub(super) fn idle(client: Http2Client) -> DrainPoint {
    DrainPoint::Idle {
        ends_stream: false,
        was_alone: true,
        client,
    }
}

/// A frame boundary while streams are active.
pub(super) fn active(client: Http2Client) -> DrainPoint {
    DrainPoint::Active { client }
}
