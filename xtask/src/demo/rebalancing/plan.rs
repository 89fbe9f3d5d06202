//! The scenarios as data: the pods that start and stop, and the policies.

use std::ops::Range;
use std::time::Duration;

use evenkeel_report::number::thousands;
use serde_json::{Value, json};

/// One scenario. Pods are numbered in the order in which they start.
pub struct Plan {
    pub name: &'static str,
    /// The protocol of the clients.
    pub protocol: &'static str,
    /// Pods at the start.
    pub first: usize,
    /// Pods that start at the change.
    pub joining: usize,
    /// Pods of the first ones that leave at the change.
    pub leaving: usize,
    /// The labels of the pods.
    pub labels: Vec<String>,
    /// A short label of the change.
    pub change: &'static str,
    /// The setup, for the page.
    pub setup: String,
    /// How to read the charts.
    pub reading: &'static str,
    /// Clients of each side, with a connection each.
    pub connections: usize,
    /// The mean time between a response and the next request of a client.
    pub pause: Duration,
    /// The time from the start to the change.
    pub before: Duration,
    /// The time from the change to the end.
    pub after: Duration,
    /// The last part of the scenario, in which no more drains are needed.
    pub last: Duration,
    /// The age at which the side that recycles drains its connections.
    pub age: Age,
    /// The policy of the side that rebalances.
    pub rebalance: Value,
}

impl Plan {
    /// 4 pods become 8.
    pub fn scale_out(quick: bool) -> Self {
        let common = Self::common(quick);
        let connections = if quick { 200 } else { 400 };
        let (first, joining) = (4, 4);
        Self {
            name: "scale-out with rebalancing",
            first,
            joining,
            leaving: 0,
            labels: (1..=first + joining).map(|pod| pod.to_string()).collect(),
            change: "4 added",
            setup: format!(
                "{} clients keep an HTTP/1.1 connection each to a Service with {first} pods, and \
                 send a request about every {} s, to which the pods' Envoys respond. Then there are {} pods. \
                 Once without the module, once with a policy that recycles every connection by age, and once \
                 with one that rebalances: each pod compares its load with its peers, and drains only the \
                 excess.",
                thousands(connections as u64),
                common.pause.as_secs_f64(),
                first + joining
            ),
            reading: "Without the module the new pods get nothing. Recycling by age gives them a share within \
                      that age, with random differences, and never stops draining; the age is seconds here, \
                      to keep the demo short, and minutes in production. Rebalancing drains up to two \
                      connections for each excess one, because half of the clients reconnect to a pod that is \
                      above the mean; it does so at a steady rate, and then drains nothing more.",
            connections,
            ..common
        }
    }

    /// X and Y become Y and Z: Y keeps its own connections and takes half of those of X.
    pub fn rolling_update(quick: bool) -> Self {
        let common = Self::common(quick);
        let connections = if quick { 100 } else { 200 };
        Self {
            name: "rolling update",
            first: 2,
            joining: 1,
            leaving: 1,
            labels: ["X", "Y", "Z"].map(str::to_owned).to_vec(),
            change: "Z added, X removed",
            setup: format!(
                "{connections} clients keep an HTTP/1.1 connection each to a Service with the pods X and Y, \
                 and send a request about every {} s. Then Z is added and X removed: it responds to \
                 requests in flight and closes every connection. The same three sides.",
                common.pause.as_secs_f64()
            ),
            reading: "The clients of X reconnect to Y or Z at random, so that Y, which keeps its own, has three \
                      quarters of all connections. Without the module that stays so. Rebalancing drains the \
                      excess and then drains nothing more.",
            connections,
            ..common
        }
    }

    /// What both scenarios share. A quick run is twice as fast.
    fn common(quick: bool) -> Self {
        let seconds = Duration::from_secs;
        // With these ages, recycling balances about as soon as rebalancing does; ages in production are a hundred times as
        // long.
        let (pause, before, after, last, age, rebalance) = if quick {
            let rebalance = rebalance(0.8, 5, "1s", 10.0);
            (0.5, 2, 20, 5, Age::seconds(10), rebalance)
        } else {
            let rebalance = rebalance(0.4, 10, "1s", 6.0);
            (1.0, 4, 42, 12, Age::seconds(20), rebalance)
        };
        Self {
            name: "",
            protocol: "HTTP/1.1",
            first: 0,
            joining: 0,
            leaving: 0,
            labels: Vec::new(),
            change: "",
            setup: String::new(),
            reading: "",
            connections: 0,
            pause: Duration::from_secs_f64(pause),
            before: seconds(before),
            after: seconds(after),
            last: seconds(last),
            age,
            rebalance,
        }
    }

    /// The number of pods, in the order in which they start.
    pub fn pods(&self) -> usize {
        self.first + self.joining
    }

    /// The pods that the Service has after the change.
    pub fn serving(&self) -> Range<usize> {
        self.leaving..self.pods()
    }
}

/// A maximum age with jitter.
#[derive(Clone, Copy)]
pub struct Age {
    max: Duration,
}

impl Age {
    /// The maximum jitter, as a fraction of the age.
    const JITTER: f64 = 0.5;

    fn seconds(max: u64) -> Self {
        Self {
            max: Duration::from_secs(max),
        }
    }

    /// Returns the mean of the ages that connections draw: jitter is spread evenly, and only makes an age
    /// shorter.
    pub fn mean(self) -> Duration {
        self.max.mul_f64(1.0 - Self::JITTER / 2.0)
    }

    pub fn policy(self) -> Value {
        let max_connection_age = format!("{}s", self.max.as_secs());
        json!({ "version": 1, "defaults": { "max_connection_age": max_connection_age, "jitter": Self::JITTER } })
    }
}

/// A pod selects `rate` times the mean per second, but its budget allows `per_second`, one at a time. So one connection
/// always waits for the budget, and drains are evenly spaced.
fn rebalance(
    rate: f64,
    min_connections: u32,
    stabilization_window: &str,
    per_second: f64,
) -> Value {
    json!({
        "version": 1,
        "defaults": { "max_connection_age": "off" },
        "rebalance": {
            "max_rate": rate, "high_watermark": 0.2, "low_watermark": 0.1,
            "min_connections": min_connections, "stabilization_window": stabilization_window,
        },
        "peers": { "cluster": "peers", "interval": "1s", "trust": "anyone" },
        "budget": { "per_second": per_second, "burst": 1 },
    })
}
