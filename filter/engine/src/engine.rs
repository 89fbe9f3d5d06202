//! All connections of one worker.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Budget, Direction, Rule};

use crate::connection::{Connection, Kind, State, patience};
use crate::limits::{Draw, Limits};
use crate::moment::{Verdict, Wait};
use crate::timers::Timers;
use crate::{ConnectionId, Instant, Moment, Reason, Shared, budget};

/// Where a connection came in: what a changed policy needs to find its new rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which of the worker's policies governs it; the caller's own numbering.
    pub policy: u32,
    /// Of the listener.
    pub direction: Direction,
    /// The listener's port, once it matters: 0 before the connection is known to be TCP.
    pub port: u16,
}

/// What the scanner says of a connection after a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Requests since it opened.
    pub requests: u64,
    /// Requests that are owed something.
    pub active: u32,
}

/// What to do with the write in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Pass it on as it is.
    Keep,
    /// Announce the end of the connection in it.
    Announce(Reason),
    /// Announce it once more: the client went on after the first time. Not a new move.
    Repeat,
}

/// What happened, or is to be done, beside the write in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A limit was reached.
    Due(ConnectionId, Reason),
    /// The budget refused a connection's move; told once a move.
    Refused(ConnectionId),
    /// A connection's grace is over and no moment was good; told once a move.
    PutOff(ConnectionId),
    /// Observe mode: this would have been announced (or, TCP, closed) now.
    Observed(ConnectionId, Reason),
    /// Close it. `cut` requests (TCP: 1 if it was not silent) are lost by it.
    Close {
        /// Which.
        id: ConnectionId,
        /// Why it was moved.
        reason: Reason,
        /// How many requests were active.
        cut: u32,
    },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody had asked it to.
    Unasked,
    /// After its announcement, by the client or by the proxy's own means.
    Announced(Reason),
    /// By [`Effect::Close`].
    Closed(Reason),
}

/// The connections of one worker and what is decided about them.
#[derive(Debug, Default)]
pub struct Engine {
    now: Instant,
    connections: HashMap<ConnectionId, Connection>,
    timers: Timers,
    effects: VecDeque<Effect>,
    /// No use to ask the budget before.
    retry: Instant,
}

impl Engine {
    /// The time it was last told.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Tells the time. A clock that goes back is ignored until it has caught up.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// No connection is open.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How many connections have a timer.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// A connection opened. Without a rule it is only counted. `seed` is its chance: different for each
    /// connection and each proxy.
    pub fn open(
        &mut self,
        id: ConnectionId,
        origin: Origin,
        rule: Option<Rc<Rule>>,
        observe: bool,
        seed: u64,
    ) {
        let mut connection = Connection {
            origin,
            kind: Kind::Http,
            state: State::Serving,
            opened: self.now,
            touched: self.now,
            asked: false,
            answered: None,
            draw: Draw::new(seed),
            rule,
            observe,
            matched: false,
            limits: Limits::default(),
            requests: 0,
            carried: 0,
            active: 0,
            protected: 0,
            protected_grace: Some(Duration::ZERO),
            timer: None,
        };
        connection.limit();
        let wants = connection.wants(self.retry);
        self.timers.set(id, &mut connection.timer, wants);
        if let Some(mut old) = self.connections.insert(id, connection) {
            self.timers.set(id, &mut old.timer, None);
            self.rearm(id);
        }
    }

    /// Where a connection came in; None if it is not known here.
    pub fn origin(&self, id: ConnectionId) -> Option<Origin> {
        self.connections
            .get(&id)
            .map(|connection| connection.origin)
    }

    /// A request on it is governed by `rule`. The first replaces the rule it was opened with; a further
    /// one can only bring its end nearer.
    pub fn govern(&mut self, id: ConnectionId, rule: &Rc<Rule>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.matched
            && connection
                .rule
                .as_ref()
                .is_some_and(|held| Rc::ptr_eq(held, rule))
        {
            return;
        }
        connection.rule = Some(Rc::clone(rule));
        let Some(own) = connection.own_limits() else {
            return;
        };
        if connection.matched {
            connection.limits.tighten(own);
        } else {
            connection.limits = own;
            connection.matched = true;
        }
        self.rearm(id);
    }

    /// The rule that governs a connection.
    pub fn rule(&self, id: ConnectionId) -> Option<&Rc<Rule>> {
        self.connections
            .get(&id)
            .and_then(|connection| connection.rule.as_ref())
    }

    /// The connection's bytes are not HTTP; `rule` is the one for the listener's `port`, if there is one.
    pub fn is_tcp(&mut self, id: ConnectionId, port: u16, rule: Option<Rc<Rule>>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.kind = Kind::Tcp;
        connection.origin.port = port;
        connection.rule = rule;
        connection.limit();
        self.rearm(id);
    }

    /// The connection is not understood (any more): it is never announced, nor closed.
    pub fn leave(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.state = State::Unmanaged;
        self.rearm(id);
    }

    /// A stream that `rule` protects has begun on it.
    pub fn protect(&mut self, id: ConnectionId, rule: &Rule) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.protected = connection.protected.saturating_add(1);
        connection.protected_grace = match (connection.protected_grace, rule.grace) {
            (Some(held), Some(grace)) => Some(held.max(grace)),
            _ => None,
        };
    }

    /// A stream that was protected has ended.
    pub fn unprotect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.protected = connection.protected.saturating_sub(1);
        if connection.protected == 0 {
            connection.protected_grace = Some(Duration::ZERO);
        }
    }

    /// The client sent something.
    pub fn read(&mut self, id: ConnectionId, activity: Activity) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let settled = connection.state;
        connection.touched = self.now;
        connection.asked = true;
        connection.requests = activity.requests;
        connection.active = activity.active;
        connection.settle(self.now);
        if connection.state != settled {
            self.rearm(id);
        }
    }

    /// True when [`Engine::wrote`] wants the exact time: the connection is past a limit.
    pub fn is_moving(&self, id: ConnectionId) -> bool {
        let state = self.connections.get(&id).map(|connection| connection.state);
        !matches!(
            state,
            None | Some(State::Serving | State::Unmanaged | State::Closing { .. })
        )
    }

    /// The server writes: what is owed after the write, and the best moment in it to announce, if any.
    pub fn wrote(
        &mut self,
        id: ConnectionId,
        activity: Activity,
        moment: Option<Moment>,
        budget: Option<&Budget>,
        shared: &mut impl Shared,
    ) -> Decision {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::Keep;
        };
        let answered = activity.active < connection.active;
        connection.touched = now;
        connection.asked = false;
        connection.requests = activity.requests;
        connection.active = activity.active;
        if let Some(reason) = connection.fall_due(now) {
            self.effects.push_back(Effect::Due(id, reason));
        }
        let decision = match (connection.state, moment) {
            (State::Due { .. }, Some(moment)) => self.decide(id, moment, budget, shared),
            (State::Draining { .. } | State::Lingering { .. }, Some(Moment::Head)) => {
                Decision::Repeat
            }
            _ => Decision::Keep,
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            if answered {
                connection.answered = Some(now);
            }
            let settled = connection.state;
            connection.settle(now);
            // TCP: an answer begins a rest that may end it.
            let rests = connection.kind == Kind::Tcp;
            if rests || decision != Decision::Keep || settled != connection.state {
                self.rearm(id);
            }
        }
        decision
    }

    /// A connection that is due has come to `moment`.
    fn decide(
        &mut self,
        id: ConnectionId,
        moment: Moment,
        budget: Option<&Budget>,
        shared: &mut impl Shared,
    ) -> Decision {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::Keep;
        };
        let (
            State::Due {
                reason,
                since,
                put_off,
                ..
            },
            Some(rule),
        ) = (connection.state, connection.rule.clone())
        else {
            return Decision::Keep;
        };
        if connection.is_protected(since, now) {
            return Decision::Keep;
        }
        match moment.judge(
            &rule,
            &Wait {
                since,
                answered: connection.answered,
            },
            now,
        ) {
            Verdict::Good => {}
            Verdict::Wait => return Decision::Keep,
            Verdict::PutOff => {
                if let State::Due { put_off, .. } = &mut connection.state {
                    *put_off = true;
                }
                if !put_off {
                    self.effects.push_back(Effect::PutOff(id));
                }
                return Decision::Keep;
            }
        }
        if !self.afford(id, budget, shared) {
            return Decision::Keep;
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::Keep;
        };
        if connection.observe {
            connection.renew(now);
            self.effects.push_back(Effect::Observed(id, reason));
            self.rearm(id);
            return Decision::Keep;
        }
        connection.state = State::Draining { reason, since: now };
        Decision::Announce(reason)
    }

    /// Takes a move from the budget, if one is left. Without a budget there always is.
    pub fn spend(&mut self, budget: Option<&Budget>, shared: &mut impl Shared) -> bool {
        let Some(budget) = budget else { return true };
        if self.retry > self.now {
            return false;
        }
        match budget::take(budget, self.now, shared) {
            Ok(()) => true,
            Err(retry) => {
                self.retry = retry;
                false
            }
        }
    }

    /// Takes a move from the budget, or tells once that there is none.
    fn afford(
        &mut self,
        id: ConnectionId,
        budget: Option<&Budget>,
        shared: &mut impl Shared,
    ) -> bool {
        if self.spend(budget, shared) {
            return true;
        }
        if let Some(Connection {
            state: State::Due { refused, .. },
            ..
        }) = self.connections.get_mut(&id)
            && !core::mem::replace(refused, true)
        {
            self.effects.push_back(Effect::Refused(id));
        }
        false
    }

    /// Looks at the connections whose time has come, and asks for at most `closes` closes.
    pub fn tick<'b>(
        &mut self,
        closes: usize,
        budget: impl Fn(Origin) -> Option<&'b Budget>,
        shared: &mut impl Shared,
    ) {
        let mut closes = closes;
        while closes > 0 {
            let Some(id) = self.timers.due(self.now) else {
                return;
            };
            if self.expire(id, &budget, shared) {
                closes = closes.saturating_sub(1);
            }
            self.rearm(id);
        }
    }

    /// A connection's timer has gone off. True when it is to be closed.
    fn expire<'b>(
        &mut self,
        id: ConnectionId,
        budget: &impl Fn(Origin) -> Option<&'b Budget>,
        shared: &mut impl Shared,
    ) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        // Whatever the timer was for, it has gone off: `rearm` sets the next one.
        self.timers.set(id, &mut connection.timer, None);
        if let Some(reason) = connection.fall_due(now) {
            self.effects.push_back(Effect::Due(id, reason));
            return false;
        }
        let (origin, observe, cut) = (connection.origin, connection.observe, connection.active);
        let Some(rule) = connection.rule.clone() else {
            return false;
        };
        match connection.state {
            State::Due { reason, since, .. } if connection.kind == Kind::Tcp => {
                // In the middle of a pause of unknown length the next question may be on its way: only the
                // rest just after an answer is surely one, or a silence as long as the patience.
                let rests = now.since(connection.touched) >= rule.quiet_wait && !connection.asked;
                let answered = rests && connection.touched > since;
                let over = now.since(since) >= patience(&rule);
                let is_time = answered || (over && (rests || rule.grace.is_some()));
                if !is_time || !self.afford(id, budget(origin), shared) {
                    return false;
                }
                if observe {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.renew(now);
                    }
                    self.effects.push_back(Effect::Observed(id, reason));
                    return false;
                }
                self.close(id, reason, u32::from(!rests))
            }
            State::Draining { reason, .. } => self.close(id, reason, cut),
            State::Lingering { reason, .. } => self.close(id, reason, 0),
            _ => false,
        }
    }

    fn close(&mut self, id: ConnectionId, reason: Reason, cut: u32) -> bool {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.state = State::Closing { reason };
            self.effects.push_back(Effect::Close { id, reason, cut });
        }
        true
    }

    /// The next thing to do or to tell.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The connection is no more. None if it was not known.
    pub fn closed(&mut self, id: ConnectionId) -> Option<End> {
        let mut connection = self.connections.remove(&id)?;
        self.timers.set(id, &mut connection.timer, None);
        Some(match connection.state {
            State::Draining { reason, .. } | State::Lingering { reason, .. } => {
                End::Announced(reason)
            }
            State::Closing { reason } => End::Closed(reason),
            State::Serving | State::Due { .. } | State::Unmanaged => End::Unasked,
        })
    }

    /// How long and for how many more requests a connection will be served; None where nothing limits it.
    pub fn remaining(&self, id: ConnectionId) -> (Option<Duration>, Option<u64>) {
        let Some(Connection {
            state: State::Serving,
            limits,
            requests,
            ..
        }) = self.connections.get(&id)
        else {
            return (None, None);
        };
        let age = limits.deadline.map(|(at, _)| at.since(self.now));
        (
            age,
            limits.requests.map(|last| last.saturating_sub(*requests)),
        )
    }

    /// The policy with this number has changed: `rule` gives the rule of a connection under it, from its
    /// origin, whether it is TCP, and the name of the rule that it had; and whether it only observes.
    pub fn adopt(
        &mut self,
        policy: u32,
        observe: bool,
        rule: impl Fn(Origin, bool, Option<&str>) -> Option<Rc<Rule>>,
    ) {
        let mut ids = Vec::new();
        for (id, connection) in &mut self.connections {
            let is_moving = matches!(
                connection.state,
                State::Draining { .. }
                    | State::Lingering { .. }
                    | State::Closing { .. }
                    | State::Unmanaged
            );
            // What has been announced is carried through under the rule that it was announced by.
            if connection.origin.policy != policy || is_moving {
                continue;
            }
            let held = connection.rule.as_ref().map(|rule| &*rule.name);
            connection.rule = rule(connection.origin, connection.kind == Kind::Tcp, held);
            connection.observe = observe;
            connection.matched = false;
            connection.limit();
            if matches!(connection.state, State::Due { .. }) {
                connection.state = State::Serving;
            }
            ids.push(*id);
        }
        for id in ids {
            self.rearm(id);
        }
    }

    fn rearm(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let wants = connection.wants(self.retry);
        self.timers.set(id, &mut connection.timer, wants);
    }
}
