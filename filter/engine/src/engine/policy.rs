//! What a changed policy does to open connections.

use std::rc::Rc;

use evenkeel_policy::{Mode, Rule};

use super::Engine;
use crate::{Effect, Origin};

impl Engine {
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
}
