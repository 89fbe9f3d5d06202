//! Checks the demo's results: every scenario ran, no request failed, and the numbers are within bounds that follow from
//! the scenario.

mod rebalancing;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The numbers of each side of a scenario.
const NUMBERS: [&str; 6] = [
    "max_over_mean",
    "requests",
    "failed",
    "connections_opened",
    "drain_signals",
    "aborted",
];

/// The scenarios and their protocols.
const SCENARIOS: [(&str, &str); 8] = [
    ("three-routers", "HTTP/1.1"),
    ("three-routers", "HTTP/2"),
    ("scale-out", "HTTP/1.1"),
    ("scale-out", "HTTP/2"),
    ("gateway", "TCP"),
    ("database", "PostgreSQL"),
    ("scale-out with rebalancing", "HTTP/1.1"),
    ("rolling update", "HTTP/1.1"),
];

/// The minimum share of added backends, as a fraction of their fair share. A connection reaches its age
/// after at most half of the counted time; from then on they get a fair share, and before it a part of one.
const MIN_FAIR_SHARE: f64 = 0.5;

/// The fraction of the runs of three routers in which every backend is used. With about 21 connections, one run in
/// 1,700 leaves a backend out by chance; without the module, with 3, it is 21 of 27.
const MIN_USED_ALL: f64 = 0.98;
const MAX_USED_ALL_BEFORE: f64 = 0.5;

/// Checks the output of `cargo xtask demo --json`.
///
/// # Errors
/// The first scenario and field that is out of bounds.
pub fn check(json: &str) -> Result<()> {
    let entries: Vec<Value> = serde_json::from_str(json).context("not a list of scenarios")?;
    let (runs, scenarios): (Vec<_>, Vec<_>) =
        entries.iter().partition(|one| rebalancing::is_run(one));
    for (name, protocol) in SCENARIOS {
        let mut entries = entries.iter();
        ensure!(
            entries.any(|entry| entry["name"] == name && entry["protocol"] == protocol),
            "{name} over {protocol} did not run"
        );
    }
    rebalancing::check_all(&runs)?;
    for scenario in scenarios {
        let text = |key: &str| {
            scenario[key]
                .as_str()
                .with_context(|| format!("no {key}: {scenario}"))
        };
        let title = format!("{} over {}", text("name")?, text("protocol")?);
        check_scenario(scenario).context(title)?;
    }
    Ok(())
}

fn check_scenario(scenario: &Value) -> Result<()> {
    for side in ["before", "after"] {
        check_side(&scenario[side]).context(side)?;
    }
    let (before, after) = (&scenario["before"], &scenario["after"]);
    let failed = &after["failed"];
    ensure!(failed == 0, "{failed} requests failed");
    match scenario["joined"].as_u64() {
        None => bail!("joined is {}", scenario["joined"]),
        Some(0) => {
            let (before, after) = (used_all(before)?, used_all(after)?);
            ensure!(
                before <= MAX_USED_ALL_BEFORE && after >= MIN_USED_ALL,
                "all backends are used in {before:.2} of the runs before and in {after:.2} after"
            );
        }
        Some(joined) => {
            let (before, after) = (share(before, joined), share(after, joined));
            // Open connections stay on their backend.
            ensure!(
                before == 0.0 && after >= MIN_FAIR_SHARE,
                "added backends got {before:.2} of their fair share before and {after:.2} after"
            );
        }
    }
    Ok(())
}

/// Returns the requests of the last `joined` backends over their fair share.
fn share(side: &Value, joined: u64) -> f64 {
    let counts = side["per_backend"].as_array().into_iter().flatten();
    let counts: Vec<u64> = counts.filter_map(Value::as_u64).collect();
    let last: u64 = counts.iter().rev().take(joined as usize).sum();
    let fair = counts.iter().sum::<u64>() as f64 * joined as f64 / counts.len() as f64;
    last as f64 / fair
}

/// Returns the fraction of the runs that used every backend.
fn used_all(side: &Value) -> Result<f64> {
    let runs = side["runs_by_backends_used"].as_object();
    let runs = runs.context("no runs_by_backends_used")?;
    let of = |runs: &Value| runs.as_u64().unwrap_or(0) as f64;
    let backends = side["per_backend"].as_array().map_or(0, Vec::len);
    let all = runs.get(&backends.to_string()).map_or(0.0, of);
    Ok(all / runs.values().map(of).sum::<f64>())
}

fn check_side(side: &Value) -> Result<()> {
    for key in NUMBERS {
        ensure!(side[key].is_number(), "{key} is {}", side[key]);
    }
    let Some(per_backend) = side["per_backend"].as_array() else {
        bail!("per_backend is {}", side["per_backend"]);
    };
    let sum: u64 = per_backend.iter().filter_map(Value::as_u64).sum();
    ensure!(sum > 0, "no backend responded");
    ensure!(
        side["requests"] == sum,
        "{sum} responses of {} requests",
        side["requests"]
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn side(per_backend: &[u64], max_over_mean: f64) -> Value {
        json!({
            "per_backend": per_backend, "max_over_mean": max_over_mean,
            "requests": per_backend.iter().sum::<u64>(),
            "failed": 0, "connections_opened": 3, "drain_signals": 2, "aborted": 0,
        })
    }

    fn scale_out() -> Value {
        json!({
            "name": "scale-out", "protocol": "HTTP/2", "joined": 1,
            "before": side(&[100, 0], 2.0), "after": side(&[50, 50], 1.0),
        })
    }

    fn three_routers() -> Value {
        let runs = |used: [u64; 3]| json!({ "1": used[0], "2": used[1], "3": used[2] });
        let mut scenario = json!({
            "name": "three-routers", "protocol": "HTTP/1.1", "joined": 0,
            "before": side(&[60, 30, 10], 1.8), "after": side(&[40, 30, 30], 1.2),
        });
        scenario["before"]["runs_by_backends_used"] = runs([6, 33, 11]);
        scenario["after"]["runs_by_backends_used"] = runs([0, 1, 49]);
        scenario
    }

    fn results() -> Vec<Value> {
        let entry = |(name, protocol): (&str, &str)| {
            let mut entry = match name {
                "three-routers" => three_routers(),
                "scale-out" | "gateway" | "database" => scale_out(),
                _ => rebalancing::expected_run(),
            };
            entry["name"] = json!(name);
            entry["protocol"] = json!(protocol);
            entry
        };
        SCENARIOS.map(entry).into()
    }

    /// Checks the expected results with one scenario replaced; returns the error.
    fn error_of(scenario: Value) -> String {
        let mut entries = results();
        entries.retain(|entry| {
            entry["name"] != scenario["name"] || entry["protocol"] != scenario["protocol"]
        });
        entries.push(scenario);
        match check(&json!(entries).to_string()) {
            Ok(()) => "passed".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn expected_results_pass() {
        assert_eq!(error_of(scale_out()), "passed");
        assert_eq!(error_of(three_routers()), "passed");
    }

    #[test]
    fn failed_expectations_of_a_scale_out_are_named() {
        for (path, value, expected) in [
            ("/after/failed", json!(3), "3 requests failed"),
            (
                "/before/aborted",
                json!("none"),
                "before: aborted is \"none\"",
            ),
            (
                "/after/requests",
                json!(99),
                "after: 100 responses of 99 requests",
            ),
            ("/joined", json!(null), "joined is null"),
            (
                "/before/per_backend",
                json!([99, 1]),
                "added backends got 0.02 of their fair share before and 1.00 after",
            ),
            (
                "/after/per_backend",
                json!([76, 24]),
                "added backends got 0.00 of their fair share before and 0.48 after",
            ),
        ] {
            let scenario = changed(scale_out(), path, value);
            assert_eq!(
                error_of(scenario),
                format!("scale-out over HTTP/2: {expected}")
            );
        }
    }

    #[test]
    fn failed_expectations_of_three_routers_are_named() {
        for (path, value, expected) in [
            (
                "/before/runs_by_backends_used/3",
                json!(40),
                "all backends are used in 0.51 of the runs before and in 0.98 after",
            ),
            (
                "/after/runs_by_backends_used/2",
                json!(2),
                "all backends are used in 0.22 of the runs before and in 0.96 after",
            ),
            (
                "/after/runs_by_backends_used",
                json!(null),
                "no runs_by_backends_used",
            ),
        ] {
            let scenario = changed(three_routers(), path, value);
            assert_eq!(
                error_of(scenario),
                format!("three-routers over HTTP/1.1: {expected}")
            );
        }
    }

    fn changed(mut scenario: Value, path: &str, value: Value) -> Value {
        *scenario.pointer_mut(path).unwrap() = value;
        scenario
    }

    #[test]
    fn missing_scenarios_are_named() {
        for (index, (name, protocol)) in SCENARIOS.into_iter().enumerate() {
            let mut entries = results();
            entries.remove(index);

            let error = check(&json!(entries).to_string()).unwrap_err();

            assert_eq!(
                error.to_string(),
                format!("{name} over {protocol} did not run")
            );
        }
    }
}
