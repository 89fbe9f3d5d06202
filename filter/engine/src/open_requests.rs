//! The rules of the requests that are open on a connection.

use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::Rule;

/// Which rules the open requests of a connection started under. A rule that comes later changes nothing for
/// them. It holds each rule once, so there are never more than a policy has.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests {
    rules: Vec<(Rc<Rule>, u32)>,
}

impl OpenRequests {
    pub(crate) fn began(&mut self, rule: &Rc<Rule>) {
        match self
            .rules
            .iter_mut()
            .find(|(held, _)| Rc::ptr_eq(held, rule))
        {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.rules.push((Rc::clone(rule), 1)),
        }
    }

    pub(crate) fn ended(&mut self, rule: &Rc<Rule>) {
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
    pub(crate) fn has_protected(&self) -> bool {
        self.rules.iter().any(|(rule, _)| rule.protect)
    }

    /// The longest `drain_timeout` of the rules that protect one of them; None for ever.
    pub(crate) fn protected_grace(&self) -> Option<Duration> {
        let protecting = self.rules.iter().filter(|(rule, _)| rule.protect);
        protecting
            .map(|(rule, _)| rule.drain_timeout)
            .fold(Some(Duration::ZERO), longest)
    }

    /// How long after the drain signal `active` requests may take: the longest `drain_timeout` of their rules, None
    /// for ever. Those whose rule is not known here have that of `otherwise`.
    pub(crate) fn drain_timeout(&self, active: u32, otherwise: &Rule) -> Option<Duration> {
        let known = self.rules.iter().map(|(_, count)| *count);
        let known = known.fold(0_u32, u32::saturating_add);
        let unknown = (active > known || known == 0).then_some(otherwise.drain_timeout);
        let of_rules = self.rules.iter().map(|(rule, _)| rule.drain_timeout);
        of_rules.chain(unknown).fold(Some(Duration::ZERO), longest)
    }
}

/// The longer of two times, of which None is for ever.
pub(crate) fn longest(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    Some(a?.max(b?))
}
