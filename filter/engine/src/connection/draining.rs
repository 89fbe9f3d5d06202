//! How a pending drain finds its safe point, and how a signaled one ends.

use std::collections::VecDeque;

use evenkeel_policy::{Mode, Rule};

use super::Connection;
use super::delivery::SentSignal;
use super::drain::{DrainState, SignaledDrain};
use super::protocol::ProtocolState;
use super::timed_streams::TimedStreams;
use crate::safe_point::{MAX_WAIT, SafePointCheck, Verdict};
use crate::timers::{Queue, Wakeup};
use crate::{Decision, DrainPoint, DrainReason, Effect, Instant};

impl Connection {
    /// Records that the budget does not allow the drain. True the first time.
    pub(crate) fn record_exhausted_budget(&mut self) -> bool {
        let pending = self.drain.pending_mut();
        pending.is_some_and(|it| !core::mem::replace(&mut it.budget_exhausted, true))
    }

    /// Records that the drain is deferred. True the first time.
    pub(crate) fn defer(&mut self) -> bool {
        let pending = self.drain.pending_mut();
        pending.is_some_and(|it| !core::mem::replace(&mut it.is_deferred, true))
    }

    fn safe_point_check(&self, since: Instant, now: Instant) -> Option<SafePointCheck<'_>> {
        let expired = self.streams.as_ref().map_or(0, |it| it.expired(now));
        let active = usize::try_from(self.usage.possibly_active()).unwrap_or(usize::MAX);
        let mut check = SafePointCheck {
            rule: self.terms.rule.as_ref()?,
            now,
            opened: self.opened,
            is_selected: self.is_selected(),
            since,
            last_progress: None,
            has_responses: self.delivery.is_acknowledged,
            last_request: None,
            last_client_message: self.opened,
            stream_expired: expired > 0,
            others_active: active > expired,
        };
        match &self.protocol {
            ProtocolState::Http(http) => {
                check.last_progress = http.last_progress;
                check.last_request = http.last_request;
            }
            ProtocolState::WebSocket(websocket) => {
                check.last_client_message = websocket.last_client_message;
            }
            ProtocolState::Session(_) | ProtocolState::Tcp(_) => {}
        }
        Some(check)
    }

    /// Whether a pending drain is safe at `point`.
    pub(crate) fn verdict(&self, point: DrainPoint, now: Instant) -> Verdict {
        let check = self.drain.pending().and_then(|pending| {
            let protected_until = self.open_requests.protected_until(pending.since)?;
            self.safe_point_check(pending.since, now)
                .filter(|_| protected_until <= now)
        });
        check.map_or(Verdict::Wait, |it| it.verdict(point))
    }

    /// Sends the drain signal at `point`; in a dry run, counts that it would have been sent.
    pub(crate) fn start_drain(
        &mut self,
        point: DrainPoint,
        effects: &mut VecDeque<Effect>,
        now: Instant,
    ) -> Decision {
        let Some(reason) = self.drain.pending().map(|it| it.reason) else {
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
        if let Some(streams) = &mut self.streams {
            streams.forget_expired(now);
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
        let since = self.drain.pending()?.since;
        self.protocol.behavior().silent_close(self, since)
    }

    /// Why a pending drain has no safe point, and when that is counted.
    fn deferral(&self) -> Option<(Instant, Effect)> {
        let pending = self.drain.pending()?;
        if pending.is_deferred || pending.had_safe_point() {
            return None;
        }
        let deferral = self.protocol.behavior().deferral(self)?;
        let timeout = self.rule()?.drain_timeout.unwrap_or(MAX_WAIT);
        Some((pending.since.after(timeout), deferral))
    }

    /// Counts a drain that has waited for as long as its drain timeout, once.
    pub(crate) fn record_deferral(&mut self, now: Instant) -> Option<Effect> {
        let (_, deferral) = self.deferral().filter(|(at, _)| *at <= now)?;
        self.defer().then_some(deferral)
    }

    /// Closes a connection with a pending drain without a drain signal. False in a dry run.
    pub(crate) fn close_silently(&mut self, effects: &mut VecDeque<Effect>, now: Instant) -> bool {
        let Some(reason) = self.drain.pending().map(|it| it.reason) else {
            return false;
        };
        if self.terms.mode == Mode::DryRun {
            self.record_dry_run_drain(reason, effects, now);
            return false;
        }
        if let ProtocolState::WebSocket(_) = self.protocol {
            effects.push_back(Effect::ClosedWithoutNotice(self.id, reason));
        }
        let aborted = self.protocol.behavior().aborted_by_silent_close(self, now);
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
        let streams = self.streams.as_mut().filter(|_| drain.idle_since.is_none());
        if let Some((stream, timed)) = streams.and_then(|streams| streams.take_expired(now)) {
            return Some(Effect::EndStream {
                id: self.id,
                stream,
                response_started: timed.response_started,
            });
        }
        let aborted = self.usage.active;
        let is_time = self.next_wakeup().is_some_and(|at| at <= now);
        is_time.then(|| self.close(drain.reason, aborted))
    }

    /// The place of a pending drain in the queue of those that wait for budget or rate.
    pub(crate) fn turn(&self) -> Wakeup {
        let Some(pending) = self.drain.pending() else {
            return Wakeup::Never;
        };
        let queue = Queue {
            policy: self.origin.policy,
            is_rebalancing: pending.is_selected(),
        };
        Wakeup::InTurn(queue, pending.since)
    }

    /// When the connection needs attention without an event of its own.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        let rule = self.terms.rule.as_ref()?;
        match &self.drain {
            DrainState::Serving => {
                let limits = &self.terms.limits;
                let deadline = limits.deadline.map(|(at, _)| at);
                let stream = self.streams.as_deref().and_then(TimedStreams::earliest);
                earlier(deadline, stream).map(|at| at.max(limits.not_before))
            }
            DrainState::Pending(_) => {
                let deferral = self.deferral().map(|(at, _)| at);
                earlier(self.silent_close(), deferral)
            }
            DrainState::Draining(drain) => match drain.idle_since {
                Some(idle) => Some(self.idle_close(rule, drain, idle)),
                None => {
                    let stream = self.streams.as_deref().and_then(TimedStreams::next_end);
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
        // Where it is not known what is active, nothing is aborted.
        if self.usage.is_unread {
            return None;
        }
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
