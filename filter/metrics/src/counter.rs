//! The series of counters, each with the values of its labels.

use evenkeel_engine::Reason;

use crate::label::{Cause, Exchange, Goaway, Protocol};
use crate::{Kind, Metric};

/// One series of a counter: what can happen, told apart by types. What has no label is its [`Metric`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Of [`Metric::Connections`].
    Connections(Protocol),
    /// Of [`Metric::Requests`].
    Requests(Protocol),
    /// Of [`Metric::Due`].
    Due(Reason),
    /// Of [`Metric::Announced`].
    Announced(Reason),
    /// Of [`Metric::Goaways`].
    Goaway(Goaway),
    /// Of [`Metric::Clients`], by the client's family.
    Client(&'static str),
    /// Of [`Metric::Closed`]: announced, and ended by the client.
    ClosedByClient(Reason),
    /// Of [`Metric::Closed`]: announced, and ended by the proxy itself.
    ClosedByProxy(Reason),
    /// Of [`Metric::Closed`]: ended by Evenkeel.
    ClosedByEvenkeel(Reason),
    /// Of [`Metric::Cut`].
    Cut(Reason),
    /// Of [`Metric::Untold`].
    Untold(Reason),
    /// Of [`Metric::SignalsIgnored`].
    SignalIgnored(Reason),
    /// Of [`Metric::Observed`].
    Observed(Reason),
    /// Of [`Metric::Opaque`].
    Opaque(Cause),
    /// Of [`Metric::Exchanges`].
    Exchange(Exchange),
    /// The only series of a metric that has no label.
    Plain(Metric),
}

impl Counter {
    /// All that are shown from the start: but for those whose labels are a matter of who comes.
    pub fn all() -> impl Iterator<Item = Self> {
        let by_protocol = Protocol::ALL
            .into_iter()
            .flat_map(|protocol| [Self::Connections(protocol), Self::Requests(protocol)]);
        let by_reason = Reason::ALL.into_iter().flat_map(|reason| {
            [
                Self::Due(reason),
                Self::Announced(reason),
                Self::ClosedByClient(reason),
                Self::ClosedByProxy(reason),
                Self::ClosedByEvenkeel(reason),
                Self::Cut(reason),
                Self::Untold(reason),
                Self::SignalIgnored(reason),
                Self::Observed(reason),
            ]
        });
        let plain = Metric::ALL
            .iter()
            .filter(|metric| metric.kind() == Kind::Counter && metric.labels().is_empty());
        by_protocol
            .chain(by_reason)
            .chain(Cause::all().map(Self::Opaque))
            .chain(Exchange::ALL.into_iter().map(Self::Exchange))
            .chain(plain.copied().map(Self::Plain))
    }

    /// The metric that it is a series of.
    pub const fn metric(self) -> Metric {
        match self {
            Self::Connections(_) => Metric::Connections,
            Self::Requests(_) => Metric::Requests,
            Self::Due(_) => Metric::Due,
            Self::Announced(_) => Metric::Announced,
            Self::Goaway(_) => Metric::Goaways,
            Self::Client(_) => Metric::Clients,
            Self::ClosedByClient(_) | Self::ClosedByProxy(_) | Self::ClosedByEvenkeel(_) => {
                Metric::Closed
            }
            Self::Cut(_) => Metric::Cut,
            Self::Untold(_) => Metric::Untold,
            Self::SignalIgnored(_) => Metric::SignalsIgnored,
            Self::Observed(_) => Metric::Observed,
            Self::Opaque(_) => Metric::Opaque,
            Self::Exchange(_) => Metric::Exchanges,
            Self::Plain(metric) => metric,
        }
    }

    /// Its name for the host, labels included.
    pub fn stat(self) -> String {
        let metric = self.metric();
        match self {
            Self::Connections(protocol) | Self::Requests(protocol) => {
                metric.stat(&[protocol.name()])
            }
            Self::Due(reason)
            | Self::Announced(reason)
            | Self::Cut(reason)
            | Self::Untold(reason)
            | Self::SignalIgnored(reason)
            | Self::Observed(reason) => metric.stat(&[reason.name()]),
            Self::ClosedByClient(reason) => metric.stat(&[reason.name(), "client"]),
            Self::ClosedByProxy(reason) => metric.stat(&[reason.name(), "proxy"]),
            Self::ClosedByEvenkeel(reason) => metric.stat(&[reason.name(), "evenkeel"]),
            Self::Goaway(goaway) => metric.stat(&[
                goaway.family,
                if goaway.is_exact { "exact" } else { "max" },
                if goaway.is_quiet { "quiet" } else { "busy" },
            ]),
            Self::Client(family) => metric.stat(&[family]),
            Self::Opaque(cause) => metric.stat(&[cause.name()]),
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
                panic!("{} has no end", label.tag());
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
    fn the_series_shown_from_the_start_are_those_of_the_list() {
        let shown = Metric::ALL
            .iter()
            .filter(|metric| metric.kind() == Kind::Counter && metric.is_shown_at_once());
        let listed: BTreeSet<_> = shown.flat_map(|metric| combinations(*metric)).collect();
        let series: Vec<_> = Counter::all().map(Counter::stat).collect();

        assert_eq!(series.iter().cloned().collect::<BTreeSet<_>>(), listed);
        assert_eq!(series.len(), listed.len());
    }

    #[test]
    fn a_label_of_who_comes_says_what_the_list_has() {
        for family in ["go", "unknown", "tonic", "grpc-go"] {
            let goaway = Goaway {
                family,
                is_exact: false,
                is_quiet: true,
            };
            let goaway = Counter::Goaway(goaway).stat();
            assert!(combinations(Metric::Goaways).contains(&goaway), "{goaway}");
            let client = Counter::Client(family).stat();
            assert!(combinations(Metric::Clients).contains(&client), "{client}");
        }
    }

    #[test]
    fn labels_stand_before_the_name() {
        assert_eq!(
            Counter::ClosedByClient(Reason::MaxAge).stat(),
            "reason=.=max_age;.;by=.=client;.;evenkeel_closed_total"
        );
        assert!(Label::By.regex().starts_with(r"(\bby=\.=("));
    }
}
