//! The result in the terminal.

use super::outcome::Row;
use super::setup::Setup;
use super::{Comparison, Side};

/// A scenario's table, with a line for each policy; without its name.
pub fn of(comparison: &Comparison) -> String {
    let Comparison { setup, sides } = comparison;
    let width = sides.iter().map(|side| side.row.policy.len()).max();
    let width = width.unwrap_or(0).max("policy".len());
    let mut lines = vec![format!("{}.", story(setup)), row(width, "policy", HEAD)];
    lines.extend(sides.iter().map(|side| {
        let cells = cells(&side.row);
        row(
            width,
            &side.row.policy,
            cells.each_ref().map(String::as_str),
        )
    }));
    lines.join("\n") + "\n"
}

/// What the columns mean, and the policies that were compared, each once.
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

const LEGEND: [&str; 6] = [
    "busiest/mean: of the ready pods, once the last change to them is over, and at the end; 1.00 is even.",
    "s to 1.25: from that change until it is at most 1.25, and stays so for 30 s.",
    "closes: connections that were told to go, from the first change to the end; the most in a second;",
    "and then, once it was at most 1.25, in a minute (over the second half of the time that was left).",
    "What pods end when they leave or vanish is not counted: it is the same under every policy.",
    "",
];

/// What the service is and what happens to it.
pub fn story(setup: &Setup) -> String {
    let connections = thousands(setup.connections as u64);
    let by = match setup.scenario {
        super::scenario::Scenario::HeavyTailed => {
            ", most of whose requests come on a few; compared by requests a second"
        }
        _ => "",
    };
    format!(
        "{}; {connections} connections{by}",
        setup.scenario.story(setup.pods, setup.after)
    )
}

pub const HEAD: [&str; 6] = [
    "busiest/mean",
    "at the end",
    "s to 1.25",
    "closes",
    "most in 1 s",
    "then a minute",
];

pub fn cells(row: &Row) -> [String; 6] {
    let or_dash = |number: Option<String>| number.unwrap_or_else(|| "–".to_owned());
    [
        format!("{:.2}", row.max_over_mean_start),
        format!("{:.2}", row.max_over_mean_end),
        row.seconds_to_1_25
            .map_or_else(|| "never".to_owned(), |seconds| seconds.to_string()),
        thousands(row.closes),
        row.peak_closes_per_second.to_string(),
        or_dash(
            row.closes_per_minute_balanced
                .map(|closes| format!("{closes:.1}")),
        ),
    ]
}

fn row(width: usize, policy: &str, cells: [&str; 6]) -> String {
    let cells = cells.map(|cell| format!("{cell:>15}"));
    format!("  {policy:<width$}{}", cells.concat())
}

/// `30000` as `30,000`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
