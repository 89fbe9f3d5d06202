//! The list itself.

use core::fmt;

use crate::Label;

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the proxy starts again.
    Counter,
    /// It goes up and down. Each worker shows its own part, and the host adds the parts up.
    Gauge,
}

/// Declares [`Metric`]: `Variant = "name", Kind of "unit" [labels], "help", "what to do"`.
macro_rules! metrics {
    ($($metric:ident = $name:literal, $kind:ident of $unit:literal [$($label:ident),*],
        $help:literal, $action:expr;)+) => {
        /// A metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $help] $metric,)+
        }

        impl Metric {
            /// Every metric, in the order in which people read them.
            pub const ALL: &[Self] = &[$(Self::$metric),+];

            /// Its name in Prometheus.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => concat!("evenkeel_", $name),)+
                }
            }

            /// How it moves.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$metric => Kind::$kind,)+
                }
            }

            /// What it counts.
            pub const fn unit(self) -> &'static str {
                match self {
                    $(Self::$metric => $unit,)+
                }
            }

            /// The labels of each of its series, in order.
            pub const fn labels(self) -> &'static [Label] {
                match self {
                    $(Self::$metric => &[$(Label::$label),*],)+
                }
            }

            /// What it means, in one sentence.
            pub const fn help(self) -> &'static str {
                match self {
                    $(Self::$metric => $help,)+
                }
            }

            /// What to do, where there is something to do.
            pub const fn action(self) -> Option<&'static str> {
                match self {
                    $(Self::$metric => $action,)+
                }
            }
        }
    };
}

metrics! {
    ConnectionsActive = "connections_active", Gauge of "connections" [],
        "Downstream connections that are open now.", None;
    ConnectionsAge = "connections_age_seconds", Gauge of "seconds" [],
        "The ages of all open downstream connections, added up; over `evenkeel_connections_active` it is their mean age.",
        Some("A mean age that grows by a second each second belongs to connections that nothing moves: give them a limit or `shed`.");
    Connections = "connections_total", Counter of "connections" [Protocol],
        "Downstream connections whose protocol has become known.", None;
    Requests = "requests_total", Counter of "requests" [Protocol],
        "Requests seen on the wire; on a WebSocket, none.", None;
    Clients = "clients_total", Counter of "connections" [Family],
        "HTTP/2 connections by the client library that their first frames show; `ambiguous` if several fit.", None;

    Due = "due_total", Counter of "connections" [Reason],
        "Connections that have reached a limit, or were chosen by `shed`.", None;
    Announced = "announced_total", Counter of "connections" [Reason],
        "Connections whose client was told that they end.", None;
    Goaways = "goaway_total", Counter of "connections" [Family, Goaway, Moment],
        "GOAWAYs, by the client they went to, the last-stream-id they carried and what was open.", None;
    SignalsIgnored = "drain_signals_ignored_total", Counter of "connections" [Reason],
        "Connections whose client went on to send requests after it was sent a drain signal.",
        Some("They are closed once the client has the responses. A client that does so can fail a request then: look for `connection: close` or GOAWAY in its library's issues.");
    Closed = "closed_total", Counter of "connections" [Reason, By],
        "Connections that ended after they were due, by who closed them.",
        Some("`by=\"evenkeel\"` is the rule for raw TCP. Where it is for HTTP, clients do not close after they were told: a longer `linger` gives them time.");
    Cut = "cut_total", Counter of "requests" [Reason],
        "Requests (raw TCP: connections at work) that were cut because their `grace` was over.",
        Some("Each is a request that a client lost. Make `grace` longer than your longest request, or `off`; `protect` routes that stream.");
    Untold = "untold_total", Counter of "connections" [Reason],
        "WebSockets that were closed without a Close frame, because nothing was said on them for `idle_wait`.",
        Some("Let the server send PINGs, which give a moment to tell; or set `idle_wait` to `off`.");
    StreamsEnded = "streams_ended_total", Counter of "streams" [],
        "gRPC streams that were ended with UNAVAILABLE because of `max_stream_age`.", None;
    Observed = "observed_total", Counter of "connections" [Reason],
        "Connections that would have been moved, in observe mode.",
        Some("If these are the moves that you want, set `mode` to `enforce`.");

    BudgetRefused = "budget_refused_total", Counter of "moves" [],
        "Times that a move had to wait because the budget had nothing left.",
        Some("For minutes after a deployment this is the budget at work. For hours it is too small for the limits: raise `budget.per_second`, or the ages.");
    PutOff = "put_off_total", Counter of "connections" [],
        "Connections that stayed past their `grace` (HTTP/2 and WebSockets without one: 30 s) or past the age of a gRPC stream, because no moment came at which their client bears to be told.",
        Some("They stay where they are. Turn on the connection manager's PINGs (`connection_keepalive`), or set `busy` to `announce`, with which such clients may lose requests.");
    Opaque = "opaque_total", Counter of "connections" [Cause],
        "Connections left alone, byte for byte, because they are not understood.",
        Some("`tunnel` is meant so. Others are clients or servers that break the protocol: the log says at level debug which connections.");
    Http2Tunnels = "http2_tunnels_total", Counter of "streams" [],
        "WebSockets and other tunnels over HTTP/2 (CONNECT, RFC 8441), where the HTTP role is loaded. Each is one stream without an end.",
        Some("After a GOAWAY such a stream goes on until it ends by itself or `grace` is over. To its connection it is a stream that is always active: see docs/limits.md.");
    DuplicateFilters = "duplicate_filters_total", Counter of "connections" [],
        "Connections that pass the module twice, by two NETWORK filter entries: the second entry does nothing.",
        Some("Remove one of the entries; the log names the second one. In Istio two WasmPlugins select the workload, often one of the whole mesh and one of its own.");
    Unjoined = "unjoined_total", Counter of "streams" [],
        "HTTP streams whose connection the network role does not know, so that their routes' rules cannot act.",
        Some("Load the module as a NETWORK filter on the same listener, with the same `vm_id` (Istio: the same url). Connections older than that filter stay unknown until they close.");

    PolicyLoads = "policy_loads_total", Counter of "policies" [],
        "Policies that were taken over, by each worker and each filter entry.", None;
    PolicyErrors = "policy_errors_total", Counter of "policies" [],
        "Policies that were refused, by each worker and each filter entry.",
        Some("Envoy's log says which key is wrong and what was meant. The last good policy stays in force, or none.");
    PoliciesRefused = "policies_refused", Gauge of "policies" [],
        "Filter entries, by worker, whose newest policy is refused now.",
        Some("Envoy's log says which key is wrong and what was meant. The last good policy stays in force, or none.");

    LoadConnections = "load_connections", Gauge of "connections" [],
        "Connections by which the pods of a service are compared: inbound, under a rule, and not told to go.", None;
    LoadActive = "load_active_requests", Gauge of "requests" [],
        "Requests under way on these connections.", None;
    LoadRequests = "load_requests_per_second", Gauge of "requests per second" [],
        "Requests a second on these connections.", None;
    LoadBytes = "load_bytes_per_second", Gauge of "bytes per second" [],
        "Bytes a second on these connections, both ways.", None;
    Peers = "peers", Gauge of "pods" [],
        "Other pods of the service that this one knows.",
        Some("With `peers` in the policy and 0 here, `evenkeel_exchanges_total` says by its outcome why.");
    PeersMean = "peers_mean_connections", Gauge of "connections" [],
        "Connections of all known pods, this one included, over their number.", None;
    Shedding = "shedding", Gauge of "workers" [],
        "Workers that are moving a surplus now.",
        Some("If it stays above 0, the surplus comes back as fast as it goes, or `rate` or `budget` let too little go.");
    Exchanges = "exchanges_total", Counter of "exchanges" [Outcome],
        "Exchanges with peers, by what came of them.",
        Some("`failed`: the cluster has no such endpoints or nobody answers. `refused_stranger`: who asks has another identity. `malformed`, `too_long`: something else answers. `version`: another release of the module.");
    ReportsDropped = "reports_dropped_total", Counter of "reports" [],
        "Reports about peers that were absurd, within exchanges that were not.",
        Some("A pod tells what cannot be: look for one of another release, or one that is not yours.");

    UpstreamConnections = "upstream_connections", Gauge of "connections" [Upstream],
        "Raw TCP connections to an upstream host, and with `upstream` in the policy those that HTTP/1 requests went over.", None;
    UpstreamActive = "upstream_active_requests", Gauge of "requests" [Upstream],
        "Requests under way to an upstream host.", None;
    UpstreamRequests = "upstream_requests_total", Counter of "requests" [Upstream],
        "Requests that went to an upstream host.", None;
    UpstreamRequestRate = "upstream_requests_per_second", Gauge of "requests per second" [Upstream],
        "Requests a second on the connections that an upstream host serves.", None;
    UpstreamByteRate = "upstream_bytes_per_second", Gauge of "bytes per second" [Upstream],
        "Bytes a second on the connections that an upstream host serves, both ways.", None;
    UpstreamDue = "upstream_due_total", Counter of "connections" [],
        "Upstream connections past a limit of `upstream`.", None;
    UpstreamRecycled = "upstream_recycled_total", Counter of "connections" [],
        "Upstream connections past a limit that a marked request ended.", None;
    UpstreamStray = "upstream_stray_total", Counter of "connections" [],
        "Upstream connections that were ended by a mark meant for another one, or by a retry of a marked request.",
        Some("They cost a new connection and nothing else. If they are as many as the recycled ones, raise the limits of `upstream`.");
    UpstreamUnproven = "upstream_unproven_total", Counter of "connections" [],
        "Upstream connections past a limit of `upstream` that are not recycled because nothing shows that they are HTTP/1.",
        Some("If the proxy speaks HTTP/1 to these upstreams, set `upstream.protocol` to `http1`. HTTP/2 upstreams count here too: `upstream` does not recycle them.");
}

impl Metric {
    /// Its series are there, with 0, before they have anything to say.
    pub fn is_shown_at_once(self) -> bool {
        self.labels().iter().all(|label| label.is_shown_at_once())
    }

    /// The name with its labels inside, as the host is told it: `<tag>=.=<value>;.;` before the name is the form
    /// that Istio's own metrics have, of which `stats_tags` (Istio: `extraStatTags`) make labels.
    pub fn stat(self, values: &[&str]) -> String {
        let mut stat = String::new();
        for (label, value) in self.labels().iter().zip(values) {
            stat.push_str(label.tag());
            stat.push_str("=.=");
            stat.push_str(value);
            stat.push_str(";.;");
        }
        stat.push_str(self.name());
        stat
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
