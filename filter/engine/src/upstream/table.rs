//! The tracked upstream connections, in the order of their last use.

use std::collections::VecDeque;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Mode, UpstreamProtocol, UpstreamRecycling};

use super::allowance::Allowance;
use super::cluster::Cluster;
use super::{ConnectionKey, EVIDENCE_EVERY, EVIDENCE_FIRST, Limits, Response, Used};
use crate::{Instant, OrderedIds, PerMode, SortedMap};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Serving,
    /// Over a limit: the next request to the cluster is marked for it.
    Expired,
    /// Expired, and presumed closed by the server after a long idle time.
    Dormant,
    /// A marked request went over it, and the response did not say that it closes.
    Closing,
    /// It outlived a marked request: its server ignores the mark.
    Ignored,
}

#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) cluster: Rc<[u8]>,
    pub(super) state: State,
    /// Each from the first response under a policy of its mode.
    pub(super) allowances: PerMode<Option<Allowance>>,
    pub(super) opened: Instant,
    /// How many responses it has carried.
    pub(super) responses: u64,
    /// When it last carried a response.
    pub(super) used: Used,
    /// A response over it showed that it is HTTP/1, or the policy says so.
    pub(super) shows_http1: bool,
    /// It is HTTP/1, by its own evidence or by that of others in its cluster.
    pub(super) is_recyclable: bool,
    /// It was reported as one that is not recycled: nothing shows its protocol, or in dry run, where it would be.
    pub(super) is_reported: PerMode<bool>,
    /// Responses in flight.
    pub(super) active: u32,
}

impl Connection {
    pub(super) fn new(cluster: Rc<[u8]>, opened: Instant) -> Self {
        Self {
            cluster,
            opened,
            ..Self::default()
        }
    }

    /// Counts a response under a policy with these limits.
    pub(super) fn count(&mut self, limits: Limits<'_>, seed: u64) {
        let Limits { upstream, mode } = limits;
        let (opened, responses) = (self.opened, self.responses);
        let own = self.allowances.get_mut(mode);
        own.get_or_insert_with(|| Allowance::new(upstream, opened, seed, responses));
        let PerMode { enforced, dry_run } = &mut self.allowances;
        for allowance in [enforced, dry_run].into_iter().flatten() {
            allowance.count();
        }
        self.responses = self.responses.saturating_add(1);
    }

    /// Whether it has reached a limit of this mode.
    pub(super) fn has_reached_limit(&self, mode: Mode, now: Instant) -> bool {
        let allowance = self.allowances.get(mode).as_ref();
        allowance.is_some_and(|allowance| allowance.has_reached_limit(now))
    }

    /// Searches for evidence of HTTP/1, in some responses. True when there is some.
    pub(super) fn find_evidence(
        &mut self,
        limits: &UpstreamRecycling,
        response: &impl Response,
    ) -> bool {
        let responses = self.responses;
        if responses > EVIDENCE_FIRST && !responses.is_multiple_of(EVIDENCE_EVERY) {
            return false;
        }
        self.shows_http1 |= limits.protocol == UpstreamProtocol::Http1
            || (response.shows_http1() && !response.is_local_reply());
        self.is_recyclable |= self.shows_http1;
        self.shows_http1
    }

    /// It carries two responses at once, which no HTTP/1 connection does.
    pub(super) fn is_multiplexed(&self, key: &ConnectionKey) -> bool {
        !self.shows_http1 && self.active > 1 && key.identifies_connection()
    }
}

/// The connections by their keys and by their last use.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Boxed, because an insertion moves entries.
    connections: SortedMap<Rc<ConnectionKey>, Box<Connection>>,
    /// Their numbers in the order of their last use.
    by_use: OrderedIds,
    by_number: SortedMap<u64, Rc<ConnectionKey>>,
    /// Connections that ended and were not reported yet.
    ended: VecDeque<Rc<ConnectionKey>>,
    /// The number of connections so far.
    serial: u64,
    latest: Instant,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn find(&self, key: &ConnectionKey) -> Option<Rc<ConnectionKey>> {
        let (key, _) = self.connections.get_key_value(key)?;
        Some(Rc::clone(key))
    }

    pub(super) fn get_mut(&mut self, key: &ConnectionKey) -> Option<&mut Connection> {
        self.connections.get_mut(key).map(|it| &mut **it)
    }

    /// The least recently used connection.
    pub(super) fn oldest(&self) -> Option<Rc<ConnectionKey>> {
        let (_, number) = self.by_use.first()?;
        self.by_number.get(&number).map(Rc::clone)
    }

    /// The least recently used connection, if it has been idle for longer than `span`.
    pub(super) fn idle_for(&self, span: Duration, now: Instant) -> Option<Rc<ConnectionKey>> {
        let (used, number) = self.by_use.first()?;
        let key = self.by_number.get(&number)?;
        (now.since(Instant::from_nanos(used)) > span).then(|| Rc::clone(key))
    }

    /// The connection with this last use.
    pub(super) fn used_at(
        &mut self,
        (_, number): Used,
    ) -> Option<(Rc<ConnectionKey>, &mut Connection)> {
        let key = self.by_number.get(&number)?;
        let connection = self.connections.get_mut(key)?;
        Some((Rc::clone(key), connection))
    }

    pub(super) fn insert(
        &mut self,
        key: ConnectionKey,
        mut connection: Connection,
        now: Instant,
    ) -> Rc<ConnectionKey> {
        let key = Rc::new(key);
        self.serial = self.serial.saturating_add(1);
        connection.used = (self.next_use_time(now), self.serial);
        self.by_use
            .insert(connection.used.0.as_nanos(), self.serial);
        self.by_number.insert(self.serial, Rc::clone(&key));
        self.connections
            .insert(Rc::clone(&key), Box::new(connection));
        key
    }

    /// Records that the connection carries a response at `now`.
    pub(super) fn touch(&mut self, key: &Rc<ConnectionKey>, now: Instant, cluster: &mut Cluster) {
        let used = self.next_use_time(now);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let before = connection.used;
        let number = before.1;
        connection.used = (used, number);
        self.by_use.remove(before.0.as_nanos(), number);
        self.by_use.insert(used.as_nanos(), number);
        if cluster.unexpire(before) {
            cluster.expire(connection.used);
        }
    }

    /// Removes a connection, and reports its end unless that was reported before.
    pub(super) fn remove(&mut self, key: &Rc<ConnectionKey>) -> Option<Connection> {
        let connection = self.connections.remove(key)?;
        let (used, number) = connection.used;
        self.by_use.remove(used.as_nanos(), number);
        self.by_number.remove(&number);
        if !matches!(connection.state, State::Dormant | State::Closing) {
            self.end(Rc::clone(key));
        }
        Some(*connection)
    }

    /// Reports that a connection ended.
    pub(super) fn end(&mut self, key: Rc<ConnectionKey>) {
        self.ended.push_back(key);
    }

    pub(super) fn poll_ended(&mut self) -> Option<Rc<ConnectionKey>> {
        self.ended.pop_front()
    }

    /// Returns `now`, or the instant after the latest use if that is later: no two uses have the same time.
    fn next_use_time(&mut self, now: Instant) -> Instant {
        self.latest = now.max(self.latest.after(Duration::from_nanos(1)));
        self.latest
    }
}
