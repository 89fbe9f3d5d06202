//! The sides of a scenario of rebalancing, a row each: medians and ranges over the seeds.

use evenkeel_report::align;
use evenkeel_report::terminal::{Style, styled};

use super::{print_failure, print_table};
use crate::demo::rebalancing::{Number, RebalancingScenario};

/// Prints the table of a scenario.
pub fn print(scenario: &RebalancingScenario) {
    let headings = [
        "",
        "highest/mean",
        "s to 1.25",
        "drains to 1.25",
        "max per s",
        "then per min",
        "failed",
    ];
    let mut rows = vec![headings.map(str::to_owned)];
    rows.extend(scenario.sides().map(|side| {
        let [ratio, seconds, drains, peak, balanced] =
            Number::ALL.map(|number| side.format(number));
        let failed = side.failed().to_string();
        [
            side.name.to_owned(),
            ratio,
            seconds,
            drains,
            peak,
            balanced,
            failed,
        ]
    }));
    let title = styled(Style::Bold, scenario.title());
    let title = format!("{title} ({}: median, range)", scenario.seeds);
    print_table(title, align(2, &rows, 1..7));
    for balance in scenario
        .sides()
        .into_iter()
        .flat_map(|side| side.balances())
    {
        print_failure(balance.first_failure.as_deref());
    }
}
