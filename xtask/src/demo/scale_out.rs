//! 4 backends with long-lived connections become 8: which share do the new ones get?

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_report::terminal::{self, Status};
use evenkeel_test_envoy::{Client, KubeProxy, Protocol, Tally, call};
use evenkeel_test_tasks::Tasks;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::outcome::{Description, Outcome, Scenario, max_over_mean};
use super::site::{ModuleCounts, Side, Site};

const FIRST: usize = 4;
/// The number of backends after the scale-out.
pub const BACKENDS: usize = 8;
const CLIENTS: usize = 48;
/// The pause between a response and the next request: 800 requests per second in total.
const PAUSE: Duration = Duration::from_millis(60);
const SPAN: Duration = Duration::from_millis(500);

/// The times before and after the backends join.
#[derive(Clone, Copy)]
struct Durations {
    before: Duration,
    after: Duration,
}

pub async fn measure(site: &Site, quick: bool, seed: u64) -> Result<Vec<Scenario>> {
    let (age, durations) = if quick {
        ("1s", Durations::seconds(1, 4))
    } else {
        ("2s", Durations::seconds(2, 8))
    };
    // An age of seconds keeps the demo short; in production it is minutes. The budget limits the drains of each
    // proxy per second: of its about 6 connections, 4 per second expire.
    let policy = json!({
        "version": 1,
        "defaults": { "max_connection_age": age, "jitter": 0.5, "http2": { "idle_wait": "200ms" } },
        "budget": { "per_second": 20, "burst": 20 },
    });
    site.replace_policy(&policy).await?;
    let mut scenarios = Vec::new();
    for (protocol, name) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2")] {
        let seconds = (durations.before + durations.after).as_secs();
        terminal::note(&format!(
            "scale-out, {name}: before and after side by side, {seconds} s"
        ));
        let earlier = site.counts().await?;
        let (before, after) = tokio::try_join!(
            side(site, Side::Before, protocol, durations, seed),
            side(site, Side::After, protocol, durations, seed),
        )?;
        let ModuleCounts {
            drain_signals,
            aborted,
        } = site.counts().await?.since(earlier);
        scenarios.push(Scenario {
            name: "scale-out",
            protocol: name,
            before,
            // The counters are those of the listener with the module.
            after: Outcome { drain_signals, aborted, ..after },
            joined: BACKENDS - FIRST,
            description: Description {
                setup: format!(
                    "{CLIENTS} clients keep a connection each to a Service with {FIRST} backends. After \
                     {} s there are {BACKENDS} backends. Requests are counted from then on.",
                    durations.before.as_secs()
                ),
                reading: "Before, no client reconnects, and the new backends get nothing. After, every \
                          connection is drained within the policy's age, and the new backends get their \
                          share.",
                unit: "requests",
                policy: policy.clone(),
                labels: (1..=BACKENDS).map(|number| number.to_string()).collect(),
                joined_at: durations.before,
                span: SPAN,
            },
        });
    }
    Ok(scenarios)
}

impl Durations {
    const fn seconds(before: u64, after: u64) -> Self {
        Self {
            before: Duration::from_secs(before),
            after: Duration::from_secs(after),
        }
    }
}

async fn side(
    site: &Site,
    side: Side,
    protocol: Protocol,
    durations: Durations,
    seed: u64,
) -> Result<Outcome> {
    let service = KubeProxy::start(site.endpoints(side, FIRST), seed).await?;
    let tally = Arc::new(Tally::new(BACKENDS));
    let (stop, stopped) = watch::channel(false);
    let mut callers = Tasks::new();
    let mut chance = fastrand::Rng::with_seed(seed);
    for _ in 0..CLIENTS {
        let client = Arc::new(Client::new(service.address(), protocol));
        // Over HTTP/2 two callers share the connection, so that its streams overlap now and then.
        let streams = if protocol == Protocol::Http2 { 2 } else { 1 };
        for _ in 0..streams {
            let seed = chance.u64(..);
            let pause = PAUSE * streams as u32;
            let (client, tally) = (Arc::clone(&client), Arc::clone(&tally));
            callers.spawn(call(client, tally, pause, seed, stopped.clone()));
        }
    }

    let status = Status::new();
    let start = tokio::time::Instant::now();
    sleep_until(start + durations.before).await;
    service.replace_endpoints(site.endpoints(side, BACKENDS));
    let joined_at = tally.elapsed();
    while start.elapsed() < durations.before + durations.after {
        sleep(Duration::from_millis(200)).await;
        let new = tally
            .per_backend_since(joined_at)
            .iter()
            .skip(FIRST)
            .sum::<u64>();
        if matches!(side, Side::After) {
            status.show(&format!(
                "{} requests; new backends, with the module: {new}",
                tally.responses()
            ));
        }
    }
    stop.send_replace(true);
    callers.join().await;

    let per_backend = tally.per_backend_since(joined_at);
    Ok(Outcome {
        max_over_mean: max_over_mean(&per_backend),
        requests: per_backend.iter().sum(),
        per_backend,
        runs_by_backends_used: None,
        failed: tally.failed(),
        connections_opened: service.connections_opened(),
        drain_signals: 0,
        aborted: 0,
        timeline: tally.timeline(SPAN),
        first_failure: tally.first_failure(),
    })
}
