//! The stats of an Envoy, from `GET /stats`.

use std::collections::BTreeMap;

use evenkeel_metrics::Metric;

/// The prefix of a module's metrics.
const PREFIX: &str = "wasmcustom.";

/// Counters and gauges by name and labels.
///
/// A stat's full name contains labels as `<tag>=.=<value>;.;`, before or behind the name. They are removed from it: `wasmcustom.closed_by=.=client;.;evenkeel_connections_drained_total` has the name
/// `wasmcustom.evenkeel_connections_drained_total` and the label `by`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(BTreeMap<Stat, u64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stat {
    name: String,
    labels: BTreeMap<String, String>,
}

impl Stats {
    /// Parses `name: value` lines, without histograms and text values.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((Stat::parse(name), value.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Returns the value of a stat, summed over its labels.
    ///
    /// # Panics
    /// When there is no such stat: a mistake in the test, which would otherwise read 0. A metric of Evenkeel's must be
    /// in the list of metrics, and is 0 until Envoy shows it; any other stat must be shown.
    pub fn get(&self, name: &str) -> u64 {
        self.with(name, &[])
    }

    /// Returns the value of a stat, summed over the series with these labels: `with("..connections_drained_total", &[("closed_by", "client")])`.
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

    /// Returns the values of a stat that are not 0, by their label `tag`.
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

    /// Returns whether Envoy shows a stat of this name.
    pub fn shows(&self, name: &str) -> bool {
        self.0.keys().any(|stat| stat.name == name)
    }

    /// Checks the name and the labels; returns the metric if it is one of Evenkeel's.
    fn expect(&self, name: &str, labels: &[(&str, &str)]) -> Option<Metric> {
        match name.strip_prefix(PREFIX) {
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
    /// Returns the first label in `name`.
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
    fn labels_are_removed_from_any_place_in_the_name() {
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
    fn text_and_histograms_are_left_out() {
        let stats = Stats::parse("a: \"text\"\nab: No recorded values\nac: 1\n");

        assert_eq!(stats.get("ac"), 1);
        assert!(!stats.shows("a") && !stats.shows("ab"));
    }

    /// Otherwise a comparison with 0 would survive a rename.
    #[test]
    fn unknown_name_or_label_panics() {
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
