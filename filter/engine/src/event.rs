//! The input of the engine, and what it decides.

use evenkeel_policy::Direction;

use evenkeel_wire::tcp::{PinReason, SessionState, TcpProtocol, UnsafeReason};

use crate::{ConnectionId, DrainReason, StreamId};

/// Where a connection came from: what is needed to find its rule in a changed policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The policy that it is under, in the caller's own numbering.
    pub policy: u32,
    /// The direction of the listener.
    pub direction: Direction,
    /// The listener's port; 0 until the connection is known to be TCP.
    pub port: u16,
}

/// What a connection that is not HTTP carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpTraffic {
    /// The protocol of a database or broker.
    Session(TcpProtocol),
    /// Raw TCP: the first bytes are those of no database or broker.
    Raw,
    /// Perhaps the protocol of a database or broker, which was not followed from the first byte.
    Unknown,
}

/// The state of a connection after a callback, as its scanner reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Requests since the connection opened.
    pub requests: u64,
    /// Requests in flight; HTTP/1 responses that are not read count only until they begin.
    pub active: u32,
    /// Bytes in this callback.
    pub bytes: u64,
    /// Bytes of complete responses (TCP, WebSocket: all bytes) that were written to the client and that it is not known
    /// to have read. A few are in the kernel, which delivers them after a close; more may still be in Envoy's buffers,
    /// where a close destroys them. [`u64::MAX`] where not even a few may be left: HTTP/2 clients send frames while they
    /// read, and a closed socket responds to them with a reset.
    pub undelivered: u64,
    /// WebSocket: the client sent a part of a message.
    pub has_message: bool,
    /// Databases and brokers: whether a close would lose something.
    pub session: Option<SessionState>,
}

/// Why a drain is deferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeferReason {
    /// HTTP/2, WebSocket: the client tolerates no drain signal at the points that there were.
    NoSafePoint,
    /// TCP: nothing is in flight, but the connection was never idle for long enough.
    NotIdle,
    /// Databases and brokers: this is in flight.
    InFlight(UnsafeReason),
}

impl DeferReason {
    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let in_flight = UnsafeReason::ALL.into_iter().map(Self::InFlight);
        [Self::NoSafePoint, Self::NotIdle]
            .into_iter()
            .chain(in_flight)
    }

    /// A short, stable name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSafePoint => "no_safe_point",
            Self::NotIdle => "not_idle",
            Self::InFlight(reason) => reason.name(),
        }
    }
}

/// What to do with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Forward it unchanged.
    PassThrough,
    /// Insert the drain signal.
    Drain(DrainReason),
    /// HTTP/1: insert the drain signal once more, in the response to a further request. This is not a new drain.
    RepeatSignal,
    /// HTTP/2: insert a second GOAWAY, because the client ignores the first one. None of its later requests is served.
    RefuseRequests,
}

/// What has happened, or is to be done apart from a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A connection has expired or was selected.
    DrainPending(ConnectionId, DrainReason),
    /// The budget did not allow a drain. Reported once for each drain.
    BudgetExhausted(ConnectionId),
    /// A connection has found no safe point within its drain timeout. Reported once for each drain.
    Deferred(ConnectionId, DeferReason),
    /// The server keeps state for a connection to a database or broker, so that it is not drained. Reported once for
    /// each drain, after its drain timeout.
    Pinned(ConnectionId, PinReason),
    /// A changed policy has a rule for a protocol, and the connection was not scanned by it from its first byte. It is
    /// not drained.
    OpenedBeforeRule(ConnectionId),
    /// The client goes on as if it had not been sent the drain signal. Reported once for each connection.
    SignalIgnored(ConnectionId, DrainReason),
    /// Dry run: the connection would have been sent a drain signal, or closed without one.
    DryRunDrain(ConnectionId, DrainReason),
    /// An idle WebSocket is closed without a Close frame. Its [`Effect::Close`] follows.
    ClosedWithoutNotice(ConnectionId, DrainReason),
    /// End a gRPC stream that has expired, after the drain signal of its connection. One for each connection in a tick.
    EndStream {
        /// The connection.
        id: ConnectionId,
        /// The stream.
        stream: StreamId,
        /// The head of its response was sent.
        response_started: bool,
    },
    /// Close a connection.
    Close {
        /// The connection.
        id: ConnectionId,
        /// Why it was drained.
        reason: DrainReason,
        /// The requests that this aborts (TCP: 1 if it was not idle).
        aborted: u32,
    },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// It was not drained here.
    NotDrained,
    /// After its drain signal, by the client or by the proxy.
    AfterSignal(DrainReason),
    /// By [`Effect::Close`].
    ClosedByEngine(DrainReason),
}
