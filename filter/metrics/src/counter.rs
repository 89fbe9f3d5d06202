//! The series of counters, each with its label values.

use evenkeel_engine::{DeferReason, DrainReason};

use evenkeel_wire::tcp::PinReason;
use evenkeel_wire::{BypassReason, Protocol};

use crate::label::{Exchange, GoawayLabels};
use crate::{Kind, Metric};

/// One series of a counter. A metric without labels is [`Counter::Plain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counter {
    /// Of [`Metric::Connections`].
    Connections(Protocol),
    /// Of [`Metric::Requests`].
    Requests(Protocol),
    /// Of [`Metric::Expired`].
    Expired(DrainReason),
    /// Of [`Metric::DrainSignals`].
    DrainSignal(DrainReason),
    /// Of [`Metric::Goaways`].
    Goaway(GoawayLabels),
    /// Of [`Metric::Http2Connections`], by client.
    Client(&'static str),
    /// Of [`Metric::Drained`]: after a drain signal, closed by the client.
    DrainedByClient(DrainReason),
    /// Of [`Metric::Drained`]: after a drain signal, closed by the proxy itself.
    DrainedByProxy(DrainReason),
    /// Of [`Metric::Drained`]: closed by Evenkeel.
    DrainedByEvenkeel(DrainReason),
    /// Of [`Metric::RequestsAborted`].
    RequestAborted(DrainReason),
    /// Of [`Metric::ConnectionsAborted`].
    ConnectionAborted(DrainReason),
    /// Of [`Metric::ClosedWithoutNotice`].
    ClosedWithoutNotice(DrainReason),
    /// Of [`Metric::SignalsIgnored`].
    SignalIgnored(DrainReason),
    /// Of [`Metric::DryRunDrains`].
    DryRunDrain(DrainReason),
    /// Of [`Metric::Deferred`].
    Deferred(DeferReason),
    /// Of [`Metric::Pinned`].
    Pinned(PinReason),
    /// Of [`Metric::Bypassed`].
    Bypassed(BypassReason),
    /// Of [`Metric::PolicyUpdates`]: accepted, or rejected.
    PolicyUpdate(bool),
    /// Of [`Metric::PeerExchanges`].
    Exchange(Exchange),
    /// The only series of a metric without labels.
    Plain(Metric),
}

impl Counter {
    /// Every series that is published from the start: those whose label values do not depend on traffic.
    pub fn all() -> impl Iterator<Item = Self> {
        let by_protocol = Protocol::ALL
            .into_iter()
            .flat_map(|protocol| [Self::Connections(protocol), Self::Requests(protocol)]);
        let by_reason = DrainReason::ALL.into_iter().flat_map(|reason| {
            [
                Self::Expired(reason),
                Self::DrainSignal(reason),
                Self::DrainedByClient(reason),
                Self::DrainedByProxy(reason),
                Self::DrainedByEvenkeel(reason),
                Self::RequestAborted(reason),
                Self::ConnectionAborted(reason),
                Self::ClosedWithoutNotice(reason),
                Self::SignalIgnored(reason),
                Self::DryRunDrain(reason),
            ]
        });
        let plain = Metric::ALL
            .iter()
            .filter(|metric| metric.kind() == Kind::Counter && metric.labels().is_empty());
        by_protocol
            .chain(by_reason)
            .chain(DeferReason::all().map(Self::Deferred))
            .chain(PinReason::ALL.map(Self::Pinned))
            .chain(BypassReason::ALL.map(Self::Bypassed))
            .chain([true, false].map(Self::PolicyUpdate))
            .chain(Exchange::ALL.into_iter().map(Self::Exchange))
            .chain(plain.copied().map(Self::Plain))
    }

    /// Its metric.
    pub const fn metric(self) -> Metric {
        match self {
            Self::Connections(_) => Metric::Connections,
            Self::Requests(_) => Metric::Requests,
            Self::Expired(_) => Metric::Expired,
            Self::DrainSignal(_) => Metric::DrainSignals,
            Self::Goaway(_) => Metric::Goaways,
            Self::Client(_) => Metric::Http2Connections,
            Self::DrainedByClient(_) | Self::DrainedByProxy(_) | Self::DrainedByEvenkeel(_) => {
                Metric::Drained
            }
            Self::RequestAborted(_) => Metric::RequestsAborted,
            Self::ConnectionAborted(_) => Metric::ConnectionsAborted,
            Self::ClosedWithoutNotice(_) => Metric::ClosedWithoutNotice,
            Self::SignalIgnored(_) => Metric::SignalsIgnored,
            Self::DryRunDrain(_) => Metric::DryRunDrains,
            Self::Deferred(_) => Metric::Deferred,
            Self::Pinned(_) => Metric::Pinned,
            Self::Bypassed(_) => Metric::Bypassed,
            Self::PolicyUpdate(_) => Metric::PolicyUpdates,
            Self::Exchange(_) => Metric::PeerExchanges,
            Self::Plain(metric) => metric,
        }
    }

    /// The stat's name, with labels.
    pub fn stat(self) -> String {
        let metric = self.metric();
        match self {
            Self::Connections(protocol) | Self::Requests(protocol) => {
                metric.stat(&[protocol.name()])
            }
            Self::Expired(reason)
            | Self::DrainSignal(reason)
            | Self::RequestAborted(reason)
            | Self::ConnectionAborted(reason)
            | Self::ClosedWithoutNotice(reason)
            | Self::SignalIgnored(reason)
            | Self::DryRunDrain(reason) => metric.stat(&[reason.name()]),
            Self::DrainedByClient(reason) => metric.stat(&[reason.name(), "client"]),
            Self::DrainedByProxy(reason) => metric.stat(&[reason.name(), "proxy"]),
            Self::DrainedByEvenkeel(reason) => metric.stat(&[reason.name(), "evenkeel"]),
            Self::Goaway(goaway) => metric.stat(&[
                goaway.client,
                if goaway.is_exact { "exact" } else { "max" },
                if goaway.is_idle { "idle" } else { "active" },
            ]),
            Self::Client(client) => metric.stat(&[client]),
            Self::Deferred(reason) => metric.stat(&[reason.name()]),
            Self::Pinned(reason) => metric.stat(&[reason.name()]),
            Self::Bypassed(cause) => metric.stat(&[cause.name()]),
            Self::PolicyUpdate(accepted) => {
                metric.stat(&[if accepted { "accepted" } else { "rejected" }])
            }
            Self::Exchange(exchange) => metric.stat(&[exchange.name()]),
            Self::Plain(metric) => metric.stat(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Label, Values};

    /// Every combination of the values of these labels.
    fn combinations(metric: Metric) -> Vec<String> {
        let mut combinations: Vec<Vec<&str>> = vec![Vec::new()];
        for label in metric.labels() {
            let Values::Fixed(values) = label.values() else {
                panic!("{} has any value", label.tag());
            };
            combinations = combinations
                .iter()
                .flat_map(|begun| {
                    values
                        .iter()
                        .map(|value| [begun.as_slice(), &[*value]].concat())
                })
                .collect();
        }
        combinations
            .iter()
            .map(|values| metric.stat(values))
            .collect()
    }

    #[test]
    fn series_published_from_the_start_are_those_of_the_list() {
        let shown = Metric::ALL
            .iter()
            .filter(|metric| metric.kind() == Kind::Counter && metric.is_shown_at_once());
        let listed: BTreeSet<_> = shown.flat_map(|metric| combinations(*metric)).collect();
        let series: Vec<_> = Counter::all().map(Counter::stat).collect();

        assert_eq!(series.iter().cloned().collect::<BTreeSet<_>>(), listed);
        assert_eq!(series.len(), listed.len());
    }

    #[test]
    fn http2_client_label_has_listed_values_only() {
        for client in ["go", "unknown", "tonic", "grpc-go"] {
            let goaway = GoawayLabels {
                client,
                is_exact: false,
                is_idle: true,
            };
            let goaway = Counter::Goaway(goaway).stat();
            assert!(combinations(Metric::Goaways).contains(&goaway), "{goaway}");
            let client = Counter::Client(client).stat();
            assert!(
                combinations(Metric::Http2Connections).contains(&client),
                "{client}"
            );
        }
    }

    #[test]
    fn labels_precede_the_name() {
        assert_eq!(
            Counter::DrainedByClient(DrainReason::MaxConnectionAge).stat(),
            "drain_reason=.=max_connection_age;.;closed_by=.=client;.;evenkeel_connections_drained_total"
        );
        assert!(Label::ClosedBy.regex().starts_with(r"(\bclosed_by=\.=("));
    }
}
