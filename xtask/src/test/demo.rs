//! Whether what the demo measured is what it promises: all scenarios, whole, and nothing failed.

mod scene;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// What stands in each half of a scenario, as numbers.
const NUMBERS: [&str; 6] = [
    "max_over_mean",
    "requests",
    "failed",
    "connections_opened",
    "announced",
    "cut",
];

/// Reads what `cargo xtask demo --json` wrote.
///
/// # Errors
/// Names the first scenario and field that is not as promised.
pub fn check(json: &str) -> Result<()> {
    let scenarios: Vec<Value> = serde_json::from_str(json).context("not a list of scenarios")?;
    let (scenes, scenarios): (Vec<_>, Vec<_>) = scenarios.iter().partition(|one| scene::is(one));
    ensure!(!scenarios.is_empty(), "no scenario was played");
    ensure!(!scenes.is_empty(), "no scene of shedding was played");
    for scene in scenes {
        scene::check(scene)?;
    }
    for scenario in scenarios {
        let text = |key: &str| {
            scenario[key]
                .as_str()
                .with_context(|| format!("no {key}: {scenario}"))
        };
        let title = format!("{} over {}", text("name")?, text("protocol")?);
        for side in ["before", "after"] {
            half(&scenario[side]).with_context(|| format!("{title}, {side}"))?;
        }
        let (before, after) = (&scenario["before"], &scenario["after"]);
        ensure!(
            after["failed"] == 0,
            "{title}: {} requests failed",
            after["failed"]
        );
        ensure!(
            after["max_over_mean"].as_f64() < before["max_over_mean"].as_f64(),
            "{title}: no more even than before ({} and {})",
            after["max_over_mean"],
            before["max_over_mean"]
        );
    }
    Ok(())
}

fn half(half: &Value) -> Result<()> {
    for key in NUMBERS {
        ensure!(half[key].is_number(), "{key} is {}", half[key]);
    }
    let Some(per_backend) = half["per_backend"].as_array() else {
        bail!("per_backend is {}", half["per_backend"]);
    };
    let sum: u64 = per_backend.iter().filter_map(Value::as_u64).sum();
    ensure!(sum > 0, "no backend answered anything");
    ensure!(
        half["requests"] == sum,
        "{sum} answered of {} requests",
        half["requests"]
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scenario() -> Value {
        let half = |per_backend: [u64; 2], max_over_mean: f64| {
            json!({
                "per_backend": per_backend, "max_over_mean": max_over_mean, "requests": 100,
                "failed": 0, "connections_opened": 3, "announced": 2, "cut": 0,
            })
        };
        json!({
            "name": "scale-out", "protocol": "HTTP/2",
            "before": half([100, 0], 2.0), "after": half([50, 50], 1.0),
        })
    }

    fn checked(scenario: Value) -> String {
        match check(&json!([scenario, scene::sound()]).to_string()) {
            Ok(()) => "fine".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn what_the_demo_promises_is_fine() {
        assert_eq!(checked(scenario()), "fine");
    }

    #[test]
    fn what_it_does_not_promise_is_named() {
        let cases = [
            (
                "/after/failed",
                json!(3),
                "scale-out over HTTP/2: 3 requests failed",
            ),
            (
                "/before/cut",
                json!("none"),
                "scale-out over HTTP/2, before: cut is \"none\"",
            ),
            (
                "/after/requests",
                json!(99),
                "scale-out over HTTP/2, after: 100 answered of 99 requests",
            ),
            (
                "/after/max_over_mean",
                json!(2.0),
                "scale-out over HTTP/2: no more even than before (2.0 and 2.0)",
            ),
        ];
        for (path, value, told) in cases {
            let mut scenario = scenario();
            *scenario.pointer_mut(path).unwrap() = value;
            assert_eq!(checked(scenario), told);
        }
    }

    #[test]
    fn a_demo_without_scenarios_or_without_scenes_is_none() {
        let told = |played: Value| check(&played.to_string()).unwrap_err().to_string();

        assert_eq!(told(json!([])), "no scenario was played");
        assert_eq!(told(json!([scenario()])), "no scene of shedding was played");
    }
}
