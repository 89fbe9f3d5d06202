//! The periodic sample of the load of all connections.
//!
//! Connections and requests in flight are counted with each event. Rates of requests and bytes decay with time on each
//! connection; where rebalancing measures them, a sweep over the connections updates them, in slices of at most [`SLICE`].
//! Where it does not, only the metrics show rates, and those of the worker as a whole are enough.

use core::time::Duration;

use super::Engine;
use crate::connection::{Connection, Increment};
use crate::hosts::{UpstreamHostId, UpstreamHosts};
use crate::load::Flow;
use crate::totals::Counts;
use crate::{ConnectionId, Instant, Load, PerMode, SortedMap};

/// The most connections that one step of a sweep, or of a search, visits. A tick takes a step of each, and the sample one
/// more. In a worker with no more connections the sample is exact; with 100,000 a sweep takes two and a half seconds.
pub(super) const SLICE: usize = 4096;

/// The most selected connections that one sample visits.
const WITHDRAWALS: usize = 1024;

/// The load of a worker, as one sample measures it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadSample {
    /// The load by which a service's pods are compared: that of inbound connections under a rule, without those that
    /// drain, and without those that serve only exchanges between peers.
    pub load: Load,
    /// How many connections that is, by the mode of their roots.
    pub connections: PerMode<f64>,
    /// The part of it that is selected or drains; in dry run, that would.
    pub selected: PerMode<Load>,
    /// The part of it that a dry run would have drained.
    pub dry_run_drained: Load,
    /// The sum of the ages of all connections.
    pub total_age: Duration,
}

/// Measures the rates of requests and bytes.
#[derive(Debug, Default)]
pub(super) struct LoadMeter {
    /// Rebalancing does not measure rates: no sweep is needed.
    ignores_rates: bool,
    /// The rates as of the last complete sweep.
    rates: RateSums,
    sweep: Option<Sweep>,
    /// Requests and bytes on all connections by which a service's pods are compared.
    requests: u64,
    flow: Option<Flow>,
    /// The selected connection that the last sample visited last, where it did not visit all.
    withdrawn: Option<ConnectionId>,
}

/// Requests and bytes a second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    requests: f64,
    bytes: f64,
}

/// The sums of the rates of all connections.
#[derive(Debug, Default)]
struct RateSums {
    all: Rates,
    /// Without connections that rebalancing has selected and that do not drain yet: they are few, and added with each
    /// sample.
    leaving: PerMode<Rates>,
    dry_run_drained: Rates,
    /// For each upstream host the rates of connections that stay with it, and the part of those that leave.
    hosts: SortedMap<UpstreamHostId, (Rates, PerMode<Rates>)>,
}

/// A sweep that is under way.
#[derive(Debug, Default)]
struct Sweep {
    cursor: usize,
    sums: RateSums,
}

impl LoadMeter {
    pub(super) fn start(&mut self, now: Instant) {
        self.flow.get_or_insert_with(|| Flow::new(now));
    }

    /// Adds what an event adds to the load.
    pub(super) fn add(&mut self, increment: &Increment, hosts: &mut UpstreamHosts) {
        if increment.is_of_service {
            // Runs for every read and write, and saturation costs more.
            self.requests = self.requests.wrapping_add(increment.requests);
            if let Some(flow) = &mut self.flow {
                flow.add_bytes(increment.bytes);
            }
        }
        if let Some(host) = increment.host {
            hosts.add_bytes(host, increment.bytes);
        }
    }

    /// A request that was counted was an exchange between peers.
    pub(super) fn subtract_request(&mut self) {
        self.requests = self.requests.saturating_sub(1);
    }

    /// The rates of the service as a whole.
    fn service_rates(&self) -> Rates {
        match &self.flow {
            Some(flow) if self.ignores_rates => Rates {
                requests: flow.requests(),
                bytes: flow.bytes(),
            },
            _ => self.rates.all,
        }
    }
}

impl Rates {
    fn add(&mut self, load: Load) {
        self.requests += load.requests;
        self.bytes += load.bytes;
    }

    fn with(self, counts: Counts) -> Load {
        Load {
            connections: counts.connections as f64,
            active: counts.active as f64,
            requests: self.requests,
            bytes: self.bytes,
        }
    }
}

impl PerMode<Rates> {
    fn with(self, counts: PerMode<Counts>) -> PerMode<Load> {
        PerMode {
            enforced: self.enforced.with(counts.enforced),
            dry_run: self.dry_run.with(counts.dry_run),
        }
    }
}

impl RateSums {
    fn add(&mut self, connection: &Connection) {
        let load = connection.load();
        let mode = connection.mode();
        let is_leaving = connection.is_leaving();
        let dry_run_drained = connection.is_drained_in_dry_run();
        if connection.is_of_service() {
            self.all.add(load);
            if dry_run_drained {
                self.dry_run_drained.add(load);
            }
            if is_leaving && !connection.is_selected() {
                self.leaving.get_mut(mode).add(load);
            }
        }
        if let Some(host) = connection.fixed_host() {
            let (all, leaving) = self.hosts.get_or_default(host);
            all.add(load);
            if is_leaving || dry_run_drained {
                leaving.get_mut(mode).add(load);
            }
        }
    }
}

impl Engine {
    /// Sets whether rebalancing measures the rates of single connections, which it does by default. Where it does not,
    /// the sample visits no connection.
    pub fn track_rates(&mut self, tracks: bool) {
        self.meter.ignores_rates = !tracks;
    }

    /// Takes a sample of the load, about once a second. Selections whose connections found no safe point in time end;
    /// where `rebalances` is false, all selections do, at most 1024 in each sample. A request for a selection has to be made
    /// again after each sample.
    #[inline(never)]
    pub fn take_sample(&mut self, rebalances: impl Into<PerMode<bool>>) -> LoadSample {
        let now = self.now;
        self.selector.start_sample();
        self.withdraw_selections(&rebalances.into());
        if let Some(flow) = &mut self.meter.flow {
            flow.update(self.meter.requests, now);
        }
        if self.meter.ignores_rates {
            self.meter.sweep = None;
            self.meter.rates = RateSums::default();
        } else {
            self.meter.sweep.get_or_insert_default();
            self.continue_sweep();
        }
        let totals = self.connections.totals();
        let (service, leaving, dry_run) = (totals.service, totals.leaving, totals.dry_run_drained);
        let hosts = totals.hosts.clone();
        let mut leaving_rates = self.meter.rates.leaving;
        if !self.meter.ignores_rates {
            for connection in self.connections.selected() {
                if connection.is_of_service() {
                    let rates = leaving_rates.get_mut(connection.mode());
                    rates.add(connection.load());
                }
            }
        }
        let rates = &self.meter.rates.hosts;
        let carried = |id: UpstreamHostId| {
            let counts = hosts.get(&id).copied().unwrap_or_default();
            let (all, leaving) = rates.get(&id).copied().unwrap_or_default();
            (all.with(counts.all), leaving.with(counts.leaving))
        };
        self.hosts
            .take_sample(carried, !self.meter.ignores_rates, now);
        let rates = self.meter.service_rates();
        LoadSample {
            load: rates.with(service.enforced.plus(service.dry_run)),
            connections: PerMode {
                enforced: service.enforced.connections as f64,
                dry_run: service.dry_run.connections as f64,
            },
            selected: leaving_rates.with(leaving),
            dry_run_drained: self.meter.rates.dry_run_drained.with(dry_run),
            total_age: self.connections.total_age(now),
        }
    }

    /// Visits the next of the selected connections, and ends the selection of those that found no safe point in time.
    fn withdraw_selections(&mut self, rebalances: &PerMode<bool>) {
        let after = self.meter.withdrawn.map(|ConnectionId(id)| (0, id));
        let selected = self.connections.totals().selected.after(after);
        let selected = selected.map(|(_, id)| ConnectionId(id));
        let selected: Vec<_> = selected.take(WITHDRAWALS).collect();
        let is_last = selected.len() < WITHDRAWALS;
        self.meter.withdrawn = selected.last().copied().filter(|_| !is_last);
        for id in selected {
            self.update(id, |it, now| {
                it.withdraw_selection(*rebalances.get(it.mode()), now)
            });
        }
    }

    /// Visits the next slice of a sweep that is under way.
    pub(super) fn continue_sweep(&mut self) {
        let Some(Sweep { cursor, mut sums }) = self.meter.sweep.take() else {
            return;
        };
        let now = self.now;
        let mut visited = 0_u64;
        let next = self.connections.slice_mut(cursor, SLICE, |connection| {
            visited = visited.saturating_add(1);
            connection.update_rates(now);
            sums.add(connection);
        });
        self.visits = self.visits.saturating_add(visited);
        match next {
            Some(cursor) => self.meter.sweep = Some(Sweep { cursor, sums }),
            None => self.meter.rates = sums,
        }
    }

    /// The load of all connections of the service, of those that leave, and of those that a dry run would have drained,
    /// by visiting all.
    #[cfg(test)]
    pub(crate) fn recount(&mut self) -> [Load; 3] {
        let mut sums = [Load::default(); 3];
        self.connections.visit_all(|it| {
            let counts = [true, it.is_leaving(), it.is_drained_in_dry_run()];
            for (sum, counts) in sums.iter_mut().zip(counts) {
                if counts && it.is_of_service() {
                    *sum = sum.plus(it.load());
                }
            }
        });
        sums
    }
}
