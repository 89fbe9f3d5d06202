//! What a scene measured. Serialised, it is what `--json` writes; what is for people only is left out.

use serde::Serialize;

use super::course::Course;
use super::plan::Plan;
use crate::demo::chart::thousands;

/// What a side does with connections, and so the listener that its clients come in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// There is no plugin.
    None,
    /// Every connection is moved at an age.
    Age,
    /// Pods that carry more than others move the surplus.
    Shed,
}

impl Side {
    /// Of its listener and of its VM.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Age => "age",
            Self::Shed => "shed",
        }
    }

    /// The `reason` that the plugin counts its closes under: sides share an Envoy, and so its counters.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Age => Some("max_age"),
            Self::Shed => Some("shed"),
        }
    }
}

/// One change of pods, lived through by the three sides.
#[derive(Serialize)]
pub struct Scene {
    /// What it is called.
    pub name: &'static str,
    /// What the clients speak: `HTTP/1.1`.
    pub protocol: &'static str,
    /// Without the plugin.
    pub none: Balance,
    /// Recycling by age.
    pub age: Balance,
    /// Shedding.
    pub shed: Balance,
    #[serde(skip)]
    pub plan: Plan,
}

/// One side of a scene.
#[derive(Serialize)]
pub struct Balance {
    /// Open connections of each pod at the end.
    pub connections_per_pod: Vec<u64>,
    /// The most of them over the mean of the pods that serve.
    pub max_over_mean: f64,
    /// Requests answered.
    pub requests: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// Connections that the clients opened.
    pub connections_opened: u64,
    /// Connections that the plugin asked clients to close, since the change.
    pub closes: u64,
    /// From the change until the busiest pod has at most 1.25 times the mean, and has so until the end; none
    /// when it never came to that.
    pub seconds_to_1_25: Option<f64>,
    /// The most closes in one second since the change.
    pub peak_closes_per_second: f64,
    /// Closes in the last part of the scene, [`Plan::last`], scaled to a minute: by then all that can be
    /// balanced is.
    pub closes_per_minute_balanced: f64,
    /// Where the connections were, second by second.
    #[serde(skip)]
    pub course: Course,
    /// Why the first of the failed requests failed.
    #[serde(skip)]
    pub first_failure: Option<String>,
}

impl Scene {
    /// In the order in which they are shown, each with its name for people.
    pub fn sides(&self) -> [(&'static str, &Balance); 3] {
        [
            ("without", &self.none),
            ("age only", &self.age),
            ("shed", &self.shed),
        ]
    }

    /// Requests that failed with the plugin in place.
    pub fn failed(&self) -> u64 {
        self.age.failed + self.shed.failed
    }
}

impl Balance {
    /// How it came out, as a sentence.
    pub fn headline(&self) -> String {
        match self.seconds_to_1_25 {
            None => format!(
                "not even: the busiest has {:.2} times the mean",
                self.max_over_mean
            ),
            Some(seconds) => {
                let closes = thousands(self.closes);
                let rest = self.closes_per_minute_balanced;
                format!("even after {seconds:.0} s; {closes} closes, at the end {rest:.0} a minute")
            }
        }
    }
}
