//! How a client is drained without losing a request.

use core::time::Duration;

/// How long nothing must have been sent or answered on a connection that counts as idle for a client that
/// races with a GOAWAY. A client that has been silent for so long is not about to read or to send: httpx with
/// several requests at a time still loses some 20 ms after a response, and Go's `httputil.ReverseProxy`
/// some milliseconds after one.
pub const IDLE_TIME: Duration = Duration::from_secs(1);

/// How a client is drained: what may be sent, where, and when.
///
/// Each column is ordered by caution, so that the tolerance of a client that may be one of several is
/// computed ([`Tolerance::merge`]): what all of them tolerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// The last-stream-ids (RFC 9113 6.8) that it takes without losing a request.
    pub last_stream_id: LastStreamIdTolerance,
    /// Where in the write that ends the last active stream it takes a GOAWAY.
    pub position: PositionTolerance,
    /// What the end of the last active stream needs to be a safe point.
    pub at_end: Conditions,
    /// What a boundary between two frames needs to be one while streams are open.
    pub when_active: Conditions,
    /// How long an idle connection must have been idle to be one, on the next write that there is (a PING);
    /// None: it never is.
    pub idle_time: Option<Duration>,
    /// The same once a request on the connection has had a body: the next one may have one that cannot be
    /// replayed.
    pub idle_time_with_bodies: Option<Duration>,
}

/// A set of last-stream-ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStreamIdTolerance {
    /// [`MAX_STREAM_ID`](crate::h2::MAX_STREAM_ID): what is in transit is still served.
    Max,
    /// The highest stream that the client has opened: what is in transit is refused.
    Exact,
    /// The clients that it may be need different ones. On an idle connection the highest id there is, which
    /// refuses nothing; at the end of a stream none.
    Conflict,
}

/// A set of places for a GOAWAY in the write that ends the last stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionTolerance {
    /// Behind the last frame.
    After,
    /// Before the frame that ends the stream.
    Before,
    /// Both.
    Any,
    /// The clients that it may be need different ones: none.
    Conflict,
}

/// What must be true at a point for it to be safe; all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions(u8);

impl Conditions {
    /// Nothing: every such point is safe.
    pub const NONE: Self = Self(0);
    /// The connection has been open for a second: a request of OkHttp that meets a second connection that
    /// has just been told to go away gives up.
    pub const SETTLED: Self = Self(1);
    /// The response that ends took some milliseconds: hyper takes a request that was answered before it
    /// looked for one that the GOAWAY refused.
    pub const SLOW: Self = Self(1 << 1);
    /// The client has never had two streams open at once on the connection.
    pub const SEQUENTIAL: Self = Self(1 << 2);
    /// The client has never had two streams open at once; or the stream that ends was alone, and the
    /// response before it is [`IDLE_TIME`] old: httpx discards responses that it has received and not read.
    pub const ALONE: Self = Self(1 << 3);
    /// No request on the connection has had a body. A request that is about to be sent when the GOAWAY
    /// comes is sent again on another connection, and Go cannot do that with a body that it has begun to
    /// read or closed.
    pub const NO_BODIES: Self = Self(1 << 4);
    /// The connection has waited for a better point for as long as the engine's patience lasts.
    pub const PATIENCE_OVER: Self = Self(1 << 5);
    /// No such point is safe.
    pub const NEVER: Self = Self(1 << 6);

    /// Both what `self` and what `other` needs.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Everything that `other` needs is needed.
    pub const fn include(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl LastStreamIdTolerance {
    const fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Max, Self::Max) => Self::Max,
            (Self::Exact, Self::Exact) => Self::Exact,
            _ => Self::Conflict,
        }
    }
}

impl PositionTolerance {
    const fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, position) | (position, Self::Any) => position,
            (Self::After, Self::After) => Self::After,
            (Self::Before, Self::Before) => Self::Before,
            _ => Self::Conflict,
        }
    }
}

impl Tolerance {
    /// Any GOAWAY that refuses nothing, behind the last frame, at any point.
    pub const ANY_TIME: Self = Self {
        last_stream_id: LastStreamIdTolerance::Max,
        position: PositionTolerance::After,
        at_end: Conditions::NONE,
        when_active: Conditions::NONE,
        idle_time: Some(Duration::ZERO),
        idle_time_with_bodies: Some(Duration::ZERO),
    };

    /// Only when nothing has happened on the connection for a while.
    pub const WHEN_IDLE: Self = Self {
        at_end: Conditions::NEVER,
        when_active: Conditions::NEVER,
        idle_time: Some(IDLE_TIME),
        idle_time_with_bodies: Some(IDLE_TIME),
        ..Self::ANY_TIME
    };

    /// What both `self` and `other` tolerate.
    #[must_use]
    pub const fn merge(self, other: Self) -> Self {
        let last_stream_id = self.last_stream_id.merge(other.last_stream_id);
        let position = self.position.merge(other.position);
        let conflict = matches!(last_stream_id, LastStreamIdTolerance::Conflict)
            || matches!(position, PositionTolerance::Conflict);
        let by_conflict = if conflict {
            Conditions::NEVER
        } else {
            Conditions::NONE
        };
        // A GOAWAY in transit to a client that needs the other kind must not meet a request.
        let least = if conflict { IDLE_TIME } else { Duration::ZERO };
        Self {
            last_stream_id,
            position,
            at_end: self.at_end.and(other.at_end).and(by_conflict),
            when_active: self.when_active.and(other.when_active),
            idle_time: longest(self.idle_time, other.idle_time, least),
            idle_time_with_bodies: longest(
                self.idle_time_with_bodies,
                other.idle_time_with_bodies,
                least,
            ),
        }
    }
}

/// The longest of the three; None, which is never, is longer than any.
const fn longest(a: Option<Duration>, b: Option<Duration>, least: Duration) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(longer(longer(a, b), least)),
        _ => None,
    }
}

const fn longer(a: Duration, b: Duration) -> Duration {
    if a.as_nanos() < b.as_nanos() { b } else { a }
}
