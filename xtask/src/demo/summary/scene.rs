//! The sides of a scene of rebalancing, a row each: medians and ranges over the seeds.

use super::print_failure;
use crate::demo::rebalancing::{Number, Scene, SideRuns};
use crate::term::{self, Paint, painted};

pub fn print(scene: &Scene) {
    term::line("");
    let title = painted(Paint::Bold, scene.title());
    term::line(&format!("{title} ({}: median, range)", scene.seeds));
    term::line(&row([
        "",
        "highest/mean",
        "s to 1.25",
        "drains to 1.25",
        "max per s",
        "then per min",
        "failed",
    ]));
    scene.sides().into_iter().for_each(print_side);
}

fn print_side(side: SideRuns) {
    let [ratio, seconds, drains, peak, balanced] = Number::ALL.map(|number| side.show(number));
    term::line(&row([
        side.name,
        &ratio,
        &seconds,
        &drains,
        &peak,
        &balanced,
        &side.failed().to_string(),
    ]));
    for balance in side.balances() {
        print_failure(balance.first_failure.as_deref());
    }
}

fn row(cells: [&str; 7]) -> String {
    let [name, ratio, seconds, drains, peak, balanced, failed] = cells;
    format!("  {name:<9}{ratio:>18}{seconds:>15}{drains:>17}{peak:>14}{balanced:>21}{failed:>8}")
}
