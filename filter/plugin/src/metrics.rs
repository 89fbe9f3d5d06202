//! The only file that names a metric.
//!
//! A label stands before the name as `<tag>=.=<value>;.;`, the form that Istio's own metrics have: with the
//! tag in `stats_tags` (Istio: `extraStatTags`) Prometheus shows it as a label.

mod label;

use evenkeel_engine::Reason;
use evenkeel_wire::Opaque;

use crate::host;
pub(crate) use label::{Cause, Goaway, Protocol};

/// The most upstream hosts that have metrics of their own; further ones are told as `other`.
const MAX_UPSTREAMS: usize = 256;

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
            Self::UpstreamDue,
            Self::UpstreamRecycled,
            Self::UpstreamStray,
        ];
        protocols
            .flat_map(|protocol| [Self::Connections(protocol), Self::Requests(protocol)])
            .chain(by_reason)
            .chain(causes.map(Self::Opaque))
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
            Self::UpstreamDue => labelled("upstream_due_total", &[]),
            Self::UpstreamRecycled => labelled("upstream_recycled_total", &[]),
            Self::UpstreamStray => labelled("upstream_stray_total", &[]),
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
    upstreams: std::collections::HashMap<Vec<u8>, Upstream>,
}

impl Metrics {
    /// Defines every metric whose labels are known, so that what has not happened shows as 0.
    pub(crate) fn define(&mut self) {
        for counter in Counter::all() {
            self.count_by(counter, 0);
        }
        self.active(0);
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
            b"other"
        };
        *self
            .upstreams
            .entry(address.to_vec())
            .or_insert_with(|| Upstream::define(&String::from_utf8_lossy(address)))
    }
}
