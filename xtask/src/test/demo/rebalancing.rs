//! Checks the scenarios of rebalancing in every run: pods are balanced with few drains and then drain nothing, while recycling
//! by age continues.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The numbers of each side of a run.
const NUMBERS: [&str; 7] = [
    "max_over_mean",
    "excess",
    "requests",
    "failed",
    "connections_opened",
    "peak_drains_per_second",
    "drains_per_minute_balanced",
];

/// The maximum of the highest pod over the mean once balanced. A pod drains above 1.2 times the mean, so a higher one is
/// still draining.
const MAX_BALANCED: f64 = 1.25;

/// The mean number of drains per excess connection. A drained client connects to a random pod: of eight
/// pods, or two, half had too many connections, so half of the drained clients connect to those again.
const DRAINS_PER_EXCESS: f64 = 2.0;

/// A pod stops draining at 1.1 times the mean. Once balanced, the last connections that others drained may
/// still raise one pod over 1.2, which then drains down to 1.1, and one more because of rounding.
const LATE_DRAIN_FACTOR: f64 = 1.1;

/// The maximum drain rate of rebalancing once balanced, as a fraction of that of recycling by age.
const MAX_OF_AGE: f64 = 0.1;

/// Recycling by age drains every connection once per age. Connections that
/// opened together end together at first, so a short time can have half as many drains more, or less.
const AGE_TOLERANCE: f64 = 0.5;

/// The tolerance in standard deviations.
const DEVIATIONS: f64 = 4.0;

/// Whether an entry is a run of a scenario.
pub fn is_run(entry: &Value) -> bool {
    entry.get("rebalance").is_some()
}

/// Checks all runs of all scenarios.
///
/// # Errors
/// The first run and field that is out of bounds.
pub fn check_all(runs: &[&Value]) -> Result<()> {
    for run in runs {
        check(run).with_context(|| format!("{}, seed {}", run["name"], run["seed"]))?;
        let same: Vec<_> = runs
            .iter()
            .filter(|other| other["name"] == run["name"])
            .collect();
        let mut seeds: Vec<_> = same.iter().filter_map(|run| run["seed"].as_u64()).collect();
        seeds.sort_unstable();
        seeds.dedup();
        ensure!(
            run["seeds"] == seeds.len() && same.len() == seeds.len(),
            "{}: {} runs with {} seeds; {} were expected",
            run["name"],
            same.len(),
            seeds.len(),
            run["seeds"]
        );
    }
    Ok(())
}

fn check(run: &Value) -> Result<()> {
    for side in ["none", "age", "rebalance"] {
        check_requests(&run[side]).with_context(|| side.to_owned())?;
        let failed = &run[side]["failed"];
        ensure!(failed == 0, "{side}: {failed} requests failed");
    }
    check_none(&run["none"])?;
    check_age(run)?;
    check_rebalance(run)
}

/// Checks that without the module connections stay unbalanced.
fn check_none(none: &Value) -> Result<()> {
    ensure!(
        none["seconds_to_1_25"].is_null() && number(none, "max_over_mean")? > MAX_BALANCED,
        "none: balanced without the module, the highest has {} times the mean",
        none["max_over_mean"]
    );
    Ok(())
}

fn check_age(run: &Value) -> Result<()> {
    let age = &run["age"];
    let expected = expected_by_age(run)?;
    let drains = number(age, "drains_per_minute_balanced")?;
    ensure!(
        (drains / expected - 1.0).abs() <= AGE_TOLERANCE,
        "age: {drains} drains per minute at the end; connections over age make {expected:.0}"
    );
    // The number of connections of a randomly chosen pod has a Poisson distribution: its deviation is the root of the mean.
    let by_chance = 1.0 + DEVIATIONS / mean_of_pods(run)?.sqrt();
    let busiest = number(age, "max_over_mean")?;
    ensure!(
        busiest <= by_chance,
        "age: the highest has {busiest} times the mean; by chance at most {by_chance:.2}"
    );
    Ok(())
}

fn check_rebalance(run: &Value) -> Result<()> {
    let rebalance = &run["rebalance"];
    let busiest = number(rebalance, "max_over_mean")?;
    ensure!(
        busiest <= MAX_BALANCED,
        "rebalance: at the end the highest has {busiest} times the mean, more than {MAX_BALANCED}"
    );
    let (after, last) = (
        number(run, "after_seconds")?,
        number(run, "balanced_seconds")?,
    );
    let seconds = number(rebalance, "seconds_to_1_25")?;
    ensure!(
        seconds <= after - last,
        "rebalance: balanced after {seconds} s only; the last {last} s of {after} s count as balanced"
    );
    let (drains, excess) = (
        number(rebalance, "drains_to_1_25")?,
        number(&run["none"], "excess")?,
    );
    // Draws until `excess` of them fall on another pod, each with a chance of one half: the variance is as large
    // as the mean.
    let expected = DRAINS_PER_EXCESS * excess;
    let most = (expected + DEVIATIONS * expected.sqrt()).floor();
    ensure!(
        drains > 0.0 && drains <= most,
        "rebalance: {drains} drains until balanced for an excess of {excess}; it takes some, and at most {most}"
    );
    let one_pod = (MAX_BALANCED - LATE_DRAIN_FACTOR) * mean_of_pods(run)? + 1.0;
    let rest = (one_pod * 60.0 / last).min(MAX_OF_AGE * expected_by_age(run)?);
    let drains = number(rebalance, "drains_per_minute_balanced")?;
    ensure!(
        drains <= rest,
        "rebalance: {drains} drains per minute once balanced, more than {rest:.0}"
    );
    Ok(())
}

/// Returns the drains per minute that the mean age of all connections implies.
fn expected_by_age(run: &Value) -> Result<f64> {
    Ok(number(run, "connections")? * 60.0 / number(run, "mean_age_seconds")?)
}

/// Returns the mean connections of a pod.
fn mean_of_pods(run: &Value) -> Result<f64> {
    Ok(number(run, "connections")? / number(run, "pods")?)
}

fn number(value: &Value, key: &str) -> Result<f64> {
    value[key]
        .as_f64()
        .with_context(|| format!("{key} is {}", value[key]))
}

fn check_requests(side: &Value) -> Result<()> {
    for key in NUMBERS {
        number(side, key)?;
    }
    for key in ["seconds_to_1_25", "drains_to_1_25"] {
        let value = side.get(key);
        ensure!(
            value.is_some_and(|value| value.is_number() || value.is_null()),
            "{key} is neither a number nor null: {value:?}"
        );
    }
    let pods = side["connections_per_pod"].as_array();
    ensure!(
        pods.is_some_and(|pods| pods.iter().any(|open| open.as_u64() > Some(0))),
        "no pod has a connection: {}",
        side["connections_per_pod"]
    );
    Ok(())
}

/// A run with the expected results.
#[cfg(test)]
pub fn expected_run() -> Value {
    let side = |balanced: Option<(f64, u64)>, ratio: f64, excess: f64, at_the_end: f64| {
        serde_json::json!({
            "connections_per_pod": [0, 60, 60], "max_over_mean": ratio, "excess": excess,
            "requests": 1000, "failed": 0, "connections_opened": 200,
            "seconds_to_1_25": balanced.map(|(seconds, _)| seconds),
            "drains_to_1_25": balanced.map(|(_, drains)| drains),
            "peak_drains_per_second": 11.5, "drains_per_minute_balanced": at_the_end,
        })
    };
    serde_json::json!({
        "name": "rolling update", "protocol": "HTTP/1.1", "seed": 1, "seeds": 1, "connections": 120, "pods": 2,
        "mean_age_seconds": 8.0, "after_seconds": 20.0, "balanced_seconds": 5.0,
        "none": side(None, 1.5, 30.0, 0.0),
        "age": side(Some((9.5, 100)), 1.1, 6.0, 880.0),
        "rebalance": side(Some((9.0, 50)), 1.05, 3.0, 0.0),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn balanced_run_without_later_drains_passes() {
        assert!(is_run(&expected_run()));
        check_all(&[&expected_run()]).unwrap();
    }

    #[test]
    fn balance_at_every_bound_passes() {
        let bounds = [
            ("/rebalance/max_over_mean", json!(1.25)),
            ("/rebalance/seconds_to_1_25", json!(15.0)),
            ("/rebalance/drains_to_1_25", json!(90)),
            ("/rebalance/drains_per_minute_balanced", json!(90.0)),
            ("/age/drains_per_minute_balanced", json!(450.0)),
            ("/age/drains_per_minute_balanced", json!(1350.0)),
            ("/age/max_over_mean", json!(1.5)),
            ("/age/seconds_to_1_25", json!(null)),
        ];
        for (path, value) in bounds {
            let mut run = expected_run();
            *run.pointer_mut(path).unwrap() = value;
            check_all(&[&run]).unwrap();
        }
    }

    #[test]
    fn failed_expectations_of_a_run_are_named() {
        let cases = [
            (
                "/rebalance/failed",
                json!(2),
                "rebalance: 2 requests failed",
            ),
            ("/none/failed", json!(1), "none: 1 requests failed"),
            ("/age/excess", json!("many"), "age: excess is \"many\""),
            (
                "/none/connections_per_pod",
                json!([0, 0]),
                "none: no pod has a connection: [0,0]",
            ),
            (
                "/none/max_over_mean",
                json!(1.2),
                "none: balanced without the module, the highest has 1.2 times the mean",
            ),
            (
                "/age/drains_per_minute_balanced",
                json!(440.0),
                "age: 440 drains per minute at the end; connections over age make 900",
            ),
            (
                "/age/drains_per_minute_balanced",
                json!(1360.0),
                "age: 1360 drains per minute at the end; connections over age make 900",
            ),
            (
                "/age/max_over_mean",
                json!(1.6),
                "age: the highest has 1.6 times the mean; by chance at most 1.52",
            ),
            (
                "/rebalance/max_over_mean",
                json!(1.26),
                "rebalance: at the end the highest has 1.26 times the mean, more than 1.25",
            ),
            (
                "/rebalance/seconds_to_1_25",
                json!(null),
                "seconds_to_1_25 is null",
            ),
            (
                "/rebalance/seconds_to_1_25",
                json!(16.0),
                "rebalance: balanced after 16 s only; the last 5 s of 20 s count as balanced",
            ),
            (
                "/rebalance/drains_to_1_25",
                json!(91),
                "rebalance: 91 drains until balanced for an excess of 30; it takes some, and at most 90",
            ),
            (
                "/rebalance/drains_to_1_25",
                json!(0),
                "rebalance: 0 drains until balanced for an excess of 30; it takes some, and at most 90",
            ),
            (
                "/rebalance/drains_per_minute_balanced",
                json!(91.0),
                "rebalance: 91 drains per minute once balanced, more than 90",
            ),
        ];
        for (path, value, expected) in cases {
            let mut run = expected_run();
            *run.pointer_mut(path).unwrap() = value;
            let error = check_all(&[&run]).unwrap_err();
            assert_eq!(
                format!("{error:#}"),
                format!("\"rolling update\", seed 1: {expected}")
            );
        }
    }

    #[test]
    fn every_seed_has_one_run() {
        let run = |seed: u64| {
            let mut run = expected_run();
            run["seed"] = json!(seed);
            run["seeds"] = json!(2);
            run
        };
        let (one, two) = (run(1), run(2));
        let error = |runs: &[&Value]| check_all(runs).unwrap_err().to_string();

        check_all(&[&one, &two]).unwrap();
        let missing = "\"rolling update\": 1 runs with 1 seeds; 2 were expected";
        assert_eq!(error(&[&one]), missing);
        let twice = "\"rolling update\": 2 runs with 1 seeds; 2 were expected";
        assert_eq!(error(&[&one, &one]), twice);
    }
}
