//! 4 pods become 8: recycling by age, and rebalancing.

use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::Protocol;
use serde_json::json;

use super::{About, Lab, rebalance};
use crate::course::BALANCED;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::Place;

pub const ABOUT: About = About {
    title: "Scale-out from 4 to 8 pods: recycling and rebalancing",
    problem: "160 clients keep a connection each to a Service with 4 pods. Then there are 8. Once without the module, once with \
              an age at which every connection is drained, and once with `rebalance`, which drains the excess of a pod over the \
              mean of its peers. Five runs with different seeds.",
    reading: "Without the module the new pods receive nothing. Recycling by age gives them a share, with random differences, and \
              never stops draining. Rebalancing drains until the pods are balanced, and then stops.",
};

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
    let mut site = lab.site(App::Http, sides, 4, 8).await?;
    let mut runs = Vec::new();
    for seed in lab.seed..lab.seed + SEEDS {
        site.seed(seed);
        site.serve(0..4).await?;
        site.call(Place::Cluster, 160, |caller| {
            caller.call(Protocol::Http1, Duration::from_secs(1))
        });
        site.run_for(Duration::from_secs(3)).await;
        let changed = site.change(4, 0).await?;
        let end = site.run_for(Duration::from_secs(15)).await;
        runs.push((site.finish().await?, changed, end));
    }

    let per_run = |side: usize| {
        runs.iter()
            .map(move |(courses, changed, end)| (&courses[side], *changed, *end))
    };
    let mut outcome = Outcome::new((0..3).map(|side| {
        let (first, changed, _) = per_run(side).next().expect("there is a run");
        SideOutcome::connections(first, 4, &[(changed, "4 added")])
            .numbers(
                "busiest pod / mean, at the end",
                per_run(side).map(|(course, ..)| Some(course.max_over_mean())),
            )
            .numbers(
                "seconds until balanced",
                per_run(side).map(|(course, changed, _)| course.seconds_to_balance(changed)),
            )
            .numbers(
                "drains until balanced",
                per_run(side).map(|(course, changed, _)| {
                    course
                        .drains_to_balance(changed)
                        .map(|drains| drains as f64)
                }),
            )
            .numbers(
                "drains per second in the last 4 s",
                per_run(side)
                    .map(|(course, _, end)| Some(course.drains_since(end - LAST) as f64 / LAST)),
            )
            .numbers(
                "failed requests",
                per_run(side).map(|(course, ..)| Some(course.failed() as f64)),
            )
    }));
    let all = |side, holds: fn(f64) -> bool| {
        per_run(side).all(|(course, ..)| holds(course.max_over_mean()))
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
            .map(|(course, _, end)| course.drains_since(end - LAST))
            .sum::<u64>()
    };
    outcome.check(
        "once balanced, rebalancing drains less than a tenth of what recycling drains",
        drains(2) * 10 < drains(1),
    );
    for (courses, ..) in &runs {
        outcome.no_failures(courses);
    }
    Ok(outcome)
}
