//! The rules of the open requests of a connection.

use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::Rule;

use crate::Instant;

/// Which rules the open requests of a connection started under. A later rule changes nothing for them. Each rule is held
/// once, so there are never more than a policy has.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    rules: Vec<(Rc<Rule>, u32)>,
}

impl OpenRequests {
    pub(super) fn start(&mut self, rule: &Rc<Rule>) {
        match self
            .rules
            .iter_mut()
            .find(|(held, _)| Rc::ptr_eq(held, rule))
        {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.rules.push((Rc::clone(rule), 1)),
        }
    }

    pub(super) fn end(&mut self, rule: &Rc<Rule>) {
        for (_, count) in self
            .rules
            .iter_mut()
            .filter(|(held, _)| Rc::ptr_eq(held, rule))
        {
            *count = count.saturating_sub(1);
        }
        self.rules.retain(|(_, count)| *count > 0);
    }

    /// A rule protects one of them.
    pub(super) fn has_protected(&self) -> bool {
        self.rules.iter().any(|(rule, _)| rule.protect)
    }

    /// Until when protected requests keep a connection from being drained whose drain is pending `since` then: the
    /// longest `drain_timeout` of their rules; None where one has no such timeout.
    pub(super) fn protected_until(&self, since: Instant) -> Option<Instant> {
        let protecting = self.rules.iter().filter(|(rule, _)| rule.protect);
        let timeout = protecting
            .map(|(rule, _)| rule.drain_timeout)
            .fold(Some(Duration::ZERO), longest);
        Some(since.after(timeout?))
    }

    /// How long after the drain signal `active` requests may take: the longest `drain_timeout` of their rules, None
    /// where one has none. `otherwise` is the rule of requests that the HTTP role has not reported.
    pub(super) fn drain_timeout(&self, active: u32, otherwise: &Rule) -> Option<Duration> {
        let known = self.rules.iter().map(|(_, count)| *count);
        let known = known.fold(0_u32, u32::saturating_add);
        let unknown = (active > known || known == 0).then_some(otherwise.drain_timeout);
        let of_rules = self.rules.iter().map(|(rule, _)| rule.drain_timeout);
        of_rules.chain(unknown).fold(Some(Duration::ZERO), longest)
    }
}

/// The longer of two timeouts, of which None never ends.
pub(super) fn longest(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    Some(a?.max(b?))
}
