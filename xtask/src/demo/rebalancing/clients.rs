//! The clients of one side of a scenario.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use evenkeel_test_envoy::{Client, KubeProxy, Protocol, Tally, call};
use evenkeel_test_tasks::Tasks;
use tokio::sync::watch;
use tokio::time::Instant;

use super::plan::Plan;
use super::pods::Pods;
use super::scenario::{Balance, Side};
use super::timeline::{Sample, Timeline};

pub struct Clients {
    side: Side,
    service: KubeProxy,
    tally: Arc<Tally>,
    stop: watch::Sender<bool>,
    clients: Tasks,
    samples: Vec<RawSample>,
}

/// A sample whose time relative to the change is not known yet.
struct RawSample {
    queried: Instant,
    at: Instant,
    /// The connections of each pod that runs.
    open: Vec<u64>,
    drains: u64,
}

impl Clients {
    /// Starts the clients of a Service with all running pods.
    pub async fn start(side: Side, pods: &Pods, plan: &Plan, seed: u64) -> Result<Self> {
        // The same seed on every side.
        let service = KubeProxy::start(pods.addresses(side), seed).await?;
        let tally = Arc::new(Tally::new(plan.pods()));
        let (stop, stopped) = watch::channel(false);
        let mut clients = Tasks::new();
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..plan.connections {
            let client = Arc::new(Client::new(service.address(), Protocol::Http1));
            let tally = Arc::clone(&tally);
            let seed = random.u64(..);
            clients.spawn(call(client, tally, plan.pause, seed, stopped.clone()));
        }
        Ok(Self {
            side,
            service,
            tally,
            stop,
            clients,
            samples: Vec::new(),
        })
    }

    /// Replaces the pods of the Service.
    pub fn replace_endpoints(&self, pods: &Pods, serving: Range<usize>) {
        let addresses = pods.addresses(self.side);
        let serving = addresses[serving].iter().copied();
        self.service.replace_endpoints(serving);
    }

    /// Records the connections of each pod, and which of the `drain_signals` are of this side. The pods were
    /// queried at `queried`.
    pub fn sample(&mut self, pods: &Pods, drain_signals: &BTreeMap<String, u64>, queried: Instant) {
        let open = self.service.open_connections();
        let of_pod = |address| open.get(address).copied().unwrap_or(0);
        let reason = self.side.reason();
        let drains = reason.and_then(|reason| drain_signals.get(reason).copied());
        self.samples.push(RawSample {
            queried,
            at: Instant::now(),
            open: pods.addresses(self.side).iter().map(of_pod).collect(),
            drains: drains.unwrap_or(0),
        });
    }

    /// Returns the drains until the last sample.
    pub fn drains(&self) -> u64 {
        self.samples.last().map_or(0, |sample| sample.drains)
    }

    /// Stops the clients after their current requests, and returns the result.
    pub async fn stop(self, changed: Instant, plan: &Plan) -> Balance {
        self.stop.send_replace(true);
        self.clients.join().await;
        let samples = self.samples.into_iter();
        let samples = samples.map(|sample| sample.into_sample(changed, plan.pods()));
        let timeline = Timeline::new(samples.collect(), plan.serving());
        Balance {
            connections_per_pod: timeline.at_the_end(),
            max_over_mean: timeline.max_over_mean(),
            excess: tenths(timeline.excess()),
            requests: self.tally.responses() as u64,
            failed: self.tally.failed(),
            connections_opened: self.service.connections_opened(),
            seconds_to_1_25: timeline.seconds_to_even().map(tenths),
            drains_to_1_25: timeline.drains_to_even(),
            peak_drains_per_second: tenths(timeline.peak()),
            drains_per_minute_balanced: tenths(timeline.drains_per_minute(plan.last)),
            first_failure: self.tally.first_failure(),
            timeline,
        }
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

impl RawSample {
    /// Converts the times to seconds since the change. Pods that did not run yet have no connections.
    fn into_sample(mut self, changed: Instant, pods: usize) -> Sample {
        let since = |time: Instant| {
            let since = time.saturating_duration_since(changed).as_secs_f64();
            let until = changed.saturating_duration_since(time).as_secs_f64();
            since - until
        };
        self.open.resize(pods, 0);
        Sample {
            at: since(self.at),
            queried: since(self.queried),
            open: self.open,
            drains: self.drains,
        }
    }
}
