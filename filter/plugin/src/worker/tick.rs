//! What a worker does because time has passed.

use core::time::Duration;

use evenkeel_engine::Origin;

use super::Worker;
use super::effects::Action;
use crate::host::SharedBudget;

/// A tick so soon after another one is that of another root: all roots of a VM share the worker.
const RECENT: Duration = Duration::from_millis(50);

/// The most connections and streams that one tick ends: Envoy's closes nest.
const MAX_CLOSES: usize = 32;

impl Worker {
    /// Advances the time, unless the tick of another root of this VM just did. Returns what the host is to do.
    pub(crate) fn tick(&mut self) -> Vec<Action> {
        let now = self.now();
        if now.since(self.ticked) < RECENT {
            return Vec::new();
        }
        self.ticked = now;
        self.has_located_stream = false;
        self.pending.resetting.clear();
        self.engine.advance(now);
        self.update_current_roots(now);
        let policies = &self.policies;
        let bucket = |origin: Origin| policies.bucket(origin.policy);
        self.engine
            .tick(MAX_CLOSES, bucket, &mut SharedBudget(&*self.host));
        self.upstreams.sweep(now);
        self.count_ended_upstreams();
        self.metrics.publish();
        self.sample(now);
        self.process_effects();
        let closes = self.pending.actions.len();
        self.close_unused(now, MAX_CLOSES.saturating_sub(closes));
        let mut actions = core::mem::take(&mut self.pending.actions);
        let request = self.next_peer_request(now);
        actions.extend(request.map(Action::SendPeerRequest));
        self.log_dry_run(now);
        actions
    }
}
