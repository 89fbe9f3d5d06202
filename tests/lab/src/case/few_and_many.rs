//! Fewer clients than pods, and more.

use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::Protocol;
use serde_json::json;

use super::{About, Lab, rebalance};
use crate::history::{BALANCED, max_over_mean};
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "Fewer clients than pods, and more",
    problem: "6 pods. First 3 clients, which can use 3 pods at a time at most; then 180 clients, whose connections kube-proxy \
              spreads at random, so that some pods have many more than others.",
    reading: "With 3 clients, the number of connections cannot be balanced: a limit on requests recycles them, and over time every pod \
              receives requests. With 180 clients, `rebalance` balances the number of connections.",
};

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let recycle = json!({ "version": 1, "defaults": { "max_requests_per_connection": 10 } });
    let sides = vec![
        Side::new("before", None),
        Side::new("requests", Some(recycle)),
        Side::new("rebalance", Some(rebalance(0.4))),
    ];
    let mut site = lab.site(App::Http, sides, 6, 6).await?;
    site.call(ClientLocation::Cluster, 3, |caller| {
        caller.call(Protocol::Http1, Duration::from_millis(15))
    });
    site.run_for(Duration::from_secs(8)).await;
    let few = site.finish().await?;
    site.call(ClientLocation::Cluster, 180, |caller| {
        caller.call(Protocol::Http1, Duration::from_secs(1))
    });
    site.run_for(Duration::from_secs(12)).await;
    let many = site.finish().await?;

    let used = |load: &[u64]| load.iter().filter(|requests| **requests > 0).count();
    let over_time: Vec<_> = few
        .iter()
        .map(|history| history.requests_since(0.0))
        .collect();
    let mut outcome = Outcome::new(few.iter().zip(&many).zip(&over_time).map(
        |((few, many), load)| {
            SideOutcome::connections(many, 6, &[])
                .number("3 clients: pods used over time", used(load) as f64)
                .number(
                    "3 clients: requests, busiest pod / mean",
                    max_over_mean(load),
                )
                .number(
                    "180 clients: connections, busiest pod / mean",
                    many.max_over_mean(),
                )
                .number(
                    "drains",
                    (few.drains_since(0.0) + many.drains_since(0.0)) as f64,
                )
                .number("failed requests", (few.failed() + many.failed()) as f64)
        },
    ));
    outcome.check(
        "before, 3 clients use 3 pods at most",
        used(&over_time[0]) <= 3,
    );
    outcome.check(
        "with a limit on requests, 3 clients use all 6 pods over time",
        used(&over_time[1]) == 6,
    );
    outcome.check(
        "with rebalancing, 180 clients are balanced",
        many[2].max_over_mean() <= BALANCED,
    );
    outcome.no_failures(&few);
    outcome.no_failures(&many);
    Ok(outcome)
}
