//! The rule that a connection is under, and the limits that follow from it.

use std::rc::Rc;

use evenkeel_policy::{Mode, Rule};

use super::ProtocolState;
use super::open_requests::longest;
use crate::limits::{Draw, Limits};
use crate::{DrainReason, Instant};

#[derive(Debug)]
pub(super) struct Terms {
    pub(super) rule: Option<Rc<Rule>>,
    pub(super) mode: Mode,
    /// A request has matched the rule. Before, the rule is the one that applies to most requests.
    is_matched: bool,
    draw: Draw,
    pub(super) limits: Limits,
    /// When the age began to count: when the connection opened, or when a dry run last restarted it.
    age_start: Instant,
    /// The requests that do not count because a dry run has restarted the count.
    requests_before: u64,
}

impl Terms {
    pub(super) fn new(rule: Option<Rc<Rule>>, mode: Mode, seed: u64, opened: Instant) -> Self {
        let mut terms = Self {
            rule,
            mode,
            is_matched: false,
            draw: Draw::new(seed),
            limits: Limits::default(),
            age_start: opened,
            requests_before: 0,
        };
        terms.limits = terms.draw_limits().unwrap_or_default();
        terms
    }

    fn draw_limits(&self) -> Option<Limits> {
        let rule = self.rule.as_ref()?;
        Some(Limits::new(
            rule,
            &self.draw,
            self.age_start,
            self.requests_before,
        ))
    }

    /// The limits of the current rule alone, as far as they apply to the protocol.
    fn own_limits(&self, protocol: &ProtocolState) -> Option<Limits> {
        let rule = self.rule.as_ref()?;
        protocol.behavior().applicable(rule, self.draw_limits()?)
    }

    /// Draws the limits of the current rule, and forgets those of earlier rules.
    pub(super) fn reset_limits(&mut self, protocol: &ProtocolState) {
        self.limits = self.own_limits(protocol).unwrap_or_default();
    }

    /// A request matches `rule`. The first match replaces the default rule; a further one can only tighten the limits.
    /// While the connection drains, only a rule with a longer drain timeout replaces another one. True when limits may
    /// have changed.
    pub(super) fn apply(
        &mut self,
        rule: &Rc<Rule>,
        protocol: &ProtocolState,
        is_draining: bool,
    ) -> bool {
        let held = self.rule.as_ref();
        if self.is_matched && held.is_some_and(|held| Rc::ptr_eq(held, rule)) {
            return false;
        }
        let is_longer = held.is_none_or(|held| {
            longest(held.drain_timeout, rule.drain_timeout) == rule.drain_timeout
                && held.drain_timeout != rule.drain_timeout
        });
        if !is_draining || is_longer {
            self.rule = Some(Rc::clone(rule));
        }
        let Some(own) = self.own_limits(protocol) else {
            return false;
        };
        if self.is_matched {
            self.limits.tighten(own);
        } else {
            self.limits = own;
            self.is_matched = true;
        }
        true
    }

    /// A changed policy replaces rule and mode.
    pub(super) fn replace(&mut self, rule: Option<Rc<Rule>>, mode: Mode, protocol: &ProtocolState) {
        self.rule = rule;
        self.mode = mode;
        self.is_matched = false;
        self.reset_limits(protocol);
    }

    /// Counts age and requests from now on, as a dry run does for the connection that would have followed.
    pub(super) fn restart(&mut self, requests: u64, protocol: &ProtocolState, now: Instant) {
        self.age_start = now;
        self.requests_before = requests;
        self.reset_limits(protocol);
    }

    /// Why the connection has expired, if it has.
    pub(super) fn expired(
        &self,
        requests: u64,
        stream_expired: bool,
        now: Instant,
    ) -> Option<DrainReason> {
        let by_stream = now >= self.limits.not_before && stream_expired;
        let by_stream = by_stream.then_some(DrainReason::MaxStreamAge);
        self.limits.reached(now, requests).or(by_stream)
    }

    /// The connection is old enough to be drained by rebalancing.
    pub(super) fn has_min_age(&self, rule: &Rule, now: Instant) -> bool {
        now.since(self.age_start) >= rule.min_connection_age
    }
}
