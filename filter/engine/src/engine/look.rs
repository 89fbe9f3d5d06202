//! The periodic sample: what all connections carry together.
//!
//! Connections and requests in flight are counted with each event. Rates of requests and bytes need each connection
//! to forget what is long past; where rebalancing goes by them, a sweep over the connections does that, in slices,
//! of at most [`SLICE`]. Where it does not, only the metrics show rates, and those of the
//! worker as a whole are enough.

use std::collections::HashMap;

use core::time::Duration;

use super::{Engine, LoadSample};
use crate::connection::{Connection, Kind, State};
use crate::hosts::{UpstreamHostId, UpstreamHosts};
use crate::load::Flow;
use crate::totals::Counts;
use crate::{Activity, DrainReason, Load, PerMode};

/// The most connections that one step of a sweep, or of a search, looks at. A tick takes a step of each, and the sample
/// one more. In a worker with no more connections the sample is exact; in one with 100,000 a sweep takes two and a half
/// seconds.
pub(super) const SLICE: usize = 4096;

/// The same as [`PATIENCE`](super::rebalance::PATIENCE) where a moment came, but it was not its turn or the budget had
/// nothing left.
const QUEUE: Duration = Duration::from_secs(60);

/// How long a connection is not chosen again after its selection ended.
const SPARE: Duration = Duration::from_secs(60);

/// Requests and bytes a second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    requests: f64,
    bytes: f64,
}

/// The rates of all connections, added up.
#[derive(Debug, Default)]
pub(super) struct Summed {
    load: Rates,
    /// Without those that rebalancing has chosen and that are still to be told: these are few, and added afresh.
    going: PerMode<Rates>,
    left: Rates,
    /// What stays with an upstream host, and the part of it that goes or would be elsewhere.
    hosts: HashMap<UpstreamHostId, (Rates, PerMode<Rates>)>,
}

/// A sweep that is under way.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    cursor: usize,
    summed: Summed,
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

impl Summed {
    fn add(&mut self, connection: &Connection) {
        let load = connection.load();
        let goes = connection.goes();
        if connection.counts() {
            self.load.add(load);
            if connection.left {
                self.left.add(load);
            }
            if goes && !is_selected(connection) {
                self.going.get_mut(connection.mode).add(load);
            }
        }
        if let Some(host) = connection.host
            && connection.kind != Kind::Http
        {
            let (all, going) = self.hosts.entry(host).or_default();
            all.add(load);
            if goes || connection.left {
                going.get_mut(connection.mode).add(load);
            }
        }
    }
}

/// What one event adds to the rates of the worker and of the connection's upstream host.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeasuredLoad {
    requests: u64,
    bytes: u64,
    is_of_service: bool,
    host: Option<UpstreamHostId>,
}

impl MeasuredLoad {
    pub(super) fn count(
        self,
        requests: &mut u64,
        flow: Option<&mut Flow>,
        hosts: &mut UpstreamHosts,
    ) {
        if self.is_of_service {
            *requests = requests.saturating_add(self.requests);
            if let Some(flow) = flow {
                flow.carry(self.bytes);
            }
        }
        if let Some(host) = self.host {
            hosts.carry(host, self.bytes);
        }
    }
}

impl Connection {
    /// Takes in what an event says.
    pub(super) fn carry(&mut self, activity: Activity) -> MeasuredLoad {
        let requests = activity.requests.saturating_sub(self.requests);
        self.flow.carry(activity.bytes);
        self.requests = activity.requests;
        self.active = activity.active;
        MeasuredLoad {
            requests,
            bytes: activity.bytes,
            is_of_service: self.counts(),
            host: self.host,
        }
    }
}

fn is_selected(connection: &Connection) -> bool {
    connection.part().is_selected
}

impl Engine {
    /// Whether rebalancing goes by the rates of single connections; it does, unless told otherwise. Where it does
    /// not, the sample looks at no connection.
    pub fn track_rates(&mut self, tracks: bool) {
        self.ignores_rates = !tracks;
    }

    /// Takes the sample. Ask about once a second. The selection of connections that could not be told in time ends, and
    /// with `rebalances` false that of all. What is wanted has to be wanted again after it, or is not any more.
    pub fn take_sample(&mut self, rebalances: impl Into<PerMode<bool>>) -> LoadSample {
        let now = self.now;
        self.sample = self.sample.saturating_add(1);
        self.let_off(rebalances.into());
        if let Some(flow) = &mut self.flow {
            flow.fold(self.requests, now);
        }
        if self.ignores_rates {
            self.sweep = None;
            self.rates = Summed::default();
        } else {
            self.sweep.get_or_insert_default();
            self.continue_sweep();
        }
        let totals = self.connections.totals();
        let (service, going, left) = (totals.service, totals.going, totals.left);
        let (sums, selected) = (totals.hosts.clone(), totals.selected.clone());
        let mut load = self.rates.load;
        if let (true, Some(flow)) = (self.ignores_rates, &self.flow) {
            load = Rates {
                requests: flow.requests(),
                bytes: flow.bytes(),
            };
        }
        let mut chosen = self.rates.going;
        for id in selected {
            let connection = self.connections.get(&id);
            if let Some(connection) = connection.filter(|connection| connection.counts()) {
                chosen.get_mut(connection.mode).add(connection.load());
            }
        }
        let all = Counts {
            connections: service
                .enforced
                .connections
                .saturating_add(service.dry_run.connections),
            active: service
                .enforced
                .active
                .saturating_add(service.dry_run.active),
        };
        let with = |rates: PerMode<Rates>, counts: PerMode<Counts>| PerMode {
            enforced: rates.enforced.with(counts.enforced),
            dry_run: rates.dry_run.with(counts.dry_run),
        };
        let rates = &self.rates.hosts;
        let carried = |id: UpstreamHostId| {
            let counts = sums.get(&id).copied().unwrap_or_default();
            let (all, going) = rates.get(&id).copied().unwrap_or_default();
            (all.with(counts.all), with(going, counts.going))
        };
        self.hosts.look(carried, !self.ignores_rates, now);
        LoadSample {
            load: load.with(all),
            connections: PerMode {
                enforced: service.enforced.connections as f64,
                dry_run: service.dry_run.connections as f64,
            },
            selected: with(chosen, going),
            dry_run_drained: self.rates.left.with(left),
            total_age: self.connections.age(now),
        }
    }

    /// Chosen connections that found no moment stay.
    fn let_off(&mut self, rebalances: PerMode<bool>) {
        let now = self.now;
        for id in self.connections.totals().selected.clone() {
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            if let State::Due {
                reason: DrainReason::Rebalance,
                since,
                refused,
                queued,
                ..
            } = connection.state
            {
                let waits = if refused || queued {
                    QUEUE
                } else {
                    super::rebalance::PATIENCE
                };
                if !rebalances.get(connection.mode) || now.since(since) >= waits {
                    connection.state = State::Serving;
                    connection.spared = now.after(SPARE);
                    self.rearm(id);
                }
            }
        }
    }

    /// Visits the next slice of a sweep that is under way.
    pub(super) fn continue_sweep(&mut self) {
        let Some(Sweep { cursor, mut summed }) = self.sweep.take() else {
            return;
        };
        let now = self.now;
        let mut visited = 0_u64;
        let next = self.connections.slice_mut(cursor, SLICE, |_, connection| {
            visited = visited.saturating_add(1);
            connection.flow.fold(connection.requests, now);
            summed.add(connection);
        });
        self.visits = self.visits.saturating_add(visited);
        match next {
            Some(cursor) => self.sweep = Some(Sweep { cursor, summed }),
            None => self.rates = summed,
        }
    }

    /// Visits all connections: what each carries, and whether it counts, goes, or would be elsewhere.
    #[cfg(test)]
    pub(crate) fn recount(&mut self, mut visit: impl FnMut(Load, bool, bool, bool)) {
        self.connections
            .visit_all(|_, it| visit(it.load(), it.counts(), it.goes(), it.left));
    }
}
