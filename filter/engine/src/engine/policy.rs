//! What a changed policy does to open connections.

use std::rc::Rc;

use evenkeel_policy::{Mode, Rule};

use super::Engine;
use crate::Origin;

impl Engine {
    /// Applies a changed policy to the connections under it: `rule` gives the new rule of one from its origin, whether it
    /// is TCP, and the rule that it had.
    pub fn apply_policy(
        &mut self,
        policy: u32,
        mode: Mode,
        rule: impl Fn(Origin, bool, Option<&Rule>) -> Option<Rc<Rule>>,
    ) {
        let timers = &mut self.timers;
        self.connections.visit_all(|connection| {
            if connection.origin().policy == policy && connection.apply_policy(mode, &rule) {
                connection.schedule(timers);
            }
        });
    }
}
