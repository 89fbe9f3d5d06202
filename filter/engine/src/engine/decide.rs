//! Whether to announce the end of a connection that is due, in the write in hand.

use evenkeel_policy::Mode;

use super::Engine;
use crate::connection::State;
use crate::drain_point::{Verdict, Wait};
use crate::{Bucket, BucketStore, ConnectionId, Decision, DrainPoint, Effect};

impl Engine {
    /// A connection that is due has come to `moment`.
    pub(super) fn decide(
        &mut self,
        id: ConnectionId,
        point: DrainPoint,
        bucket: Option<&Bucket>,
        shared: &mut impl BucketStore,
    ) -> Decision {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::PassThrough;
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
            return Decision::PassThrough;
        };
        if connection.is_protected(since, now) {
            return Decision::PassThrough;
        }
        let wait = Wait {
            opened: connection.opened,
            since,
            answered: connection.answered,
            requested: connection.requested,
            spoken: connection.spoken,
            stream_over: connection.is_stream_over(now),
            others_open: connection.is_stream_over(now) && connection.has_others_than_over(now),
        };
        match wait.judge(point, &rule, now) {
            Verdict::Safe => {}
            Verdict::Wait => return Decision::PassThrough,
            Verdict::Deferred => {
                if let State::Due { put_off, .. } = &mut connection.state {
                    *put_off = true;
                }
                if !put_off {
                    self.effects.push_back(Effect::Deferred(id));
                }
                return Decision::PassThrough;
            }
        }
        // It waits for the pace of rebalancing, not for the budget: no token is kept for it.
        if !self.is_its_turn(id) {
            return Decision::PassThrough;
        }
        // Those that can only go at a tick may be another root's: the budget is what they share.
        if self.buckets.is_turn_of_ticks(bucket) {
            self.tell_refused(id);
            self.buckets.write_waits(bucket, now);
            return Decision::PassThrough;
        }
        if !self.afford(id, bucket, shared) {
            self.buckets.write_waits(bucket, now);
            return Decision::PassThrough;
        }
        self.buckets.taken_by_write(bucket);
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::PassThrough;
        };
        if connection.mode == Mode::DryRun {
            connection.forget_streams_over(now);
            connection.record_dry_run_drain(reason, now);
            self.effects.push_back(Effect::DryRunDrain(id, reason));
            self.rearm(id);
            return Decision::PassThrough;
        }
        connection.state = State::Draining { reason, since: now };
        connection.signalled(point);
        Decision::Drain(reason)
    }
}
