//! Whether this is a good moment to say goodbye.

use core::time::Duration;

use evenkeel_policy::{LastStreamId, Rule, WhenActive};
use evenkeel_wire::h2::{Conditions, IDLE_TIME};
use evenkeel_wire::{DrainPoint, Http2Client};

use crate::Instant;

/// How long a response must have taken for a client that loses one that comes at once. Hyper loses none
/// that took a millisecond; a busy machine gets some more.
const SLOW: Duration = Duration::from_millis(5);

/// How long a connection must have been open for a client that gives a request up when it meets a second
/// connection that has been told. OkHttp lost one in tens of thousands where connections lived for some
/// milliseconds.
const SETTLED: Duration = Duration::from_secs(1);

/// How long a connection waits for a point that is safe for its client, where the rule has no shorter drain timeout.
/// Then a client that is not recognised is drained at the end of a response, and what has no safe point is
/// counted as deferred. Long enough for several PINGs, of which an idle connection needs one.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of a connection that waits for its moment.
pub(crate) struct Wait {
    /// When the connection opened.
    pub(crate) opened: Instant,
    /// When it became due.
    pub(crate) since: Instant,
    /// When a stream last ended, before the write in hand.
    pub(crate) answered: Option<Instant>,
    /// When the last request came, if it was timed.
    pub(crate) requested: Option<Instant>,
    /// WebSocket: when the client last sent a part of a message.
    pub(crate) spoken: Instant,
    /// The age of a gRPC stream is up, which is to end once the announcement is made.
    pub(crate) stream_over: bool,
    /// Other requests are open beside such streams.
    pub(crate) others_open: bool,
}

/// Whether to announce now, wait for a better moment, or wait past the rule's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Safe,
    Wait,
    /// The patience is over and the moment is still one that would lose requests.
    Deferred,
}

impl Wait {
    /// Whether to send the drain signal at `point`.
    pub(crate) fn judge(&self, point: DrainPoint, rule: &Rule, now: Instant) -> Verdict {
        if self.is_safe(point, rule, now) {
            return Verdict::Safe;
        }
        let waited = now.since(self.since);
        if self.is_safe_when_active(point, rule, now) && waited < rule.http2.idle_wait {
            return Verdict::Wait;
        }
        let (when_active, awaits_response) = match point {
            DrainPoint::Message {
                awaits_response, ..
            } => (rule.websocket.when_active, awaits_response),
            DrainPoint::ResponseHead | DrainPoint::Idle { .. } | DrainPoint::Active { .. } => {
                (rule.http2.when_active, false)
            }
        };
        if when_active == WhenActive::Drain
            && !awaits_response
            && rule
                .drain_timeout
                .is_some_and(|drain_timeout| waited >= drain_timeout)
        {
            return Verdict::Safe;
        }
        // Whatever the protocol and the rule: what is neither drained nor deferred would not show anywhere.
        let is_stream_kept = self.stream_over && waited >= rule.http2.idle_wait;
        if is_stream_kept || waited >= rule.drain_timeout.unwrap_or(PATIENCE) {
            Verdict::Deferred
        } else {
            Verdict::Wait
        }
    }

    fn is_safe(&self, point: DrainPoint, rule: &Rule, now: Instant) -> bool {
        let waited = now.since(self.since);
        match point {
            DrainPoint::ResponseHead => true,
            DrainPoint::Idle {
                ends_stream,
                was_alone,
                client,
            } => self.is_safe_when_idle(rule, ends_stream, was_alone, client, now),
            // The operator wants this stream to end; the other active streams must not end with it.
            DrainPoint::Active { client }
                if self.stream_over
                    && waited >= rule.http2.idle_wait
                    && (!self.others_open
                        || self.meets(client.tolerance.when_active, rule, false, client, now)) =>
            {
                true
            }
            DrainPoint::Active { .. } => {
                waited >= rule.http2.idle_wait && self.is_safe_when_active(point, rule, now)
            }
            // A client in a conversation sends its next message before it reads the Close.
            DrainPoint::Message { is_response, .. } => {
                !is_response && now.since(self.spoken) >= rule.websocket.idle_time
            }
        }
    }

    /// Whether streams are active, and client and rule tolerate a GOAWAY now. They never tolerate one with an exact
    /// last-stream-id: it refuses what is in transit, and nothing of the active streams would be forwarded.
    fn is_safe_when_active(&self, point: DrainPoint, rule: &Rule, now: Instant) -> bool {
        let DrainPoint::Active { client } = point else {
            return false;
        };
        rule.http2.last_stream_id != LastStreamId::Exact
            && self.meets(client.tolerance.when_active, rule, false, client, now)
    }

    /// Whether no stream is active, and the client tolerates a GOAWAY now.
    fn is_safe_when_idle(
        &self,
        rule: &Rule,
        ends_stream: bool,
        was_alone: bool,
        client: Http2Client,
        now: Instant,
    ) -> bool {
        if ends_stream {
            self.meets(client.tolerance.at_end, rule, was_alone, client, now)
        } else {
            let idle_time = if client.has_bodies {
                client.tolerance.idle_time_with_bodies
            } else {
                client.tolerance.idle_time
            };
            idle_time.is_some_and(|time| time.is_zero() || self.is_idle(time, now))
        }
    }

    /// All that `conditions` need is true.
    fn meets(
        &self,
        conditions: Conditions,
        rule: &Rule,
        was_alone: bool,
        client: Http2Client,
        now: Instant,
    ) -> bool {
        let patience = rule
            .drain_timeout
            .map_or(PATIENCE, |drain_timeout| drain_timeout.min(PATIENCE));
        let is_slow = self.requested.is_some_and(|at| now.since(at) >= SLOW);
        [
            (Conditions::SETTLED, now.since(self.opened) >= SETTLED),
            (Conditions::SLOW, is_slow),
            (Conditions::SEQUENTIAL, !client.multiplexes),
            (
                Conditions::ALONE,
                !client.multiplexes || (was_alone && self.is_idle(IDLE_TIME, now)),
            ),
            (Conditions::NO_BODIES, !client.has_bodies),
            (Conditions::PATIENCE_OVER, now.since(self.since) >= patience),
            (Conditions::NEVER, false),
        ]
        .into_iter()
        .all(|(condition, is_met)| is_met || !conditions.include(condition))
    }

    /// No stream has ended for so long.
    fn is_idle(&self, time: Duration, now: Instant) -> bool {
        self.answered.is_some_and(|at| now.since(at) >= time)
    }
}
