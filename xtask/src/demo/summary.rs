//! The result in the terminal.

mod rebalancing;

use std::fmt::Display;

use evenkeel_report::align;
use evenkeel_report::number::percent;
use evenkeel_report::terminal::{self, Style, styled};

use super::Results;
use super::outcome::{Outcome, Scenario};

const OPENING: [&str; 3] = [
    "",
    "Kubernetes balances connections, not requests: a long-lived connection stays on its first",
    "backend. Measured in real Envoys, without the module (before) and with it (after):",
];

const LEGEND: [&str; 11] = [
    "",
    "three-routers: how many of the runs of 100 requests used 1, 2 or all 3 backends.",
    "scale-out, gateway, database: the share of backends that were added while all connections were open.",
    "highest/mean: the highest load of a backend over the mean; 1.00 is even.",
    "drain signals: sent at safe points (raw TCP and databases have none: idle connections are closed).",
    "aborted: requests aborted, or connections closed while active.",
    "scale-out with rebalancing, rolling update: recycling by age, and a policy that drains only the excess.",
    "s to 1.25: seconds from the change of pods until highest/mean is at most 1.25 and stays so.",
    "drains to 1.25: connections drained from the change until then. max per s: the most in one second.",
    "then per min: drains per minute once balanced (in the last part of the scenario).",
    "",
];

/// Prints the problem, a before/after table of every scenario, and a table of the sides of every scenario.
pub fn print(results: &Results) {
    for line in OPENING {
        terminal::line(line);
    }
    results.scenarios.iter().for_each(print_scenario);
    results.rebalancing.iter().for_each(rebalancing::print);
    for line in LEGEND {
        terminal::line(line);
    }
    terminal::line(&format!(
        "Seed {} (--seed). Scenarios with three sides: {}; all others ran once.",
        results.seeds.first(),
        results.seeds
    ));
}

fn print_scenario(scenario: &Scenario) {
    let headings = [
        "",
        scenario.description.unit,
        "highest/mean",
        "connections",
        "drain signals",
        "aborted",
        "failed",
        "",
    ];
    let row = |name: &str, outcome: &Outcome| {
        [
            name.to_owned(),
            outcome.requests.to_string(),
            format!("{:.2}", outcome.max_over_mean),
            outcome.connections_opened.to_string(),
            outcome.drain_signals.to_string(),
            outcome.aborted.to_string(),
            outcome.failed.to_string(),
            headline(outcome, scenario),
        ]
    };
    let rows = [
        headings.map(str::to_owned),
        row("before", &scenario.before),
        row("after", &scenario.after),
    ];
    let title = format!("{}, {}", scenario.name, scenario.protocol);
    print_table(styled(Style::Bold, title), align(2, &rows, 1..7));
    for outcome in [&scenario.before, &scenario.after] {
        print_failure(outcome.first_failure.as_deref());
    }
}

fn print_table(title: impl Display, table: String) {
    terminal::text(&format!("\n{title}\n{table}"));
}

fn print_failure(first: Option<&str>) {
    if let Some(failure) = first {
        let text = format!("  first failure: {failure}");
        terminal::line(&styled(Style::Red, text));
    }
}

/// Summarizes the result of one side in a sentence.
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
        "{joined} added {} got {} (fair: {})",
        if joined == 1 { "backend" } else { "backends" },
        percent(outcome.share_of_last(joined)),
        percent(joined as f64 / all as f64)
    )
}
