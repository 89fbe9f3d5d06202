//! Whether to announce the end of a connection that is due, in the write in hand.

use super::Engine;
use crate::connection::State;
use crate::moment::{Verdict, Wait};
use crate::{Bucket, ConnectionId, Decision, Effect, Moment, Shared};

impl Engine {
    /// A connection that is due has come to `moment`.
    pub(super) fn decide(
        &mut self,
        id: ConnectionId,
        moment: Moment,
        bucket: Option<&Bucket>,
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
                opened: connection.opened,
                since,
                answered: connection.answered,
                requested: connection.requested,
                spoken: connection.spoken,
                stream_over: connection.is_stream_over(now),
                others_open: connection.is_stream_over(now) && connection.has_others_than_over(now),
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
        // It waits for the pace of rebalancing, not for the budget: no token is kept for it.
        if !self.is_its_turn(id) {
            return Decision::Keep;
        }
        // Those that can only go at a tick may be another root's: the budget is what they share.
        if self.buckets.is_turn_of_ticks(bucket) {
            self.tell_refused(id);
            self.buckets.write_waits(bucket, now);
            return Decision::Keep;
        }
        if !self.afford(id, bucket, shared) {
            self.buckets.write_waits(bucket, now);
            return Decision::Keep;
        }
        self.buckets.taken_by_write(bucket);
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::Keep;
        };
        if connection.observe {
            connection.forget_streams_over(now);
            connection.observed(reason, now);
            self.effects.push_back(Effect::Observed(id, reason));
            self.rearm(id);
            return Decision::Keep;
        }
        connection.state = State::Draining { reason, since: now };
        connection.signalled(moment);
        Decision::Announce(reason)
    }
}
