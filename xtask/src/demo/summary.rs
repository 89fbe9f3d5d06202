//! The result in the terminal.

mod scene;

use super::Played;
use super::outcome::{Outcome, Scenario};
use crate::term::{self, Paint, painted};

const OPENING: [&str; 3] = [
    "",
    "Kubernetes balances connections, not requests: a long-lived connection stays on its first",
    "backend. Measured in real Envoys, without the module (before) and with it (after):",
];

const LEGEND: [&str; 11] = [
    "",
    "three-routers: how many of the runs of 100 requests used 1, 2 or all 3 backends.",
    "scale-out, gateway: the share of backends that were added while all connections were open.",
    "highest/mean: the highest load of a backend over the mean; 1.00 is even.",
    "drain signals: sent at safe points (raw TCP has none: idle connections are closed).",
    "aborted: requests aborted, or connections closed while active.",
    "scale-out with rebalancing, rolling update: recycling by age, and a policy that drains only the excess.",
    "s to 1.25: seconds from the change of pods until highest/mean is at most 1.25 and stays so.",
    "drains to 1.25: connections drained from the change until then. max per s: the most in one second.",
    "then per min: drains per minute once balanced (in the last part of the scene).",
    "",
];

/// Prints what the problem is, a before/after table of every scenario, and one of the sides of every scene.
pub fn print(played: &Played) {
    for line in OPENING {
        term::line(line);
    }
    for scenario in &played.scenarios {
        let title = format!("{}, {}", scenario.name, scenario.protocol);
        term::line("");
        term::line(&painted(Paint::Bold, title));
        term::line(&row(
            [
                "",
                scenario.about.unit,
                "highest/mean",
                "connections",
                "drain signals",
                "aborted",
                "failed",
            ],
            "",
        ));
        print_side("before", &scenario.before, scenario);
        print_side("after", &scenario.after, scenario);
    }
    played.scenes.iter().for_each(scene::print);
    for line in LEGEND {
        term::line(line);
    }
    term::line(&format!(
        "Seed {} (--seed). Scenes with three sides: {}; all others ran once.",
        played.seeds.first(),
        played.seeds
    ));
}

fn print_side(name: &str, outcome: &Outcome, scenario: &Scenario) {
    let numbers = [
        name,
        &outcome.requests.to_string(),
        &format!("{:.2}", outcome.max_over_mean),
        &outcome.connections_opened.to_string(),
        &outcome.drain_signals.to_string(),
        &outcome.aborted.to_string(),
        &outcome.failed.to_string(),
    ];
    term::line(&row(numbers, &headline(outcome, scenario)));
    print_failure(outcome.first_failure.as_deref());
}

fn print_failure(first: Option<&str>) {
    if let Some(failure) = first {
        term::line(&painted(
            Paint::Red,
            format!("           first failure: {failure}"),
        ));
    }
}

fn row(cells: [&str; 7], remark: &str) -> String {
    let [
        name,
        requests,
        ratio,
        connections,
        drain_signals,
        aborted,
        failed,
    ] = cells;
    format!(
        "  {name:<7}{requests:>9}{ratio:>14}{connections:>13}{drain_signals:>15}{aborted:>9}{failed:>8}   {remark}"
    )
    .trim_end()
    .to_owned()
}

/// The one number that answers the scenario's question, as a sentence.
pub fn headline(outcome: &Outcome, scenario: &Scenario) -> String {
    if let Some(runs) = &outcome.runs_by_backends_used {
        let all = runs.values().sum::<u64>().max(1) as f64;
        let part = |(used, runs): (&usize, &u64)| {
            let backends = if *used == 1 { "backend" } else { "backends" };
            format!("{used} {backends}: {}", percent(*runs as f64 / all))
        };
        return runs.iter().map(part).collect::<Vec<_>>().join(", ");
    }
    let (joined, all) = (scenario.joined, outcome.per_backend.len());
    format!(
        "the {joined} added backends got {} (fair: {})",
        percent(outcome.share_of_last(joined)),
        percent(joined as f64 / all as f64)
    )
}

/// Whole percents, with one decimal where rounding would hide that it is not quite all or nothing.
pub fn percent(part: f64) -> String {
    let percents = part * 100.0;
    if (percents > 0.0 && percents < 1.0) || (percents > 99.0 && percents < 100.0) {
        format!("{percents:.1} %")
    } else {
        format!("{percents:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_that_is_not_quite_all_is_not_shown_as_all() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.9967), "99.7 %");
        assert_eq!(percent(0.6667), "67 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
