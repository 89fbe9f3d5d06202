//! 3 routers call 3 backends over keep-alive connections, 100 requests in all: how many backends do they use?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_report::terminal::{self, Status};
use evenkeel_test_envoy::{Client, KubeProxy, Protocol, Tally};
use evenkeel_test_tasks::Tasks;
use serde_json::json;

use super::outcome::{Description, Outcome, Scenario, max_over_mean};
use super::site::{ModuleCounts, Side, Site};

const BACKENDS: usize = 3;
const ROUTERS: usize = 3;
const REQUESTS_A_RUN: usize = 100;

pub async fn measure(site: &Site, quick: bool, seed: u64) -> Result<Vec<Scenario>> {
    let runs = if quick { 50 } else { 200 };
    // A run is over within a hundred requests, so the policy has to act within a few. 3 connections of
    // about 33 requests become about 21 of 5 at most, and the chance that so many leave out one of three
    // backends is 3 * (2/3)^21: one run in 1,700.
    let policy = json!({
        "version": 1,
        "defaults": { "max_requests_per_connection": 5 },
        "budget": { "per_second": 1000, "burst": 1000 },
    });
    site.replace_policy(&policy).await?;
    let mut scenarios = Vec::new();
    for (protocol, name) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2")] {
        terminal::note(&format!(
            "three-routers, {name}: {runs} runs before, {runs} after"
        ));
        scenarios.push(Scenario {
            name: "three-routers",
            protocol: name,
            before: side(site, Side::Before, protocol, runs, seed).await?,
            after: side(site, Side::After, protocol, runs, seed).await?,
            joined: 0,
            description: Description {
                setup: format!(
                    "{ROUTERS} routers call {BACKENDS} backends of one Service, each over one keep-alive \
                     connection: {REQUESTS_A_RUN} requests a run, {runs} runs. kube-proxy picks a backend \
                     per connection, not per request."
                ),
                reading: "Before, the three picks of a run fall on one backend in 3 of 27 cases, on two \
                          in 18 and on all three in only 6. After, connections are drained every \
                          few requests and every run uses all three.",
                unit: "requests",
                policy: policy.clone(),
                labels: ["highest of a run", "second", "third"].map(str::to_owned).to_vec(),
                joined_at: Duration::ZERO,
                span: Duration::ZERO,
            },
        });
    }
    Ok(scenarios)
}

async fn side(
    site: &Site,
    side: Side,
    protocol: Protocol,
    runs: u64,
    seed: u64,
) -> Result<Outcome> {
    // A different seed for each protocol.
    let seed = match protocol {
        Protocol::Http1 => seed,
        Protocol::Http2 => seed.wrapping_add(1),
    };
    let service = KubeProxy::start(site.endpoints(side, BACKENDS), seed).await?;
    let earlier = site.counts().await?;
    let status = Status::new();
    let mut per_backend = vec![0; BACKENDS];
    let mut by_used: BTreeMap<usize, u64> = (1..=BACKENDS).map(|used| (used, 0)).collect();
    let mut failed = 0;
    let mut first_failure = None;
    for number in 1..=runs {
        let tally = run(&service, protocol).await;
        let mut counts = tally.per_backend_since(Duration::ZERO);
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let used = counts.iter().filter(|count| **count > 0).count();
        *by_used.entry(used).or_default() += 1;
        per_backend
            .iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
        failed += tally.failed();
        first_failure = first_failure.or(tally.first_failure());
        status.show(&format!("{number} of {runs} runs"));
    }
    let ModuleCounts {
        drain_signals,
        aborted,
    } = site.counts().await?.since(earlier);
    Ok(Outcome {
        max_over_mean: max_over_mean(&per_backend),
        requests: per_backend.iter().sum(),
        per_backend,
        runs_by_backends_used: Some(by_used),
        failed,
        connections_opened: service.connections_opened(),
        drain_signals,
        aborted,
        timeline: Vec::new(),
        first_failure,
    })
}

/// Runs once: every router opens its connection, and together they send the requests.
async fn run(service: &KubeProxy, protocol: Protocol) -> Arc<Tally> {
    let tally = Arc::new(Tally::new(BACKENDS));
    let mut routers = Tasks::new();
    for router in 0..ROUTERS {
        let share = (REQUESTS_A_RUN + router) / ROUTERS;
        let client = Client::new(service.address(), protocol);
        let tally = Arc::clone(&tally);
        routers.spawn(async move {
            for _ in 0..share {
                tally.count(client.get("/").await.map(|response| response.body));
            }
        });
    }
    routers.join().await;
    tally
}
