//! The metrics of upstream hosts. A host has its own series for as long as it is live.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use evenkeel_engine::{Instant, Load, SortedMap};
use evenkeel_metrics::Metric;

use super::{Gauge, add};
use crate::host::{Host, MetricKind};

/// The most live hosts that have series of their own; further ones share the series `other`.
///
/// A new host may replace one that is gone. Envoy keeps a series forever, so hosts that are gone stay visible, with
/// gauges of 0.
pub(crate) const MAX_LIVE_HOSTS: usize = 256;

/// A host without load for so long is presumed gone.
const FORGET: Duration = Duration::from_secs(60);

/// The interval between searches for hosts that are gone, while there is no place for a new one.
const SWEEP: Duration = Duration::from_secs(1);

const OTHER: &[u8] = b"other";

/// The handle of a metric, and its change since it was last published.
#[derive(Debug)]
struct Count {
    metric: Option<u32>,
    change: Cell<i64>,
}

impl Count {
    fn define(host: &dyn Host, kind: MetricKind, metric: Metric, address: &str) -> Self {
        Self {
            metric: host.define_metric(kind, &metric.stat(&[address])).ok(),
            change: Cell::new(0),
        }
    }

    fn add(&self, change: i64) {
        self.change.set(self.change.get().saturating_add(change));
    }

    fn publish(&self, host: &dyn Host) {
        let change = self.change.take();
        if change != 0 {
            add(host, self.metric, change);
        }
    }
}

/// The series of one upstream host, which is live while a reference to them is held.
#[derive(Debug)]
pub(crate) struct UpstreamHost {
    requests: Count,
    active: Count,
    connections: Gauge,
    request_rate: Gauge,
    byte_rate: Gauge,
    used: Cell<Instant>,
}

impl UpstreamHost {
    fn define(host: &dyn Host, address: &[u8]) -> Self {
        let address = &*String::from_utf8_lossy(address);
        let gauge = |metric: Metric| Gauge::define(host, metric, &[address]);
        let count = |kind, metric| Count::define(host, kind, metric, address);
        Self {
            requests: count(MetricKind::Counter, Metric::UpstreamRequests),
            active: count(MetricKind::Gauge, Metric::UpstreamActive),
            connections: gauge(Metric::UpstreamConnections),
            request_rate: gauge(Metric::UpstreamRequestRate),
            byte_rate: gauge(Metric::UpstreamByteRate),
            used: Cell::default(),
        }
    }

    pub(crate) fn request_started(&self) {
        self.requests.add(1);
        self.active.add(1);
    }

    pub(crate) fn request_ended(&self) {
        self.active.add(-1);
    }

    fn publish(&self, host: &dyn Host) {
        self.requests.publish(host);
        self.active.publish(host);
    }

    pub(crate) fn connected(&self, host: &dyn Host) {
        self.connections.add(host, 1);
    }

    pub(crate) fn disconnected(&self, host: &dyn Host) {
        self.connections.add(host, -1);
    }

    fn set_load(&self, host: &dyn Host, load: Load) {
        self.request_rate.set(host, load.requests);
        self.byte_rate.set(host, load.bytes);
    }

    fn clear_gauges(&self, host: &dyn Host) {
        self.connections.set(host, 0.0);
        self.set_load(host, Load::default());
    }

    /// Nothing refers to it, and it has had no load for a while.
    fn is_gone(this: &Rc<Self>, now: Instant) -> bool {
        let gauges = [&this.connections, &this.request_rate, &this.byte_rate];
        Rc::strong_count(this) == 1
            && gauges.iter().all(|gauge| gauge.is_zero())
            && now.since(this.used.get()) > FORGET
    }
}

/// The upstream hosts of this worker that have series.
#[derive(Debug, Default)]
pub(super) struct UpstreamHosts {
    named: SortedMap<Vec<u8>, Rc<UpstreamHost>>,
    other: Option<Rc<UpstreamHost>>,
    swept: Instant,
}

impl UpstreamHosts {
    /// The series of the host at `address`, or those of `other` while too many hosts are live.
    pub(super) fn find(
        &mut self,
        host: &dyn Host,
        address: &[u8],
        now: Instant,
    ) -> Rc<UpstreamHost> {
        if let Some(known) = self.named.get(address) {
            known.used.set(now);
            return Rc::clone(known);
        }
        if self.named.len() >= MAX_LIVE_HOSTS && now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.named
                .retain(|_, held| !UpstreamHost::is_gone(held, now));
        }
        if self.named.len() >= MAX_LIVE_HOSTS {
            return self.other(host);
        }
        let made = Rc::new(UpstreamHost::define(host, address));
        made.used.set(now);
        self.named.insert(address.to_vec(), Rc::clone(&made));
        made
    }

    /// Counts the end of a connection to `address`, whose start was counted.
    pub(super) fn disconnected(&mut self, host: &dyn Host, address: &[u8]) {
        // A connection that opened while its host had no series of its own was counted as `other`.
        match self.named.get(address) {
            Some(known) if !known.connections.is_zero() => known.disconnected(host),
            _ => self.other(host).disconnected(host),
        }
    }

    /// Sets the loads of hosts, by their addresses.
    pub(super) fn set_loads<'a>(
        &mut self,
        host: &dyn Host,
        loads: impl Iterator<Item = (&'a [u8], Load)>,
    ) {
        let mut sums: SortedMap<&[u8], Load> = SortedMap::default();
        for (address, load) in loads {
            let is_named = self.named.contains_key(address);
            let sum = sums.get_or_default(if is_named { address } else { OTHER });
            *sum = sum.plus(load);
        }
        for (address, named) in self.named.iter() {
            let load = sums.remove(address.as_slice()).unwrap_or_default();
            named.set_load(host, load);
        }
        if let Some(load) = sums.remove(OTHER) {
            self.other(host).set_load(host, load);
        } else if let Some(other) = &self.other {
            other.set_load(host, Load::default());
        }
    }

    /// Publishes the requests since the last tick.
    pub(super) fn publish(&self, host: &dyn Host) {
        for shown in self.named.values().chain(&self.other) {
            shown.publish(host);
        }
    }

    /// Sets every gauge to 0.
    pub(super) fn clear_gauges(&self, host: &dyn Host) {
        for shown in self.named.values().chain(&self.other) {
            shown.clear_gauges(host);
        }
    }

    fn other(&mut self, host: &dyn Host) -> Rc<UpstreamHost> {
        let other = self
            .other
            .get_or_insert_with(|| Rc::new(UpstreamHost::define(host, OTHER)));
        Rc::clone(other)
    }
}
