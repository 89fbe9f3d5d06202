//! The only file that names a metric.
//!
//! A label stands before the name as `<tag>=.=<value>;.;`, the form that Istio's own metrics have: with the
//! tag in `stats_tags` (Istio: `extraStatTags`) Prometheus shows it as a label.

mod label;

use evenkeel_engine::peers::{Heard, Refused};
use evenkeel_engine::{Load, Reason};
use evenkeel_wire::Opaque;

use crate::host;
pub(crate) use label::{Cause, Exchange, Goaway, Protocol};

/// The most upstream hosts that have metrics of their own; further ones are told as `other`.
const MAX_UPSTREAMS: usize = 256;
const OTHER: &[u8] = b"other";

/// What is counted without a label but `reason`, `by` and the like. The list is the documentation, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counter {
    /// Downstream connections opened, by protocol.
    Connections(Protocol),
    /// Requests seen on the wire, by protocol.
    Requests(Protocol),
    /// Connections that reached a limit.
    Due(Reason),
    /// Connections whose end was announced.
    Announced(Reason),
    /// GOAWAYs, by what was known of the client and chosen for it. Defined when first used.
    Goaway(Goaway),
    /// HTTP/2 connections by the client's family. Defined when first used.
    Client(&'static str),
    /// Announced connections that were ended by the client.
    ClosedByClient(Reason),
    /// Announced connections that the proxy itself ended.
    ClosedByProxy(Reason),
    /// Connections that Evenkeel closed.
    ClosedByEvenkeel(Reason),
    /// Requests (TCP: connections that were not silent) that were cut because their grace was over.
    Cut(Reason),
    /// WebSockets that were closed without a Close frame, because nothing was said on them.
    Untold(Reason),
    /// gRPC streams that were ended because of their age.
    StreamsEnded,
    /// Observe mode: what would have been announced or closed.
    Observed(Reason),
    /// Moves that the budget put off.
    BudgetRefused,
    /// Moves put off past their grace because no moment was good.
    PutOff,
    /// Connections that are not understood and left alone.
    Opaque(Cause),
    /// HTTP streams whose connection the network role does not know.
    Unjoined,
    /// Policies that were refused.
    PolicyErrors,
    /// Policies that were taken over.
    PolicyLoads,
    /// Exchanges with peers.
    Exchanges(Exchange),
    /// Reports about peers that were absurd, within exchanges that were not.
    ReportsDropped,
    /// Upstream connections past a limit.
    UpstreamDue,
    /// Upstream connections past a limit that a marked request ended.
    UpstreamRecycled,
    /// Upstream connections that were ended by a mark meant for another one.
    UpstreamStray,
}

impl Counter {
    /// All but those whose labels are a matter of who comes.
    fn all() -> impl Iterator<Item = Self> {
        let protocols = Protocol::ALL.into_iter();
        let causes = Opaque::ALL
            .into_iter()
            .map(Cause::NotUnderstood)
            .chain([Cause::Tunnel]);
        let by_reason = Reason::ALL.into_iter().flat_map(|reason| {
            [
                Self::Due(reason),
                Self::Announced(reason),
                Self::ClosedByClient(reason),
                Self::ClosedByProxy(reason),
                Self::ClosedByEvenkeel(reason),
                Self::Cut(reason),
                Self::Untold(reason),
                Self::Observed(reason),
            ]
        });
        let plain = [
            Self::BudgetRefused,
            Self::PutOff,
            Self::StreamsEnded,
            Self::Unjoined,
            Self::PolicyErrors,
            Self::PolicyLoads,
            Self::ReportsDropped,
            Self::UpstreamDue,
            Self::UpstreamRecycled,
            Self::UpstreamStray,
        ];
        protocols
            .flat_map(|protocol| [Self::Connections(protocol), Self::Requests(protocol)])
            .chain(by_reason)
            .chain(causes.map(Self::Opaque))
            .chain(Exchange::ALL.into_iter().map(Self::Exchanges))
            .chain(plain)
    }

    fn stat(self) -> String {
        let labelled = |name: &str, labels: &[(&str, &str)]| {
            let labels: String = labels
                .iter()
                .map(|(tag, value)| format!("{tag}=.={value};.;"))
                .collect();
            format!("{labels}evenkeel_{name}")
        };
        match self {
            Self::Connections(protocol) => {
                labelled("connections_total", &[("protocol", protocol.name())])
            }
            Self::Requests(protocol) => {
                labelled("requests_total", &[("protocol", protocol.name())])
            }
            Self::Due(reason) => labelled("due_total", &[("reason", reason.name())]),
            Self::Announced(reason) => labelled("announced_total", &[("reason", reason.name())]),
            Self::Goaway(goaway) => labelled(
                "goaway_total",
                &[
                    ("family", goaway.family),
                    ("goaway", if goaway.is_exact { "exact" } else { "max" }),
                    ("moment", if goaway.is_quiet { "quiet" } else { "busy" }),
                ],
            ),
            Self::Client(family) => labelled("clients_total", &[("family", family)]),
            Self::ClosedByClient(reason) => labelled(
                "closed_total",
                &[("reason", reason.name()), ("by", "client")],
            ),
            Self::ClosedByProxy(reason) => labelled(
                "closed_total",
                &[("reason", reason.name()), ("by", "proxy")],
            ),
            Self::ClosedByEvenkeel(reason) => labelled(
                "closed_total",
                &[("reason", reason.name()), ("by", "evenkeel")],
            ),
            Self::Cut(reason) => labelled("cut_total", &[("reason", reason.name())]),
            Self::Observed(reason) => labelled("observed_total", &[("reason", reason.name())]),
            Self::Untold(reason) => labelled("untold_total", &[("reason", reason.name())]),
            Self::StreamsEnded => labelled("streams_ended_total", &[]),
            Self::BudgetRefused => labelled("budget_refused_total", &[]),
            Self::PutOff => labelled("put_off_total", &[]),
            Self::Opaque(cause) => labelled("opaque_total", &[("cause", cause.name())]),
            Self::Unjoined => labelled("unjoined_total", &[]),
            Self::PolicyErrors => labelled("policy_errors_total", &[]),
            Self::PolicyLoads => labelled("policy_loads_total", &[]),
            Self::Exchanges(exchange) => {
                labelled("exchanges_total", &[("outcome", exchange.name())])
            }
            Self::ReportsDropped => labelled("reports_dropped_total", &[]),
            Self::UpstreamDue => labelled("upstream_due_total", &[]),
            Self::UpstreamRecycled => labelled("upstream_recycled_total", &[]),
            Self::UpstreamStray => labelled("upstream_stray_total", &[]),
        }
    }
}

/// What goes up and down. Each worker shows its own, and the host adds them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Gauge {
    /// Connections by which the pods of a service are compared.
    LoadConnections,
    /// Requests on them that are owed something.
    LoadActive,
    /// Requests a second on them.
    LoadRequests,
    /// Bytes a second on them, both ways.
    LoadBytes,
    /// Other pods that are known. Shown by the worker that asks.
    Peers,
    /// Connections of all pods over their number. Shown by the worker that asks.
    PeersMean,
    /// Workers that are moving a surplus.
    Shedding,
    /// Requests a second that an upstream host answers.
    UpstreamRequests,
    /// Bytes a second on connections that an upstream host serves, both ways.
    UpstreamBytes,
}

impl Gauge {
    /// Those that have no label.
    const PLAIN: [Self; 7] = [
        Self::LoadConnections,
        Self::LoadActive,
        Self::LoadRequests,
        Self::LoadBytes,
        Self::Peers,
        Self::PeersMean,
        Self::Shedding,
    ];

    fn stat(self) -> &'static str {
        match self {
            Self::LoadConnections => "evenkeel_load_connections",
            Self::LoadActive => "evenkeel_load_active_requests",
            Self::LoadRequests => "evenkeel_load_requests_per_second",
            Self::LoadBytes => "evenkeel_load_bytes_per_second",
            Self::Peers => "evenkeel_peers",
            Self::PeersMean => "evenkeel_peers_mean_connections",
            Self::Shedding => "evenkeel_shedding",
            Self::UpstreamRequests => "evenkeel_upstream_requests_per_second",
            Self::UpstreamBytes => "evenkeel_upstream_bytes_per_second",
        }
    }
}

/// A gauge's handle, and what this worker has shown.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    metric: Option<u32>,
    value: i64,
}

impl Shown {
    fn show(&mut self, value: f64) {
        let value = value.round() as i64;
        let change = value.saturating_sub(self.value);
        if change != 0 {
            add(self.metric, change);
            self.value = value;
        }
    }
}

/// The numbers of one upstream host: handles of the host's metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Upstream {
    requests: Option<u32>,
    active: Option<u32>,
    connections: Option<u32>,
}

impl Upstream {
    fn define(address: &str) -> Self {
        let stat = |name: &str| format!("upstream=.={address};.;evenkeel_upstream_{name}");
        Self {
            requests: host::define_counter(&stat("requests_total")),
            active: host::define_gauge(&stat("active_requests")),
            connections: host::define_gauge(&stat("connections")),
        }
    }

    pub(crate) fn request_began(self) {
        add(self.requests, 1);
        add(self.active, 1);
    }

    pub(crate) fn request_ended(self) {
        add(self.active, -1);
    }

    pub(crate) fn connected(self) {
        add(self.connections, 1);
    }

    pub(crate) fn disconnected(self) {
        add(self.connections, -1);
    }
}

fn add(metric: Option<u32>, by: i64) {
    if let Some(metric) = metric {
        host::add(metric, by);
    }
}

/// Every metric of this worker: defined with the host when first used, and remembered.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counters: std::collections::HashMap<Counter, Option<u32>>,
    active: Option<Option<u32>>,
    gauges: std::collections::HashMap<Gauge, Shown>,
    carried: std::collections::HashMap<(Gauge, Vec<u8>), Shown>,
    upstreams: std::collections::HashMap<Vec<u8>, Upstream>,
}

impl Metrics {
    /// Defines every metric whose labels are known, so that what has not happened shows as 0.
    pub(crate) fn define(&mut self) {
        for counter in Counter::all() {
            self.count_by(counter, 0);
        }
        self.active(0);
        for gauge in Gauge::PLAIN {
            self.gauge(gauge, 0.0);
        }
    }

    /// Shows this worker's part of a gauge.
    pub(crate) fn gauge(&mut self, gauge: Gauge, value: f64) {
        let shown = self.gauges.entry(gauge).or_insert_with(|| Shown {
            metric: host::define_gauge(gauge.stat()),
            value: 0,
        });
        shown.show(value);
    }

    /// Shows what this worker carries to upstream hosts, by their addresses.
    pub(crate) fn carried<'a>(&mut self, hosts: impl Iterator<Item = (&'a [u8], Load)>) {
        let mut sums: std::collections::HashMap<&[u8], Load> = std::collections::HashMap::new();
        for (address, load) in hosts {
            // Who has no metrics of its own is told as `other`.
            let is_told =
                self.upstreams.contains_key(address) && self.upstreams.len() < MAX_UPSTREAMS;
            let address = if is_told { address } else { OTHER };
            let sum = sums.entry(address).or_default();
            *sum = sum.plus(load);
        }
        for ((_, address), shown) in &mut self.carried {
            if !sums.contains_key(address.as_slice()) {
                shown.show(0.0);
            }
        }
        for (address, load) in sums {
            for (gauge, value) in [
                (Gauge::UpstreamRequests, load.requests),
                (Gauge::UpstreamBytes, load.bytes),
            ] {
                let shown = self
                    .carried
                    .entry((gauge, address.to_vec()))
                    .or_insert_with(|| {
                        let name = String::from_utf8_lossy(address);
                        let stat = format!("upstream=.={name};.;{}", gauge.stat());
                        Shown {
                            metric: host::define_gauge(&stat),
                            value: 0,
                        }
                    });
                shown.show(value);
            }
        }
    }

    /// Counts what came of a peer's message.
    pub(crate) fn heard(&mut self, heard: &Result<Heard, Refused>) {
        match heard {
            Ok(heard) => self.count_by(Counter::ReportsDropped, heard.dropped as u64),
            Err(refused) => self.count(Counter::Exchanges(Exchange::of(refused))),
        }
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        self.count_by(counter, 1);
    }

    pub(crate) fn count_by(&mut self, counter: Counter, by: u64) {
        let metric = *self
            .counters
            .entry(counter)
            .or_insert_with(|| host::define_counter(&counter.stat()));
        if by > 0 {
            add(metric, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    /// Open downstream connections.
    pub(crate) fn active(&mut self, by: i64) {
        let metric = *self
            .active
            .get_or_insert_with(|| host::define_gauge("evenkeel_connections_active"));
        add(metric, by);
    }

    pub(crate) fn upstream(&mut self, address: &[u8]) -> Upstream {
        if let Some(known) = self.upstreams.get(address) {
            return *known;
        }
        let address: &[u8] = if self.upstreams.len() < MAX_UPSTREAMS {
            address
        } else {
            OTHER
        };
        *self
            .upstreams
            .entry(address.to_vec())
            .or_insert_with(|| Upstream::define(&String::from_utf8_lossy(address)))
    }
}
