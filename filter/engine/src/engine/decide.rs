//! Whether to send a drain signal in a write.

use super::Engine;
use crate::budget_split::BudgetSplit;
use crate::safe_point::Verdict;
use crate::{Bucket, BucketStore, ConnectionId, Decision, DeferReason, DrainPoint, Effect};

impl Engine {
    /// Decides about a connection whose drain is pending and has come to a drain point. None while it has to wait.
    #[inline(never)]
    pub(super) fn decide(
        &mut self,
        id: ConnectionId,
        point: DrainPoint,
        bucket: Option<&Bucket>,
        store: &mut impl BucketStore,
    ) -> Option<Decision> {
        let now = self.now;
        let connection = self.connections.get_mut(&id)?;
        match connection.verdict(point, now) {
            Verdict::Safe => {}
            Verdict::Wait => return None,
            Verdict::Deferred => {
                if connection.defer() {
                    let effect = Effect::Deferred(id, DeferReason::NoSafePoint);
                    self.effects.push_back(effect);
                }
                return None;
            }
        }
        // A connection that waits for the rate of rebalancing does not wait for the budget: no token is kept for it.
        if !self.rate_allows(id) {
            return None;
        }
        // The connections that can be closed only by a tick may be those of another root, but the budget is the same.
        let is_turn_of_ticks = self.buckets.is_turn_of_ticks(bucket);
        if is_turn_of_ticks || !self.take_drain(id, bucket, store) {
            self.report_exhausted_budget(id);
            let buckets = &mut self.buckets;
            buckets.record(bucket, |split| split.record_waiting_write(now));
            return None;
        }
        self.buckets
            .record(bucket, BudgetSplit::record_drain_by_write);
        let connection = self.connections.get_mut(&id)?;
        let decision = connection.start_drain(point, &mut self.effects, now);
        connection.schedule(&mut self.timers);
        Some(decision)
    }

    /// Takes a token from a bucket, if one is left. Without a budget there always is.
    pub fn take_token(&mut self, bucket: Option<&Bucket>, store: &mut impl BucketStore) -> bool {
        self.buckets.take(bucket, self.now, store)
    }

    /// Takes a token for a drain that the rate of rebalancing allows.
    pub(super) fn take_drain(
        &mut self,
        id: ConnectionId,
        bucket: Option<&Bucket>,
        store: &mut impl BucketStore,
    ) -> bool {
        if !self.take_token(bucket, store) {
            self.report_exhausted_budget(id);
            return false;
        }
        if let Some(connection) = self.connections.get(&id).filter(|it| it.is_selected()) {
            let rate = self.rates.get_mut(connection.mode());
            rate.record_drain(connection.load(), self.now);
        }
        true
    }

    /// Reports that the budget does not allow a drain, once for each.
    pub(super) fn report_exhausted_budget(&mut self, id: ConnectionId) {
        let connection = self.connections.get_mut(&id);
        if connection.is_some_and(|it| it.record_exhausted_budget()) {
            self.effects.push_back(Effect::BudgetExhausted(id));
        }
    }

    /// The rate of rebalancing allows this drain now, or does not apply to it.
    pub(super) fn rate_allows(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return true;
        };
        let rate = self.rates.get(connection.mode());
        connection.record_rate(rate.allows(self.now))
    }
}
