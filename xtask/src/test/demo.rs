//! Checks the demo's results: every scenario ran, no request failed, and the numbers are within bounds that follow from
//! the scenario.

mod scene;

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
const PLAYED: [(&str, &str); 7] = [
    ("three-routers", "HTTP/1.1"),
    ("three-routers", "HTTP/2"),
    ("scale-out", "HTTP/1.1"),
    ("scale-out", "HTTP/2"),
    ("gateway", "TCP"),
    ("scale-out with rebalancing", "HTTP/1.1"),
    ("rolling update", "HTTP/1.1"),
];

/// The part of their fair share that backends get at least that joined late. A connection reaches its age
/// after at most half of the time that counts; from then on they get a fair share, and before it a part of one.
const OF_FAIR_SHARE: f64 = 0.5;

/// The part of the runs of three routers in which every backend is used. With 21 connections or so, one run in
/// 1,700 leaves a backend out by chance; without the plugin, with 3, it is 21 of 27.
const USED_ALL: f64 = 0.98;
const USED_ALL_BEFORE: f64 = 0.5;

/// Reads what `cargo xtask demo --json` wrote.
///
/// # Errors
/// Names the first scenario and field that is out of bounds.
pub fn check(json: &str) -> Result<()> {
    let entries: Vec<Value> = serde_json::from_str(json).context("not a list of scenarios")?;
    let (runs, scenarios): (Vec<_>, Vec<_>) = entries.iter().partition(|one| scene::is(one));
    for (name, protocol) in PLAYED {
        let mut played = entries.iter();
        ensure!(
            played.any(|entry| entry["name"] == name && entry["protocol"] == protocol),
            "{name} over {protocol} did not run"
        );
    }
    scene::check_all(&runs)?;
    for scenario in scenarios {
        let text = |key: &str| {
            scenario[key]
                .as_str()
                .with_context(|| format!("no {key}: {scenario}"))
        };
        let title = format!("{} over {}", text("name")?, text("protocol")?);
        promised(scenario).context(title)?;
    }
    Ok(())
}

fn promised(scenario: &Value) -> Result<()> {
    for side in ["before", "after"] {
        half(&scenario[side]).context(side)?;
    }
    let (before, after) = (&scenario["before"], &scenario["after"]);
    let failed = &after["failed"];
    ensure!(failed == 0, "{failed} requests failed");
    match scenario["joined"].as_u64() {
        None => bail!("joined is {}", scenario["joined"]),
        Some(0) => {
            let (before, after) = (used_all(before)?, used_all(after)?);
            ensure!(
                before <= USED_ALL_BEFORE && after >= USED_ALL,
                "all backends are used in {before:.2} of the runs before and in {after:.2} after"
            );
        }
        Some(joined) => {
            let (before, after) = (share(before, joined), share(after, joined));
            // Connections that stay open stay on the backend they have.
            ensure!(
                before == 0.0 && after >= OF_FAIR_SHARE,
                "added backends got {before:.2} of their fair share before and {after:.2} after"
            );
        }
    }
    Ok(())
}

/// What the last `joined` backends got, over their fair share.
fn share(half: &Value, joined: u64) -> f64 {
    let counts = half["per_backend"].as_array().into_iter().flatten();
    let counts: Vec<u64> = counts.filter_map(Value::as_u64).collect();
    let last: u64 = counts.iter().rev().take(joined as usize).sum();
    let fair = counts.iter().sum::<u64>() as f64 * joined as f64 / counts.len() as f64;
    last as f64 / fair
}

/// The part of the runs that used every backend.
fn used_all(half: &Value) -> Result<f64> {
    let runs = half["runs_by_backends_used"].as_object();
    let runs = runs.context("no runs_by_backends_used")?;
    let of = |runs: &Value| runs.as_u64().unwrap_or(0) as f64;
    let backends = half["per_backend"].as_array().map_or(0, Vec::len);
    let all = runs.get(&backends.to_string()).map_or(0.0, of);
    Ok(all / runs.values().map(of).sum::<f64>())
}

fn half(half: &Value) -> Result<()> {
    for key in NUMBERS {
        ensure!(half[key].is_number(), "{key} is {}", half[key]);
    }
    let Some(per_backend) = half["per_backend"].as_array() else {
        bail!("per_backend is {}", half["per_backend"]);
    };
    let sum: u64 = per_backend.iter().filter_map(Value::as_u64).sum();
    ensure!(sum > 0, "no backend responded");
    ensure!(
        half["requests"] == sum,
        "{sum} responses of {} requests",
        half["requests"]
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn half(per_backend: &[u64], max_over_mean: f64) -> Value {
        json!({
            "per_backend": per_backend, "max_over_mean": max_over_mean,
            "requests": per_backend.iter().sum::<u64>(),
            "failed": 0, "connections_opened": 3, "drain_signals": 2, "aborted": 0,
        })
    }

    fn scale_out() -> Value {
        json!({
            "name": "scale-out", "protocol": "HTTP/2", "joined": 1,
            "before": half(&[100, 0], 2.0), "after": half(&[50, 50], 1.0),
        })
    }

    fn three_routers() -> Value {
        let runs = |used: [u64; 3]| json!({ "1": used[0], "2": used[1], "3": used[2] });
        let mut scenario = json!({
            "name": "three-routers", "protocol": "HTTP/1.1", "joined": 0,
            "before": half(&[60, 30, 10], 1.8), "after": half(&[40, 30, 30], 1.2),
        });
        scenario["before"]["runs_by_backends_used"] = runs([6, 33, 11]);
        scenario["after"]["runs_by_backends_used"] = runs([0, 1, 49]);
        scenario
    }

    fn played() -> Vec<Value> {
        let entry = |(name, protocol): (&str, &str)| {
            let mut entry = match name {
                "three-routers" => three_routers(),
                "scale-out" | "gateway" => scale_out(),
                _ => scene::sound(),
            };
            entry["name"] = json!(name);
            entry["protocol"] = json!(protocol);
            entry
        };
        PLAYED.map(entry).into()
    }

    /// In the place of the sound one.
    fn checked(scenario: Value) -> String {
        let mut entries = played();
        entries.retain(|entry| {
            entry["name"] != scenario["name"] || entry["protocol"] != scenario["protocol"]
        });
        entries.push(scenario);
        match check(&json!(entries).to_string()) {
            Ok(()) => "fine".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn expected_results_pass() {
        assert_eq!(checked(scale_out()), "fine");
        assert_eq!(checked(three_routers()), "fine");
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
                checked(scenario),
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
                checked(scenario),
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
        for (index, (name, protocol)) in PLAYED.into_iter().enumerate() {
            let mut entries = played();
            entries.remove(index);

            let error = check(&json!(entries).to_string()).unwrap_err();

            assert_eq!(
                error.to_string(),
                format!("{name} over {protocol} did not run")
            );
        }
    }
}
