//! What a client has shown since it was sent a drain signal: that it has the responses, or that it goes on
//! all the same.

use core::time::Duration;

use crate::Instant;

/// So many bytes fit into the kernel's send buffer at once (Linux starts with 16 KiB and more, `tcp_wmem`):
/// they are out of Envoy's hands, and a close leaves the kernel to deliver them.
const IN_KERNEL: u64 = 16 * 1024;

/// How long a client may make no progress before its connection is closed without evidence. It is Envoy's own
/// limit for a client that does not read (`stream_idle_timeout`).
pub(crate) const DELIVERY_LIMIT: Duration = Duration::from_secs(300);

/// A request so long after the drain signal was not on its way when the signal came.
const IN_TRANSIT: Duration = Duration::from_secs(5);

/// HTTP/1: so many requests after a complete response with the drain signal show that it is ignored. The
/// first may have been sent before the response was read.
const LATE_REQUESTS: u8 = 2;

/// How a client was sent a drain signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Not at all, or with a WebSocket's Close, which ends every message.
    #[default]
    None,
    /// HTTP/1: `connection: close`, in every response since.
    Close,
    /// HTTP/2: a GOAWAY.
    Goaway,
    /// HTTP/2: a second GOAWAY, behind which nothing of the client is served.
    Refusal,
}

#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// See [`Activity::undelivered`](crate::Activity::undelivered).
    undelivered: u64,
    signal: Signal,
    /// HTTP/2: since the signal the client has acknowledged everything that was written before it.
    acknowledged: bool,
    /// HTTP/1: requests that came after a complete response with the signal.
    late: u8,
    ignores: bool,
}

impl Evidence {
    /// Takes what the scanner knows. True when that changes whether the connection may be closed.
    pub(crate) fn update(&mut self, undelivered: u64) -> bool {
        let before = self.is_delivered();
        self.undelivered = undelivered;
        before != self.is_delivered()
    }

    /// What was written has left Envoy, or the client is known to have it.
    pub(crate) fn is_delivered(&self) -> bool {
        self.undelivered <= IN_KERNEL
    }

    pub(crate) fn signalled(&mut self, signal: Signal) {
        self.signal = signal;
        // A PING goes with every GOAWAY: until it is acknowledged, the client may not have read the GOAWAY.
        if let Signal::Goaway | Signal::Refusal = signal {
            self.undelivered = u64::MAX;
        }
    }

    /// The client has sent something since the signal.
    pub(crate) fn heard(&mut self) {
        self.acknowledged |= self.signal != Signal::None && self.undelivered == 0;
    }

    /// The client has begun a request, `since` the signal; `was_idle` when nothing was open before. True when
    /// it thereby shows, for the first time, that it ignores the signal.
    pub(crate) fn request_started(&mut self, was_idle: bool, since: Duration) -> bool {
        match self.signal {
            Signal::Close if was_idle => self.late = self.late.saturating_add(1),
            Signal::Close | Signal::None | Signal::Refusal => {}
            Signal::Goaway => {
                let is_late = self.acknowledged && since >= IN_TRANSIT;
                return is_late && !core::mem::replace(&mut self.ignores, true);
            }
        }
        self.late >= LATE_REQUESTS && !core::mem::replace(&mut self.ignores, true)
    }

    /// The client goes on as if it had not been told.
    pub(crate) fn ignores_signal(&self) -> bool {
        self.ignores
    }

    /// The client is to be told by a GOAWAY that nothing more is served.
    pub(crate) fn needs_refusal(&self) -> bool {
        self.ignores && self.signal == Signal::Goaway
    }

    /// HTTP/1: once nothing is open and the client has the responses, no further request is served.
    pub(crate) fn refuses_requests(&self) -> bool {
        self.ignores && self.signal == Signal::Close
    }

    /// When a connection that is to be closed at `at` may be: not before the client has what was written, but
    /// at the latest [`DELIVERY_LIMIT`] after `progress`.
    pub(crate) fn closes_at(&self, at: Instant, progress: Instant) -> Instant {
        if self.is_delivered() {
            at
        } else {
            at.max(progress.after(DELIVERY_LIMIT))
        }
    }
}
