//! The clients of one side of a scene.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use evenkeel_test_envoy::{Client, KubeProxy, Protocol};
use evenkeel_test_tasks::Tasks;
use tokio::sync::watch;
use tokio::time::Instant;

use super::course::{Course, Sample};
use super::plan::Plan;
use super::pods::Pods;
use super::scene::{Balance, Side};
use crate::demo::caller::call;
use crate::demo::tally::Tally;

pub struct Crowd {
    side: Side,
    service: KubeProxy,
    tally: Arc<Tally>,
    stop: watch::Sender<bool>,
    clients: Tasks,
    seen: Vec<Seen>,
}

/// A sample, taken before it is known when the change will be.
struct Seen {
    asked: Instant,
    at: Instant,
    /// Of the pods that there are by then.
    open: Vec<u64>,
    drains: u64,
}

impl Crowd {
    /// Clients of a Service with all the pods that there are.
    pub async fn start(side: Side, pods: &Pods, plan: &Plan, seed: u64) -> Result<Self> {
        // The same chance on every side.
        let service = KubeProxy::start(pods.addresses(side), seed).await?;
        let tally = Arc::new(Tally::new(plan.pods()));
        let (stop, stopped) = watch::channel(false);
        let mut clients = Tasks::new();
        let mut chance = fastrand::Rng::with_seed(seed);
        for _ in 0..plan.connections {
            let client = Arc::new(Client::new(service.address(), Protocol::Http1));
            let tally = Arc::clone(&tally);
            let seed = chance.u64(..);
            clients.spawn(call(client, tally, plan.pause, seed, stopped.clone()));
        }
        Ok(Self {
            side,
            service,
            tally,
            stop,
            clients,
            seen: Vec::new(),
        })
    }

    /// Gives the Service these pods instead.
    pub fn replace_endpoints(&self, pods: &Pods, serving: Range<usize>) {
        let addresses = pods.addresses(self.side);
        let serving = addresses[serving].iter().copied();
        self.service.replace_endpoints(serving);
    }

    /// Records the connections of each pod, and which of the `drain_signals` are of this side. The pods were
    /// queried at `asked`.
    pub fn sample(&mut self, pods: &Pods, drain_signals: &BTreeMap<String, u64>, asked: Instant) {
        let open = self.service.open_connections();
        let of_pod = |address| open.get(address).copied().unwrap_or(0);
        let reason = self.side.reason();
        let drains = reason.and_then(|reason| drain_signals.get(reason).copied());
        self.seen.push(Seen {
            asked,
            at: Instant::now(),
            open: pods.addresses(self.side).iter().map(of_pod).collect(),
            drains: drains.unwrap_or(0),
        });
    }

    /// As many as there were at the last sample.
    pub fn drains(&self) -> u64 {
        self.seen.last().map_or(0, |seen| seen.drains)
    }

    /// Lets every client end what it has begun.
    pub async fn stop(self, changed: Instant, plan: &Plan) -> Balance {
        self.stop.send_replace(true);
        self.clients.join().await;
        let samples = self.seen.into_iter();
        let samples = samples.map(|seen| seen.into_sample(changed, plan.pods()));
        let course = Course::new(samples.collect(), plan.serving());
        Balance {
            connections_per_pod: course.at_the_end(),
            max_over_mean: course.max_over_mean(),
            excess: tenths(course.excess()),
            requests: self.tally.answered() as u64,
            failed: self.tally.failed(),
            connections_opened: self.service.connections_opened(),
            seconds_to_1_25: course.seconds_to_even().map(tenths),
            drains_to_1_25: course.drains_to_even(),
            peak_drains_per_second: tenths(course.peak()),
            drains_per_minute_balanced: tenths(course.drains_per_minute(plan.last)),
            first_failure: self.tally.first_failure(),
            course,
        }
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

impl Seen {
    /// Pods that were not there yet had nothing.
    fn into_sample(mut self, changed: Instant, pods: usize) -> Sample {
        let since = |moment: Instant| {
            let since = moment.saturating_duration_since(changed).as_secs_f64();
            let until = changed.saturating_duration_since(moment).as_secs_f64();
            since - until
        };
        self.open.resize(pods, 0);
        Sample {
            at: since(self.at),
            asked: since(self.asked),
            open: self.open,
            drains: self.drains,
        }
    }
}
