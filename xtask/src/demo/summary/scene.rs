//! The sides of a scene of shedding, a row each.

use super::print_failure;
use crate::demo::shedding::{Balance, Scene};
use crate::term::{self, Paint, painted};

pub fn print(scene: &Scene) {
    let title = format!("{}, {}", scene.name, scene.protocol);
    term::line("");
    term::line(&painted(Paint::Bold, title));
    term::line(&row([
        "",
        "requests",
        "busiest/mean",
        "even after",
        "closes",
        "peak/s",
        "then/min",
        "failed",
        "connections of each pod at the end",
    ]));
    for (name, side) in scene.sides() {
        print_side(name, side);
    }
}

fn print_side(name: &str, side: &Balance) {
    let even = side
        .seconds_to_1_25
        .map_or("never".to_owned(), |seconds| format!("{seconds:.0} s"));
    let pods = side.connections_per_pod.iter().map(u64::to_string);
    term::line(&row([
        name,
        &side.requests.to_string(),
        &format!("{:.2}", side.max_over_mean),
        &even,
        &side.closes.to_string(),
        &format!("{:.1}", side.peak_closes_per_second),
        &format!("{:.0}", side.closes_per_minute_balanced),
        &side.failed.to_string(),
        &pods.collect::<Vec<_>>().join(" "),
    ]));
    print_failure(side.first_failure.as_deref());
}

fn row(cells: [&str; 9]) -> String {
    let [
        name,
        requests,
        ratio,
        even,
        closes,
        peak,
        then,
        failed,
        pods,
    ] = cells;
    format!(
        "  {name:<9}{requests:>8}{ratio:>14}{even:>12}{closes:>8}{peak:>8}{then:>10}{failed:>8}   {pods}"
    )
}
