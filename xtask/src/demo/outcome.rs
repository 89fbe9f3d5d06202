//! The measurements of a scenario. `--json` writes them, without what only the page shows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// One scenario, without the module and with it.
#[derive(Serialize)]
pub struct Scenario {
    /// The name, without the protocol.
    pub name: &'static str,
    /// The protocol of the clients: `HTTP/1.1`, `HTTP/2` or `TCP`.
    pub protocol: &'static str,
    /// With the listener without the module.
    pub before: Outcome,
    /// With the listener with the module.
    pub after: Outcome,
    /// How many backends were added, the last of `per_backend`.
    pub joined: usize,
    #[serde(skip)]
    pub description: Description,
}

/// One side of the comparison.
#[derive(Serialize)]
pub struct Outcome {
    /// Responses of each backend. Where backends were added: since then, and those are last. In three-routers: the highest
    /// of each run first, because a sum over many runs would hide how uneven each single run is.
    pub per_backend: Vec<u64>,
    /// The maximum of a backend over the mean: 1 is even, the number of backends is the worst.
    pub max_over_mean: f64,
    /// The number of runs that used one backend, two, and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_by_backends_used: Option<BTreeMap<usize, u64>>,
    /// Requests with a response: the sum of `per_backend`.
    pub requests: u64,
    /// Requests without a response, over the whole scenario.
    pub failed: u64,
    /// Connections that the clients opened, over the whole scenario.
    pub connections_opened: u64,
    /// Drain signals that the module sent.
    pub drain_signals: u64,
    /// Requests that the module aborted.
    pub aborted: u64,
    /// Requests per backend in every span of [`Description::span`], since the start.
    #[serde(skip)]
    pub timeline: Vec<Vec<u64>>,
    /// The error of the first failed request.
    #[serde(skip)]
    pub first_failure: Option<String>,
}

/// The description of a scenario on the page.
pub struct Description {
    /// The setup.
    pub setup: String,
    /// How to read the charts.
    pub reading: &'static str,
    /// The unit of the requests: `requests` or `messages`.
    pub unit: &'static str,
    /// The policy of the after side.
    pub policy: Value,
    /// The label of each bar.
    pub labels: Vec<String>,
    /// When backends joined, since the start.
    pub joined_at: Duration,
    /// The length of one entry of the timelines.
    pub span: Duration,
}

impl Outcome {
    /// Returns the share of the last `count` backends, 0 to 1.
    pub fn share_of_last(&self, count: usize) -> f64 {
        let last: u64 = self.per_backend.iter().rev().take(count).sum();
        last as f64 / self.requests.max(1) as f64
    }
}

/// Returns the maximum over the mean; 0 without requests.
pub fn max_over_mean(per_backend: &[u64]) -> f64 {
    let sum: u64 = per_backend.iter().sum();
    let max = per_backend.iter().max().copied().unwrap_or(0);
    if sum == 0 {
        return 0.0;
    }
    let ratio = max as f64 * per_backend.len() as f64 / sum as f64;
    (ratio * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_is_one_and_all_on_one_is_the_number_of_backends() {
        assert_eq!(max_over_mean(&[5, 5, 5]), 1.0);
        assert_eq!(max_over_mean(&[0, 9, 0]), 3.0);
        assert_eq!(max_over_mean(&[0, 0]), 0.0);
    }
}
