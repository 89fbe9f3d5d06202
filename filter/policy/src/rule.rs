//! One rule, complete: what it did not say has been filled in.
use crate::declare::words;
use core::num::NonZeroU64;
use core::time::Duration;
use std::rc::Rc;

/// When the connections that a rule decides about are moved, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name of the route or the connection rule, or `defaults`; for metrics and logs. A route may have that name,
    /// too: only with its `scope` does it identify the rule.
    pub name: Rc<str>,
    /// Which part of the policy the rule comes from.
    pub scope: Scope,
    /// A connection is due at an age drawn from `max_age * (1 - jitter) ..= max_age`.
    pub max_age: Option<Duration>,
    /// A connection is due by chance, at this age on average, however old it is already.
    pub mean_age: Option<Duration>,
    /// A connection is due after a number of requests drawn from
    /// `max_requests * (1 - jitter) ..= max_requests`. None for raw TCP.
    pub max_requests: Option<NonZeroU64>,
    /// How far limits are spread, downwards.
    pub jitter: Jitter,
    /// No connection is due before this age; at most `max_age`.
    pub min_age: Duration,
    /// How long a quiet moment is waited for before an announcement is made at a busy one.
    pub quiet_wait: Duration,
    /// How long after the announcement a connection is closed even if it owes answers; None: never.
    pub grace: Option<Duration>,
    /// How long after the last answer the client is given to close by itself.
    pub linger: Duration,
    /// Which last-stream-id a GOAWAY carries.
    pub goaway: Goaway,
    /// What is done about a client that can be told without loss only at a quiet moment, when none comes.
    pub busy: Busy,
    /// What a WebSocket is told when its time is up; off: it is left alone.
    pub websocket: WebSocket,
    /// A WebSocket that is due and cannot be told, because its server says nothing, is closed when both
    /// sides have been silent for so long; None: never.
    pub idle_wait: Option<Duration>,
    /// A gRPC stream ends at an age drawn from `max_stream_age * (1 - jitter) ..= max_stream_age`, once
    /// its connection's end is announced; None: never.
    pub max_stream_age: Option<Duration>,
    /// While a request under this rule is open, no other rule moves its connection.
    pub protect: bool,
}

/// The rule of `{"version": 1}`.
impl Default for Rule {
    fn default() -> Self {
        Self {
            name: "defaults".into(),
            scope: Scope::Defaults,
            max_age: Some(Duration::from_secs(30 * 60)),
            mean_age: None,
            max_requests: None,
            jitter: Jitter::default(),
            min_age: Duration::ZERO,
            quiet_wait: Duration::from_secs(2),
            grace: None,
            linger: Duration::from_secs(1),
            goaway: Goaway::Auto,
            busy: Busy::Wait,
            websocket: WebSocket::Off,
            idle_wait: None,
            max_stream_age: None,
            protect: false,
        }
    }
}

/// Which part of a policy a rule comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// `defaults`.
    #[default]
    Defaults,
    /// One of the `routes`.
    Route,
    /// One of the `connections`.
    Connection,
}

/// How far a limit is spread, as a part of it: from 0 (not at all) to 1 (down to nothing).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// None outside `0.0..=1.0`.
    pub fn new(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then_some(Self(part))
    }

    /// The part, in `0.0..=1.0`.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// One fifth.
impl Default for Jitter {
    fn default() -> Self {
        Self(0.2)
    }
}

words! {
    /// Which last-stream-id a GOAWAY carries (RFC 9113 6.8).
    pub enum Goaway: r#"allowed are "auto", "exact" and "max""# {
        /// What the client that is recognised by its first frames takes best.
        Auto = "auto",
        /// The highest stream accepted: what is on its way is refused and sent again elsewhere. It needs an idle
        /// connection; one that always has a request open is deferred, and counted.
        Exact = "exact",
        /// The highest there can be: what is on its way is still served.
        Max = "max",
    }
    default Auto
}

words! {
    /// What is done when no moment comes at which a client bears to be told: an HTTP/2 client that does so
    /// only while nothing is open, a WebSocket on which the client is never silent.
    pub enum Busy: r#"allowed are "wait" and "announce""# {
        /// The announcement is put off, and counted.
        Wait = "wait",
        /// The announcement is made at a busy moment after all; such a client may fail requests.
        Announce = "announce",
    }
    default Wait
}

words! {
    /// What a WebSocket is told when its time is up: the status of a Close frame (RFC 6455 7.4.1).
    pub enum WebSocket: r#"allowed are "off", "going_away" and "service_restart""# {
        /// Nothing: WebSockets are left alone, whatever their age.
        Off = "off",
        /// 1001: the server is going away.
        GoingAway = "going_away",
        /// 1012: the server restarts, and the client may reconnect.
        ServiceRestart = "service_restart",
    }
    default Off
}
