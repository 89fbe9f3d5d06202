//! What happens because time has passed.

use core::time::Duration;

use evenkeel_policy::Budget;

use super::Engine;
use crate::connection::{Kind, State, patience};
use crate::timed::Timed;
use crate::{ConnectionId, Effect, Origin, Reason, Shared};

impl Engine {
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
                    return self.observed(id, reason);
                }
                self.close(id, reason, u32::from(!rests))
            }
            State::Due { reason, since, .. } if connection.kind == Kind::WebSocket => {
                let is_time = connection
                    .silent_at(&rule, since)
                    .is_some_and(|at| at <= now)
                    && !connection.is_protected(since, now);
                if !is_time || !self.afford(id, budget(origin), shared) {
                    return false;
                }
                if observe {
                    return self.observed(id, reason);
                }
                self.effects.push_back(Effect::Untold(id, reason));
                self.close(id, reason, 0)
            }
            State::Draining { .. }
                if connection.is_stream_over(now) && connection.next_end <= now =>
            {
                connection.next_end = now.after(Duration::from_nanos(1));
                let over = connection
                    .streams
                    .iter()
                    .position(|timed| timed.is_over(now));
                if let Some(at) = over {
                    let Timed {
                        stream, answered, ..
                    } = connection.streams.swap_remove(at);
                    let stream = Effect::EndStream {
                        id,
                        stream,
                        answered,
                    };
                    self.effects.push_back(stream);
                }
                true
            }
            State::Draining { reason, .. } => self.close(id, reason, cut),
            State::Lingering { reason, .. } => self.close(id, reason, 0),
            _ => false,
        }
    }

    /// Nothing is done, and it begins anew.
    fn observed(&mut self, id: ConnectionId, reason: Reason) -> bool {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.observed(reason, self.now);
        }
        self.effects.push_back(Effect::Observed(id, reason));
        false
    }

    fn close(&mut self, id: ConnectionId, reason: Reason, cut: u32) -> bool {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.state = State::Closing { reason };
            self.effects.push_back(Effect::Close { id, reason, cut });
        }
        true
    }
}
