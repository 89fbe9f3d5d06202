//! Evenkeel's metrics in the output of Envoy's `/stats/prometheus` and `/stats`.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use evenkeel_metrics::{Label, Metric};

/// The prefixes of Envoy's own stats in both formats.
const ENVOY_PREFIXES: [&str; 3] = ["envoy_", "server.", "cluster_manager."];

/// Separates labels inside a name if no `stats_tags` extracts them: Envoy replaces characters that Prometheus does not
/// accept in a name (`=.=` and `;.;`) by `___`.
const LABEL_SEPARATOR: &str = "___";

/// Every series of every metric in the list.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    series: Vec<Series>,
    /// Whether labels are inside the names, where Prometheus cannot use them.
    pub has_labels_in_names: bool,
}

#[derive(Clone, Debug)]
struct Series {
    metric: Metric,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Numbers {
    /// Parses the metrics.
    ///
    /// # Errors
    /// When the page has no metric of Evenkeel, with a hint.
    pub fn parse(page: &str) -> Result<Self> {
        let mut numbers = Self::default();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            if !line.contains("evenkeel_") {
                continue;
            }
            if let Some(series) = series(line) {
                numbers.has_labels_in_names |= line
                    .split('{')
                    .next()
                    .is_some_and(|name| name.contains(LABEL_SEPARATOR));
                numbers.series.push(series);
            }
        }
        if !numbers.series.is_empty() {
            return Ok(numbers);
        }
        let is_envoy = |line: &str| ENVOY_PREFIXES.iter().any(|begin| line.starts_with(begin));
        if page.lines().any(is_envoy) {
            bail!(
                "this Envoy has no metrics of Evenkeel: is the module loaded? Its log has `policy active`, or an error; in Istio, is there a WasmPlugin whose selector matches this pod, and does `proxyStatsMatcher` include `wasmcustom`?"
            )
        }
        bail!(
            "these are not Envoy's metrics: give the address of its admin interface (http://127.0.0.1:15000), or the output of /stats/prometheus"
        )
    }

    /// The sum over all series of a metric.
    pub fn sum(&self, metric: Metric) -> f64 {
        self.of(metric).map(|series| series.value).sum()
    }

    /// The sums by the values of a label, without those that are 0.
    pub fn by(&self, metric: Metric, label: Label) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for series in self.of(metric).filter(|series| series.value > 0.0) {
            if let Some(value) = series.labels.get(label.tag()) {
                *sums.entry(value.clone()).or_default() += series.value;
            }
        }
        sums
    }

    fn of(&self, metric: Metric) -> impl Iterator<Item = &Series> {
        self.series
            .iter()
            .filter(move |series| series.metric == metric)
    }
}

/// Parses a line; None if it is not a series of a listed metric.
fn series(line: &str) -> Option<Series> {
    let (name, labels, value) = if let Some((name, rest)) = line.split_once('{') {
        let (labels, value) = labels(rest)?;
        (name, labels, value)
    } else if let Some((name, value)) = line.rsplit_once(": ") {
        (name, BTreeMap::new(), value)
    } else {
        let (name, value) = line.split_once(' ')?;
        (name, BTreeMap::new(), value)
    };
    // A timestamp may follow the value.
    let value = value.split_whitespace().next()?.parse().ok()?;
    let (name, split_labels) = split_labels(name);
    let metric = *Metric::ALL.iter().find(|metric| metric.name() == name)?;
    Some(Series {
        metric,
        labels: labels.into_iter().chain(split_labels).collect(),
        value,
    })
}

/// Parses what follows the brace: `a="b",c="d"} 1`. Values escape `"`, `\` and newlines.
fn labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_start_matches([',', ' ']);
    while !rest.starts_with('}') {
        let (tag, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (end, '"') => break end,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(tag.trim().to_owned(), value);
        rest = quoted.get(end + 1..)?.trim_start_matches([',', ' ']);
    }
    Some((labels, rest.get(1..)?))
}

/// Separates a name from the labels inside it and from Envoy's prefix.
fn split_labels(name: &str) -> (&str, Vec<(String, String)>) {
    let name = name.strip_prefix("wasmcustom.").unwrap_or(name);
    let mut labels = Vec::new();
    if name.contains(LABEL_SEPARATOR) {
        let mut parts: Vec<_> = name.split(LABEL_SEPARATOR).collect();
        let name = parts.pop().unwrap_or_default();
        for pair in parts.chunks_exact(2) {
            labels.push((pair[0].to_owned(), pair[1].to_owned()));
        }
        return (name, labels);
    }
    let mut rest = name;
    while let Some((label, after)) = rest.split_once(";.;") {
        if let Some((tag, value)) = label.split_once("=.=") {
            labels.push((tag.to_owned(), value.to_owned()));
        }
        rest = after;
    }
    (rest, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired(page: &str) -> (Numbers, BTreeMap<String, f64>) {
        let numbers = Numbers::parse(page).unwrap();
        let expired = numbers.by(Metric::Expired, Label::DrainReason);
        (numbers, expired)
    }

    #[test]
    fn all_stats_formats_give_the_same_numbers() {
        for (page, has_labels_in_names) in [
            (
                "# TYPE evenkeel_connections_expired_total counter\nevenkeel_connections_expired_total{drain_reason=\"rebalance\"} 3\n",
                false,
            ),
            (
                "evenkeel_connections_expired_total{pod=\"a\\\"},b\\\\\", drain_reason=\"rebalance\"} 3 1700000000000\n",
                false,
            ),
            (
                "wasmcustom.drain_reason=.=rebalance;.;evenkeel_connections_expired_total: 3\n",
                false,
            ),
            (
                "drain_reason___rebalance___evenkeel_connections_expired_total{} 3\n",
                true,
            ),
        ] {
            let (numbers, expired) = expired(page);
            assert_eq!(
                expired,
                BTreeMap::from([("rebalance".to_owned(), 3.0)]),
                "{page}"
            );
            assert_eq!(numbers.has_labels_in_names, has_labels_in_names, "{page}");
        }
    }

    #[test]
    fn several_labels_are_distinguished_and_summed() {
        let page = "evenkeel_connections_drained_total{drain_reason=\"rebalance\",closed_by=\"client\"} 3\n\
            evenkeel_connections_drained_total{drain_reason=\"max_connection_age\",closed_by=\"client\"} 4\n\
            evenkeel_connections_drained_total{drain_reason=\"max_connection_age\",closed_by=\"proxy\"} 0\n\
            evenkeel_downstream_connections_active{} 7\nevenkeel_peers_known 2\n";
        let numbers = Numbers::parse(page).unwrap();

        let by = numbers.by(Metric::Drained, Label::ClosedBy);
        assert_eq!(by, BTreeMap::from([("client".to_owned(), 7.0)]));
        assert_eq!(numbers.sum(Metric::ConnectionsActive), 7.0);
        assert_eq!(numbers.sum(Metric::Peers), 2.0);
    }

    #[test]
    fn page_without_metrics_gives_a_hint() {
        let error = |page: &str| Numbers::parse(page).unwrap_err().to_string();

        assert!(
            error("envoy_server_live{} 1\n").starts_with("this Envoy has no metrics of Evenkeel")
        );
        assert!(error("server.live: 1\n").starts_with("this Envoy has no metrics of Evenkeel"));
        for page in ["", "<html>", "go_goroutines 7\n", "my_evenkeel_things 1\n"] {
            assert!(error(page).starts_with("these are not Envoy's"), "{page}");
        }
    }

    #[test]
    fn broken_lines_are_passed_over() {
        let page = "evenkeel_connections_expired_total{drain_reason=\"rebalance\nevenkeel_connections_expired_total{drain_reason=\"rebalance\"\n\
            evenkeel_connections_expired_total{drain_reason=\"rebalance\"}\nevenkeel_connections_expired_total{drain_reason=\"rebalance\"} x\n\
            evenkeel_connections_expired_total{=\nevenkeel_connections_expired_total\nevenkeel_connections_expired_total{drain_reason=\"rebalance\"} 1\n";

        assert_eq!(
            expired(page).1,
            BTreeMap::from([("rebalance".to_owned(), 1.0)])
        );
    }
}
