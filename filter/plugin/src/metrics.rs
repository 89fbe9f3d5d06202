//! The handles of this worker's metrics, and the values that it has published. `evenkeel-metrics` lists the metrics.

mod upstream_hosts;

use core::cell::Cell;
use std::rc::Rc;

use evenkeel_engine::{Instant, Load, SortedMap};
use evenkeel_metrics::{Counter, Kind, Metric, VERSION, mode_name};
use evenkeel_policy::Mode;
use evenkeel_wire::Protocol;

use crate::host::{Host, MetricKind};
pub(crate) use upstream_hosts::UpstreamHost;
use upstream_hosts::UpstreamHosts;

/// A gauge's handle, and this worker's part of its value.
#[derive(Clone, Debug, Default)]
struct Gauge {
    metric: Option<u32>,
    value: Cell<i64>,
}

impl Gauge {
    #[inline(never)]
    fn define(host: &dyn Host, gauge: Metric, labels: &[&str]) -> Self {
        Self {
            metric: host
                .define_metric(MetricKind::Gauge, &gauge.stat(labels))
                .ok(),
            value: Cell::new(0),
        }
    }

    fn set(&self, host: &dyn Host, value: f64) {
        let value = value.round() as i64;
        self.add(host, value.saturating_sub(self.value.get()));
    }

    fn add(&self, host: &dyn Host, change: i64) {
        if change != 0 && add(host, self.metric, change) {
            self.value.set(self.value.get().saturating_add(change));
        }
    }

    fn is_zero(&self) -> bool {
        self.value.get() == 0
    }
}

/// False if the host refuses the change.
fn add(host: &dyn Host, metric: Option<u32>, by: i64) -> bool {
    metric.is_some_and(|metric| host.increment_metric(metric, by).is_ok())
}

/// Every metric of this worker. Each is defined with the host when it is first used.
#[derive(Debug)]
pub(crate) struct Metrics {
    host: Rc<dyn Host>,
    counters: SortedMap<Counter, Option<u32>>,
    /// Requests that were not published yet, by protocol.
    requests: [u64; Protocol::ALL.len()],
    /// By their label value, which is empty for a gauge without labels.
    gauges: SortedMap<(Metric, &'static str), Gauge>,
    upstream_hosts: UpstreamHosts,
}

impl Metrics {
    pub(crate) fn new(host: Rc<dyn Host>) -> Self {
        Self {
            host,
            counters: SortedMap::default(),
            requests: Default::default(),
            gauges: SortedMap::default(),
            upstream_hosts: UpstreamHosts::default(),
        }
    }

    /// Defines every metric whose label values are known, so that an event that has not happened shows as 0.
    #[inline(never)]
    pub(crate) fn define(&mut self) {
        for counter in Counter::all() {
            self.count_by(counter, 0);
        }
        let plain = Metric::ALL
            .iter()
            .filter(|metric| metric.kind() == Kind::Gauge && metric.labels().is_empty());
        for gauge in plain {
            self.set_gauge(*gauge, 0.0);
        }
        for mode in [Mode::Enforce, Mode::DryRun] {
            self.set_labeled_gauge(Metric::PolicyInfo, mode_name(mode), 0.0);
        }
        self.set_labeled_gauge(Metric::BuildInfo, VERSION, 0.0);
    }

    /// Sets this worker's part of a gauge without labels. The host adds up the workers.
    pub(crate) fn set_gauge(&mut self, gauge: Metric, value: f64) {
        self.set_labeled_gauge(gauge, "", value);
    }

    /// Sets this worker's part of a gauge with one label.
    pub(crate) fn set_labeled_gauge(&mut self, gauge: Metric, label: &'static str, value: f64) {
        let shown = self.gauges.get_or_insert_with((gauge, label), || {
            Gauge::define(&*self.host, gauge, &[label])
        });
        shown.set(&*self.host, value);
    }

    /// Publishes the last counts, and sets every gauge of this worker to 0.
    pub(crate) fn close(&mut self) {
        self.publish();
        for shown in self.gauges.values() {
            shown.set(&*self.host, 0.0);
        }
        self.upstream_hosts.clear_gauges(&*self.host);
    }

    /// Sets the loads of upstream hosts, by their addresses.
    pub(crate) fn set_upstream_loads<'a>(&mut self, loads: impl Iterator<Item = (&'a [u8], Load)>) {
        self.upstream_hosts.set_loads(&*self.host, loads);
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        self.count_by(counter, 1);
    }

    pub(crate) fn count_by(&mut self, counter: Counter, by: u64) {
        let metric = *self.counters.get_or_insert_with(counter, || {
            let name = counter.stat();
            self.host.define_metric(MetricKind::Counter, &name).ok()
        });
        if by > 0 {
            add(&*self.host, metric, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    /// Counts requests, which the next [`Metrics::publish`] publishes: each would cost a hostcall.
    pub(crate) fn count_requests(&mut self, protocol: Protocol, by: u64) {
        let mut counts = Protocol::ALL.iter().zip(&mut self.requests);
        if let Some((_, count)) = counts.find(|(known, _)| **known == protocol) {
            *count = count.saturating_add(by);
        }
    }

    /// Publishes what was counted since the last tick.
    #[inline(never)]
    pub(crate) fn publish(&mut self) {
        let counts = core::mem::take(&mut self.requests);
        for (protocol, count) in Protocol::ALL.into_iter().zip(counts) {
            if count > 0 {
                self.count_by(Counter::Requests(protocol), count);
            }
        }
        self.upstream_hosts.publish(&*self.host);
    }

    /// The series of the upstream host at `address`.
    pub(crate) fn upstream_host(&mut self, address: &[u8], now: Instant) -> Rc<UpstreamHost> {
        self.upstream_hosts.find(&*self.host, address, now)
    }

    /// Counts the end of an upstream connection to `address`, whose start was counted.
    pub(crate) fn upstream_disconnected(&mut self, address: &[u8]) {
        self.upstream_hosts.disconnected(&*self.host, address);
    }
}
