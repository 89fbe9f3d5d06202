//! 15 requests per second while 1 pod becomes 6.

use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::Protocol;
use serde_json::json;

use super::{About, Lab};
use crate::history::max_over_mean;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "15 requests per second while 1 pod becomes 6",
    problem: "A load generator with 15 connections sends 15 requests per second to a Service with 1 pod, as in a first test of an \
              autoscaler with wrk2. Then there are 6 pods: the first one still receives every request.",
    reading: "With the module, a connection is drained at an age of 2 to 4 seconds, and every pod receives requests.",
};

const PODS: usize = 6;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let policy = json!({ "version": 1, "defaults": { "max_connection_age": "4s", "jitter": 0.5 } });
    let sides = vec![Side::before(), Side::after(policy)];
    let mut site = lab.site(App::Http, sides, 1, PODS).await?;
    site.call(ClientLocation::Cluster, 15, |caller| {
        caller.call(Protocol::Http1, Duration::from_secs(1))
    });
    site.run_for(Duration::from_secs(3)).await;
    let changed = site.change(PODS - 1, 0).await?;
    let end = site.run_for(Duration::from_secs(18)).await;
    let histories = site.finish().await?;

    let loads = histories
        .iter()
        .map(|history| history.requests_since(end - 12.0));
    let loads: Vec<_> = loads.collect();
    let used = |load: &[u64]| load.iter().filter(|requests| **requests > 0).count();
    let mut outcome = Outcome::new(histories.iter().zip(&loads).map(|(history, load)| {
        SideOutcome::requests(history, 1, &[(changed, "5 added")])
            .number("pods with requests in the last 12 s", used(load) as f64)
            .number(
                "requests in the last 12 s, busiest pod / mean",
                max_over_mean(load),
            )
            .counts(history)
    }));
    outcome.check(
        "before, the first pod receives everything",
        used(&loads[0]) == 1,
    );
    outcome.check(
        "after, every pod receives requests",
        used(&loads[1]) == PODS,
    );
    outcome.no_failures(&histories);
    Ok(outcome)
}
