//! What may be written in a policy, key by key. The reader, the JSON schema and the table of keys in
//! `docs/policy.md` all come from here; a description is the key's documentation.
mod shed;

use crate::declare::object;
use crate::error::Report;
use crate::glob::Glob;
use crate::json::Json;
use crate::matcher::Direction;
use crate::path::Path;
use crate::policy::{Mode, Protocol, Role};
use crate::read::Read;
use crate::rule::{Busy, Goaway, Jitter, WebSocket};
use crate::value::{
    AgeLimit, Count, CountLimit, Interval, Name, Port, Prefix, Probes, Rate, SchemaRef, TcpTime,
    Version, Wait,
};
pub(crate) use shed::{Peers, Shed};

object! {
    /// When connections are moved, and how. `{"version": 1}` is a whole policy: everything else has a
    /// default.
    struct Document {
        /// Names the schema, for editors; not looked at.
        "$schema" => schema: SchemaRef,
        /// The version of the policy language.
        required "version" => version: Version,
        /// Which of the two filter entries this configuration is for, where Envoy does not tell.
        "role" => role: Role,
        /// Whether anything is done, or only counted.
        "mode" => mode: Mode = "enforce",
        /// The rule for whatever no other rule matches, and what the other rules leave out.
        "defaults" => defaults: Rule,
        /// Rules for requests. The first that matches decides about the connection.
        "routes" => routes: Vec<Route>,
        /// Rules for raw TCP, by port. The first that matches decides.
        "connections" => connections: Vec<Connection>,
        /// How connections that the proxy itself opens are renewed. Without it they are left alone.
        "upstream" => upstream: Upstream,
        /// How many connections the whole proxy moves, over all workers and rules, or "off".
        "budget" => budget: BudgetSetting,
        /// How a surplus is moved, and only that: what a pod carries above the mean of its `peers`, or what
        /// goes to one upstream host of a gateway above the mean of the others. Without it load is not
        /// looked at.
        "shed" => shed: Shed,
        /// How the pods of a service tell each other what they carry. Without it nothing is told or asked.
        "peers" => peers: Peers,
        /// How clients are told, and dead peers found out.
        "keepalive" => keepalive: Keepalive,
    }
    misplaced {
        "max_age" => "`max_age` belongs inside `defaults`, a route, a connection rule or `upstream`",
        "max_requests" => "`max_requests` belongs inside `defaults`, a route or `upstream`",
    }
    schema { "title": "Evenkeel policy" }
}

object! {
    /// When connections are moved, and how.
    struct Rule {
        ..ages: Ages,
        ..http: Http,
    }
    misplaced {
        "name" => "`defaults` has no name; rules with names stand in `routes` and `connections`",
        "match" => "`defaults` is for whatever no other rule matches; rules that match stand in `routes` and `connections`",
        "shed" => "`shed` stands at the top: what is compared is the load of the whole pod",
        "peers" => "`peers` stands at the top: pods tell each other of their whole load",
    }
}

object! {
    /// What holds for HTTP only.
    struct Http {
        /// A connection is moved after so many requests, or a few less (see `jitter`).
        "max_requests" => max_requests: CountLimit = "off",
        /// Which last-stream-id a GOAWAY carries.
        "goaway" => goaway: Goaway = "auto",
        /// What is done when no moment comes at which a client bears to be told: an HTTP/2 client that
        /// does so only while nothing is open, a WebSocket on which the client is never silent.
        "busy" => busy: Busy = "wait",
        /// What a WebSocket is told when its time is up: the status of a Close frame. It is told when its
        /// client has been silent for `quiet_wait`; requests are not counted on it, and where `grace` is
        /// "off" the client's own Close is waited for 10 seconds.
        "websocket" => websocket: WebSocket = "off",
        /// A WebSocket on which the server says nothing, not even a PING, cannot be told. One that is due
        /// is closed without a word when both sides have been silent for so long; with "off", never.
        "idle_wait" => idle_wait: AgeLimit = "off",
        /// A gRPC stream ends at this age, or somewhat earlier (see `jitter`), with the status UNAVAILABLE,
        /// after which clients may call again. Its connection's end is announced before; where that cannot
        /// be, nothing ends: a client that loses requests by it is told when no other request is open, and
        /// until then put off and counted. Streams that a rule protects are spared.
        "max_stream_age" => max_stream_age: AgeLimit = "off",
        /// While such a request is open its connection is not moved by any other rule, and closed only
        /// by this one's `grace`.
        "protect" => protect: bool = false,
    }
}

object! {
    /// What holds for HTTP and for raw TCP.
    struct Ages {
        /// A connection is moved at this age, or somewhat earlier (see `jitter`).
        "max_age" => max_age: AgeLimit = "30m",
        /// A connection is moved by chance, at this age on average, however old it is already: so
        /// connections that were opened together are not moved together.
        "mean_age" => mean_age: AgeLimit = "off",
        /// The part of `max_age` and `max_requests` by which a connection may be moved earlier; each
        /// draws its own.
        "jitter" => jitter: Jitter = 0.2,
        /// No connection is moved before this age.
        "min_age" => min_age: Wait = "0s",
        /// How long a quiet moment is waited for, before the announcement is made at a busy one. For raw
        /// TCP: how long it must have been silent after an answer to be closed.
        "quiet_wait" => quiet_wait: Wait = "2s",
        /// How long after the announcement answers may still take, before the connection is closed all
        /// the same; with "off" they may take for ever. Of several open requests the longest counts, each
        /// under the rule under which it started. For raw TCP: how long a connection that is due
        /// waits for that silence, before it is closed whatever it does; there, "30s" unless stated, and
        /// with "off" an idle connection is closed after 30 seconds and a busy one never.
        "grace" => grace: AgeLimit = "off",
        /// How long after the last answer the client is given to close by itself. Its connection is then
        /// closed as soon as it is known to have what was written to it, or after 5 minutes without progress.
        "linger" => linger: Wait = "1s",
    }
}

object! {
    /// A rule for some requests. What it leaves out comes from `defaults`.
    struct Route {
        /// The name in metrics and logs: 1 to 64 ASCII letters, digits, `-`, `_` or `.`; no two rules
        /// have the same.
        required "name" => name: Name,
        /// Which requests; all that is given must match.
        required "match" => matcher: RouteMatch,
        ..rule: Rule,
    }
    misplaced {
        "route" => "`route` belongs inside `match`",
        "authority" => "`authority` belongs inside `match`",
        "path_prefix" => "`path_prefix` belongs inside `match`",
        "shed" => "`shed` stands at the top: what is compared is the load of the whole pod",
        "peers" => "`peers` stands at the top: pods tell each other of their whole load",
        "direction" => "`direction` belongs inside `match`",
        "port" => "requests are not matched by port; rules by port stand in `connections`",
    }
}

object! {
    /// Which requests; all that is given must match.
    struct RouteMatch {
        /// A pattern for the name of the route that Envoy chose (in Istio: of the VirtualService's
        /// `http` entry). `*` stands for any run, `?` for any one byte.
        "route" => route: Glob,
        /// A pattern for the host asked for, without regard to case, nor to a port unless the pattern
        /// has one.
        "authority" => authority: Glob,
        /// A literal prefix of the path. It ends where a segment ends: "/api" matches "/api", "/api/x"
        /// and "/api?x", but not "/apiary"; "/api/" matches "/api/x", but not "/api".
        "path_prefix" => path_prefix: Prefix,
        /// On which listeners the rule acts.
        "direction" => direction: Direction = "inbound",
    }
    misplaced {
        "port" => "requests are not matched by port; rules by port stand in `connections`",
    }
    schema { "minProperties": 1 }
}

object! {
    /// A rule for raw TCP connections. What it leaves out comes from `defaults` as far as it is stated
    /// there, with the exception of what is only for HTTP.
    struct Connection {
        /// The name in metrics and logs: 1 to 64 ASCII letters, digits, `-`, `_` or `.`; no two rules
        /// have the same.
        required "name" => name: Name,
        /// Which connections.
        required "match" => matcher: PortMatch,
        ..ages: Ages,
    }
    misplaced {
        "max_requests" => "raw TCP has no requests; use `max_age` or `mean_age`",
        "goaway" => "raw TCP has no GOAWAY; remove the key",
        "busy" => "`busy` is for HTTP only; remove the key",
        "websocket" => "raw TCP has no WebSockets: they begin as HTTP requests; state it in `defaults` or a route",
        "idle_wait" => "`idle_wait` is for WebSockets; for raw TCP use `grace`",
        "max_stream_age" => "raw TCP has no streams; use `max_age` or `mean_age`",
        "protect" => "raw TCP has no requests to protect; to leave a port alone say `\"max_age\": \"off\"`",
        "shed" => "`shed` stands at the top: what is compared is the load of the whole pod",
        "peers" => "`peers` stands at the top: pods tell each other of their whole load",
        "port" => "`port` belongs inside `match`",
        "direction" => "`direction` belongs inside `match`",
    }
}

object! {
    /// Which connections.
    struct PortMatch {
        /// The port that the proxy received the connection on.
        required "port" => port: Port,
        /// On which listeners the rule acts.
        "direction" => direction: Direction = "inbound",
    }
    misplaced {
        "route" => "raw TCP has no routes; rules for requests stand in `routes`",
        "authority" => "raw TCP has no authority; rules for requests stand in `routes`",
        "path_prefix" => "raw TCP has no path; rules for requests stand in `routes`",
    }
}

object! {
    /// How HTTP/1 connections that the proxy itself opens are renewed: by `connection: close` on a request.
    struct Upstream {
        /// A connection is renewed at this age, or somewhat earlier (see `jitter`).
        "max_age" => max_age: AgeLimit = "off",
        /// A connection is renewed after so many requests, or a few less (see `jitter`).
        "max_requests" => max_requests: CountLimit = "off",
        /// Whether the proxy speaks HTTP/1 to its upstreams: only there does `connection: close` mean
        /// anything, and an HTTP/2 upstream ends the connection with an error. "auto" recycles the
        /// connections of a cluster once one of its responses shows that it is HTTP/1 (by a `connection`,
        /// `keep-alive` or `transfer-encoding` field), and counts those that it cannot recycle
        /// (`evenkeel_upstream_unproven_total`); "http1" recycles all, and is for proxies none of whose
        /// clusters speak HTTP/2.
        "protocol" => protocol: Protocol = "auto",
        /// The part of a limit by which a connection may be renewed earlier; each draws its own.
        "jitter" => jitter: Jitter = 0.2,
    }
    schema { "anyOf": [{ "required": ["max_age"] }, { "required": ["max_requests"] }] }
}

object! {
    /// How many connections the whole proxy moves, over all workers and rules.
    struct Budget {
        /// Connections a second, in the long run.
        "per_second" => per_second: Rate = 100,
        /// Connections at once, after a time in which none was moved.
        "burst" => burst: Count = 1000,
    }
}

/// A budget, or off.
#[derive(Clone, Debug)]
pub(crate) enum BudgetSetting {
    Off,
    On(Budget),
}

impl Read for BudgetSetting {
    const ALLOWED: &'static str = "it is an object in curly brackets, or \"off\"";

    fn read(json: &Json, at: &Path<'_>, report: &mut Report) -> Option<Self> {
        match json {
            Json::Object(_) => Budget::read(json, at, report).map(Self::On),
            Json::String(off) if off == "off" => Some(Self::Off),
            _ => {
                report.value(at, json, Self::ALLOWED);
                None
            }
        }
    }
}

object! {
    /// How clients are told, and dead peers found out.
    struct Keepalive {
        /// Whether HTTP/1 answers tell how long the connection will be kept, in a `Keep-Alive` field. Its
        /// `timeout` is never less than 60 seconds: Node's http.Agent takes it as the timeout of its
        /// requests, too.
        "http1_hint" => http1_hint: bool = false,
        /// PING frames to HTTP/2 clients. Envoy alone can send them: it is for those who write its
        /// configuration.
        "http2_ping" => http2_ping: Http2Ping,
        /// PING frames to HTTP/2 upstreams. Without it none are sent: a gRPC server allows one in 5 minutes
        /// and responds to more with GOAWAY, too_many_pings. Envoy alone can send them: it is for those who
        /// write its configuration.
        "upstream_http2" => upstream_http2: UpstreamHttp2,
        /// TCP keepalive probes. The kernel alone can send them: it is for those who write Envoy's
        /// configuration.
        "tcp" => tcp: TcpKeepalive,
    }
}

object! {
    /// PING frames to HTTP/2 clients.
    struct Http2Ping {
        /// The time between two of them.
        "interval" => interval: Interval = "30s",
        /// How long an answer may take, before the connection is closed.
        "timeout" => timeout: Interval = "10s",
    }
}

object! {
    /// PING frames to HTTP/2 upstreams.
    struct UpstreamHttp2 {
        /// The time between two of them. gRPC servers allow "5m" unless they are configured otherwise.
        "interval" => interval: Interval = "5m",
        /// How long a response may take, before the connection is closed.
        "timeout" => timeout: Interval = "10s",
    }
}

object! {
    /// TCP keepalive probes; times in whole seconds.
    struct TcpKeepalive {
        /// How long a connection is idle before the first.
        "idle" => idle: TcpTime = "60s",
        /// The time between two of them.
        "interval" => interval: TcpTime = "10s",
        /// How many may be lost, before the connection is given up.
        "probes" => probes: Probes = 3,
    }
}
