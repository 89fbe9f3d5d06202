//! One run's service, and how its clients and its network behave.

use std::time::Duration;

use super::scenario::Scenario;

#[derive(Clone, Debug)]
pub struct Setup {
    pub scenario: Scenario,
    /// Pods before the first change.
    pub pods: usize,
    /// Pods after it; in a loss, those that are left.
    pub after: usize,
    pub connections: usize,
    /// How long it goes on after the first change.
    pub lasts: Duration,
    pub seed: u64,
    /// Between two requests of a connection, on average.
    pub request_every: Duration,
    /// Before the first change, connections open one after the other in this time.
    pub opened_over: Duration,
    /// From a pod's start until connections are sent to it.
    pub ready_after: Duration,
    /// From a connection's end until its client opens another one, on average.
    pub reconnect_after: Duration,
    /// The part of the messages between pods that is lost.
    pub gossip_loss: f64,
    /// How late the others come, at most.
    pub gossip_late: Duration,
}

impl Setup {
    /// The scenario in its usual size.
    pub fn new(scenario: Scenario) -> Self {
        let sizes = scenario.sizes();
        Self {
            scenario,
            pods: sizes.pods,
            after: scenario.after(sizes.pods),
            connections: sizes.connections,
            lasts: Duration::from_secs(3600),
            seed: 1,
            request_every: Duration::from_secs(1),
            opened_over: Duration::from_secs(10),
            ready_after: Duration::ZERO,
            reconnect_after: Duration::ZERO,
            gossip_loss: 0.0,
            gossip_late: Duration::ZERO,
        }
    }
}
