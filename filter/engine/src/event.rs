//! What the engine is told, and what it answers.

use evenkeel_policy::Direction;

use crate::{ConnectionId, DrainReason, StreamId};

/// Where a connection came in: what a changed policy needs to find its new rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which of the worker's policies governs it; the caller's own numbering.
    pub policy: u32,
    /// Of the listener.
    pub direction: Direction,
    /// The listener's port, once it matters: 0 before the connection is known to be TCP.
    pub port: u16,
}

/// What the scanner says of a connection after a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Requests since it opened.
    pub requests: u64,
    /// Requests that are owed something.
    pub active: u32,
    /// Bytes in this callback.
    pub bytes: u64,
    /// Bytes of complete responses (TCP, WebSocket: all bytes) written to the client that it is not known to
    /// have read. Few are in the kernel, which delivers them after a close; more may still be in Envoy's
    /// buffers, where a close destroys them. [`u64::MAX`] where even few must not be left behind: HTTP/2,
    /// whose clients send frames while they read, to which a closed socket responds with a reset.
    pub undelivered: u64,
}

/// What to do with the write in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Pass it on as it is.
    PassThrough,
    /// Announce the end of the connection in it.
    Drain(DrainReason),
    /// Announce it once more: the client went on after the first time. Not a new move.
    RepeatSignal,
    /// HTTP/2: announce it once more, to a client that ignores the first GOAWAY. Nothing that it sends after
    /// is served.
    RefuseRequests,
}

/// What happened, or is to be done, beside the write in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A limit was reached.
    DrainPending(ConnectionId, DrainReason),
    /// The budget refused a connection's move; told once a move.
    BudgetExhausted(ConnectionId),
    /// A connection's drain timeout is over and no moment was good; told once a move.
    Deferred(ConnectionId),
    /// The client goes on as if it had not been sent the drain signal; told once a connection.
    SignalIgnored(ConnectionId, DrainReason),
    /// Observe mode: this would have been announced (or, without a word, closed) now.
    DryRunDrain(ConnectionId, DrainReason),
    /// A WebSocket is closed without having been told, because nothing was said on it. Its
    /// [`Effect::Close`] follows.
    ClosedWithoutNotice(ConnectionId, DrainReason),
    /// ConnectionEnd a gRPC stream: its age is up, and the end of its connection has been announced. One of a
    /// connection in a tick.
    EndStream {
        /// Whose.
        id: ConnectionId,
        /// Which.
        stream: StreamId,
        /// Its answer has begun.
        response_started: bool,
    },
    /// Close it. `cut` requests (TCP: 1 if it was not silent) are lost by it.
    Close {
        /// Which.
        id: ConnectionId,
        /// Why it was moved.
        reason: DrainReason,
        /// How many requests were active.
        aborted: u32,
    },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// Nobody had asked it to.
    NotDrained,
    /// After its announcement, by the client or by the proxy's own means.
    AfterSignal(DrainReason),
    /// By [`Effect::Close`].
    ClosedByEngine(DrainReason),
}
