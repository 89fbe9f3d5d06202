//! What a case measured, and what it expected.

use std::time::Duration;

use evenkeel_report::Spread;
use evenkeel_report::number::{rounded, thousands};
use evenkeel_test_envoy::Tally;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::History;

/// The result of a case.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    pub sides: Vec<SideOutcome>,
    pub checks: Vec<Check>,
}

/// One side of a case.
#[derive(Serialize, Deserialize)]
pub struct SideOutcome {
    pub name: String,
    /// The policy of the module; None without it.
    pub policy: Option<Value>,
    pub numbers: Vec<Number>,
    pub chart: Chart,
}

/// A measured number, one value for each run. None where there is none, such as the time to a balance that never came.
#[derive(Serialize, Deserialize)]
pub struct Number {
    pub name: String,
    pub values: Vec<Option<f64>>,
}

/// Something that must hold.
#[derive(Serialize, Deserialize)]
pub struct Check {
    pub what: String,
    pub passed: bool,
}

/// What a chart shows.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Chart {
    /// A line for each pod.
    Lines {
        unit: String,
        /// Seconds since the start, and a value for each pod.
        points: Vec<(f64, Vec<f64>)>,
        /// How many pods there were at the start; the others were added.
        initial: usize,
        /// When something happened, and what.
        marks: Vec<(f64, String)>,
    },
    /// A bar for each label.
    Bars {
        unit: String,
        bars: Vec<(String, f64)>,
    },
}

impl Outcome {
    /// Returns an outcome without checks.
    pub fn new(sides: impl IntoIterator<Item = SideOutcome>) -> Self {
        Self {
            sides: sides.into_iter().collect(),
            checks: Vec::new(),
        }
    }

    /// Records whether `what` holds.
    pub fn check(&mut self, what: impl Into<String>, passed: bool) {
        self.checks.push(Check {
            what: what.into(),
            passed,
        });
    }

    /// Records whether every request of these sides had a response.
    pub fn no_failures(&mut self, histories: &[History]) {
        for history in histories {
            let failed = history.failed();
            let first = history.tally.first_failure();
            let first = first.map_or_else(String::new, |first| {
                format!(" ({failed}, the first {first})")
            });
            self.check(
                format!("{}: no request failed{first}", history.name),
                failed == 0,
            );
        }
    }

    /// Returns whether everything holds.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

impl SideOutcome {
    /// Returns a side with a bar chart.
    pub fn bars(name: &str, policy: Option<Value>, unit: &str, bars: Vec<(String, f64)>) -> Self {
        Self {
            name: name.to_owned(),
            policy,
            numbers: Vec::new(),
            chart: Chart::Bars {
                unit: unit.to_owned(),
                bars,
            },
        }
    }

    /// Returns a side whose chart shows the connections of each pod.
    pub fn connections(history: &History, initial: usize, marks: &[(f64, &str)]) -> Self {
        let points = history.connections_over_time();
        Self::lines(
            history.name,
            history.policy.clone(),
            "open connections per pod",
            points,
            initial,
            marks,
        )
    }

    /// Returns a side whose chart shows the requests per second of each pod.
    pub fn requests(history: &History, initial: usize, marks: &[(f64, &str)]) -> Self {
        Self::tally(
            history.name,
            history.policy.clone(),
            &history.tally,
            initial,
            marks,
        )
    }

    /// As [`SideOutcome::requests`], for clients that are not those of a site.
    pub fn tally(
        name: &str,
        policy: Option<Value>,
        tally: &Tally,
        initial: usize,
        marks: &[(f64, &str)],
    ) -> Self {
        let seconds = tally.timeline(Duration::from_secs(1));
        let points = seconds.iter().enumerate().map(|(second, requests)| {
            let requests = requests.iter().map(|count| *count as f64);
            (second as f64 + 1.0, requests.collect())
        });
        Self::lines(
            name,
            policy,
            "requests per second and pod",
            points.collect(),
            initial,
            marks,
        )
    }

    /// Returns a side whose chart has a line for each pod.
    pub fn lines(
        name: &str,
        policy: Option<Value>,
        unit: &str,
        points: Vec<(f64, Vec<f64>)>,
        initial: usize,
        marks: &[(f64, &str)],
    ) -> Self {
        let marks = marks.iter().map(|(at, what)| (*at, (*what).to_owned()));
        Self {
            name: name.to_owned(),
            policy,
            numbers: Vec::new(),
            chart: Chart::Lines {
                unit: unit.to_owned(),
                points,
                initial,
                marks: marks.collect(),
            },
        }
    }

    /// Adds a number of a single run.
    pub fn number(self, name: &str, value: impl Into<Option<f64>>) -> Self {
        self.numbers(name, [value.into()])
    }

    /// Adds a number of several runs.
    pub fn numbers(mut self, name: &str, values: impl IntoIterator<Item = Option<f64>>) -> Self {
        self.numbers.push(Number {
            name: name.to_owned(),
            values: values.into_iter().collect(),
        });
        self
    }

    /// Adds what every case counts.
    pub fn counts(self, history: &History) -> Self {
        self.number("requests", history.tally.responses() as f64)
            .number("drains", history.drains_since(0.0) as f64)
            .number("failed requests", history.failed() as f64)
    }
}

impl Chart {
    /// Returns what the values are.
    pub fn unit(&self) -> &str {
        match self {
            Self::Lines { unit, .. } | Self::Bars { unit, .. } => unit,
        }
    }

    /// Returns whether pods were added.
    pub fn has_added_pods(&self) -> bool {
        matches!(self, Self::Lines { points, initial, .. } if points.iter().any(|(_, values)| values.len() > *initial))
    }

    /// Returns the largest value.
    pub fn max(&self) -> f64 {
        let values: Vec<f64> = match self {
            Self::Lines { points, .. } => points
                .iter()
                .flat_map(|(_, values)| values.clone())
                .collect(),
            Self::Bars { bars, .. } => bars.iter().map(|(_, value)| *value).collect(),
        };
        values.into_iter().fold(0.0, f64::max)
    }
}

impl Number {
    /// Formats it as `median (min-max)`, or as one number.
    pub fn text(&self) -> String {
        let text = |value| match value {
            1000.0.. => thousands(f64::round(value) as u64),
            _ => rounded(value),
        };
        Spread::of(self.values.iter().copied()).format(text, "never")
    }
}
