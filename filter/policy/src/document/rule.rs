//! The keys of a rule: `defaults`, the entries of `routes` and of `tcp`.
use crate::declare::object;
use crate::glob::Glob;
use crate::matcher::Direction;
use crate::rule::{
    CloseCode, ErrorSetting, Jitter, LastStreamId, ProtocolSetting, SessionStateSetting,
    WhenActive, WhenTcpActive,
};
use crate::value::{AgeLimit, CountLimit, Name, Port, Prefix, Wait};

object! {
    /// When connections are drained, and how.
    struct Rule {
        ..limits: Limits,
        ..http: Http,
    }
    renamed {
        "max_age" => "max_connection_age",
        "mean_age" => "mean_connection_age",
        "min_age" => "min_connection_age",
        "max_requests" => "max_requests_per_connection",
        "grace" => "drain_timeout",
        "linger" => "close_delay",
        "goaway" => "http2.last_stream_id",
        "quiet_wait" => "http2.idle_wait`, `websocket.idle_time` and, for raw TCP, `tcp[].idle_time",
        "busy" => "http2.when_active` and `websocket.when_active",
        "max_stream_age" => "grpc.max_stream_age",
    }
    misplaced {
        "idle_wait" => "`idle_wait` belongs inside `http2`; for WebSockets use `websocket.idle_timeout`",
        "close_code" => "`close_code` belongs inside `websocket`",
        "last_stream_id" => "`last_stream_id` belongs inside `http2`",
        "when_active" => "`when_active` belongs inside `http2` or `websocket`, or in a rule of `tcp`",
        "protocol" => "`protocol` belongs in a rule of `tcp`; HTTP is detected by its first bytes",
        "session_state" => "`session_state` belongs in a rule of `tcp`",
        "budget" => "`budget` belongs at the top level: it applies to the whole proxy",
        "name" => "`defaults` has no name; rules with names belong in `routes` and `tcp`",
        "match" => "`defaults` applies where no other rule matches; rules that match belong in `routes` and `tcp`",
        "idle_time" => "`idle_time` belongs in a rule of `tcp` or inside `websocket`; for HTTP/2 use `http2.idle_wait`",
        "rebalance" => "`rebalance` belongs at the top level: it compares the load of whole pods",
        "peers" => "`peers` belongs at the top level: pods exchange reports of their whole load",
    }
    off "to drain no connections, write `{\"max_connection_age\": \"off\"}`"
}

object! {
    /// Settings for HTTP only.
    struct Http {
        /// A connection is drained after this many requests, or a few less (see `jitter`).
        "max_requests_per_connection" => max_requests_per_connection: CountLimit = "off",
        /// While such a request is active, no other rule drains its connection, and only this rule's
        /// `drain_timeout` closes it.
        "protect" => protect: bool = false,
        /// How HTTP/2 connections are drained.
        "http2" => http2: Http2,
        /// Whether and how WebSockets are drained.
        "websocket" => websocket: WebSocket,
        /// How long gRPC streams may live.
        "grpc" => grpc: Grpc,
    }
}

object! {
    /// How HTTP/2 connections are drained.
    struct Http2 {
        /// How long an expired connection waits to become idle, before the GOAWAY is sent while requests
        /// are active, to clients that tolerate this. A connection whose frames are not
        /// read (docs/wire.md) does not wait; a value above "2s" makes the module read all HTTP/2 connections.
        "idle_wait" => idle_wait: Wait = "2s",
        /// The last-stream-id of a GOAWAY.
        "last_stream_id" => last_stream_id: LastStreamId = "auto",
        /// What happens when `drain_timeout` ends and there was no safe point, for a client that tolerates
        /// a GOAWAY only while the connection is idle.
        "when_active" => when_active: WhenActive = "defer",
    }
    renamed {
        "goaway" => "last_stream_id",
        "busy" => "when_active",
        "quiet_wait" => "idle_wait",
    }
    misplaced {
        "idle_time" => "`idle_time` is for WebSockets and raw TCP; for HTTP/2 use `idle_wait`",
        "max_stream_age" => "`max_stream_age` belongs inside `grpc`",
    }
    off "to drain no connections, write `\"max_connection_age\": \"off\"` in the rule"
}

object! {
    /// Whether and how WebSockets are drained.
    struct WebSocket {
        /// The status code of the Close frame that drains a WebSocket. Requests are not counted on it.
        /// With `drain_timeout` "off" the client has 10 seconds to respond with its own Close.
        "close_code" => close_code: CloseCode = "off",
        /// How long the client must have sent nothing, before the Close frame is sent.
        "idle_time" => idle_time: Wait = "2s",
        /// What happens when `drain_timeout` ends and the client was never silent for `idle_time`.
        "when_active" => when_active: WhenActive = "defer",
        /// A Close frame fits only after a frame of the server. Where the server sends nothing, not even a
        /// PING, an expired WebSocket is closed without a Close frame once both sides have been silent
        /// for this long; with "off", never.
        "idle_timeout" => idle_timeout: AgeLimit = "off",
    }
    renamed {
        "quiet_wait" => "idle_time",
    }
    misplaced {
        "idle_wait" => "`idle_wait` is for HTTP/2; for WebSockets use `idle_time`, or `idle_timeout` for silent ones",
    }
    off "to drain no WebSockets, write `{\"close_code\": \"off\"}`"
}

object! {
    /// How long gRPC streams may live.
    struct Grpc {
        /// A stream ends at this age, or a little earlier (see `jitter`), with status UNAVAILABLE, which
        /// clients may retry. Its connection is drained first; while that would fail other requests, the
        /// stream continues and the drain is deferred. Protected streams are exempt.
        "max_stream_age" => max_stream_age: AgeLimit = "off",
    }
    off "to limit no stream, write `{\"max_stream_age\": \"off\"}`"
}

object! {
    /// Settings for HTTP and raw TCP.
    struct Limits {
        /// A connection is drained at this age, or a little earlier (see `jitter`).
        "max_connection_age" => max_connection_age: AgeLimit = "30m",
        /// A connection is drained at a random time, at this age on average, independent of its age: so
        /// connections that were opened together are not drained together.
        "mean_connection_age" => mean_connection_age: AgeLimit = "off",
        /// The fraction of `max_connection_age` and `max_requests_per_connection` by which a connection
        /// may be drained earlier; random for each connection.
        "jitter" => jitter: Jitter = 0.2,
        /// No connection is drained before this age.
        "min_connection_age" => min_connection_age: Wait = "0s",
        /// How long active requests may continue after the drain signal, before they are aborted; with
        /// "off", without limit. Each request has the timeout of the rule under which it started; the
        /// longest one closes the connection. For `tcp`: how long an expired connection waits for a safe
        /// point, before `when_active` applies; there the default is "30s". With "off", a raw TCP connection
        /// that is idle is closed after 30 seconds, and an active one never.
        "drain_timeout" => drain_timeout: AgeLimit = "off",
        /// How long the client may take to close the connection itself after the last response. Then the
        /// connection is closed as soon as the client has received everything that was written to it, or
        /// after 5 minutes without progress.
        "close_delay" => close_delay: Wait = "1s",
    }
}

object! {
    /// A rule for some requests. What it leaves out comes from `defaults`.
    struct Route {
        /// The name in metrics and logs: 1 to 64 ASCII letters, digits, `-`, `_` or `.`; unique.
        required "name" => name: Name,
        /// Which requests; all conditions must match.
        required "match" => matcher: RouteMatch,
        ..rule: Rule,
    }
    misplaced {
        "route" => "`route` belongs inside `match`",
        "authority" => "`authority` belongs inside `match`",
        "path_prefix" => "`path_prefix` belongs inside `match`",
        "idle_time" => "`idle_time` belongs in a rule of `tcp` or inside `websocket`; for HTTP/2 use `http2.idle_wait`",
        "rebalance" => "`rebalance` belongs at the top level: it compares the load of whole pods",
        "peers" => "`peers` belongs at the top level: pods exchange reports of their whole load",
        "direction" => "`direction` belongs inside `match`",
        "port" => "requests are not matched by port; rules by port belong in `tcp`",
        "protocol" => "`protocol` belongs in a rule of `tcp`; HTTP is detected by its first bytes",
        "session_state" => "`session_state` belongs in a rule of `tcp`",
    }
}

object! {
    /// Which requests; all conditions must match.
    struct RouteMatch {
        /// A pattern for the name of the route that Envoy selected (in Istio: of the VirtualService's
        /// `http` entry). `*` matches any run of bytes, `?` any one byte.
        "route" => route: Glob,
        /// A pattern for the requested host, case-insensitive, and without the port unless the pattern
        /// has one.
        "authority" => authority: Glob,
        /// A literal prefix of the path that ends at a segment boundary: "/api" matches "/api", "/api/x"
        /// and "/api?x", but not "/apiary"; "/api/" matches "/api/x", but not "/api".
        "path_prefix" => path_prefix: Prefix,
        /// On which listeners the rule applies.
        "direction" => direction: Direction = "inbound",
    }
    misplaced {
        "port" => "requests are not matched by port; rules by port belong in `tcp`",
    }
    schema { "minProperties": 1 }
}

object! {
    /// A rule for connections that are not HTTP: databases, brokers and raw TCP. What it leaves out comes from
    /// `defaults`, except for settings that are for HTTP only.
    struct Tcp {
        /// The name in metrics and logs: 1 to 64 ASCII letters, digits, `-`, `_` or `.`; unique.
        required "name" => name: Name,
        /// Which connections.
        required "match" => matcher: PortMatch,
        /// The protocol that is parsed to find the safe points of a connection. Under a stated protocol, a
        /// connection with other bytes (such as TLS) is not drained.
        "protocol" => protocol: ProtocolSetting = "auto",
        /// How long no byte must have passed on an expired connection, before it is closed. The default is
        /// "500ms" for databases and brokers (NATS and MQTT connections need none while nothing is
        /// in flight), and "2s" for raw TCP, where the last bytes must be the server's, and a connection
        /// that stays idle is closed when `drain_timeout` ends.
        "idle_time" => idle_time: Wait,
        /// Whether a connection to a database or broker is drained while its server keeps state for it.
        "session_state" => session_state: SessionStateSetting = "pin",
        /// What happens when `drain_timeout` ends and there was no safe point. The default is "abort" for
        /// raw TCP, of which nothing shows whether anything is in flight, and "defer" for databases and
        /// brokers: no transaction is aborted.
        "when_active" => when_active: WhenTcpActive,
        /// The error that a PostgreSQL client gets before its connection is closed. Envoy lets a filter write to a
        /// client only in place of the server. So with "admin_shutdown" the connection ends when the client uses
        /// it next, or after `drain_timeout` (without one: 30 seconds) if it does not. For drivers that do
        /// not notice the end of an idle connection.
        "error" => error: ErrorSetting = "off",
        ..limits: Limits,
    }
    renamed {
        "quiet_wait" => "idle_time",
        "busy" => "when_active",
        "max_age" => "max_connection_age",
        "mean_age" => "mean_connection_age",
        "min_age" => "min_connection_age",
        "grace" => "drain_timeout",
        "linger" => "close_delay",
    }
    misplaced {
        "max_requests_per_connection" => "raw TCP has no requests; use `max_connection_age` or `mean_connection_age`",
        "http2" => "`http2` is for HTTP only; remove the key",
        "websocket" => "a WebSocket starts as an HTTP request; state `websocket` in `defaults` or a route",
        "grpc" => "`grpc` is for HTTP only; use `max_connection_age` or `mean_connection_age`",
        "protect" => "raw TCP has no requests to protect; to exempt a port use `\"max_connection_age\": \"off\"`",
        "rebalance" => "`rebalance` belongs at the top level: it compares the load of whole pods",
        "peers" => "`peers` belongs at the top level: pods exchange reports of their whole load",
        "port" => "`port` belongs inside `match`",
        "direction" => "`direction` belongs inside `match`",
    }
}

object! {
    /// Which connections.
    struct PortMatch {
        /// The port on which the proxy received the connection.
        required "port" => port: Port,
        /// On which listeners the rule applies.
        "direction" => direction: Direction = "inbound",
    }
    misplaced {
        "route" => "raw TCP has no routes; rules for requests belong in `routes`",
        "authority" => "raw TCP has no authority; rules for requests belong in `routes`",
        "path_prefix" => "raw TCP has no path; rules for requests belong in `routes`",
    }
}
