//! What happens to a service, and what it consists of.

use std::time::Duration;

use clap::ValueEnum;
use evenkeel_policy::Measure;

/// Between two steps of a rolling update.
const STEP: Duration = Duration::from_secs(30);
/// Of a step, between the start of pods and the end of those they replace.
const OVERLAP: Duration = Duration::from_secs(10);
/// Pods that a rolling update replaces at a time, as Kubernetes' `maxSurge` of 25 %.
const STEPS: usize = 4;
/// Until lost pods are replaced.
const REPLACED: Duration = Duration::from_secs(30);
/// How long a flapping autoscaler stays with a number of pods.
const FLAP: Duration = Duration::from_secs(60);
const FLAPS: u32 = 5;

/// What happens to the service.
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

/// What happens to pods at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// So many begin.
    Start(usize),
    /// So many of those that began first are ended in order.
    LeaveOldest(usize),
    /// So many of those that began last are ended in order.
    LeaveNewest(usize),
    /// So many, whichever, vanish.
    Die(usize),
}

/// The default size of the service.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Pods before the first change.
    pub pods: usize,
    /// Connections, all the time.
    pub connections: usize,
    /// Pods after the change for each one before; in a loss, how many of them stay.
    growth: f64,
}

impl Scenario {
    /// As the command line takes it.
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

    /// What the result compares pods by.
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

    /// Why there is no such scenario.
    ///
    /// # Errors
    /// A sentence.
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

    /// What happens when, since the first change.
    pub fn changes(self, pods: usize, after: usize) -> Vec<(Duration, Change)> {
        let joining = after.saturating_sub(pods);
        match self {
            Self::RollingUpdate => rolling(pods),
            Self::PodLoss => {
                let lost = pods - after;
                vec![
                    (Duration::ZERO, Change::Die(lost)),
                    (REPLACED, Change::Start(lost)),
                ]
            }
            Self::Flapping => (0..FLAPS)
                .map(|flap| {
                    let change = if flap % 2 == 0 {
                        Change::Start(joining)
                    } else {
                        Change::LeaveNewest(joining)
                    };
                    (FLAP * flap, change)
                })
                .collect(),
            Self::ScaleOut | Self::MoreServers | Self::MoreClients | Self::HeavyTailed => {
                vec![(Duration::ZERO, Change::Start(joining))]
            }
        }
    }

    /// What happens, for people.
    pub fn story(self, pods: usize, after: usize) -> String {
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
                REPLACED.as_secs()
            ),
            Self::Flapping => format!(
                "{pods} pods become {after} and {pods} again, each for {} s, and stay {after}",
                FLAP.as_secs()
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
        changes.push((at + OVERLAP, Change::LeaveOldest(count)));
        left -= count;
        at += STEP;
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pods there are in the end.
    fn end(scenario: Scenario, pods: usize, after: usize) -> usize {
        let changes = scenario.changes(pods, after);
        changes
            .into_iter()
            .fold(pods, |pods, (_, change)| match change {
                Change::Start(count) => pods + count,
                Change::LeaveOldest(count) | Change::LeaveNewest(count) | Change::Die(count) => {
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
