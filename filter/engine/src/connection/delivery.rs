//! What has reached a client, and how it reacts to a drain signal.

use core::time::Duration;

use crate::{DrainPoint, Instant};

/// The bytes that certainly fit into the kernel's send buffer (Linux starts with at least 16 KiB, `tcp_wmem`): they
/// are out of Envoy's hands, and a close leaves the kernel to deliver them.
const IN_KERNEL: u64 = 16 * 1024;

/// How long a client may make no progress before its connection is closed although bytes may be undelivered. It is
/// Envoy's own limit for a client that does not read (`stream_idle_timeout`).
const DELIVERY_LIMIT: Duration = Duration::from_secs(300);

/// A request that starts this long after the drain signal was not in transit when the signal was sent.
const IN_TRANSIT: Duration = Duration::from_secs(5);

/// HTTP/1: this many requests after a complete response with the drain signal show that the client ignores it. The
/// first may have been sent before the client read the response.
const LATE_REQUESTS: u8 = 2;

/// The last activity on a connection, and whether the client has what was written.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(super) last_activity: Instant,
    /// The client sent the last bytes, and may await a response.
    pub(super) awaits_response: bool,
    /// What was written has left Envoy, or the client is known to have it: at most [`IN_KERNEL`] bytes are
    /// [undelivered](crate::Activity::undelivered).
    pub(super) is_complete: bool,
    /// The client has acknowledged everything that was written.
    pub(super) is_acknowledged: bool,
}

impl Delivery {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_activity: now,
            awaits_response: false,
            is_complete: true,
            is_acknowledged: true,
        }
    }

    /// Records bytes in one direction. True when that changes whether the connection may be closed.
    pub(super) fn record(&mut self, from_client: bool, undelivered: u64, now: Instant) -> bool {
        self.last_activity = now;
        self.awaits_response = from_client;
        self.is_acknowledged = undelivered == 0;
        let before = self.is_complete;
        self.is_complete = undelivered <= IN_KERNEL;
        before != self.is_complete
    }

    /// A GOAWAY goes out, and a PING with it: until the client acknowledges the PING, it may not have read the GOAWAY.
    pub(super) fn expect_acknowledgement(&mut self) {
        self.is_complete = false;
        self.is_acknowledged = false;
    }

    /// When a connection that is to be closed at `at` may be: not before the client has what was written, but at the
    /// latest [`DELIVERY_LIMIT`] after `progress`.
    pub(super) fn earliest_close(&self, at: Instant, progress: Instant) -> Instant {
        if self.is_complete {
            at
        } else {
            at.max(progress.after(DELIVERY_LIMIT))
        }
    }
}

/// The drain signal that a client was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentSignal {
    /// HTTP/1: `connection: close`, in every response since.
    ConnectionClose,
    /// HTTP/2: a GOAWAY.
    Goaway,
    /// HTTP/2: a second GOAWAY, after which no request of the client is served.
    FinalGoaway,
    /// WebSocket: a Close frame, after which there are no messages.
    CloseFrame,
}

impl SentSignal {
    /// The signal that fits at a drain point.
    pub(super) fn at(point: DrainPoint) -> Self {
        match point {
            DrainPoint::ResponseHead => Self::ConnectionClose,
            DrainPoint::Idle { .. } | DrainPoint::Active { .. } | DrainPoint::Unread => {
                Self::Goaway
            }
            DrainPoint::Message { .. } => Self::CloseFrame,
        }
    }
}

/// How a client has reacted to its drain signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reaction {
    signal: SentSignal,
    /// HTTP/2: since the signal the client has acknowledged everything that was written before it.
    acknowledged: bool,
    /// HTTP/1: requests that started after a complete response with the signal.
    late_requests: u8,
    ignores: bool,
}

impl Reaction {
    pub(super) fn new(signal: SentSignal) -> Self {
        Self {
            signal,
            acknowledged: false,
            late_requests: 0,
            ignores: false,
        }
    }

    /// The client has sent bytes since the signal.
    pub(super) fn record_read(&mut self, delivery: &Delivery) {
        self.acknowledged |= delivery.is_acknowledged;
    }

    /// The client has started a request, `since` the signal; `was_idle` when no other was active. True when this
    /// shows, for the first time, that the client ignores the signal.
    pub(super) fn record_request(&mut self, was_idle: bool, since: Duration) -> bool {
        let ignores = match self.signal {
            SentSignal::ConnectionClose => {
                let late = self.late_requests.saturating_add(u8::from(was_idle));
                self.late_requests = late;
                late >= LATE_REQUESTS
            }
            SentSignal::Goaway => self.acknowledged && since >= IN_TRANSIT,
            SentSignal::FinalGoaway | SentSignal::CloseFrame => false,
        };
        ignores && !core::mem::replace(&mut self.ignores, true)
    }

    /// The client goes on as if it had not been sent the signal.
    pub(super) fn ignores_signal(&self) -> bool {
        self.ignores
    }

    /// Replaces the GOAWAY that the client ignores by one after which no request is served.
    pub(super) fn escalate(&mut self) {
        self.signal = SentSignal::FinalGoaway;
    }

    /// The client ignores a GOAWAY, and has not been sent the second one.
    pub(super) fn may_escalate(&self) -> bool {
        self.ignores && self.signal == SentSignal::Goaway
    }

    /// HTTP/1: once no request is active and the client has the responses, no further request is served.
    pub(super) fn refuses_requests(&self) -> bool {
        self.ignores && self.signal == SentSignal::ConnectionClose
    }
}
