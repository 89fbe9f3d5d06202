//! The scenarios: the size of the service and the changes to its pods.

use std::time::Duration;

use clap::ValueEnum;
use evenkeel_policy::Measure;

/// The time between two steps of a rolling update.
const STEP: Duration = Duration::from_secs(30);
/// The time from the start of new pods to the termination of those that they replace.
const OVERLAP: Duration = Duration::from_secs(10);
/// The number of steps of a rolling update: Kubernetes' default `maxSurge` is 25 %.
const STEPS: usize = 4;
/// The time until crashed pods are replaced.
const REPLACEMENT_DELAY: Duration = Duration::from_secs(30);
/// The time between two changes by a flapping autoscaler.
const FLAP_INTERVAL: Duration = Duration::from_secs(60);
const FLAP_CHANGES: u32 = 5;

/// A change of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Pods are added; every connection is on the old ones
    ScaleOut,
    /// Pods are replaced, a quarter at a time
    RollingUpdate,
    /// Some pods fail at once, and are replaced 30 s later
    PodLoss,
    /// More pods than connections: load cannot be even, and nothing should be drained
    MoreServers,
    /// Few pods with thousands of connections each; one more is added
    MoreClients,
    /// Scale-out where a few connections carry most of the requests; compared by requests
    HeavyTailed,
    /// An autoscaler adds pods and removes them again every minute, five times
    Flapping,
}

/// A change of the pods at one time. The number is that of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Pods start.
    Start(usize),
    /// The oldest pods terminate.
    StopOldest(usize),
    /// The newest pods terminate.
    StopNewest(usize),
    /// Random pods crash.
    Crash(usize),
}

/// The default size of the service.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Pods before the first change.
    pub pods: usize,
    /// Client connections.
    pub connections: usize,
    /// Pods after the change over pods before it.
    growth: f64,
}

impl Scenario {
    /// The name on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub fn sizes(self) -> Sizes {
        let (pods, connections, growth) = match self {
            Self::ScaleOut | Self::HeavyTailed | Self::Flapping => (4, 1_000, 2.0),
            Self::RollingUpdate => (8, 1_000, 1.0),
            Self::PodLoss => (8, 1_000, 5.0 / 8.0),
            Self::MoreServers => (10, 8, 2.0),
            Self::MoreClients => (2, 10_000, 1.5),
        };
        Sizes {
            pods,
            connections,
            growth,
        }
    }

    /// The measure by which the result compares pods.
    pub fn measure(self) -> Measure {
        match self {
            Self::HeavyTailed => Measure::Requests,
            _ => Measure::Connections,
        }
    }

    /// Returns the default number of pods after the change.
    pub fn after(self, pods: usize) -> usize {
        let after = (pods as f64 * self.sizes().growth).round() as usize;
        match self {
            Self::RollingUpdate => pods,
            Self::PodLoss => after.clamp(1, pods.saturating_sub(1).max(1)),
            _ => after.max(pods + 1),
        }
    }

    /// Checks that the scenario is possible with so many pods.
    ///
    /// # Errors
    /// A sentence that says why it is not.
    pub fn check(self, pods: usize, after: usize) -> Result<(), String> {
        let name = self.name();
        match self {
            Self::RollingUpdate if pods != after => Err(format!(
                "{name} keeps its {pods} pods; leave --pods-after out"
            )),
            Self::PodLoss if after >= pods => Err(format!(
                "{name} needs fewer --pods-after than --pods: found {pods}, then {after}"
            )),
            Self::RollingUpdate | Self::PodLoss => Ok(()),
            _ if after <= pods => Err(format!(
                "{name} needs more --pods-after than --pods: found {pods}, then {after}"
            )),
            _ => Ok(()),
        }
    }

    /// The changes, and the time of each since the first.
    pub fn changes(self, pods: usize, after: usize) -> Vec<(Duration, Change)> {
        let joining = after.saturating_sub(pods);
        match self {
            Self::RollingUpdate => rolling(pods),
            Self::PodLoss => {
                let lost = pods - after;
                vec![
                    (Duration::ZERO, Change::Crash(lost)),
                    (REPLACEMENT_DELAY, Change::Start(lost)),
                ]
            }
            Self::Flapping => (0..FLAP_CHANGES)
                .map(|flap| {
                    let change = if flap % 2 == 0 {
                        Change::Start(joining)
                    } else {
                        Change::StopNewest(joining)
                    };
                    (FLAP_INTERVAL * flap, change)
                })
                .collect(),
            Self::ScaleOut | Self::MoreServers | Self::MoreClients | Self::HeavyTailed => {
                vec![(Duration::ZERO, Change::Start(joining))]
            }
        }
    }

    /// Describes the change in words.
    pub fn describe(self, pods: usize, after: usize) -> String {
        match self {
            Self::RollingUpdate => {
                format!(
                    "{pods} pods are replaced, a quarter every {} s",
                    STEP.as_secs()
                )
            }
            Self::PodLoss => format!(
                "{} of {pods} pods fail; {} s later there are {pods} again",
                pods - after,
                REPLACEMENT_DELAY.as_secs()
            ),
            Self::Flapping => format!(
                "{pods} pods become {after} and {pods} again, each for {} s, and stay {after}",
                FLAP_INTERVAL.as_secs()
            ),
            _ => format!("{pods} pods become {after}"),
        }
    }
}

fn rolling(pods: usize) -> Vec<(Duration, Change)> {
    let batch = pods.div_ceil(STEPS);
    let mut changes = Vec::new();
    let mut left = pods;
    let mut at = Duration::ZERO;
    while left > 0 {
        let count = batch.min(left);
        changes.push((at, Change::Start(count)));
        changes.push((at + OVERLAP, Change::StopOldest(count)));
        left -= count;
        at += STEP;
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of pods after all changes.
    fn end(scenario: Scenario, pods: usize, after: usize) -> usize {
        let changes = scenario.changes(pods, after);
        changes
            .into_iter()
            .fold(pods, |pods, (_, change)| match change {
                Change::Start(count) => pods + count,
                Change::StopOldest(count) | Change::StopNewest(count) | Change::Crash(count) => {
                    pods - count
                }
            })
    }

    #[test]
    fn scenarios_end_with_the_configured_pods() {
        for scenario in Scenario::value_variants() {
            for pods in [1, 2, 3, 7, 8, 1000] {
                let after = scenario.after(pods);
                if scenario.check(pods, after).is_err() {
                    assert_eq!((*scenario, pods), (Scenario::PodLoss, 1));
                    continue;
                }
                let expected = if *scenario == Scenario::PodLoss {
                    pods
                } else {
                    after
                };
                assert_eq!(
                    end(*scenario, pods, after),
                    expected,
                    "{scenario:?}, {pods}"
                );
            }
        }
    }
}
