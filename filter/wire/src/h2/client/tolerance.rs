//! Which GOAWAYs a client tolerates, that is, without losing a request.

use core::time::Duration;

/// How long no stream must have ended, and how long the client must have had all responses, before a connection counts
/// as idle, for a client whose requests race with a GOAWAY. A client that has been silent for this long is not about to
/// read or to send: httpx with several requests at a time still loses some 20 ms after a response, Go's
/// `httputil.ReverseProxy` some milliseconds after one.
pub const IDLE_TIME: Duration = Duration::from_secs(1);

/// Which GOAWAYs a client tolerates: with which last-stream-id, where in a write, and when.
///
/// Tolerances can be [merged](Tolerance::merge): a client that may be one of several gets what all of them tolerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// The last-stream-id (RFC 9113 6.8).
    pub last_stream_id: LastStreamIdTolerance,
    /// The position in the write that ends the last active stream.
    pub position: PositionTolerance,
    /// The conditions under which the end of the last active stream is a safe point.
    pub at_end: Conditions,
    /// The conditions under which a frame boundary is a safe point while streams are active.
    pub when_active: Conditions,
    /// How long a connection must have been idle for its next write (a PING) to be a safe point.
    pub idle_time: IdleTime,
    /// The same after a request with a body on the connection: the next one may have a body that cannot be replayed.
    pub idle_time_with_bodies: IdleTime,
    /// The client was measured to close the connection after a GOAWAY, when its last stream has ended.
    pub closes: bool,
}

/// How long a connection must have been idle, from the shortest time to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdleTime {
    /// No time.
    None,
    /// [`IDLE_TIME`].
    Silent,
    /// Longer than any time: such a point is never safe.
    Never,
}

impl IdleTime {
    /// The time; None for [`IdleTime::Never`].
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::None => Some(Duration::ZERO),
            Self::Silent => Some(IDLE_TIME),
            Self::Never => None,
        }
    }

    const fn longer(self, other: Self) -> Self {
        if (self as u8) < (other as u8) {
            other
        } else {
            self
        }
    }
}

/// The last-stream-id that a client tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStreamIdTolerance {
    /// [`MAX_STREAM_ID`](crate::h2::MAX_STREAM_ID): requests in transit are served.
    Max,
    /// The highest stream that the client has opened: requests in transit are refused.
    Exact,
    /// The possible clients need different ones: on an idle connection the maximum, which refuses nothing; at the end
    /// of a stream none.
    Conflict,
}

/// The position of a GOAWAY that a client tolerates in the write that ends the last stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionTolerance {
    /// After the last frame.
    After,
    /// Before the frame that ends the stream.
    Before,
    /// Either.
    Any,
    /// The possible clients need different ones: none.
    Conflict,
}

/// The conditions that must all hold for a point to be safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions(u8);

impl Conditions {
    /// No condition: every such point is safe.
    pub const NONE: Self = Self(0);
    /// The connection has been open for a second: OkHttp retries a request on a second connection, and gives up when
    /// that one has just received a GOAWAY too.
    pub const SETTLED: Self = Self(1);
    /// The response that ends took some milliseconds: hyper reports a request whose response came before it polled
    /// the connection as refused by the GOAWAY.
    pub const SLOW: Self = Self(1 << 1);
    /// The client has never had two streams open at once on the connection.
    pub const SEQUENTIAL: Self = Self(1 << 2);
    /// The client has never had two streams open at once; or no other stream was open with the one that ends, and the
    /// response before it is [`IDLE_TIME`] old: httpx discards responses that it has received and not read.
    pub const ALONE: Self = Self(1 << 3);
    /// No request on the connection has had a body. A client repeats a request that is about to be sent when the
    /// GOAWAY arrives, and Go cannot repeat one whose body it has begun to read or closed.
    pub const NO_BODIES: Self = Self(1 << 4);
    /// The connection has waited for a better point for half of the time that the engine waits at most.
    pub const WAITED: Self = Self(1 << 5);
    /// No such point is safe.
    pub const NEVER: Self = Self(1 << 6);

    /// Returns the conditions of both `self` and `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all conditions of `other` are included.
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
    /// Tolerates any GOAWAY that refuses no request, after the last frame, at any point.
    pub const ANY_TIME: Self = Self {
        last_stream_id: LastStreamIdTolerance::Max,
        position: PositionTolerance::After,
        at_end: Conditions::NONE,
        when_active: Conditions::NONE,
        idle_time: IdleTime::None,
        idle_time_with_bodies: IdleTime::None,
        closes: false,
    };

    /// As [`Tolerance::ANY_TIME`], of a client that closes the connection itself.
    pub const ANY_TIME_AND_CLOSES: Self = Self {
        closes: true,
        ..Self::ANY_TIME
    };

    /// Tolerates a GOAWAY only after the connection has been idle for [`IDLE_TIME`].
    pub const WHEN_IDLE: Self = Self {
        at_end: Conditions::NEVER,
        when_active: Conditions::NEVER,
        idle_time: IdleTime::Silent,
        idle_time_with_bodies: IdleTime::Silent,
        ..Self::ANY_TIME
    };

    /// Whether the client tolerates a GOAWAY that refuses no request after any frame, whatever is active, and then closes
    /// the connection itself.
    pub fn is_any_time(&self) -> bool {
        let is_any_position = matches!(
            self.position,
            PositionTolerance::After | PositionTolerance::Any
        );
        is_any_position
            && *self
                == Self {
                    position: self.position,
                    ..Self::ANY_TIME_AND_CLOSES
                }
    }

    /// Returns what both `self` and `other` tolerate.
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
        // The GOAWAY is wrong for one of the clients, so it must not cross a request in transit.
        let least = if conflict {
            IdleTime::Silent
        } else {
            IdleTime::None
        };
        Self {
            last_stream_id,
            position,
            at_end: self.at_end.and(other.at_end).and(by_conflict),
            when_active: self.when_active.and(other.when_active),
            idle_time: self.idle_time.longer(other.idle_time).longer(least),
            idle_time_with_bodies: self
                .idle_time_with_bodies
                .longer(other.idle_time_with_bodies)
                .longer(least),
            closes: self.closes && other.closes,
        }
    }
}
