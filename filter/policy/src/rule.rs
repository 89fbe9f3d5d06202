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
    /// How connections are drained that are not HTTP.
    pub tcp: Tcp,
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
            tcp: Tcp::default(),
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

/// How the connections of a TCP rule are drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// The protocol that is parsed to find safe points.
    pub protocol: ProtocolSetting,
    /// How long no byte must have passed before a connection is closed; None: what the protocol needs.
    pub idle_time: Option<Duration>,
    /// Whether connections are drained whose server keeps state for them.
    pub session_state: SessionStateSetting,
    /// What happens when the drain timeout ends and there was no safe point; None: `abort` for raw TCP, else `defer`.
    pub when_active: Option<WhenTcpActive>,
    /// PostgreSQL: the error that the client gets before its connection is closed.
    pub error: ErrorSetting,
}

impl Tcp {
    /// The idle time of raw TCP, where the policy does not state it.
    pub const RAW_IDLE_TIME: Duration = IDLE_TIME;

    /// The idle time of databases and brokers, where the policy does not state it. Within less, a pool sends the
    /// statement after it has validated or reset the connection; HikariCP does not validate at all what it has used
    /// within 500 ms.
    pub const SESSION_IDLE_TIME: Duration = Duration::from_millis(500);

    /// How long a raw TCP connection must have been silent after data from the server.
    pub fn raw_idle_time(&self) -> Duration {
        self.idle_time.unwrap_or(Self::RAW_IDLE_TIME)
    }

    /// How long a connection to a database or broker must have been idle, where its client may be about to continue.
    pub fn session_idle_time(&self) -> Duration {
        self.idle_time.unwrap_or(Self::SESSION_IDLE_TIME)
    }

    /// Whether a raw TCP connection without a safe point is closed while active when the drain timeout ends.
    pub fn aborts_raw(&self) -> bool {
        self.when_active.unwrap_or(WhenTcpActive::Abort) == WhenTcpActive::Abort
    }

    /// The same for a connection to a database or broker.
    pub fn aborts_sessions(&self) -> bool {
        self.when_active.unwrap_or(WhenTcpActive::Defer) == WhenTcpActive::Abort
    }

    /// Whether the server's state for a connection keeps it from being drained.
    pub fn pins_sessions(&self) -> bool {
        self.session_state == SessionStateSetting::Pin
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
    /// The protocol of the connections of a TCP rule.
    pub enum ProtocolSetting: r#"allowed are "auto", "raw", "postgresql", "mysql", "redis", "nats", "mqtt" and "amqp""# {
        /// Detected by the well-known port and the first bytes. On the well-known port of a protocol, other bytes than
        /// this protocol's and HTTP are not drained; elsewhere they are raw TCP.
        Auto = "auto",
        /// No protocol is parsed: a connection is closed when it is idle after data from the server.
        Raw = "raw",
        /// PostgreSQL.
        PostgreSql = "postgresql",
        /// MySQL and MariaDB.
        MySql = "mysql",
        /// Redis and Valkey: RESP2 and RESP3.
        Redis = "redis",
        /// NATS.
        Nats = "nats",
        /// MQTT 3.1.1 and 5.
        Mqtt = "mqtt",
        /// AMQP 0-9-1, such as RabbitMQ.
        Amqp = "amqp",
    }
    default Auto
    renamed {
        "tcp" => "raw",
        "postgres" => "postgresql",
        "mariadb" => "mysql",
        "valkey" => "redis",
        "rabbitmq" => "amqp",
    }
}

words! {
    /// Whether a connection is drained while its server keeps state for it that a new connection would not have:
    /// subscriptions, locks, temporary tables, settings.
    pub enum SessionStateSetting: r#"allowed are "pin" and "ignore""# {
        /// It is not drained, and counted.
        Pin = "pin",
        /// It is drained when it is idle; the client must restore what it needs after a reconnect.
        Ignore = "ignore",
    }
    default Pin
}

words! {
    /// What happens to an expired TCP connection that has found no safe point when `drain_timeout` ends.
    pub enum WhenTcpActive: r#"allowed are "defer" and "abort""# {
        /// It stays open until it has one, and is counted.
        Defer = "defer",
        /// It is closed while active: its client may lose what is in flight.
        Abort = "abort",
    }
    renamed { "drain" => "abort", "close" => "abort", "wait" => "defer", }
}

words! {
    /// The error that a PostgreSQL client gets before its connection is closed.
    pub enum ErrorSetting: r#"allowed are "off" and "admin_shutdown""# {
        /// None: the connection ends while it is idle.
        Off = "off",
        /// SQLSTATE 57P01, admin_shutdown, in response to the client's next request, which is not executed.
        AdminShutdown = "admin_shutdown",
    }
    default Off
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
