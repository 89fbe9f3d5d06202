//! What a changed policy does to the connections that are open.

use std::rc::Rc;

use evenkeel_policy::{Mode, Rule};

use super::Engine;
use crate::Origin;
use crate::connection::{Kind, State};

impl Engine {
    /// The policy with this number has changed: `rule` gives the rule of a connection under it, from its
    /// origin, whether it is TCP, and the rule that it had; and whether it only observes.
    pub fn apply_policy(
        &mut self,
        policy: u32,
        mode: Mode,
        rule: impl Fn(Origin, bool, Option<&Rule>) -> Option<Rc<Rule>>,
    ) {
        let mut ids = Vec::new();
        self.connections.visit_all(|id, connection| {
            let is_moving = matches!(
                connection.state,
                State::Draining { .. }
                    | State::Lingering { .. }
                    | State::Closing { .. }
                    | State::Unmanaged
                    | State::DrainedByProxy
            );
            // What has been announced is carried through under the rule that it was announced by.
            if connection.origin.policy != policy || is_moving {
                return;
            }
            let held = connection.rule.as_deref();
            connection.rule = rule(connection.origin, connection.kind == Kind::Tcp, held);
            if let Some(streams) = &mut connection.streams {
                streams.adopt(|held| rule(connection.origin, false, Some(held)));
            }
            connection.mode = mode;
            // What is enforced now is where it is, whatever a dry run would have done.
            connection.left &= mode == Mode::DryRun;
            connection.matched = false;
            connection.limit();
            if matches!(connection.state, State::Due { .. }) {
                connection.state = State::Serving;
            }
            ids.push(id);
        });
        for id in ids {
            self.rearm(id);
        }
    }
}
