//! The results of a scenario. `--json` writes each run as an entry, without what only the page and the
//! table show.

use evenkeel_report::Spread;
use serde::Serialize;

use super::plan::Plan;
use super::timeline::Timeline;
use crate::demo::seeds::Seeds;

/// A side: how it drains connections, and the listener of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Without the module.
    None,
    /// Every connection is drained by its age.
    Age,
    /// Pods with more load than others drain the excess.
    Rebalance,
}

impl Side {
    /// The name of its listener and its VM.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Age => "age",
            Self::Rebalance => "rebalance",
        }
    }

    /// The `drain_reason` of its drains: sides share an Envoy and its counters.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Age => Some("max_connection_age"),
            Self::Rebalance => Some("rebalance"),
        }
    }
}

/// A change of pods, run by the three sides with each seed.
pub struct RebalancingScenario {
    pub plan: Plan,
    pub seeds: Seeds,
    /// The runs, one for each seed.
    pub runs: Vec<Run>,
}

/// A scenario with one seed.
#[derive(Serialize)]
pub struct Run {
    /// The name of the scenario.
    pub name: &'static str,
    /// The protocol of the clients: `HTTP/1.1`.
    pub protocol: &'static str,
    /// The seed of kube-proxy's choices and of the clients' pauses.
    pub seed: u64,
    /// The number of seeds.
    pub seeds: u64,
    /// Clients of each side, with a connection each.
    pub connections: usize,
    /// Pods that serve after the change.
    pub pods: usize,
    /// The mean of the ages at which the side that recycles by age drains its connections.
    pub mean_age_seconds: f64,
    /// The time from the change to the end.
    pub after_seconds: f64,
    /// The length of the last part: see [`Balance::drains_per_minute_balanced`].
    pub balanced_seconds: f64,
    /// Without the module.
    pub none: Balance,
    /// Recycling by age.
    pub age: Balance,
    /// Rebalancing.
    pub rebalance: Balance,
}

/// One side of a run.
#[derive(Serialize)]
pub struct Balance {
    /// Open connections of each pod at the end.
    pub connections_per_pod: Vec<u64>,
    /// The maximum of them over the mean of the serving pods.
    pub max_over_mean: f64,
    /// The connections above the mean at the end. Without the module these must be drained.
    pub excess: f64,
    /// Requests with a response.
    pub requests: u64,
    /// Requests without a response.
    pub failed: u64,
    /// Connections that the clients opened.
    pub connections_opened: u64,
    /// The time from the change until the highest pod has at most 1.25 times the mean until the end; None
    /// if it never has.
    pub seconds_to_1_25: Option<f64>,
    /// Connections that the module drained from the change until then.
    pub drains_to_1_25: Option<u64>,
    /// The most drains in one second since the change.
    pub peak_drains_per_second: f64,
    /// Drains per minute in the last part of the scenario, [`Run::balanced_seconds`], when connections are
    /// balanced.
    pub drains_per_minute_balanced: f64,
    /// The connections, second by second.
    #[serde(skip)]
    pub timeline: Timeline,
    /// Why the first of the failed requests failed.
    #[serde(skip)]
    pub first_failure: Option<String>,
}

/// A number of a side that the table and the page show over all seeds.
#[derive(Clone, Copy)]
pub enum Number {
    MaxOverMean,
    SecondsToBalanced,
    DrainsToBalanced,
    PeakDrainsPerSecond,
    DrainsPerMinuteBalanced,
}

impl Number {
    /// All numbers, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::MaxOverMean,
        Self::SecondsToBalanced,
        Self::DrainsToBalanced,
        Self::PeakDrainsPerSecond,
        Self::DrainsPerMinuteBalanced,
    ];

    /// Returns its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::MaxOverMean => "highest/mean at the end",
            Self::SecondsToBalanced => "seconds until balanced",
            Self::DrainsToBalanced => "drains until balanced",
            Self::PeakDrainsPerSecond => "max drains per second",
            Self::DrainsPerMinuteBalanced => "drains per minute once balanced",
        }
    }

    fn of(self, side: &Balance) -> Option<f64> {
        match self {
            Self::MaxOverMean => Some(side.max_over_mean),
            Self::SecondsToBalanced => side.seconds_to_1_25,
            Self::DrainsToBalanced => side.drains_to_1_25.map(|drains| drains as f64),
            Self::PeakDrainsPerSecond => Some(side.peak_drains_per_second),
            Self::DrainsPerMinuteBalanced => Some(side.drains_per_minute_balanced),
        }
    }

    /// Formats one value.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::MaxOverMean => format!("{value:.2}"),
            _ => format!("{value:.0}"),
        }
    }
}

/// One side over all runs.
#[derive(Clone, Copy)]
pub struct SideRuns<'a> {
    /// The title of the side.
    pub name: &'static str,
    side: fn(&Run) -> &Balance,
    runs: &'a [Run],
}

impl<'a> SideRuns<'a> {
    /// Returns this side of every run.
    pub fn balances(self) -> impl Iterator<Item = &'a Balance> {
        self.runs.iter().map(self.side)
    }

    /// Returns one of its numbers over all runs.
    pub fn spread(self, number: Number) -> Spread {
        Spread::of(self.balances().map(|side| number.of(side)))
    }

    /// Formats one of its numbers as median and range.
    pub fn format(self, number: Number) -> String {
        self.spread(number)
            .format(|value| number.format(value), "never")
    }

    /// Returns the requests that failed in all runs.
    pub fn failed(self) -> u64 {
        self.balances().map(|side| side.failed).sum()
    }

    /// Summarizes the result in a sentence.
    pub fn headline(self) -> String {
        if self.spread(Number::SecondsToBalanced).median().is_none() {
            let ratio = self.format(Number::MaxOverMean);
            let drains = self.format(Number::DrainsPerMinuteBalanced);
            return format!(
                "not balanced: the highest has {ratio} times the mean; at the end {drains} drains per minute"
            );
        }
        format!(
            "balanced after {} s with {} drains; then {} drains per minute",
            self.format(Number::SecondsToBalanced),
            self.format(Number::DrainsToBalanced),
            self.format(Number::DrainsPerMinuteBalanced)
        )
    }
}

impl RebalancingScenario {
    pub fn new(plan: Plan, seeds: Seeds) -> Self {
        Self {
            plan,
            seeds,
            runs: Vec::new(),
        }
    }

    /// Returns its name and protocol, as they are shown.
    pub fn title(&self) -> String {
        format!("{}, {}", self.plan.name, self.plan.protocol)
    }

    /// Returns the sides in the order in which they are shown.
    pub fn sides(&self) -> [SideRuns<'_>; 3] {
        let of = |name, side| SideRuns {
            name,
            side,
            runs: &self.runs,
        };
        [
            of("without", |run| &run.none),
            of("age only", |run| &run.age),
            of("rebalance", |run| &run.rebalance),
        ]
    }

    /// Returns the requests that failed with the module.
    pub fn failed(&self) -> u64 {
        let [_, age, rebalance] = self.sides();
        age.failed() + rebalance.failed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(balanced: Option<(f64, u64)>) -> Balance {
        Balance {
            connections_per_pod: Vec::new(),
            max_over_mean: 1.5,
            excess: 0.0,
            requests: 0,
            failed: 1,
            connections_opened: 0,
            seconds_to_1_25: balanced.map(|(seconds, _)| seconds),
            drains_to_1_25: balanced.map(|(_, drains)| drains),
            peak_drains_per_second: 0.0,
            drains_per_minute_balanced: 5.0,
            timeline: Timeline::new(Vec::new(), 0..0),
            first_failure: None,
        }
    }

    fn scenario(rebalance: [Option<(f64, u64)>; 3]) -> RebalancingScenario {
        let mut scenario = RebalancingScenario::new(Plan::scale_out(true), Seeds::new(4, 3));
        scenario.runs = scenario
            .seeds
            .all()
            .zip(rebalance)
            .map(|(seed, rebalance)| Run {
                name: "scenario",
                protocol: "HTTP/1.1",
                seed,
                seeds: 3,
                connections: 0,
                pods: 0,
                mean_age_seconds: 0.0,
                after_seconds: 0.0,
                balanced_seconds: 0.0,
                none: balance(None),
                age: balance(None),
                rebalance: balance(rebalance),
            })
            .collect();
        scenario
    }

    #[test]
    fn headline_separates_drains_until_balanced_from_later_ones() {
        let scenario = scenario([Some((9.0, 40)), Some((7.0, 60)), Some((8.0, 50))]);

        let [none, _, rebalance] = scenario.sides();

        assert_eq!(
            rebalance.headline(),
            "balanced after 8 (7-9) s with 50 (40-60) drains; then 5 drains per minute"
        );
        assert_eq!(
            none.headline(),
            "not balanced: the highest has 1.50 times the mean; at the end 5 drains per minute"
        );
        assert_eq!(scenario.failed(), 6);
    }

    #[test]
    fn side_that_most_runs_did_not_balance_is_not_balanced() {
        let scenario = scenario([Some((9.0, 40)), None, None]);

        let [_, _, rebalance] = scenario.sides();

        assert!(rebalance.headline().starts_with("not balanced"));
        assert_eq!(
            rebalance.format(Number::DrainsToBalanced),
            "never (40-never)"
        );
    }
}
