//! Complete settings of rebalancing and of load reports.
use crate::declare::words;
use core::time::Duration;

/// How much of the excess over the mean of the peers is drained, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rebalance {
    /// What is compared.
    pub measure: Measure,
    /// Rebalancing begins above `(1 + high_watermark)` times the mean; more than 0 and at most 100.
    pub high_watermark: f64,
    /// Rebalancing ends at `(1 + low_watermark)` times the mean; from 0 to `high_watermark`.
    pub low_watermark: f64,
    /// The fraction of the mean that is drained in a second, at most; from 0.000001 to 1.
    pub max_rate: f64,
    /// With fewer connections than this nothing is drained; at least 1.
    pub min_connections: u32,
    /// Rebalancing begins when more than half of the last so many samples, one a second, show an excess; from 1 to 15.
    pub samples: u32,
    /// The share of this proxy, relative to the others.
    pub weight: Weight,
    /// A proxy younger than this has a smaller share: its uptime as a fraction of this time.
    pub slow_start: Duration,
    /// Nothing is drained while a peer is younger than this, or began to drain within it.
    pub stabilization_window: Duration,
    /// While no peers are known, connections are drained at random, at this age on average; None: not drained.
    pub fallback_mean_connection_age: Option<Duration>,
}

/// The settings of `"rebalance": {}`.
impl Default for Rebalance {
    fn default() -> Self {
        Self {
            measure: Measure::default(),
            high_watermark: 0.2,
            low_watermark: 0.1,
            max_rate: 0.01,
            min_connections: 50,
            samples: 5,
            weight: Weight::default(),
            slow_start: Duration::ZERO,
            stabilization_window: Duration::from_secs(5),
            fallback_mean_connection_age: None,
        }
    }
}

words! {
    /// What is compared between pods.
    pub enum Measure: r#"allowed are "connections", "requests" and "bytes""# {
        /// Open connections.
        Connections = "connections",
        /// Requests a second.
        Requests = "requests",
        /// Bytes a second, both ways.
        Bytes = "bytes",
    }
    default Connections
}

/// The share of a proxy, relative to the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weight {
    /// A number from 0.001 to 1000000.
    Fixed(f64),
    /// As many as the proxy has worker threads.
    Workers,
}

/// An equal share.
impl Default for Weight {
    fn default() -> Self {
        Self::Fixed(1.0)
    }
}

/// How proxies exchange load reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Envoy's cluster of the service; 1 to 1024 bytes.
    pub cluster: String,
    /// The time in which each asks a few others; from 100 ms to an hour.
    pub interval: Duration,
    /// From whom requests get a response, and whose reports are used.
    pub trust: Trust,
}

impl Peers {
    /// The interval where a policy states none.
    pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
}

words! {
    /// From whom requests get a response, and whose reports are used.
    pub enum Trust: r#"allowed are "same_identity" and "anyone""# {
        /// Peers whose certificate has the same identity as this proxy's own.
        SameIdentity = "same_identity",
        /// Every request that reaches the listener gets a response. Reports in requests are not used, only those
        /// in responses of the endpoints of `cluster`.
        Anyone = "anyone",
    }
    default SameIdentity
}
