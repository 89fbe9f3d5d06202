//! How a pending drain finds its safe point, and how a signaled one ends.

use std::collections::VecDeque;

use evenkeel_policy::{Mode, Rule};

use super::Connection;
use super::delivery::SentSignal;
use super::drain::{DrainState, PendingDrain, SignaledDrain};
use super::http::HttpState;
use super::protocol::Deferral;
use crate::safe_point::{MAX_WAIT, SafePointCheck, Verdict};
use crate::timers::{Queue, Wakeup};
use crate::{Decision, DrainPoint, DrainReason, Effect, Instant};

impl Connection {
    /// Records that the budget does not allow the drain. True the first time.
    pub(crate) fn record_exhausted_budget(&mut self) -> bool {
        match &mut self.drain {
            DrainState::Pending(pending) => {
                !core::mem::replace(&mut pending.budget_exhausted, true)
            }
            _ => false,
        }
    }

    /// Records that the drain is deferred. True the first time.
    pub(crate) fn defer(&mut self) -> bool {
        match &mut self.drain {
            DrainState::Pending(pending) => !core::mem::replace(&mut pending.is_deferred, true),
            _ => false,
        }
    }

    fn safe_point_check(&self, since: Instant, now: Instant) -> Option<SafePointCheck<'_>> {
        let mut check = SafePointCheck {
            rule: self.terms.rule.as_ref()?,
            now,
            opened: self.opened,
            since,
            last_stream_end: None,
            last_request: None,
            last_client_message: self.opened,
            stream_expired: false,
            others_active: false,
        };
        let behavior = self.protocol.behavior();
        behavior.add_to_check(&mut check, self.usage.active);
        Some(check)
    }

    /// Whether a pending drain is safe at `point`.
    pub(crate) fn verdict(&self, point: DrainPoint, now: Instant) -> Verdict {
        let DrainState::Pending(PendingDrain { since, .. }) = self.drain else {
            return Verdict::Wait;
        };
        let protected_until = self.open_requests.protected_until(since);
        match self.safe_point_check(since, now) {
            Some(it) if protected_until.is_some_and(|at| at <= now) => it.verdict(point),
            _ => Verdict::Wait,
        }
    }

    /// Sends the drain signal at `point`; in a dry run, counts that it would have been sent.
    pub(crate) fn start_drain(
        &mut self,
        point: DrainPoint,
        effects: &mut VecDeque<Effect>,
        now: Instant,
    ) -> Decision {
        let DrainState::Pending(PendingDrain { reason, .. }) = self.drain else {
            return Decision::PassThrough;
        };
        if self.terms.mode == Mode::DryRun {
            self.record_dry_run_drain(reason, effects, now);
            return Decision::PassThrough;
        }
        let signal = SentSignal::at(point);
        if signal == SentSignal::Goaway {
            self.delivery.expect_acknowledgement();
        }
        self.drain = DrainState::Draining(SignaledDrain::new(reason, now, signal));
        Decision::Drain(reason)
    }

    /// Repeats the drain signal in a further HTTP/1 response, or sends the second GOAWAY to a client that ignores the
    /// first one, at a safe point at which no stream is active.
    pub(crate) fn repeat_signal(&mut self, point: DrainPoint, now: Instant) -> Decision {
        let DrainState::Draining(mut drain) = self.drain else {
            return Decision::PassThrough;
        };
        if point == DrainPoint::ResponseHead {
            return Decision::RepeatSignal;
        }
        let is_idle = matches!(point, DrainPoint::Idle { .. });
        if !is_idle || !drain.reaction.may_escalate() {
            return Decision::PassThrough;
        }
        let is_safe = |it: SafePointCheck<'_>| {
            let check = SafePointCheck {
                stream_expired: false,
                ..it
            };
            check.verdict(point) == Verdict::Safe
        };
        if !self.safe_point_check(drain.since, now).is_some_and(is_safe) {
            return Decision::PassThrough;
        }
        drain.reaction.escalate();
        self.drain = DrainState::Draining(drain);
        self.delivery.expect_acknowledgement();
        Decision::RefuseRequests
    }

    /// Counts what would have been drained. The connection starts again, as its successor would; but the successor of one
    /// that rebalancing drains would be in another pod.
    fn record_dry_run_drain(
        &mut self,
        reason: DrainReason,
        effects: &mut VecDeque<Effect>,
        now: Instant,
    ) {
        effects.push_back(Effect::DryRunDrain(self.id, reason));
        if let Some(http) = self.protocol.http_mut() {
            http.forget_expired_streams(now);
        }
        self.drain = DrainState::Serving;
        if reason == DrainReason::Rebalance {
            self.usage.drained_in_dry_run = true;
        } else {
            self.terms.restart(self.usage.requests, &self.protocol, now);
        }
    }

    /// Whether a connection with a pending drain can be closed now without a drain signal.
    pub(crate) fn may_close(&self, now: Instant) -> bool {
        self.silent_close().is_some_and(|at| at <= now)
    }

    /// When a connection with a pending drain can be closed without a drain signal, if nothing more happens on it.
    fn silent_close(&self) -> Option<Instant> {
        let DrainState::Pending(pending) = self.drain else {
            return None;
        };
        let rule = self.terms.rule.as_ref()?;
        let behavior = self.protocol.behavior();
        behavior.silent_close(self, rule, pending.since)
    }

    /// Why a pending drain has no safe point, and when that is counted.
    fn deferral(&self) -> Option<(Instant, Deferral)> {
        let DrainState::Pending(pending) = self.drain else {
            return None;
        };
        if pending.is_deferred || pending.had_safe_point() {
            return None;
        }
        let rule = self.terms.rule.as_ref()?;
        let deferral = self.protocol.behavior().deferral(self, rule)?;
        let timeout = rule.drain_timeout.unwrap_or(MAX_WAIT);
        Some((pending.since.after(timeout), deferral))
    }

    /// Counts a drain that has waited for as long as its drain timeout, once.
    pub(crate) fn record_deferral(&mut self, now: Instant) -> Option<Effect> {
        let (_, deferral) = self.deferral().filter(|(at, _)| *at <= now)?;
        self.defer().then_some(match deferral {
            Deferral::Deferred(reason) => Effect::Deferred(self.id, reason),
            Deferral::Pinned(reason) => Effect::Pinned(self.id, reason),
        })
    }

    /// Closes a connection with a pending drain without a drain signal. False in a dry run.
    pub(crate) fn close_silently(&mut self, effects: &mut VecDeque<Effect>, now: Instant) -> bool {
        let DrainState::Pending(PendingDrain { reason, .. }) = self.drain else {
            return false;
        };
        if self.terms.mode == Mode::DryRun {
            self.record_dry_run_drain(reason, effects, now);
            return false;
        }
        let behavior = self.protocol.behavior();
        if behavior.expects_notice() {
            effects.push_back(Effect::ClosedWithoutNotice(self.id, reason));
        }
        let aborted = behavior.aborted_by_silent_close(self, now);
        effects.push_back(self.close(reason, aborted));
        true
    }

    fn close(&mut self, reason: DrainReason, aborted: u32) -> Effect {
        self.drain = DrainState::Closing(reason);
        Effect::Close {
            id: self.id,
            reason,
            aborted,
        }
    }

    /// What is to be done with a draining connection whose wakeup has come: to end an expired stream, or to close. What
    /// was written or requested since the wakeup was set may have postponed it.
    pub(crate) fn continue_drain(&mut self, now: Instant) -> Option<Effect> {
        let DrainState::Draining(drain) = self.drain else {
            return None;
        };
        let http = self
            .protocol
            .http_mut()
            .filter(|_| drain.idle_since.is_none());
        if let Some((stream, timed)) = http.and_then(|http| http.take_expired_stream(now)) {
            return Some(Effect::EndStream {
                id: self.id,
                stream,
                response_started: timed.response_started,
            });
        }
        let aborted = self.usage.active;
        self.is_time(now).then(|| self.close(drain.reason, aborted))
    }

    /// The place of a pending drain in the queue of those that wait for budget or rate.
    pub(crate) fn turn(&self) -> Wakeup {
        let DrainState::Pending(pending) = self.drain else {
            return Wakeup::Never;
        };
        let queue = Queue {
            policy: self.origin.policy,
            is_rebalancing: pending.is_selected(),
        };
        Wakeup::InTurn(queue, pending.since)
    }

    fn is_time(&self, now: Instant) -> bool {
        self.next_wakeup().is_some_and(|at| at <= now)
    }

    /// When the connection needs attention without an event of its own.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        let rule = self.terms.rule.as_ref()?;
        match &self.drain {
            DrainState::Serving => {
                let limits = &self.terms.limits;
                let deadline = limits.deadline.map(|(at, _)| at);
                let stream = self.protocol.http().and_then(HttpState::stream_expiry);
                earlier(deadline, stream).map(|at| at.max(limits.not_before))
            }
            DrainState::Pending(_) => {
                let deferral = self.deferral().map(|(at, _)| at);
                earlier(self.silent_close(), deferral)
            }
            DrainState::Draining(drain) => match drain.idle_since {
                Some(idle) => Some(self.idle_close(rule, drain, idle)),
                None => {
                    let stream = self.protocol.http().and_then(HttpState::next_stream_end);
                    earlier(self.abort_time(rule, drain.since), stream)
                }
            },
            DrainState::Closing(_) | DrainState::Bypassed | DrainState::DrainedByProxy => None,
        }
    }

    /// When a draining connection without an active request is closed, unless its client does that first.
    fn idle_close(&self, rule: &Rule, drain: &SignaledDrain, idle: Instant) -> Instant {
        if drain.reaction.refuses_requests() {
            return self.delivery.earliest_close(idle, drain.since);
        }
        let close = idle.after(rule.close_delay);
        self.delivery
            .earliest_close(close, self.delivery.last_activity)
    }

    /// When the requests that are active after the drain signal are aborted.
    fn abort_time(&self, rule: &Rule, since: Instant) -> Option<Instant> {
        let timeout = self.open_requests.drain_timeout(self.usage.active, rule);
        let over = since.after(self.protocol.behavior().drain_timeout(timeout)?);
        // What is active is aborted; responses that are complete are delivered.
        let progress = over.min(self.delivery.last_activity);
        Some(self.delivery.earliest_close(over, progress))
    }
}

pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
