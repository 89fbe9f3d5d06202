//! All connections of one worker.

mod decide;
mod rebalance;
mod sample;
mod selection;
mod tick;

use std::collections::VecDeque;
use std::rc::Rc;

use evenkeel_policy::{Mode, Rule};

use crate::budget::Buckets;
use crate::connection::Connection;
use crate::connection::timed_streams::TimedStream;
use crate::connections::Connections;
use crate::hosts::UpstreamHosts;
use crate::timers::{Timers, Wakeup};
use crate::{
    Activity, Bucket, BucketStore, ConnectionEnd, ConnectionId, Decision, DrainPoint, Effect,
    Instant, Origin, PerMode, StreamId, TcpTraffic,
};
use rebalance::DrainRate;
use sample::LoadMeter;
pub use sample::LoadSample;
use selection::Selector;
pub use selection::{SelectionRequest, SelectionScope};

/// The connections of one worker, and the decisions about them.
///
/// Report events as they happen, after [`Engine::advance`] where the exact time matters
/// ([`Connection::needs_exact_time`]); call [`Engine::tick`] about every 100 ms, and [`Engine::take_sample`] about once a
/// second. After each of them [`Engine::poll`] gives what is to be done.
#[derive(Debug, Default)]
pub struct Engine {
    now: Instant,
    connections: Connections,
    timers: Timers,
    effects: VecDeque<Effect>,
    hosts: UpstreamHosts,
    buckets: Buckets,
    /// How fast rebalancing drains the connections that it has selected.
    rates: PerMode<DrainRate>,
    meter: LoadMeter,
    selector: Selector,
    /// How many connections ticks and samples have visited.
    visits: u64,
}

impl Engine {
    /// The current time, as of the last [`Engine::advance`].
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Sets the current time, which must not go back.
    pub fn advance(&mut self, now: Instant) {
        self.now = now;
    }

    /// The number of open connections.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// No connection is open.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// The number of connections that wait for a point in time or their turn.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// The number of connections that ticks and samples have visited so far: a measure of their cost.
    pub fn visits(&self) -> u64 {
        self.visits
    }

    /// There is something to do or to count.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// The next thing to do or to count.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Registers a new connection. Without a rule it is only counted. `seed` must differ between connections and between
    /// proxies: limits are drawn from it.
    #[inline(never)]
    pub fn open(
        &mut self,
        id: ConnectionId,
        origin: Origin,
        rule: Option<Rc<Rule>>,
        mode: Mode,
        seed: u64,
    ) {
        self.meter.start(self.now);
        let mut connection = Connection::new(id, origin, rule, mode, seed, self.now);
        // An id that is used again has the timer of its last connection, which goes first.
        if let Some(mut old) = self.connections.remove(&id) {
            old.wait_for(Wakeup::Never, &mut self.timers);
        }
        connection.schedule(&mut self.timers);
        self.connections.insert(connection);
    }

    /// A registered connection.
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// Applies `rule` to a connection, because a request on it matches. The first match replaces the rule that the
    /// connection was opened with; a further one can only shorten its life.
    pub fn apply_rule(&mut self, id: ConnectionId, rule: &Rc<Rule>) {
        self.update(id, |it, _| it.apply_rule(rule));
    }

    /// The connection is not HTTP; `rule` is that of the listener's `port`, if there is one.
    pub fn set_tcp(
        &mut self,
        id: ConnectionId,
        port: u16,
        rule: Option<Rc<Rule>>,
        traffic: TcpTraffic,
    ) {
        self.change(id, |it, _| it.become_tcp(port, rule, traffic));
    }

    /// The connection has become a WebSocket. False when its rule leaves WebSockets alone.
    pub fn upgrade_to_websocket(&mut self, id: ConnectionId) -> bool {
        self.update(id, Connection::become_websocket)
    }

    /// The streams of an HTTP/2 connection are not known any more: it never counts as idle, and its requests not as load.
    pub fn leave_unread(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.leave_unread();
        }
    }

    /// The connection is not understood, or not any more: it is never drained.
    pub fn bypass(&mut self, id: ConnectionId) {
        self.change(id, |it, _| it.bypass());
    }

    /// The proxy drains the connection by itself, with a GOAWAY or a `connection: close` of its own. What is in flight
    /// still counts as load, the connection does not. One that already drains here continues to.
    pub fn record_proxy_drain(&mut self, id: ConnectionId) {
        self.update(id, |it, _| it.record_proxy_drain());
    }

    /// A request under `rule` has started.
    pub fn request_started(&mut self, id: ConnectionId, rule: &Rc<Rule>) {
        self.update(id, |it, _| it.start_request(rule));
    }

    /// A request under `rule` has ended.
    pub fn request_ended(&mut self, id: ConnectionId, rule: &Rc<Rule>) {
        self.update(id, |it, _| it.end_request(rule));
    }

    /// A gRPC stream under `rule` has started; its age is drawn from `seed`.
    pub fn stream_started(
        &mut self,
        id: ConnectionId,
        stream: StreamId,
        rule: &Rc<Rule>,
        seed: u64,
    ) {
        let timed = TimedStream::new(Rc::clone(rule), seed, self.now);
        self.change(id, |it, _| it.start_stream(stream, timed));
    }

    /// The response of a gRPC stream has started.
    pub fn stream_response_started(&mut self, id: ConnectionId, stream: StreamId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.start_stream_response(stream);
        }
    }

    /// A gRPC stream has ended.
    pub fn stream_ended(&mut self, id: ConnectionId, stream: StreamId) {
        self.change(id, |it, now| it.end_stream(stream, now));
    }

    /// The client has sent bytes. False if they must not be forwarded: its connection is closing, and what the server has
    /// not executed can be sent again.
    pub fn read(&mut self, id: ConnectionId, activity: &Activity) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return true;
        };
        let Some(outcome) = connection.record_read(activity, self.now) else {
            return false;
        };
        if outcome.reschedules {
            connection.schedule(&mut self.timers);
        }
        if let Some(reason) = outcome.ignored_signal {
            self.effects.push_back(Effect::SignalIgnored(id, reason));
        }
        self.meter.add(&outcome.increment, &mut self.hosts);
        true
    }

    /// Checks the limits of a connection before the server writes. True if the connection awaits a drain point.
    #[inline]
    pub fn check_limits(&mut self, id: ConnectionId) -> bool {
        let connection = self.expire(id);
        connection.is_some_and(|it| it.awaits_drain_point())
    }

    /// Checks the limits of a connection as [`Engine::check_limits`]. True also if it reaches a limit within a minute, or with
    /// its next request.
    #[inline]
    pub fn check_next_limits(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let connection = self.expire(id);
        connection.is_some_and(|it| it.awaits_drain_point() || it.expires_soon(now))
    }

    #[inline]
    fn expire(&mut self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.connections.get_mut(&id)?;
        if let Some(reason) = connection.expire(self.now) {
            self.effects.push_back(Effect::DrainPending(id, reason));
        }
        Some(connection)
    }

    /// The server writes bytes: `activity` is the state after them, `point` finds the best place in them for a drain
    /// signal, if there is one. A drain takes a token from the bucket of the connection's policy; None where the policy has
    /// no budget. Most writes need neither.
    pub fn wrote<'b>(
        &mut self,
        id: ConnectionId,
        activity: &Activity,
        point: impl FnOnce() -> Option<DrainPoint>,
        bucket: impl FnOnce(u32) -> Option<&'b Bucket>,
        store: &mut impl BucketStore,
    ) -> Decision {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::PassThrough;
        };
        let (increment, ends_stream) = connection.record_write(activity, now);
        self.meter.add(&increment, &mut self.hosts);
        if let Some(reason) = connection.expire(now) {
            self.effects.push_back(Effect::DrainPending(id, reason));
        }
        if !connection.awaits_drain_point() {
            if connection.finish_write(ends_stream, now) {
                connection.schedule(&mut self.timers);
            }
            return Decision::PassThrough;
        }
        let policy = connection.origin().policy;
        let decision = match point() {
            Some(point) if connection.is_pending() => self.decide(id, point, bucket(policy), store),
            Some(point) => Some(connection.repeat_signal(point, now)),
            None => None,
        };
        let decision = decision.unwrap_or(Decision::PassThrough);
        self.update(id, |it, now| {
            it.finish_write(ends_stream, now) || decision != Decision::PassThrough
        });
        decision
    }

    /// The connection is closed. None if it was not registered.
    pub fn closed(&mut self, id: ConnectionId) -> Option<ConnectionEnd> {
        let mut connection = self.connections.remove(&id)?;
        connection.wait_for(Wakeup::Never, &mut self.timers);
        Some(connection.end())
    }

    /// Applies a changed policy to the connections under it: `rule` gives the new rule of one from its origin, whether it
    /// is TCP, and the rule that it had.
    pub fn apply_policy(
        &mut self,
        policy: u32,
        mode: Mode,
        rule: impl Fn(Origin, bool, Option<&Rule>) -> Option<Rc<Rule>>,
    ) {
        let (timers, effects) = (&mut self.timers, &mut self.effects);
        self.connections.visit_all(|connection| {
            let was_followed = connection.is_followed();
            if connection.origin().policy == policy && connection.apply_policy(mode, &rule) {
                connection.schedule(timers);
                if was_followed && !connection.is_followed() {
                    effects.push_back(Effect::OpenedBeforeRule(connection.id()));
                }
            }
        });
    }

    /// Changes a connection, and resets its timer.
    fn change(&mut self, id: ConnectionId, change: impl FnOnce(&mut Connection, Instant)) {
        self.update(id, |it, now| {
            change(it, now);
            true
        });
    }

    /// Changes a connection, and resets its timer where `change` gives true. Gives the same.
    fn update(
        &mut self,
        id: ConnectionId,
        change: impl FnOnce(&mut Connection, Instant) -> bool,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        let reschedules = change(connection, self.now);
        if reschedules {
            connection.schedule(&mut self.timers);
        }
        reschedules
    }
}
