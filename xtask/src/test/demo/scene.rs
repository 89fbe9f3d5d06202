//! Whether a scene of shedding shows what it promises: it gets even, and then rests.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What stands in each side of a scene, as numbers.
const NUMBERS: [&str; 7] = [
    "max_over_mean",
    "requests",
    "failed",
    "connections_opened",
    "closes",
    "peak_closes_per_second",
    "closes_per_minute_balanced",
];

/// Recycling by age goes on for ever: shedding must close less than this part of it once all is even.
const FAR_FEWER: f64 = 0.1;

/// Whether this is one.
pub fn is(scene: &Value) -> bool {
    scene.get("shed").is_some()
}

/// Looks at all three sides.
///
/// # Errors
/// Names the first field that is not as promised.
pub fn check(scene: &Value) -> Result<()> {
    let name = scene["name"].as_str().context("a scene has no name")?;
    for side in ["none", "age", "shed"] {
        whole(&scene[side]).with_context(|| format!("{name}, {side}"))?;
        let failed = &scene[side]["failed"];
        ensure!(failed == 0, "{name}, {side}: {failed} requests failed");
    }
    let (age, shed) = (&scene["age"], &scene["shed"]);
    ensure!(
        shed["seconds_to_1_25"].is_number(),
        "{name}: shedding did not get even; at the end the busiest has {} times the mean",
        shed["max_over_mean"]
    );
    let at_the_end = |side: &Value| side["closes_per_minute_balanced"].as_f64();
    ensure!(
        at_the_end(shed) < at_the_end(age).map(|closes| closes * FAR_FEWER),
        "{name}: shedding does not rest: {} closes a minute at the end, and {} by age",
        shed["closes_per_minute_balanced"],
        age["closes_per_minute_balanced"]
    );
    Ok(())
}

fn whole(side: &Value) -> Result<()> {
    for key in NUMBERS {
        ensure!(side[key].is_number(), "{key} is {}", side[key]);
    }
    let seconds = side.get("seconds_to_1_25");
    ensure!(
        seconds.is_some_and(|seconds| seconds.is_number() || seconds.is_null()),
        "seconds_to_1_25 is neither a number nor null: {seconds:?}"
    );
    let pods = side["connections_per_pod"].as_array();
    ensure!(
        pods.is_some_and(|pods| pods.iter().any(|open| open.as_u64() > Some(0))),
        "no pod has a connection: {}",
        side["connections_per_pod"]
    );
    Ok(())
}

/// A scene as the demo promises it.
#[cfg(test)]
pub fn sound() -> Value {
    let side = |seconds: Option<f64>, closes: u64, at_the_end: f64| {
        serde_json::json!({
            "connections_per_pod": [0, 60, 60], "max_over_mean": 1.0, "requests": 1000, "failed": 0,
            "connections_opened": 120 + closes, "closes": closes, "seconds_to_1_25": seconds,
            "peak_closes_per_second": 11.5, "closes_per_minute_balanced": at_the_end,
        })
    };
    serde_json::json!({
        "name": "rolling update", "protocol": "HTTP/1.1",
        "none": side(None, 0, 0.0), "age": side(Some(9.5), 400, 900.0), "shed": side(Some(9.0), 60, 0.0),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scene_that_gets_even_and_rests_is_fine() {
        assert!(is(&sound()));
        assert!(check(&sound()).is_ok());
    }

    #[test]
    fn what_a_scene_does_not_promise_is_named() {
        let cases = [
            (
                "/shed/failed",
                json!(2),
                "rolling update, shed: 2 requests failed",
            ),
            (
                "/age/closes",
                json!("many"),
                "rolling update, age: closes is \"many\"",
            ),
            (
                "/none/connections_per_pod",
                json!([0, 0]),
                "rolling update, none: no pod has a connection: [0,0]",
            ),
            (
                "/shed/seconds_to_1_25",
                json!(null),
                "rolling update: shedding did not get even; at the end the busiest has 1.0 times the mean",
            ),
            (
                "/shed/closes_per_minute_balanced",
                json!(100.0),
                "rolling update: shedding does not rest: 100.0 closes a minute at the end, and 900.0 by age",
            ),
        ];
        for (path, value, told) in cases {
            let mut scene = sound();
            *scene.pointer_mut(path).unwrap() = value;
            assert_eq!(format!("{:#}", check(&scene).unwrap_err()), told);
        }
    }
}
