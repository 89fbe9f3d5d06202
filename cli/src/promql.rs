//! PromQL from the list of metrics: a query cannot name a metric that there is not.

use evenkeel_metrics::Metric;

/// Series of metrics, all with one selection.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a>(pub &'a str);

impl Of<'_> {
    /// The value now.
    pub fn now(self, metric: Metric) -> String {
        self.with(metric, "")
    }

    /// The value now of the series that have these labels, too.
    pub fn with(self, metric: Metric, labels: &str) -> String {
        match (self.0, labels) {
            ("", "") => metric.to_string(),
            (only, "") | ("", only) => format!("{metric}{{{only}}}"),
            (both, labels) => format!("{metric}{{{both}, {labels}}}"),
        }
    }

    /// How fast a counter grows, a second.
    pub fn rate(self, metric: Metric, over: &str) -> String {
        format!("rate({}[{over}])", self.now(metric))
    }

    /// As [`Of::rate`], of the series that have these labels, too.
    pub fn rate_with(self, metric: Metric, labels: &str, over: &str) -> String {
        format!("rate({}[{over}])", self.with(metric, labels))
    }

    /// By how much a counter has grown.
    pub fn increase(self, metric: Metric, over: &str) -> String {
        format!("increase({}[{over}])", self.now(metric))
    }
}

/// The sum over all but these labels.
pub fn sum_by(labels: &str, of: &str) -> String {
    format!("sum by ({labels}) ({of})")
}

/// The sum over this label.
pub fn sum_without(label: &str, of: &str) -> String {
    format!("sum without ({label}) ({of})")
}

/// The largest over the mean, of each group: 1 where all are even.
pub fn max_over_mean(groups: &str, of: &str) -> String {
    format!("max by ({groups}) ({of}) / avg by ({groups}) ({of})")
}

/// Jain's fairness index of each group: 1 where all are even, 1/n where one of n has all.
pub fn jain(groups: &str, of: &str) -> String {
    format!(
        "sum by ({groups}) ({of}) ^ 2 / (count by ({groups}) ({of}) * sum by ({groups}) (({of}) ^ 2))"
    )
}
