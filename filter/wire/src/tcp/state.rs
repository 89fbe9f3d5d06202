//! What closing a connection would cost its client.

use crate::BypassReason;

/// Whether a connection can be closed so that its client loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Nothing is in flight. What crosses the close is sent again after a reconnect, unless the protocol delivers it at
    /// most once (NATS, MQTT with QoS 0).
    Safe,
    /// Nothing is in flight, but the client may be about to continue: a pool validates a connection, or resets
    /// it, and sends the statement right after the response. Safe once no byte has passed for an idle time.
    SafeWhenIdle,
    /// Something is in flight. It ends by itself.
    Unsafe(UnsafeReason),
    /// Nothing is in flight, but the server keeps state for this connection on which the client may rely. It
    /// can last as long as the connection.
    Pinned(PinReason),
    /// Not understood: the connection is not followed any further.
    Bypassed(BypassReason),
}

/// What is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnsafeReason {
    /// The connection is not established: startup, authentication, capabilities.
    Handshake,
    /// A message of either peer has begun, and its last byte has not been seen.
    Message,
    /// The server has not sent all responses.
    Response,
    /// A transaction is open.
    Transaction,
    /// A bulk transfer is in progress: `COPY`, `LOAD DATA LOCAL INFILE`.
    Copy,
    /// A cursor or portal is open.
    Cursor,
    /// A stream of changes is sent to a replica.
    Replication,
    /// A message that was published is not confirmed by the server.
    Publish,
    /// A message that was delivered is not acknowledged by the client.
    Delivery,
    /// A PING is not followed by its PONG.
    Ping,
    /// A side has sent the message that ends the connection.
    Closing,
}

/// The state on the server that would be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PinReason {
    /// `LISTEN`, `SUBSCRIBE`, or a subscription of an MQTT client without a persistent session: messages are
    /// lost until the client subscribes again.
    Subscription,
    /// An advisory lock: `pg_advisory_lock`, `GET_LOCK`.
    AdvisoryLock,
    /// `LOCK TABLES`, `FLUSH TABLES WITH READ LOCK`.
    TableLock,
    /// A temporary table.
    TemporaryTable,
    /// A statement that was prepared in SQL.
    PreparedStatement,
    /// A cursor that outlives its transaction: `DECLARE .. WITH HOLD`, `HANDLER .. OPEN`.
    HeldCursor,
    /// A setting or user variable that was set after the connection was set up.
    SessionSetting,
    /// Keys that are watched for an optimistic transaction.
    Watch,
    /// `MONITOR`.
    Monitor,
    /// `CLIENT TRACKING`.
    Tracking,
    /// `CLIENT REPLY OFF`: nothing shows whether commands were executed.
    ReplyOff,
    /// A publisher without confirms: nothing shows whether messages were received.
    NoConfirms,
    /// A consumer without acknowledgements: what is sent to it is lost with the connection.
    NoAcknowledgements,
    /// An exclusive queue, or one with auto-delete that the client consumes: it is deleted with the connection.
    ExclusiveQueue,
}

impl UnsafeReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Handshake,
        Self::Message,
        Self::Response,
        Self::Transaction,
        Self::Copy,
        Self::Cursor,
        Self::Replication,
        Self::Publish,
        Self::Delivery,
        Self::Ping,
        Self::Closing,
    ];

    /// A short, stable name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Message => "message",
            Self::Response => "response",
            Self::Transaction => "transaction",
            Self::Copy => "copy",
            Self::Cursor => "cursor",
            Self::Replication => "replication",
            Self::Publish => "publish",
            Self::Delivery => "delivery",
            Self::Ping => "ping",
            Self::Closing => "closing",
        }
    }
}

impl PinReason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Subscription,
        Self::AdvisoryLock,
        Self::TableLock,
        Self::TemporaryTable,
        Self::PreparedStatement,
        Self::HeldCursor,
        Self::SessionSetting,
        Self::Watch,
        Self::Monitor,
        Self::Tracking,
        Self::ReplyOff,
        Self::NoConfirms,
        Self::NoAcknowledgements,
        Self::ExclusiveQueue,
    ];

    /// A short, stable name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::AdvisoryLock => "advisory_lock",
            Self::TableLock => "table_lock",
            Self::TemporaryTable => "temporary_table",
            Self::PreparedStatement => "prepared_statement",
            Self::HeldCursor => "held_cursor",
            Self::SessionSetting => "session_setting",
            Self::Watch => "watch",
            Self::Monitor => "monitor",
            Self::Tracking => "tracking",
            Self::ReplyOff => "reply_off",
            Self::NoConfirms => "no_confirms",
            Self::NoAcknowledgements => "no_acknowledgements",
            Self::ExclusiveQueue => "exclusive_queue",
        }
    }
}

/// The set of reasons for which a session is pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pins(u16);

impl Pins {
    pub(super) fn insert(&mut self, reason: PinReason) {
        self.0 |= Self::bit(reason);
    }

    pub(super) fn remove(&mut self, reason: PinReason) {
        self.0 &= !Self::bit(reason);
    }

    pub(super) fn clear(&mut self) {
        self.0 = 0;
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(super) fn subtract(&mut self, others: Self) {
        self.0 &= !others.0;
    }

    pub(super) fn contains(self, reason: PinReason) -> bool {
        self.0 & Self::bit(reason) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The state of a session in which nothing is in flight: pinned for the first reason there is.
    pub(super) fn state_or(self, state: SessionState) -> SessionState {
        PinReason::ALL
            .into_iter()
            .find(|reason| self.contains(*reason))
            .map_or(state, SessionState::Pinned)
    }

    const fn bit(reason: PinReason) -> u16 {
        1_u16.unbounded_shl(reason as u32)
    }
}
