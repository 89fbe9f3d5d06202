//! The list of metrics.

use core::fmt;

use crate::Label;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the proxy restarts.
    Counter,
    /// It goes up and down. Each worker publishes its own part, and the host adds up the parts.
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
            /// Every metric, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$metric),+];

            /// Its name in Prometheus.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => concat!("evenkeel_", $name),)+
                }
            }

            /// Its kind.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$metric => Kind::$kind,)+
                }
            }

            /// The unit of its value.
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

            /// Its meaning, in one sentence.
            pub const fn help(self) -> &'static str {
                match self {
                    $(Self::$metric => $help,)+
                }
            }

            /// What to do about it, if anything.
            pub const fn action(self) -> Option<&'static str> {
                match self {
                    $(Self::$metric => $action,)+
                }
            }
        }
    };
}

metrics! {
    ConnectionsActive = "downstream_connections_active", Gauge of "connections" [],
        "Open downstream connections.", None;
    ConnectionsAge = "downstream_connections_age_sum_seconds", Gauge of "seconds" [],
        "Sum of the ages of all open downstream connections; divided by `evenkeel_downstream_connections_active`, which is published at the same time, it is their mean age.",
        Some("A mean age that grows by a second each second belongs to connections that no limit drains: set an age, or `rebalance`.");
    Connections = "downstream_connections_total", Counter of "connections" [ConnectionProtocol],
        "Downstream connections, by protocol, counted when the protocol is known.", None;
    Requests = "requests_total", Counter of "requests" [ConnectionProtocol],
        "Requests on downstream connections; messages on a WebSocket are not requests. An HTTP/1 request that a client sends before it has the previous response may count twice. Those of HTTP/2 connections that are not read are left out (docs/wire.md, HTTP/2).", None;
    Http2Connections = "http2_connections_total", Counter of "connections" [Http2Client],
        "HTTP/2 connections, by the client library that their first frames identify; `ambiguous` where several fit.", None;

    Expired = "connections_expired_total", Counter of "connections" [DrainReason],
        "Connections that reached a limit, or were selected by `rebalance`.", None;
    DrainSignals = "drain_signals_total", Counter of "connections" [DrainReason],
        "Connections whose client was sent a drain signal.", None;
    Goaways = "goaways_total", Counter of "connections" [Http2Client, LastStreamId, ConnectionState],
        "GOAWAY frames, by client, last-stream-id, and whether requests were active.", None;
    SignalsIgnored = "drain_signals_ignored_total", Counter of "connections" [DrainReason],
        "Connections whose client continued to send requests after a drain signal.",
        Some("They are closed once the client has the responses. Such a client can fail a request then: look for `connection: close` or GOAWAY in its library's issues.");
    Drained = "connections_drained_total", Counter of "connections" [DrainReason, ClosedBy],
        "Connections that ended after they expired, by who closed them.",
        Some("For raw TCP `closed_by=\"evenkeel\"` is normal. For HTTP it means that clients do not close after a drain signal: a longer `close_delay` gives them time.");
    RequestsAborted = "requests_aborted_total", Counter of "requests" [DrainReason],
        "Requests that were aborted because their `drain_timeout` ended.",
        Some("Each is a request that a client lost. Make `drain_timeout` longer than your longest request, or `off`; `protect` routes that stream.");
    ConnectionsAborted = "connections_aborted_total", Counter of "connections" [DrainReason],
        "Raw TCP, database and broker connections, and WebSockets, that were closed while active, because their `drain_timeout` ended.",
        Some("Each is a client that lost data in transit. Make `drain_timeout` longer, or `off`; for raw TCP a shorter `idle_time` finds more safe points.");
    ClosedWithoutNotice = "websockets_closed_without_notice_total", Counter of "connections" [DrainReason],
        "WebSockets that were closed without a Close frame, because both sides were silent for `websocket.idle_timeout`.",
        Some("Let the server send PINGs, behind which a Close frame fits; or set `websocket.idle_timeout` to `off`.");
    StreamsTerminated = "grpc_streams_terminated_total", Counter of "streams" [],
        "gRPC streams that were ended with UNAVAILABLE because of `grpc.max_stream_age`.", None;
    DryRunDrains = "dry_run_drains_total", Counter of "connections" [DrainReason],
        "Connections that would have been drained, in dry-run mode.",
        Some("If these are the drains that you want, set `mode` to `enforce`.");

    BudgetExhausted = "drain_budget_exhausted_total", Counter of "drains" [],
        "Drains that had to wait because the budget was exhausted.",
        Some("For minutes after a deployment the budget works as intended. For hours it is too small for the limits: raise `budget.per_second`, or the ages.");
    Deferred = "drain_deferred_total", Counter of "connections" [DeferReason],
        "Connections that stayed open past their `drain_timeout` (without one: 30 s) or past the age of a gRPC stream, because there was no safe point for their client, by what is missing.",
        Some("They stay open. `no_safe_point` (HTTP/2, WebSocket): enable the connection manager's PINGs (`connection_keepalive`), or set `when_active` to `drain`, with which such clients may lose requests. `not_idle`: a shorter `idle_time` finds more safe points. Others are in flight: look for long transactions, or for messages that are not acknowledged.");
    Pinned = "drains_pinned_total", Counter of "connections" [PinReason],
        "Connections to databases and brokers that stayed open past their `drain_timeout` (without one: 30 s) although nothing was in flight, because the server keeps state for them.",
        Some("They stay open until the client ends that state or the connection. If the client restores it after a reconnect, set `session_state` to `ignore`.");
    Bypassed = "connections_bypassed_total", Counter of "connections" [BypassReason],
        "Connections that are passed through byte for byte, because their protocol is not understood or was not parsed from the first byte.",
        Some("`tunnel` is expected. `encrypted` is TLS from end to end. `opened_before_rule`: the connection is older than the rule in `tcp`. Others are clients or servers that violate the protocol: the log at level debug names the connections.");
    Http2Tunnels = "http2_tunnels_total", Counter of "streams" [],
        "WebSockets and other tunnels over HTTP/2 (CONNECT, RFC 8441), where the HTTP filter is run for all requests. Each is one stream without an end.",
        Some("After a GOAWAY such a stream continues until it ends by itself or `drain_timeout` ends. Its connection is active as long as it lives: see docs/limits.md.");
    DuplicateFilters = "duplicate_filters_total", Counter of "connections" [],
        "Connections that pass the module twice, because of two NETWORK filter entries: the second entry does nothing.",
        Some("Remove one of the entries; the log names the second one. In Istio two WasmPlugins select the workload, often a mesh-wide one and its own.");
    StreamsUnmatched = "streams_unmatched_total", Counter of "streams" [],
        "HTTP streams whose connection the network role does not know, so that their routes' rules have no effect.",
        Some("Load the module as a NETWORK filter on the same listener, with the same `vm_id` (Istio: the same url). Connections older than that filter stay unknown until they close.");

    PolicyUpdates = "policy_updates_total", Counter of "policies" [UpdateResult],
        "Policies that were received, by result; counted by each worker and each filter entry.",
        Some("Envoy's log names the invalid key of a rejected policy and the fix. The last valid policy stays active, or none.");
    PolicyRejected = "policy_rejected", Gauge of "policies" [],
        "Filter entries whose newest policy is rejected, added up over the workers and the main thread: 6 with two workers and two entries.",
        Some("Envoy's log names the invalid key and the fix. The last valid policy stays active, or none.");

    PolicyInfo = "policy_info", Gauge of "policies" [PolicyMode],
        "Filter entries with an active policy of this mode, added up over the workers and the main thread.", None;
    BuildInfo = "build_info", Gauge of "threads" [EvenkeelVersion],
        "Workers, and the main thread, that run this version of the module.", None;

    LoadConnections = "rebalanced_load_connections", Gauge of "connections" [],
        "Connections by which pods are compared: inbound, under a rule, and not draining.", None;
    LoadActive = "rebalanced_load_active_requests", Gauge of "requests" [],
        "Active requests on these connections. Without `rebalance` in the policy, an HTTP/1 request may be active only until its response begins, and those of HTTP/2 connections that are not read are left out.", None;
    LoadRequests = "rebalanced_load_requests_per_second", Gauge of "requests per second" [],
        "Requests per second on these connections, as rebalancing measures them.", None;
    LoadBytes = "rebalanced_load_bytes_per_second", Gauge of "bytes per second" [],
        "Bytes per second on these connections, in both directions, as rebalancing measures them.", None;
    Peers = "peers_known", Gauge of "pods" [],
        "Other pods of the service that this pod knows.",
        Some("With `peers` in the policy and 0 here, `evenkeel_peer_exchanges_total` shows the cause by its result.");
    PeersMean = "peers_mean_connections", Gauge of "connections" [],
        "Mean number of connections of all known pods, this one included.", None;
    Rebalancing = "workers_rebalancing", Gauge of "workers" [],
        "Workers that are draining excess load.",
        Some("If it stays above 0, excess load returns as fast as it is drained, or `max_rate` or `budget` drain too little.");
    PeerExchanges = "peer_exchanges_total", Counter of "exchanges" [ExchangeResult],
        "Gossip exchanges with peers, by result.",
        Some("`failed`: the cluster has no such endpoints, or none responds. `rejected_identity`: the requester has another identity. `malformed`, `too_long`: something else responds. `version`: another release of the module.");
    ReportsDropped = "peer_reports_dropped_total", Counter of "reports" [],
        "Implausible load reports in otherwise valid exchanges.",
        Some("A pod reports impossible values: look for one of another release, or one that is not yours.");

    UpstreamConnections = "upstream_connections", Gauge of "connections" [UpstreamHost],
        "Raw TCP connections to an upstream host, and with `upstream` in the policy its HTTP/1 connections.", None;
    UpstreamActive = "upstream_active_requests", Gauge of "requests" [UpstreamHost],
        "Active requests to an upstream host, where the policy has `upstream`, or `rebalance` without `peers`.", None;
    UpstreamRequests = "upstream_requests_total", Counter of "requests" [UpstreamHost],
        "Requests to an upstream host, where the policy has `upstream`, or `rebalance` without `peers`.", None;
    UpstreamRequestRate = "upstream_requests_per_second", Gauge of "requests per second" [UpstreamHost],
        "Requests per second on the connections that an upstream host serves, as rebalancing measures them.", None;
    UpstreamByteRate = "upstream_bytes_per_second", Gauge of "bytes per second" [UpstreamHost],
        "Bytes per second on the connections that an upstream host serves, in both directions, as rebalancing measures them.", None;
    UpstreamExpired = "upstream_connections_expired_total", Counter of "connections" [],
        "Upstream connections that reached a limit of `upstream`.", None;
    UpstreamRecycled = "upstream_connections_recycled_total", Counter of "connections" [],
        "Expired upstream connections that a marked request ended.", None;
    UpstreamClosedEarly = "upstream_connections_closed_early_total", Counter of "connections" [],
        "Upstream connections that were ended by a mark meant for another one, or by a retry of a marked request.",
        Some("Each costs a new connection and nothing else. If they are as many as the recycled ones, raise the limits of `upstream`.");
    UpstreamNotRecycled = "upstream_connections_not_recycled_total", Counter of "connections" [],
        "Expired upstream connections that are not recycled because nothing shows that they are HTTP/1.",
        Some("If the proxy uses HTTP/1 to these upstreams, set `upstream.protocol` to `http1`. HTTP/2 upstreams count here too: `upstream` does not recycle them.");
}

impl Metric {
    /// Whether its series are published with 0 from the start.
    pub fn is_shown_at_once(self) -> bool {
        self.labels().iter().all(|label| label.is_shown_at_once())
    }

    /// The stat's name with its labels: `<tag>=.=<value>;.;` before the name is the form of Istio's own metrics, from
    /// which `stats_tags` (Istio: `extraStatTags`) extract labels.
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
