//! What Envoy counted, as `GET /stats` tells it.

use std::collections::BTreeMap;

use evenkeel_metrics::Metric;

/// What stands before the name of a metric that a module defines.
const OURS: &str = "wasmcustom.";

/// Counters and gauges at one moment, by name and labels.
///
/// A label stands inside a stat's full name as `<tag>=.=<value>;.;`, before the name or behind it; here it
/// is taken out: `wasmcustom.closed_by=.=client;.;evenkeel_connections_drained_total` has the name
/// `wasmcustom.evenkeel_connections_drained_total` and the label `by`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(BTreeMap<Stat, u64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stat {
    name: String,
    labels: BTreeMap<String, String>,
}

impl Stats {
    /// Reads `name: value` lines. Histograms and text values are no numbers and are left out.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((Stat::parse(name), value.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The value of the stat of this name, over all of its labels.
    ///
    /// # Panics
    /// When there is no such stat: a mistake in the test, which would otherwise read 0. A metric of Evenkeel's must be
    /// in the list of metrics, and is 0 until Envoy shows it; any other stat must be shown.
    pub fn get(&self, name: &str) -> u64 {
        self.with(name, &[])
    }

    /// As [`Stats::get`], over those that have these labels: `with("..connections_drained_total", &[("closed_by", "client")])`.
    ///
    /// # Panics
    /// As [`Stats::get`]; also when a metric of Evenkeel's never has such a label.
    pub fn with(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.expect(name, labels);
        let has = |stat: &Stat, (tag, value): &(&str, &str)| {
            stat.labels.get(*tag).is_some_and(|found| found == value)
        };
        self.0
            .iter()
            .filter(|(stat, _)| stat.name == name && labels.iter().all(|label| has(stat, label)))
            .map(|(_, value)| value)
            .sum()
    }

    /// The values of the stat of this name that are not 0, by their label `tag`.
    ///
    /// # Panics
    /// As [`Stats::get`]; also when a metric of Evenkeel's has no such label.
    pub fn by(&self, name: &str, tag: &str) -> BTreeMap<String, u64> {
        let metric = self.expect(name, &[]);
        let has_tag = |metric: Metric| metric.labels().iter().any(|label| label.tag() == tag);
        assert!(metric.is_none_or(has_tag), "{name} has no label {tag}");
        let mut values = BTreeMap::new();
        for (stat, value) in &self.0 {
            if let (true, Some(label)) = (stat.name == name && *value > 0, stat.labels.get(tag)) {
                *values.entry(label.clone()).or_default() += value;
            }
        }
        values
    }

    /// Whether there is a stat of this name, whatever its value.
    pub fn shows(&self, name: &str) -> bool {
        self.0.keys().any(|stat| stat.name == name)
    }

    /// The metric of that name, if it is one of Evenkeel's.
    fn expect(&self, name: &str, labels: &[(&str, &str)]) -> Option<Metric> {
        match name.strip_prefix(OURS) {
            Some(metric) => match Metric::find(metric, labels) {
                Ok(metric) => Some(metric),
                Err(error) => panic!("{error}"),
            },
            None => {
                assert!(self.shows(name), "Envoy shows no stat {name}");
                None
            }
        }
    }
}

impl Stat {
    fn parse(full: &str) -> Self {
        let mut name = full.to_owned();
        let mut labels = BTreeMap::new();
        while let Some(label) = Label::find(&name) {
            labels.insert(label.tag, label.value);
            name.replace_range(label.place, "");
        }
        let name = name.trim_end_matches('.').to_owned();
        Self { name, labels }
    }
}

struct Label {
    tag: String,
    value: String,
    place: std::ops::Range<usize>,
}

impl Label {
    /// The first in `name`.
    fn find(name: &str) -> Option<Self> {
        let (before, rest) = name.split_once("=.=")?;
        let (value, _) = rest.split_once(";.;")?;
        let start = before.rfind('.').map_or(0, |dot| dot + 1);
        let end = before.len() + "=.=".len() + value.len() + ";.;".len();
        Some(Self {
            tag: before[start..].to_owned(),
            value: value.to_owned(),
            place: start..end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_taken_out_of_the_name_wherever_they_stand() {
        let stats = Stats::parse(
            "wasmcustom.drain_reason=.=max_connection_age;.;closed_by=.=client;.;evenkeel_connections_drained_total: 3\n\
             wasmcustom.drain_reason=.=max_connection_age;.;closed_by=.=evenkeel;.;evenkeel_connections_drained_total: 4\n\
             wasmcustom.evenkeel_connections_drained_total.closed_by=.=client;.;: 5\n\
             wasmcustom.upstream_host=.=127.0.0.1:80;.;evenkeel_upstream_requests_total: 6\n\
             wasmcustom.evenkeel_requests_aborted_total: 9\n",
        );

        let closed = "wasmcustom.evenkeel_connections_drained_total";
        assert_eq!(stats.get(closed), 12);
        assert_eq!(stats.with(closed, &[("closed_by", "client")]), 8);
        let both = [
            ("closed_by", "client"),
            ("drain_reason", "max_connection_age"),
        ];
        assert_eq!(stats.with(closed, &both), 3);
        let upstream = [("upstream_host", "127.0.0.1:80")];
        assert_eq!(
            stats.with("wasmcustom.evenkeel_upstream_requests_total", &upstream),
            6
        );
        let by = BTreeMap::from([("client".to_owned(), 8), ("evenkeel".to_owned(), 4)]);
        assert_eq!(stats.by(closed, "closed_by"), by);
        assert_eq!(stats.get("wasmcustom.evenkeel_requests_total"), 0);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let stats = Stats::parse("a: \"text\"\nab: No recorded values\nac: 1\n");

        assert_eq!(stats.get("ac"), 1);
        assert!(!stats.shows("a") && !stats.shows("ab"));
    }

    /// So that no `== 0` survives a rename.
    #[test]
    fn a_name_that_nothing_has_fails() {
        let stats = Stats::parse(
            "wasmcustom.evenkeel_requests_aborted_total: 9\ncluster.app.update_success: 1\n",
        );
        let fails = |read: fn(&Stats) -> u64| std::panic::catch_unwind(|| read(&stats)).is_err();

        assert!(fails(|stats| stats.get("wasmcustom.evenkeel_cuts_total")));
        assert!(fails(|stats| stats.get("evenkeel_requests_aborted_total")));
        assert!(fails(|stats| stats.get("cluster.app.update_successes")));
        assert!(fails(|stats| stats.with(
            "wasmcustom.evenkeel_requests_aborted_total",
            &[("closed_by", "client")]
        )));
        assert!(fails(|stats| stats.with(
            "wasmcustom.evenkeel_requests_aborted_total",
            &[("drain_reason", "age")]
        )));
        assert!(fails(|stats| {
            let by = stats.by("wasmcustom.evenkeel_requests_aborted_total", "closed_by");
            by.len() as u64
        }));
        assert!(!fails(
            |stats| stats.get("wasmcustom.evenkeel_requests_aborted_total")
        ));
    }
}
