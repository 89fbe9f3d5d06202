//! The service of a run: its size, clients and network.

use std::time::Duration;

use super::scenario::Scenario;

#[derive(Clone, Debug)]
pub struct Setup {
    pub scenario: Scenario,
    /// Pods before the first change.
    pub pods: usize,
    /// Pods after the change; in a pod loss, the remaining ones.
    pub after: usize,
    pub connections: usize,
    /// The simulated time after the first change.
    pub duration: Duration,
    pub seed: u64,
    /// The mean time between two requests on a connection.
    pub request_every: Duration,
    /// The time before the first change in which connections are opened one after the other.
    pub opened_over: Duration,
    /// The time from a pod's start until it receives connections.
    pub ready_after: Duration,
    /// The mean time from a connection's end until its client reconnects.
    pub reconnect_after: Duration,
    /// The fraction of messages between pods that is lost.
    pub gossip_loss: f64,
    /// The maximum delay of the other messages.
    pub gossip_delay: Duration,
}

impl Setup {
    /// The scenario in its default size.
    pub fn new(scenario: Scenario) -> Self {
        let sizes = scenario.sizes();
        Self {
            scenario,
            pods: sizes.pods,
            after: scenario.after(sizes.pods),
            connections: sizes.connections,
            duration: Duration::from_secs(3600),
            seed: 1,
            request_every: Duration::from_secs(1),
            opened_over: Duration::from_secs(10),
            ready_after: Duration::ZERO,
            reconnect_after: Duration::ZERO,
            gossip_loss: 0.0,
            gossip_delay: Duration::ZERO,
        }
    }
}
