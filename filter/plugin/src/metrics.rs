//! The handles of this worker's metrics, and what it has shown. Which metrics there are `evenkeel-metrics` says.

use std::collections::HashMap;
use std::rc::Rc;

use evenkeel_engine::Load;
use evenkeel_metrics::{Counter, Kind, Metric};

use crate::host::{Host, MetricKind};

/// The most upstream hosts that have metrics of their own; further ones are told as `other`.
const MAX_UPSTREAMS: usize = 256;
const OTHER: &[u8] = b"other";

/// A gauge's handle, and what this worker has shown.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    metric: Option<u32>,
    value: i64,
}

impl Shown {
    fn define(host: &dyn Host, gauge: Metric, labels: &[&str]) -> Self {
        Self {
            metric: define(host, MetricKind::Gauge, &gauge.stat(labels)),
            value: 0,
        }
    }

    fn show(&mut self, host: &dyn Host, value: f64) {
        let value = value.round() as i64;
        let change = value.saturating_sub(self.value);
        if change != 0 {
            add(host, self.metric, change);
            self.value = value;
        }
    }
}

/// The numbers of one upstream host: handles of the host's metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Upstream {
    requests: Option<u32>,
    active: Option<u32>,
    connections: Option<u32>,
}

impl Upstream {
    fn define(host: &dyn Host, address: &str) -> Self {
        let gauge = |metric: Metric| define(host, MetricKind::Gauge, &metric.stat(&[address]));
        let requests = Metric::UpstreamRequests.stat(&[address]);
        Self {
            requests: define(host, MetricKind::Counter, &requests),
            active: gauge(Metric::UpstreamActive),
            connections: gauge(Metric::UpstreamConnections),
        }
    }

    pub(crate) fn request_began(self, host: &dyn Host) {
        add(host, self.requests, 1);
        add(host, self.active, 1);
    }

    pub(crate) fn request_ended(self, host: &dyn Host) {
        add(host, self.active, -1);
    }

    pub(crate) fn connected(self, host: &dyn Host) {
        add(host, self.connections, 1);
    }

    pub(crate) fn disconnected(self, host: &dyn Host) {
        add(host, self.connections, -1);
    }
}

/// A metric's handle; None where the host refuses it.
fn define(host: &dyn Host, kind: MetricKind, name: &str) -> Option<u32> {
    host.define_metric(kind, name).ok()
}

fn add(host: &dyn Host, metric: Option<u32>, by: i64) {
    if let Some(metric) = metric {
        let _ = host.increment_metric(metric, by);
    }
}

/// Every metric of this worker: defined with the host when first used, and remembered.
#[derive(Debug)]
pub(crate) struct Metrics {
    host: Rc<dyn Host>,
    counters: HashMap<Counter, Option<u32>>,
    active: Option<Option<u32>>,
    gauges: HashMap<Metric, Shown>,
    carried: HashMap<(Metric, Vec<u8>), Shown>,
    upstreams: HashMap<Vec<u8>, Upstream>,
}

impl Metrics {
    pub(crate) fn new(host: Rc<dyn Host>) -> Self {
        Self {
            host,
            counters: HashMap::new(),
            active: None,
            gauges: HashMap::new(),
            carried: HashMap::new(),
            upstreams: HashMap::new(),
        }
    }

    /// Defines every metric whose labels are known, so that what has not happened shows as 0.
    pub(crate) fn define(&mut self) {
        for counter in Counter::all() {
            self.count_by(counter, 0);
        }
        self.active(0);
        let plain = Metric::ALL
            .iter()
            .filter(|metric| metric.kind() == Kind::Gauge && metric.labels().is_empty());
        for gauge in plain.filter(|gauge| **gauge != Metric::ConnectionsActive) {
            self.gauge(*gauge, 0.0);
        }
    }

    /// Shows this worker's part of a gauge that has no label.
    pub(crate) fn gauge(&mut self, gauge: Metric, value: f64) {
        let shown = self
            .gauges
            .entry(gauge)
            .or_insert_with(|| Shown::define(&*self.host, gauge, &[]));
        shown.show(&*self.host, value);
    }

    /// Shows nothing any more.
    pub(crate) fn withdraw(&mut self) {
        for shown in self.gauges.values_mut().chain(self.carried.values_mut()) {
            shown.show(&*self.host, 0.0);
        }
    }

    /// Shows what this worker carries to upstream hosts, by their addresses.
    pub(crate) fn carried<'a>(&mut self, hosts: impl Iterator<Item = (&'a [u8], Load)>) {
        let mut sums: HashMap<&[u8], Load> = HashMap::new();
        for (address, load) in hosts {
            // Who has no metrics of its own is told as `other`.
            let is_told =
                self.upstreams.contains_key(address) && self.upstreams.len() < MAX_UPSTREAMS;
            let address = if is_told { address } else { OTHER };
            let sum = sums.entry(address).or_default();
            *sum = sum.plus(load);
        }
        for ((_, address), shown) in &mut self.carried {
            if !sums.contains_key(address.as_slice()) {
                shown.show(&*self.host, 0.0);
            }
        }
        for (address, load) in sums {
            for (gauge, value) in [
                (Metric::UpstreamRequestRate, load.requests),
                (Metric::UpstreamByteRate, load.bytes),
            ] {
                let shown = self
                    .carried
                    .entry((gauge, address.to_vec()))
                    .or_insert_with(|| {
                        let address = String::from_utf8_lossy(address);
                        Shown::define(&*self.host, gauge, &[&address])
                    });
                shown.show(&*self.host, value);
            }
        }
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        self.count_by(counter, 1);
    }

    pub(crate) fn count_by(&mut self, counter: Counter, by: u64) {
        let metric = *self
            .counters
            .entry(counter)
            .or_insert_with(|| define(&*self.host, MetricKind::Counter, &counter.stat()));
        if by > 0 {
            add(&*self.host, metric, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    /// Open downstream connections.
    pub(crate) fn active(&mut self, by: i64) {
        let name = || Metric::ConnectionsActive.stat(&[]);
        let metric = *self
            .active
            .get_or_insert_with(|| define(&*self.host, MetricKind::Gauge, &name()));
        add(&*self.host, metric, by);
    }

    pub(crate) fn upstream(&mut self, address: &[u8]) -> Upstream {
        if let Some(known) = self.upstreams.get(address) {
            return *known;
        }
        let address: &[u8] = if self.upstreams.len() < MAX_UPSTREAMS {
            address
        } else {
            OTHER
        };
        *self
            .upstreams
            .entry(address.to_vec())
            .or_insert_with(|| Upstream::define(&*self.host, &String::from_utf8_lossy(address)))
    }
}
