//! A complete rule, with all defaults filled in.
use crate::declare::words;
use core::num::NonZeroU64;
use core::time::Duration;
use std::rc::Rc;

/// When the connections of a rule are drained, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name of the route or TCP rule, or `defaults`; for metrics and logs. A route may have that name, too: only
    /// together with `scope` does it identify the rule.
    pub name: Rc<str>,
    /// Which part of the policy the rule comes from.
    pub scope: Scope,
    /// A connection expires at an age drawn from `max_connection_age * (1 - jitter) ..= max_connection_age`.
    pub max_connection_age: Option<Duration>,
    /// A connection expires at a random time, at this age on average, independent of its age.
    pub mean_connection_age: Option<Duration>,
    /// A connection expires after a number of requests drawn from
    /// `max_requests_per_connection * (1 - jitter) ..= max_requests_per_connection`. None for raw TCP.
    pub max_requests_per_connection: Option<NonZeroU64>,
    /// How far limits are spread, downwards.
    pub jitter: Jitter,
    /// No connection expires before this age; at most `max_connection_age`.
    pub min_connection_age: Duration,
    /// How long after the drain signal a connection with active requests is closed; None: never.
    pub drain_timeout: Option<Duration>,
    /// How long after the last response the client may take to close the connection itself.
    pub close_delay: Duration,
    /// While a request under this rule is active, no other rule drains its connection.
    pub protect: bool,
    /// How HTTP/2 connections are drained.
    pub http2: Http2,
    /// Whether and how WebSockets are drained.
    pub websocket: WebSocket,
    /// A gRPC stream ends at an age drawn from `max_stream_age * (1 - jitter) ..= max_stream_age`, once its connection
    /// is draining; None: never.
    pub max_stream_age: Option<Duration>,
    /// Raw TCP: how long the connection must have been silent after data from the server.
    pub idle_time: Duration,
}

/// The rule of `{"version": 1}`.
impl Default for Rule {
    fn default() -> Self {
        Self {
            name: "defaults".into(),
            scope: Scope::Defaults,
            max_connection_age: Some(Duration::from_secs(30 * 60)),
            mean_connection_age: None,
            max_requests_per_connection: None,
            jitter: Jitter::default(),
            min_connection_age: Duration::ZERO,
            drain_timeout: None,
            close_delay: Duration::from_secs(1),
            protect: false,
            http2: Http2::default(),
            websocket: WebSocket::default(),
            max_stream_age: None,
            idle_time: IDLE_TIME,
        }
    }
}

/// How long a connection must be idle, where the policy does not state it.
const IDLE_TIME: Duration = Duration::from_secs(2);

/// How HTTP/2 connections are drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// How long an expired connection waits to become idle, before the GOAWAY is sent while requests are active.
    pub idle_wait: Duration,
    /// The last-stream-id of a GOAWAY.
    pub last_stream_id: LastStreamId,
    /// What happens when the drain timeout ends and there was no safe point.
    pub when_active: WhenActive,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            idle_wait: IDLE_TIME,
            last_stream_id: LastStreamId::default(),
            when_active: WhenActive::default(),
        }
    }
}

/// Whether and how WebSockets are drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// The status code of the Close frame; off: WebSockets are not drained.
    pub close_code: CloseCode,
    /// How long the client must have sent nothing, before the Close frame is sent.
    pub idle_time: Duration,
    /// What happens when the drain timeout ends and there was no safe point.
    pub when_active: WhenActive,
    /// An expired WebSocket whose server sends nothing is closed without a Close frame once both sides have been
    /// silent for this long; None: never.
    pub idle_timeout: Option<Duration>,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            close_code: CloseCode::default(),
            idle_time: IDLE_TIME,
            when_active: WhenActive::default(),
            idle_timeout: None,
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
    /// One of the rules of `tcp`.
    Tcp,
}

/// How far a limit is spread, as a fraction of it: from 0 (not at all) to 1 (down to zero).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// Returns None outside `0.0..=1.0`.
    pub fn new(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then_some(Self(fraction))
    }

    /// The fraction, in `0.0..=1.0`.
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
    /// The last-stream-id of a GOAWAY (RFC 9113 6.8).
    pub enum LastStreamId: r#"allowed are "auto", "exact" and "max""# {
        /// The one that the client tolerates best; the client is recognized by its first frames.
        Auto = "auto",
        /// The highest stream accepted: requests in transit are refused, and the client retries them on
        /// another connection. It needs an idle connection; on one that is always active it is deferred.
        Exact = "exact",
        /// The highest possible: requests in transit are still served.
        Max = "max",
    }
    default Auto
}

words! {
    /// What happens to an expired connection that stays active, when its client tolerates the drain signal
    /// only while the connection is idle.
    pub enum WhenActive: r#"allowed are "defer" and "drain""# {
        /// The drain is deferred, and counted.
        Defer = "defer",
        /// The drain signal is sent while requests are active; such a client may fail requests.
        Drain = "drain",
    }
    default Defer
    renamed { "wait" => "defer", "announce" => "drain", }
}

words! {
    /// The status code of the Close frame that drains a WebSocket (RFC 6455 7.4.1).
    pub enum CloseCode: r#"allowed are "off", "going_away" and "service_restart""# {
        /// WebSockets are not drained, at any age.
        Off = "off",
        /// 1001: the server is going away. Some client libraries do not reconnect.
        GoingAway = "going_away",
        /// 1012: the server restarts, and the client may reconnect.
        ServiceRestart = "service_restart",
    }
    default Off
}
