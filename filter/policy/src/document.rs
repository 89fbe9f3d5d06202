//! The keys of a policy. The reader, the JSON schema and the table of keys in `docs/policy.md` are all derived from
//! here; a description is the key's documentation.
mod rebalance;
mod rule;

use crate::declare::object;
use crate::error::Report;
use crate::json::Json;
use crate::path::Path;
use crate::policy::{Mode, Role, UpstreamProtocol};
use crate::read::Read;
use crate::rule::Jitter;
use crate::value::{
    AgeLimit, Count, CountLimit, Interval, Probes, Rate, SchemaRef, TcpTime, Version,
};
pub(crate) use rebalance::{Peers, Rebalance};
pub(crate) use rule::{Http2, Limits, Route, RouteMatch, Rule, Tcp, WebSocket};

object! {
    /// When connections are drained, and how. `{"version": 1}` is a complete policy: everything else has a
    /// default.
    struct Document {
        /// Names the schema, for editors; not interpreted.
        "$schema" => schema: SchemaRef,
        /// The version of the policy language.
        required "version" => version: Version,
        /// Which of the two filter entries this configuration is for, where Envoy does not show it.
        "role" => role: Role,
        /// Whether connections are drained, or only counted.
        "mode" => mode: Mode = "enforce",
        /// The rule that applies where no other rule matches, and for what the other rules leave out.
        "defaults" => defaults: Rule,
        /// Rules for requests. The first that matches decides about the connection.
        "routes" => routes: Vec<Route>,
        /// Rules for databases, brokers and raw TCP, by port. The first that matches decides.
        "tcp" => tcp: Vec<Tcp>,
        /// How upstream connections are recycled. Without it they are not.
        "upstream" => upstream: Upstream,
        /// How many connections the whole proxy drains, over all workers and rules, or "off".
        "budget" => budget: BudgetSetting,
        /// How excess load is drained, and only that: the load of a pod above the mean of its `peers`, or
        /// the load of one upstream host of a gateway above the mean of the others. Without it load is
        /// not compared.
        "rebalance" => rebalance: Rebalance,
        /// How the pods of a service exchange load reports. Without it none are sent or requested.
        "peers" => peers: Peers,
        /// Keepalive settings, for clients and upstreams.
        "keepalive" => keepalive: Keepalive,
    }
    renamed {
        "connections" => "tcp",
        "shed" => "rebalance",
    }
    misplaced {
        "max_connection_age" => "`max_connection_age` belongs inside `defaults`, a route, a rule of `tcp` or `upstream`",
        "max_requests_per_connection" => "`max_requests_per_connection` belongs inside `defaults`, a route or `upstream`",
    }
    schema { "title": "Evenkeel policy" }
}

object! {
    /// How HTTP/1 connections to upstream hosts are recycled: by `connection: close` on a request.
    struct Upstream {
        /// A connection is recycled at this age, or a little earlier (see `jitter`).
        "max_connection_age" => max_connection_age: AgeLimit = "off",
        /// A connection is recycled after this many requests, or a few less (see `jitter`).
        "max_requests_per_connection" => max_requests_per_connection: CountLimit = "off",
        /// Whether the proxy uses HTTP/1 to its upstreams: `connection: close` has a meaning only there, and
        /// an HTTP/2 upstream ends the connection with an error. "auto" recycles the connections of a
        /// cluster once one of its responses shows that it is HTTP/1 (by a `connection`, `keep-alive` or
        /// `transfer-encoding` field), and counts those that it cannot recycle
        /// (`evenkeel_upstream_connections_not_recycled_total`); "http1" recycles all, and is for proxies
        /// none of whose clusters use HTTP/2.
        "protocol" => protocol: UpstreamProtocol = "auto",
        /// The fraction of a limit by which a connection may be recycled earlier; random for each
        /// connection.
        "jitter" => jitter: Jitter = 0.2,
    }
    renamed {
        "max_age" => "max_connection_age",
        "max_requests" => "max_requests_per_connection",
    }
    off "to recycle no upstream connections, remove `upstream`"
    schema { "anyOf": [{ "required": ["max_connection_age"] }, { "required": ["max_requests_per_connection"] }] }
}

object! {
    /// How many connections the whole proxy drains, over all workers and rules.
    struct Budget {
        /// Connections per second, in the long run.
        "per_second" => per_second: Rate = 100,
        /// Connections at once, after a time in which none was drained.
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
    const ALLOWED: &'static str = "it must be an object, or \"off\"";

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
    /// Keepalive settings, for clients and upstreams.
    struct Keepalive {
        /// Whether HTTP/1 responses state how long the connection will be kept open, in a `Keep-Alive` field. Its
        /// `timeout` is never less than 60 seconds: Node's http.Agent uses it as the timeout of its
        /// requests, too.
        "http1_hint" => http1_hint: bool = false,
        /// PING frames to HTTP/2 clients. Only Envoy can send them: `evenkeel render` writes its
        /// configuration.
        "http2" => http2: Http2Ping,
        /// PING frames to HTTP/2 upstreams. Without it none are sent: a gRPC server allows one in 5 minutes
        /// and responds to more with GOAWAY, too_many_pings. Only Envoy can send them: `evenkeel render`
        /// writes its configuration.
        "upstream_http2" => upstream_http2: UpstreamHttp2,
        /// TCP keepalive probes. Only the kernel can send them: `evenkeel render` writes Envoy's
        /// configuration.
        "tcp" => tcp: TcpKeepalive,
    }
    renamed {
        "http2_ping" => "http2",
    }
    off "to send no keepalive, remove `keepalive`"
}

object! {
    /// PING frames to HTTP/2 clients.
    struct Http2Ping {
        /// The time between two PINGs.
        "interval" => interval: Interval = "30s",
        /// How long a response may take, before the connection is closed.
        "timeout" => timeout: Interval = "10s",
    }
    off "to send no PING frames, remove the key"
}

object! {
    /// PING frames to HTTP/2 upstreams.
    struct UpstreamHttp2 {
        /// The time between two PINGs. gRPC servers allow "5m" unless they are configured otherwise.
        "interval" => interval: Interval = "5m",
        /// How long a response may take, before the connection is closed.
        "timeout" => timeout: Interval = "10s",
    }
    off "to send no PING frames, remove the key"
}

object! {
    /// TCP keepalive probes; times in whole seconds.
    struct TcpKeepalive {
        /// How long a connection is idle before the first probe.
        "time" => time: TcpTime = "60s",
        /// The time between two probes.
        "interval" => interval: TcpTime = "10s",
        /// How many probes may be lost, before the connection is closed.
        "probes" => probes: Probes = 3,
    }
    renamed {
        "idle" => "time",
    }
    off "to send no probes, remove the key"
}
