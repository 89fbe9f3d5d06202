//! What happens because time has passed.

use std::collections::VecDeque;

use core::time::Duration;

use evenkeel_policy::Mode;

use super::Engine;
use crate::connection::{Kind, State};
use crate::timers::{Lane, Wake};
use crate::{Bucket, BucketStore, ConnectionId, DrainReason, Effect, Origin};

/// The most connections that one tick looks at. Where more have their time at once, the next ticks go on.
const VISITS: usize = 8192;

/// What a tick may still do.
struct Left {
    visits: usize,
    closes: usize,
}

impl Left {
    /// Takes a visit, if one more may be made and may lead to a close.
    fn visit(&mut self) -> bool {
        let may = self.visits > 0 && self.closes > 0;
        self.visits = self.visits.saturating_sub(usize::from(may));
        may
    }
}

/// What came of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expired {
    /// The connection stays as it is, or waits for an event.
    Stays,
    /// It waits for its turn.
    Waits,
    /// It, or one of its streams, is to be ended.
    Goes,
}

impl Engine {
    /// Looks at the connections whose time or turn has come, and asks for at most `closes` closes. `bucket` gives
    /// what a connection's move is taken from; None where its policy has no budget.
    pub fn tick<'b>(
        &mut self,
        closes: usize,
        bucket: impl Fn(Origin) -> Option<&'b Bucket>,
        shared: &mut impl BucketStore,
    ) {
        let mut left = Left {
            visits: VISITS,
            closes,
        };
        self.buckets.begin_tick();
        // Where timers have gone off, too, neither side takes every close that the tick may make.
        let for_timers = self.timers.due(self.now).map_or(0, |_| closes / 2);
        left.closes = closes.saturating_sub(for_timers);
        self.serve_lanes(&mut left, &bucket, shared);
        left.closes = left.closes.saturating_add(for_timers);
        self.find_waiting(&bucket);
        while let Some(id) = self.timers.due(self.now)
            && left.visit()
        {
            match self.expire(id, &bucket, shared) {
                Expired::Waits => {}
                Expired::Goes => {
                    left.closes = left.closes.saturating_sub(1);
                    self.rearm(id);
                }
                Expired::Stays => self.rearm(id),
            }
        }
        self.find_waiting(&bucket);
        self.continue_sweep();
        self.continue_search();
        let visited = VISITS.saturating_sub(left.visits);
        self.visits = self.visits.saturating_add(visited as u64);
    }

    /// Closes those whose turn it is, one of each lane after the other, for as long as budget and pace allow.
    /// Several lanes may take from one bucket: the first must not take all that there is.
    fn serve_lanes<'b>(
        &mut self,
        left: &mut Left,
        bucket: &impl Fn(Origin) -> Option<&'b Bucket>,
        shared: &mut impl BucketStore,
    ) {
        let mut lanes = VecDeque::from(self.timers.lanes());
        while let Some(lane) = lanes.pop_front() {
            let Some(id) = self.timers.first_in(lane) else {
                continue;
            };
            if !left.visit() {
                return;
            }
            let Some(connection) = self.connections.get(&id) else {
                continue;
            };
            // One that has become busy meanwhile takes its place again when it rests.
            if !connection.may_close(self.now) {
                self.rearm(id);
                lanes.push_front(lane);
                continue;
            }
            let bucket = bucket(connection.origin);
            if self.take_turn(lane, id, bucket, shared) {
                if self.end(id) {
                    left.closes = left.closes.saturating_sub(1);
                }
                self.rearm(id);
                lanes.push_back(lane);
            }
        }
    }

    /// Takes a move of a connection in `lane` from the budget, unless it is the turn of writes.
    fn take_turn(
        &mut self,
        lane: Lane,
        id: ConnectionId,
        bucket: Option<&Bucket>,
        shared: &mut impl BucketStore,
    ) -> bool {
        let may =
            !self.buckets.is_turn_of_writes(bucket, self.now) && self.afford(id, bucket, shared);
        if may {
            self.buckets.taken_at_tick(bucket);
            self.timers.served(lane);
        }
        may
    }

    /// Tells the buckets that connections wait for them. One that waits for the pace of rebalancing does not.
    fn find_waiting<'b>(&mut self, bucket: &impl Fn(Origin) -> Option<&'b Bucket>) {
        for lane in self.timers.lanes() {
            let first = self.timers.first_in(lane);
            let first = first.and_then(|id| self.connections.get(&id));
            let Some(connection) = first else { continue };
            let pace = self.pace.get(connection.mode);
            if !lane.rebalances || self.now >= pace.turn(self.now) {
                self.buckets.tick_waits(bucket(connection.origin));
            }
        }
    }

    /// A connection's timer has gone off.
    fn expire<'b>(
        &mut self,
        id: ConnectionId,
        bucket: &impl Fn(Origin) -> Option<&'b Bucket>,
        shared: &mut impl BucketStore,
    ) -> Expired {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Expired::Stays;
        };
        // Whatever the timer was for, it has gone off: `rearm` sets the next one.
        self.timers.set(id, &mut connection.timer, Wake::Never);
        if let Some(reason) = connection.fall_due(now) {
            self.effects.push_back(Effect::DrainPending(id, reason));
            return Expired::Stays;
        }
        let (origin, aborted) = (connection.origin, connection.active);
        match connection.state {
            State::Due { .. } if connection.may_close(now) => {
                let turn = connection.turn();
                let bucket = bucket(origin);
                // Those that wait already, in this lane or for this bucket, came first.
                let is_first = |lane: Lane| {
                    self.timers.first_in(lane).is_none() && !self.buckets.has_waiting(bucket)
                };
                if let Wake::InTurn(lane, _) = turn
                    && is_first(lane)
                    && self.take_turn(lane, id, bucket, shared)
                {
                    return if self.end(id) {
                        Expired::Goes
                    } else {
                        Expired::Stays
                    };
                }
                self.wait(id, turn);
                Expired::Waits
            }
            State::Draining { .. }
                if connection.is_stream_over(now) && connection.next_end <= now =>
            {
                connection.next_end = now.after(Duration::from_nanos(1));
                let streams = connection.streams.as_mut();
                if let Some((stream, timed)) = streams.and_then(|it| it.remove_over(now)) {
                    let stream = Effect::EndStream {
                        id,
                        stream,
                        response_started: timed.answered,
                    };
                    self.effects.push_back(stream);
                }
                Expired::Goes
            }
            // What was written since the timer was set, or who came, may put it off.
            State::Draining { .. } | State::Lingering { .. } if !connection.is_time(now) => {
                Expired::Stays
            }
            State::Draining { reason, .. } => self.close(id, reason, aborted),
            State::Lingering { reason, .. } => self.close(id, reason, 0),
            _ => Expired::Stays,
        }
    }

    /// From now on a connection that may be closed waits for its turn.
    fn wait(&mut self, id: ConnectionId, turn: Wake) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        self.timers.set(id, &mut connection.timer, turn);
        match &mut connection.state {
            State::Due {
                reason: DrainReason::Rebalance,
                queued,
                ..
            } => *queued = true,
            _ => self.tell_refused(id),
        }
    }

    /// Closes a connection whose client cannot be told. False when it is only observed.
    fn end(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get(&id) else {
            return false;
        };
        let (State::Due { reason, .. }, Some(rule)) = (connection.state, &connection.rule) else {
            return false;
        };
        if connection.mode == Mode::DryRun {
            self.record_dry_run_drain(id, reason);
            return false;
        }
        let mut aborted = 0;
        match connection.kind {
            Kind::Tcp => aborted = u32::from(!connection.rests(rule, now)),
            Kind::WebSocket => self
                .effects
                .push_back(Effect::ClosedWithoutNotice(id, reason)),
            Kind::Http => {}
        }
        self.close(id, reason, aborted);
        true
    }

    /// Nothing is done, and it begins anew.
    fn record_dry_run_drain(&mut self, id: ConnectionId, reason: DrainReason) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.record_dry_run_drain(reason, self.now);
        }
        self.effects.push_back(Effect::DryRunDrain(id, reason));
    }

    fn close(&mut self, id: ConnectionId, reason: DrainReason, aborted: u32) -> Expired {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.state = State::Closing { reason };
            self.effects.push_back(Effect::Close {
                id,
                reason,
                aborted,
            });
        }
        Expired::Goes
    }
}
