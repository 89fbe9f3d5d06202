//! Builds PromQL from the list of metrics, so that a query cannot name an unknown metric.

use evenkeel_metrics::Metric;

/// The label selector of all queries.
#[derive(Clone, Copy, Debug)]
pub struct Selector<'a>(pub &'a str);

impl Selector<'_> {
    /// The current value.
    pub fn now(self, metric: Metric) -> String {
        self.with(metric, "")
    }

    /// The current value of the series that also have these labels.
    pub fn with(self, metric: Metric, labels: &str) -> String {
        match (self.0, labels) {
            ("", "") => metric.to_string(),
            (only, "") | ("", only) => format!("{metric}{{{only}}}"),
            (both, labels) => format!("{metric}{{{both}, {labels}}}"),
        }
    }

    /// The increase of a counter per second.
    pub fn rate(self, metric: Metric, over: &str) -> String {
        format!("rate({}[{over}])", self.now(metric))
    }

    /// As [`Selector::rate`], of the series that also have these labels.
    pub fn rate_with(self, metric: Metric, labels: &str, over: &str) -> String {
        format!("rate({}[{over}])", self.with(metric, labels))
    }

    /// The increase of a counter.
    pub fn increase(self, metric: Metric, over: &str) -> String {
        format!("increase({}[{over}])", self.now(metric))
    }
}

/// The sum by these labels.
pub fn sum_by(labels: &str, of: &str) -> String {
    format!("sum by ({labels}) ({of})")
}

/// The sum over this label.
pub fn sum_without(label: &str, of: &str) -> String {
    format!("sum without ({label}) ({of})")
}

/// The maximum over the mean of each group: 1 is even.
pub fn max_over_mean(groups: &str, of: &str) -> String {
    format!("max by ({groups}) ({of}) / avg by ({groups}) ({of})")
}

/// Jain's fairness index of each group: 1 is even, 1/n is one of n with all.
pub fn jain(groups: &str, of: &str) -> String {
    format!(
        "sum by ({groups}) ({of}) ^ 2 / (count by ({groups}) ({of}) * sum by ({groups}) (({of}) ^ 2))"
    )
}
