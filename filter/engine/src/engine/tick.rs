//! What happens because time has passed.

use std::collections::VecDeque;

use super::Engine;
use crate::budget_split::BudgetSplit;
use crate::timers::{Queue, Wakeup};
use crate::{Bucket, BucketStore, ConnectionId, Effect, Origin};

/// The most connections that one tick visits. Where more have their time at once, the next ticks continue. No tick closes
/// as many.
const VISITS: usize = 512;

/// What a tick may still do.
struct Allowance {
    visits: usize,
    closes: usize,
}

impl Allowance {
    /// Takes a visit, if one more is allowed and may lead to a close.
    fn take_visit(&mut self) -> bool {
        let is_allowed = self.visits > 0 && self.closes > 0;
        self.visits = self.visits.saturating_sub(usize::from(is_allowed));
        is_allowed
    }

    fn take_close(&mut self) {
        self.closes = self.closes.saturating_sub(1);
    }
}

/// What became of a connection whose wakeup has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It waits for another wakeup or an event.
    Waits,
    /// It waits for its turn in a queue.
    Queued,
    /// It, or one of its streams, is to be closed.
    Closes,
}

impl Engine {
    /// Visits the connections whose time or turn has come, and asks for at most `closes` closes. `bucket` gives what a
    /// drain takes a token from; None where the policy has no budget.
    #[inline(never)]
    pub fn tick<'b>(
        &mut self,
        closes: usize,
        bucket: impl Fn(Origin) -> Option<&'b Bucket>,
        store: &mut impl BucketStore,
    ) {
        let mut allowance = Allowance {
            visits: VISITS,
            closes,
        };
        self.buckets.begin_tick();
        // Where wakeups have come, too, neither side takes all closes of the tick.
        let has_expired = self.timers.first_expired(self.now).is_some();
        let reserved = if has_expired { closes / 2 } else { 0 };
        allowance.closes = closes.saturating_sub(reserved);
        self.serve_queues(&mut allowance, &bucket, store);
        allowance.closes = allowance.closes.saturating_add(reserved);
        self.record_waiting(&bucket);
        while let Some(id) = self.next_expired(&allowance)
            && allowance.take_visit()
        {
            let outcome = self.handle_wakeup(id, &bucket, store);
            if outcome == Outcome::Closes {
                allowance.take_close();
            }
            if outcome != Outcome::Queued {
                self.update(id, |_, _| true);
            }
        }
        self.record_waiting(&bucket);
        self.continue_sweep();
        self.continue_search();
        let visited = VISITS.saturating_sub(allowance.visits);
        self.visits = self.visits.saturating_add(visited as u64);
    }

    /// The connection to visit next. The second half of a tick's visits begins with the latest wakeups: those that may be
    /// closed do not wait until all that expired at once were visited.
    fn next_expired(&self, allowance: &Allowance) -> Option<ConnectionId> {
        if allowance.visits > VISITS / 2 {
            self.timers.first_expired(self.now)
        } else {
            self.timers.last_expired(self.now)
        }
    }

    /// Closes queued connections, one of each queue after the other, for as long as budget and rate allow. Several queues
    /// may share a bucket: the first must not take all tokens.
    #[inline(never)]
    fn serve_queues<'b>(
        &mut self,
        allowance: &mut Allowance,
        bucket: &impl Fn(Origin) -> Option<&'b Bucket>,
        store: &mut impl BucketStore,
    ) {
        let mut queues = VecDeque::from(self.timers.queues());
        while let Some(queue) = queues.pop_front() {
            let Some(id) = self.timers.first_in(queue) else {
                continue;
            };
            if !allowance.take_visit() {
                return;
            }
            let Some(connection) = self.connections.get(&id) else {
                continue;
            };
            // A connection that has become active meanwhile takes its place again when it is idle.
            if !connection.may_close(self.now) {
                self.update(id, |_, _| true);
                queues.push_front(queue);
                continue;
            }
            let bucket = bucket(connection.origin());
            if self.take_turn(queue, id, bucket, store) {
                if self.close_silently(id) {
                    allowance.take_close();
                }
                queues.push_back(queue);
            }
        }
    }

    /// Takes a drain of a connection in `queue`, unless it is the turn of writes.
    fn take_turn(
        &mut self,
        queue: Queue,
        id: ConnectionId,
        bucket: Option<&Bucket>,
        store: &mut impl BucketStore,
    ) -> bool {
        let takes = !self.buckets.is_turn_of_writes(bucket, self.now)
            && self.rate_allows(id)
            && self.take_drain(id, bucket, store);
        if takes {
            self.buckets
                .record(bucket, BudgetSplit::record_drain_by_tick);
            self.timers.record_served(queue);
        }
        takes
    }

    /// Records for which buckets connections wait. One that waits for the rate of rebalancing waits for none.
    fn record_waiting<'b>(&mut self, bucket: &impl Fn(Origin) -> Option<&'b Bucket>) {
        for queue in self.timers.queues() {
            let first = self.timers.first_in(queue);
            let first = first.and_then(|id| self.connections.get(&id));
            let Some(connection) = first else { continue };
            let rate = self.rates.get(connection.mode());
            if !queue.is_rebalancing || rate.allows(self.now) {
                let bucket = bucket(connection.origin());
                self.buckets.record_waiting_connection(bucket);
            }
        }
    }

    fn handle_wakeup<'b>(
        &mut self,
        id: ConnectionId,
        bucket: &impl Fn(Origin) -> Option<&'b Bucket>,
        store: &mut impl BucketStore,
    ) -> Outcome {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Outcome::Waits;
        };
        connection.wait_for(Wakeup::Never, &mut self.timers);
        if let Some(reason) = connection.expire(now) {
            self.effects.push_back(Effect::DrainPending(id, reason));
            return Outcome::Waits;
        }
        if connection.may_close(now) {
            let bucket = bucket(connection.origin());
            let turn = connection.turn();
            return self.close_or_queue(id, turn, bucket, store);
        }
        if let Some(effect) = connection.record_deferral(now) {
            self.effects.push_back(effect);
            return Outcome::Waits;
        }
        match connection.continue_drain(now) {
            Some(effect) => {
                self.effects.push_back(effect);
                Outcome::Closes
            }
            None => Outcome::Waits,
        }
    }

    /// Closes a connection if it is the first of its queue, and budget and rate allow it; otherwise it joins the queue.
    fn close_or_queue(
        &mut self,
        id: ConnectionId,
        turn: Wakeup,
        bucket: Option<&Bucket>,
        store: &mut impl BucketStore,
    ) -> Outcome {
        // Connections that already wait, in this queue or for this bucket, come first.
        if let Wakeup::InTurn(queue, _) = turn
            && self.timers.first_in(queue).is_none()
            && !self.buckets.has_waiting(bucket)
            && self.take_turn(queue, id, bucket, store)
        {
            return if self.close_silently(id) {
                Outcome::Closes
            } else {
                Outcome::Waits
            };
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return Outcome::Waits;
        };
        connection.wait_for(turn, &mut self.timers);
        if connection.is_selected() {
            connection.record_rate(false);
        } else {
            self.report_exhausted_budget(id);
        }
        Outcome::Queued
    }

    /// Closes a connection without a drain signal. False in a dry run.
    fn close_silently(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        let closes = connection.close_silently(&mut self.effects, self.now);
        connection.schedule(&mut self.timers);
        closes
    }
}
