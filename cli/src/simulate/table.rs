//! The result in the terminal.

use super::outcome::Row;
use super::setup::Setup;
use super::{Comparison, Side};

/// A scenario's table, with a line for each policy; without its name.
pub fn of(comparison: &Comparison) -> String {
    let Comparison { setup, sides } = comparison;
    let width = sides.iter().map(|side| side.row.policy.len()).max();
    let width = width.unwrap_or(0).max("policy".len());
    let cells: Vec<_> = sides.iter().map(|side| cells(&side.rows)).collect();
    let widest = cells
        .iter()
        .flatten()
        .map(|cell| cell.chars().count())
        .max();
    let column = widest.unwrap_or(0).max(13) + 2;
    let story = match sides.first().map_or(1, |side| side.rows.len()) {
        1 => story(setup),
        seeds => format!("{}; {seeds} seeds: median (from-to)", story(setup)),
    };
    let mut lines = vec![format!("{story}."), row(width, column, "policy", HEAD)];
    lines.extend(sides.iter().zip(&cells).map(|(side, cells)| {
        let cells = cells.each_ref().map(String::as_str);
        row(width, column, &side.row.policy, cells)
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

const LEGEND: [&str; 7] = [
    "highest/mean: the highest load of a ready pod over the mean, after the last change to the pods, and at the end; 1.00 is even.",
    "s to 1.25: seconds from that change until highest/mean is at most 1.25, and stays so for 30 s.",
    "drains to 1.25: connections drained from the first change until then.",
    "max per s: the highest number of drains in one second.",
    "then per min: drains per minute after that, over the second half of the remaining time.",
    "Connections that end with their pod are not counted: they are the same under every policy.",
    "",
];

/// What the service is and what happens to it.
pub fn story(setup: &Setup) -> String {
    let connections = thousands(setup.connections as u64);
    let by = match setup.scenario {
        super::scenario::Scenario::HeavyTailed => {
            ", a few of which carry most requests; compared by requests per second"
        }
        _ => "",
    };
    format!(
        "{}; {connections} connections{by}",
        setup.scenario.story(setup.pods, setup.after)
    )
}

pub const HEAD: [&str; 6] = [
    "highest/mean",
    "at the end",
    "s to 1.25",
    "drains to 1.25",
    "max per s",
    "then per min",
];

/// The cells of a policy's line, over its runs.
pub fn cells(rows: &[Row]) -> [String; 6] {
    let all = |number: &dyn Fn(&Row) -> Option<f64>, show: &dyn Fn(f64) -> String, none: &str| {
        spread(rows.iter().map(number).collect(), show, none)
    };
    let whole = |number: f64| thousands(number as u64);
    let parts = |number: f64| format!("{number:.2}");
    [
        all(&|row| Some(row.max_over_mean_start), &parts, ""),
        all(&|row| Some(row.max_over_mean_end), &parts, ""),
        all(
            &|row| row.seconds_to_1_25.map(|seconds| seconds as f64),
            &whole,
            "never",
        ),
        all(
            &|row| row.drains_to_1_25.map(|drains| drains as f64),
            &whole,
            "–",
        ),
        all(&|row| Some(row.peak_drains_per_second.into()), &whole, ""),
        all(
            &|row| row.drains_per_minute_balanced,
            &|number| format!("{number:.1}"),
            "–",
        ),
    ]
}

/// One number, or of several the median and the range. One that is missing is more than any other.
fn spread(mut numbers: Vec<Option<f64>>, show: &dyn Fn(f64) -> String, none: &str) -> String {
    let order = |number: &Option<f64>| number.unwrap_or(f64::INFINITY);
    numbers.sort_by(|one, other| order(one).total_cmp(&order(other)));
    let shown = |number: Option<&Option<f64>>| {
        number
            .copied()
            .flatten()
            .map_or_else(|| none.to_owned(), show)
    };
    let median = shown(numbers.get(numbers.len().saturating_sub(1) / 2));
    let (least, most) = (shown(numbers.first()), shown(numbers.last()));
    if least == most {
        return median;
    }
    format!("{median} ({least}-{most})")
}

fn row(width: usize, column: usize, policy: &str, cells: [&str; 6]) -> String {
    let cells = cells.map(|cell| format!("{cell:>column$}"));
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
    fn several_seeds_have_a_median_and_a_range() {
        let show = |number: f64| thousands(number as u64);
        let of = |numbers: &[Option<f64>]| spread(numbers.to_vec(), &show, "never");
        assert_eq!(of(&[Some(7.0)]), "7");
        assert_eq!(of(&[Some(7.0), Some(7.0)]), "7");
        assert_eq!(of(&[Some(9.0), Some(1000.0), Some(8.0)]), "9 (8-1,000)");
        assert_eq!(of(&[None, Some(8.0), Some(9.0)]), "9 (8-never)");
        assert_eq!(of(&[None, None, Some(9.0)]), "never (9-never)");
        assert_eq!(of(&[None, None]), "never");
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
