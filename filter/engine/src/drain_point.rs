//! Whether this is a good moment to say goodbye.

use core::time::Duration;

use evenkeel_policy::{LastStreamId, Rule, WhenActive};
use evenkeel_wire::h2::{Conditions, IDLE_TIME, Treatment};

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

/// What is known of an HTTP/2 client at some point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Client {
    /// How it is drained.
    pub treatment: Treatment,
    /// It has had two streams open at once on the connection.
    pub multiplexes: bool,
    /// It has sent a request with a body on the connection.
    pub has_bodies: bool,
}

/// A place in a write to the client where an announcement would be understood, and what is known of the
/// client's side at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainPoint {
    /// The head of the answer to an HTTP/1 request that came alone.
    ResponseHead,
    /// No stream is active on an HTTP/2 connection.
    Idle {
        /// The write in hand ended the last one.
        ends_stream: bool,
        /// No other stream was open while that one was.
        was_alone: bool,
        /// The client.
        client: Http2Client,
    },
    /// A boundary between two frames while streams are open.
    Active {
        /// The client.
        client: Http2Client,
    },
    /// The end of a write to a WebSocket's client, where no message is open on either side.
    Message {
        /// The write answers a message: the client will go on with the next.
        is_response: bool,
        /// The client has spoken last, and may be waiting for an answer.
        awaits_response: bool,
    },
}

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

impl DrainPoint {
    pub(crate) fn judge(self, rule: &Rule, wait: &Wait, now: Instant) -> Verdict {
        if self.is_safe(rule, wait, now) {
            return Verdict::Safe;
        }
        let waited = now.since(wait.since);
        if self.is_safe_when_active(rule, wait, now) && waited < rule.http2.idle_wait {
            return Verdict::Wait;
        }
        let awaits_response = matches!(
            self,
            Self::Message {
                awaits_response: true,
                ..
            }
        );
        let when_active = match self {
            Self::Message { .. } => rule.websocket.when_active,
            Self::ResponseHead | Self::Idle { .. } | Self::Active { .. } => rule.http2.when_active,
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
        let is_stream_kept = wait.stream_over && waited >= rule.http2.idle_wait;
        if is_stream_kept || waited >= rule.drain_timeout.unwrap_or(PATIENCE) {
            Verdict::Deferred
        } else {
            Verdict::Wait
        }
    }

    fn is_safe(self, rule: &Rule, wait: &Wait, now: Instant) -> bool {
        let waited = now.since(wait.since);
        match self {
            Self::ResponseHead => true,
            Self::Idle {
                ends_stream,
                was_alone,
                client,
            } => wait.is_safe(rule, ends_stream, was_alone, client, now),
            // The operator wants this stream to end; what else is open must not end with it.
            Self::Active { client }
                if wait.stream_over
                    && waited >= rule.http2.idle_wait
                    && (!wait.others_open
                        || wait.meets(client.treatment.when_active, rule, false, client, now)) =>
            {
                true
            }
            Self::Active { .. } => {
                waited >= rule.http2.idle_wait && self.is_safe_when_active(rule, wait, now)
            }
            // A client that is talking sends its next message before it reads the Close.
            Self::Message { is_response, .. } => {
                !is_response && now.since(wait.spoken) >= rule.websocket.idle_time
            }
        }
    }

    /// Streams are open, and the client and the rule tolerate a GOAWAY now. An exact one they do not: it refuses
    /// what is in transit, and nothing of the open streams would pass any more.
    fn is_safe_when_active(self, rule: &Rule, wait: &Wait, now: Instant) -> bool {
        let Self::Active { client } = self else {
            return false;
        };
        rule.http2.last_stream_id != LastStreamId::Exact
            && wait.meets(client.treatment.when_active, rule, false, client, now)
    }
}

impl Wait {
    /// Nothing is active, and the client tolerates a GOAWAY now.
    fn is_safe(
        &self,
        rule: &Rule,
        ends_stream: bool,
        was_alone: bool,
        client: Http2Client,
        now: Instant,
    ) -> bool {
        if ends_stream {
            self.meets(client.treatment.at_end, rule, was_alone, client, now)
        } else {
            let idle_time = if client.has_bodies {
                client.treatment.idle_time_with_bodies
            } else {
                client.treatment.idle_time
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
