//! What a proxy moves because it carries more than the others, complete, and how it learns what they carry.
use crate::declare::words;
use core::time::Duration;

/// How much of a surplus over the mean of the peers is moved, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shed {
    /// What is compared.
    pub measure: Measure,
    /// Shedding begins above `(1 + start_at)` times the mean; more than 0 and at most 100.
    pub start_at: f64,
    /// Shedding ends at `(1 + tolerance)` times the mean; from 0 to `start_at`.
    pub tolerance: f64,
    /// The part of the mean that is moved in a second, at most; from 0.000001 to 1.
    pub rate: f64,
    /// With fewer connections than this nothing is moved; at least 1.
    pub min_connections: u32,
    /// Shedding begins when more than half of the last so many looks, one a second, found a surplus;
    /// from 1 to 15.
    pub looks: u32,
    /// What this proxy is expected to carry, relative to the others.
    pub weight: Weight,
    /// A proxy younger than this is expected to carry the part of its share that its uptime is of it.
    pub slow_start: Duration,
    /// Nothing is moved while a peer is younger than this, or began to drain within it.
    pub settle: Duration,
    /// While nothing is known of the others, connections are moved by chance, at this age on average;
    /// None: not moved.
    pub fallback_mean_age: Option<Duration>,
}

/// The settings of `"shed": {}`.
impl Default for Shed {
    fn default() -> Self {
        Self {
            measure: Measure::default(),
            start_at: 0.2,
            tolerance: 0.1,
            rate: 0.01,
            min_connections: 50,
            looks: 5,
            weight: Weight::default(),
            slow_start: Duration::ZERO,
            settle: Duration::from_secs(5),
            fallback_mean_age: None,
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

/// What a proxy is expected to carry, relative to the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weight {
    /// A number from 0.001 to 1000000.
    Fixed(f64),
    /// As many as the proxy has worker threads.
    Workers,
}

/// The same as every other that says nothing.
impl Default for Weight {
    fn default() -> Self {
        Self::Fixed(1.0)
    }
}

/// How proxies tell each other what they carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Envoy's cluster of the service; 1 to 1024 bytes.
    pub cluster: String,
    /// The time in which each asks a few others; from 100 ms to an hour.
    pub every: Duration,
    /// Who is answered.
    pub allow: Allow,
}

impl Peers {
    /// The time where a policy states none.
    pub(crate) const EVERY: Duration = Duration::from_secs(1);
}

words! {
    /// Who is told what this proxy carries, and believed about others.
    pub enum Allow: r#"allowed are "same_identity" and "anyone""# {
        /// Peers whose certificate names the identity that this proxy's own does.
        SameIdentity = "same_identity",
        /// Whoever reaches the listener is answered; what a request says is not believed, only what the
        /// endpoints of `cluster` answer.
        Anyone = "anyone",
    }
    default SameIdentity
}
