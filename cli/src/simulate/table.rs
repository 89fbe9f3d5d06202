//! The result in the terminal.

use evenkeel_report::number::thousands;
use evenkeel_report::{Spread, align};

use super::outcome::Row;
use super::setup::Setup;
use super::{Comparison, Side};

/// Renders a scenario's table without its name: a line for each policy.
pub fn of(comparison: &Comparison) -> String {
    let Comparison { setup, sides } = comparison;
    let seeds = match sides.first().map_or(1, |side| side.rows.len()) {
        1 => String::new(),
        seeds => format!("; {seeds} seeds: median (from-to)"),
    };
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(sides.iter().map(cells));
    format!("{}{seeds}.\n{}", describe(setup), align(2, &rows, 1..7))
}

/// Explains the columns, and shows the policies that were compared, each once.
pub fn legend(comparisons: &[Comparison]) -> String {
    let mut shown: Vec<&Side> = Vec::new();
    for side in comparisons.iter().flat_map(|comparison| &comparison.sides) {
        if !shown.iter().any(|other| other.text == side.text) {
            shown.push(side);
        }
    }
    let mut lines: Vec<String> = LEGEND.map(str::to_owned).into();
    for (index, side) in shown.iter().enumerate() {
        let Row {
            policy, scenario, ..
        } = &side.row;
        let is_variant = shown[..index]
            .iter()
            .any(|other| other.row.policy == *policy);
        let title = if is_variant {
            format!("{policy}, in {scenario}")
        } else {
            policy.clone()
        };
        lines.push(format!("{title}: {}", side.text));
    }
    lines.join("\n")
}

const LEGEND: [&str; 7] = [
    "highest/mean: the highest load of a ready pod over the mean, after the last change to the pods, and at the end; 1.00 is even.",
    "s to 1.25: seconds from that change until highest/mean is at most 1.25, and stays so for 30 s.",
    "drains to 1.25: connections drained from the first change until then.",
    "max per s: the highest number of drains in one second.",
    "then per min: drains per minute after that, over the second half of the remaining time.",
    "Connections that end with their pod are not counted: they are the same under every policy.",
    "",
];

/// Describes the service and its change.
pub fn describe(setup: &Setup) -> String {
    let connections = thousands(setup.connections as u64);
    let by = match setup.scenario {
        super::scenario::Scenario::HeavyTailed => {
            ", a few of which carry most requests; compared by requests per second"
        }
        _ => "",
    };
    format!(
        "{}; {connections} connections{by}",
        setup.scenario.describe(setup.pods, setup.after)
    )
}

pub const HEAD: [&str; 7] = [
    "policy",
    "highest/mean",
    "at the end",
    "s to 1.25",
    "drains to 1.25",
    "max per s",
    "then per min",
];

/// Returns the cells of a policy's row over its runs.
pub fn cells(side: &Side) -> [String; 7] {
    let spread =
        |number: &dyn Fn(&Row) -> Option<f64>, text: &dyn Fn(f64) -> String, none: &str| {
            Spread::of(side.rows.iter().map(number)).format(text, none)
        };
    let count = |number: f64| thousands(number as u64);
    let ratio = |number: f64| format!("{number:.2}");
    let rate = |number: f64| format!("{number:.1}");
    let seconds = |row: &Row| row.seconds_to_1_25.map(|seconds| seconds as f64);
    let drains = |row: &Row| row.drains_to_1_25.map(|drains| drains as f64);
    let peak = |row: &Row| Some(row.peak_drains_per_second.into());
    [
        side.row.policy.clone(),
        spread(&|row| Some(row.max_over_mean_start), &ratio, ""),
        spread(&|row| Some(row.max_over_mean_end), &ratio, ""),
        spread(&seconds, &count, "never"),
        spread(&drains, &count, "–"),
        spread(&peak, &count, ""),
        spread(&|row| row.drains_per_minute_balanced, &rate, "–"),
    ]
}
