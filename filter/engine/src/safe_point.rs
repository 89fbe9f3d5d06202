//! Whether a drain point is a safe point.

use core::time::Duration;

use evenkeel_policy::{LastStreamId, Rule, WhenActive};
use evenkeel_wire::h2::{Conditions, IDLE_TIME};
use evenkeel_wire::{DrainPoint, Http2Client};

use crate::Instant;

/// How long a response must have taken for a client that loses an immediate one ([`Conditions::SLOW`]). Hyper loses no
/// response that took a millisecond; a loaded machine needs some more.
const SLOW: Duration = Duration::from_millis(5);

/// How long a connection must have been open for a client that gives up a request when it meets a second draining
/// connection ([`Conditions::SETTLED`]). OkHttp lost one request in tens of thousands where connections lived for some
/// milliseconds.
const SETTLED: Duration = Duration::from_secs(1);

/// How long a connection must have been idle whose client has not acknowledged the last response: without PINGs of the
/// proxy, it cannot.
const UNACKNOWLEDGED_IDLE_TIME: Duration = Duration::from_secs(5);

/// How long a connection waits for a safe point, where the rule has no `drain_timeout`. Then it counts as deferred. Long
/// enough for several PINGs, of which an idle connection needs two.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long a connection that rebalancing has selected waits for a safe point. Then another one is selected.
pub(crate) const SELECTION_WAIT: Duration = Duration::from_secs(10);

/// What a decision at a drain point depends on.
#[derive(Clone, Copy)]
pub(crate) struct SafePointCheck<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) now: Instant,
    /// When the connection opened.
    pub(crate) opened: Instant,
    /// Rebalancing has selected the connection.
    pub(crate) is_selected: bool,
    /// Since when the drain is pending.
    pub(crate) since: Instant,
    /// HTTP: when a stream last ended, or the client acknowledged its response, before this write.
    pub(crate) last_progress: Option<Instant>,
    /// HTTP/2: the client has acknowledged that it has all responses.
    pub(crate) has_responses: bool,
    /// HTTP: when the last request came, if it was timed.
    pub(crate) last_request: Option<Instant>,
    /// WebSocket: when the client last sent a part of a message.
    pub(crate) last_client_message: Instant,
    /// A gRPC stream has expired, and is to end after the drain signal.
    pub(crate) stream_expired: bool,
    /// Other requests are active beside such streams.
    pub(crate) others_active: bool,
}

/// What to do at a drain point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send the drain signal.
    Safe,
    /// Wait for a safe point.
    Wait,
    /// Wait, and count the connection: it has waited for longer than it should have to.
    Deferred,
}

impl SafePointCheck<'_> {
    pub(crate) fn verdict(&self, point: DrainPoint) -> Verdict {
        let Self { rule, .. } = *self;
        if self.is_safe(point) {
            return Verdict::Safe;
        }
        // Only the idle wait is missing.
        if !self.is_idle_wait_over() && self.tolerates_goaway_when_active(point) {
            return Verdict::Wait;
        }
        let (when_active, awaits_response) = match point {
            DrainPoint::Message {
                awaits_response, ..
            } => (rule.websocket.when_active, awaits_response),
            _ => (rule.http2.when_active, false),
        };
        let waited = self.waited();
        let is_timed_out = rule.drain_timeout.is_some_and(|timeout| waited >= timeout);
        if when_active == WhenActive::Drain && !awaits_response && is_timed_out {
            return Verdict::Safe;
        }
        // In every protocol and under every rule: a connection that is neither drained nor deferred shows nowhere.
        let keeps_stream = self.stream_expired && self.is_idle_wait_over();
        if keeps_stream || waited >= rule.drain_timeout.unwrap_or(MAX_WAIT) {
            Verdict::Deferred
        } else {
            Verdict::Wait
        }
    }

    fn is_safe(&self, point: DrainPoint) -> bool {
        match point {
            DrainPoint::ResponseHead | DrainPoint::Unread => true,
            DrainPoint::Idle {
                ends_stream: true,
                was_alone,
                client,
            } => self.meets(client.tolerance.at_end, was_alone, client),
            DrainPoint::Idle { client, .. } => {
                let needed = if client.has_bodies {
                    client.tolerance.idle_time_with_bodies
                } else {
                    client.tolerance.idle_time
                };
                // A response may stay in buffers for longer than the idle time. A client that reads it together with
                // the GOAWAY sends its next request before it handles the GOAWAY.
                needed.duration().is_some_and(|time| {
                    let acknowledged = self.has_responses && self.is_idle_for(time);
                    time.is_zero() || acknowledged || self.is_idle_for(UNACKNOWLEDGED_IDLE_TIME)
                })
            }
            DrainPoint::Active { client } => {
                // The operator wants an expired stream to end; what else is active must not end with it.
                let ends_only_expired = self.stream_expired
                    && (!self.others_active
                        || self.meets(client.tolerance.when_active, false, client));
                self.is_idle_wait_over()
                    && (ends_only_expired || self.tolerates_goaway_when_active(point))
            }
            // A client that sends messages sends the next one before it reads the Close frame.
            DrainPoint::Message { is_response, .. } => {
                let silence = self.now.since(self.last_client_message);
                !is_response && silence >= self.rule.websocket.idle_time
            }
        }
    }

    /// Streams are active, and client and rule tolerate a GOAWAY now. An exact one is not possible: to refuse what is in
    /// transit, the module stops forwarding the client's frames, and those of the active streams with them.
    fn tolerates_goaway_when_active(&self, point: DrainPoint) -> bool {
        let DrainPoint::Active { client } = point else {
            return false;
        };
        self.rule.http2.last_stream_id != LastStreamId::Exact
            && self.meets(client.tolerance.when_active, false, client)
    }

    /// All that `conditions` need is true.
    fn meets(&self, conditions: Conditions, was_alone: bool, client: Http2Client) -> bool {
        let is_slow = |at| self.now.since(at) >= SLOW;
        [
            (Conditions::SETTLED, self.now.since(self.opened) >= SETTLED),
            (Conditions::SLOW, self.last_request.is_some_and(is_slow)),
            (Conditions::SEQUENTIAL, !client.multiplexes),
            (
                Conditions::ALONE,
                !client.multiplexes || (was_alone && self.is_idle_for(IDLE_TIME)),
            ),
            (Conditions::NO_BODIES, !client.has_bodies),
            (Conditions::WAITED, self.is_half_waited()),
            (Conditions::NEVER, false),
        ]
        .into_iter()
        .all(|(condition, is_met)| is_met || !conditions.include(condition))
    }

    fn waited(&self) -> Duration {
        self.now.since(self.since)
    }

    /// Half of the time has passed after which the connection counts as deferred, or its selection is withdrawn: that leaves
    /// the other half for a response to end.
    fn is_half_waited(&self) -> bool {
        let limit = if self.is_selected {
            SELECTION_WAIT
        } else {
            MAX_WAIT
        };
        let max_wait = self.rule.drain_timeout.map_or(limit, |it| it.min(limit));
        self.waited().saturating_mul(2) >= max_wait
    }

    fn is_idle_wait_over(&self) -> bool {
        self.waited() >= self.rule.http2.idle_wait
    }

    /// For this long no stream has ended, and the client has not acknowledged a response.
    fn is_idle_for(&self, time: Duration) -> bool {
        let is_over = |at| self.now.since(at) >= time;
        self.last_progress.is_some_and(is_over)
    }
}
