//! 4 pods become 8: recycling by age, and rebalancing.

use std::time::Duration;

use anyhow::Result;
use evenkeel_cli::Row;
use evenkeel_report::Spread;
use evenkeel_test_envoy::Protocol;
use serde_json::json;

use super::{About, Lab, rebalance, simulate};
use crate::history::BALANCED;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "Scale-out from 4 to 8 pods: recycling and rebalancing",
    problem: "160 clients keep a connection each to a Service with 4 pods. Then there are 8. Once without the module, once with \
              an age at which every connection is drained, and once with `rebalance`, which drains the excess of a pod over the \
              mean of its peers. Five runs with different seeds.",
    reading: "Without the module the new pods receive nothing. Recycling by age gives them a share, with random differences, and \
              never stops draining. Rebalancing drains until the pods are balanced, and then stops.",
};

const CLIENTS: usize = 160;
const SEEDS: u64 = 5;

/// The last part of a run, in which balanced pods need no more drains.
const LAST: f64 = 4.0;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let age = json!({
        "version": 1,
        "defaults": { "max_connection_age": "8s", "jitter": 0.5 },
        "budget": { "per_second": 20, "burst": 20 },
    });
    let sides = vec![
        Side::new("before", None),
        Side::new("age", Some(age)),
        Side::new("rebalance", Some(rebalance(0.4))),
    ];
    let options = format!(
        "--pods 4 --pods-after 8 --connections {CLIENTS} --seconds 120 --request-every 1s --opened-over 1s \
         --seed {} --seeds {SEEDS}",
        lab.seed
    );
    let simulated = simulate(&rebalance(0.4), &options)?;
    let mut site = lab.site(App::Http, sides, 4, 8).await?;
    let mut runs = Vec::new();
    for seed in lab.seed..lab.seed + SEEDS {
        site.seed(seed);
        site.serve(0..4).await?;
        site.call(ClientLocation::Cluster, CLIENTS, |caller| {
            caller.call(Protocol::Http1, Duration::from_secs(1))
        });
        site.run_for(Duration::from_secs(3)).await;
        let changed = site.change(4, 0).await?;
        site.run_until_balanced(2, Duration::from_secs(90)).await?;
        let end = site.run_for(Duration::from_secs(5)).await;
        runs.push((site.finish().await?, changed, end));
    }

    let per_run = |side: usize| {
        runs.iter()
            .map(move |(histories, changed, end)| (&histories[side], *changed, *end))
    };
    let mut outcome = Outcome::new((0..3).map(|side| {
        let (first, changed, _) = per_run(side).next().expect("there is a run");
        SideOutcome::connections(first, 4, &[(changed, "4 added")])
            .numbers(
                "busiest pod / mean, at the end",
                per_run(side).map(|(history, ..)| Some(history.max_over_mean())),
            )
            .numbers(
                "seconds until balanced",
                per_run(side).map(|(history, changed, _)| history.seconds_to_balance(changed)),
            )
            .numbers(
                "drains until balanced",
                per_run(side).map(|(history, changed, _)| {
                    history
                        .drains_to_balance(changed)
                        .map(|drains| drains as f64)
                }),
            )
            .numbers(
                "drains per second in the last 4 s",
                per_run(side)
                    .map(|(history, _, end)| Some(history.drains_since(end - LAST) as f64 / LAST)),
            )
            .numbers(
                "failed requests",
                per_run(side).map(|(history, ..)| Some(history.failed() as f64)),
            )
    }));
    let predicted = |number: fn(&Row) -> Option<f64>| {
        let values: Vec<_> = simulated.iter().map(number).collect();
        (Spread::of(values.clone()).median(), values)
    };
    let (prediction, simulated_drains) =
        predicted(|row| row.drains_to_1_25.map(|drains| drains as f64));
    let (_, simulated_seconds) = predicted(|row| row.seconds_to_1_25.map(|seconds| seconds as f64));
    let rebalanced = outcome.sides.remove(2);
    outcome.sides.push(
        rebalanced
            .numbers(
                "`evenkeel simulate`: seconds until balanced",
                simulated_seconds,
            )
            .numbers(
                "`evenkeel simulate`: drains until balanced",
                simulated_drains,
            ),
    );
    let measured = per_run(2).map(|(history, changed, _)| history.drains_to_balance(changed));
    let measured = Spread::of(measured.map(|drains| drains.map(|drains| drains as f64))).median();
    let all = |side, holds: fn(f64) -> bool| {
        per_run(side).all(|(history, ..)| holds(history.max_over_mean()))
    };
    outcome.check(
        "before, the busiest pod has twice the mean or more",
        all(0, |ratio| ratio >= 1.9),
    );
    outcome.check(
        "rebalancing balances all runs",
        all(2, |ratio| ratio <= BALANCED),
    );
    let drains = |side| {
        per_run(side)
            .map(|(history, _, end)| history.drains_since(end - LAST))
            .sum::<u64>()
    };
    outcome.check(
        "once balanced, rebalancing drains less than a tenth of what recycling drains",
        drains(2) * 10 < drains(1),
    );
    // Without balance there is nothing to compare; a check above has failed then.
    let (measured, prediction) = (measured.unwrap_or(f64::NAN), prediction.unwrap_or(f64::NAN));
    outcome.check(
        format!(
            "`evenkeel simulate` predicts the drains until balance within 20 % (medians: {prediction:.0}, measured {measured:.0})"
        ),
        (measured - prediction).abs() <= prediction * 0.2,
    );
    for (histories, ..) in &runs {
        outcome.no_failures(histories);
    }
    Ok(outcome)
}
