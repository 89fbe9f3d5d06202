//! What follows from the engine's effects: metrics, log lines, and actions for the next tick.

use core::fmt;
use core::time::Duration;

use evenkeel_engine::{Connection, ConnectionId, DrainReason, Effect, Instant, StreamId};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_wire::BypassReason;

use super::Worker;
use super::gossip::PeerRequest;
use crate::host::Level;
use crate::vm::ContextId;

/// What the host is asked to do after a tick.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Close the connection of a network context.
    CloseConnection(ContextId),
    /// End the gRPC stream of an HTTP context.
    EndStream(ContextId),
    /// Send a gossip request.
    SendPeerRequest(PeerRequest),
}

/// What the engine decided and the host has not done yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Nothing is closed in the middle of a write: actions wait for the next tick.
    pub(super) actions: Vec<Action>,
    /// Connections on which the host resets a stream after this tick.
    pub(super) resetting: Vec<ConnectionId>,
    dry_run: DryRunSummary,
}

/// The drains of a dry run that were not logged yet.
#[derive(Debug, Default)]
struct DryRunSummary {
    drains: [u64; DrainReason::ALL.len()],
    logged: Instant,
}

impl DryRunSummary {
    /// The time between two log lines.
    const INTERVAL: Duration = Duration::from_secs(1);

    fn count(&mut self, reason: DrainReason) {
        if let Some(drains) = self.drains.get_mut(reason.index()) {
            *drains = drains.saturating_add(1);
        }
    }

    /// The text to log, if there is something to log now.
    fn take(&mut self, now: Instant) -> Option<String> {
        if now.since(self.logged) < Self::INTERVAL {
            return None;
        }
        let drains = self.drains.iter().zip(DrainReason::ALL);
        let drains: Vec<_> = drains
            .filter(|(drains, _)| **drains > 0)
            .map(|(drains, reason)| format!("{drains} by {}", reason.name()))
            .collect();
        if drains.is_empty() {
            return None;
        }
        *self = Self {
            logged: now,
            ..Self::default()
        };
        Some(drains.join(", "))
    }
}

impl Worker {
    /// Counts and logs the engine's effects, and keeps its actions for the next tick.
    pub(super) fn process_effects(&mut self) {
        if self.engine.has_effects() {
            self.process_each_effect();
        }
    }

    #[inline(never)]
    fn process_each_effect(&mut self) {
        while let Some(effect) = self.engine.poll() {
            self.process(effect);
        }
    }

    /// Counts and logs that a connection is bypassed.
    pub(super) fn report_bypass(&mut self, id: ConnectionId, reason: BypassReason) {
        self.report(id, Counter::Bypassed(reason), "bypassed", reason.name());
    }

    fn report(&mut self, id: ConnectionId, counter: Counter, what: &str, reason: &str) {
        self.metrics.count(counter);
        self.log_event(id, format_args!("{what}: {reason}"));
    }

    /// Logs an event of a connection.
    pub(super) fn log_event(&self, id: ConnectionId, event: fmt::Arguments<'_>) {
        let text = format_args!("connection {}: {event}", id.0);
        self.log.write(Level::Debug, text);
    }

    fn process(&mut self, effect: Effect) {
        match effect {
            Effect::DrainPending(_, reason) => self.metrics.count(Counter::Expired(reason)),
            Effect::BudgetExhausted(_) => {
                self.metrics.count(Counter::Plain(Metric::BudgetExhausted))
            }
            Effect::Deferred(id, reason) => {
                self.report(id, Counter::Deferred(reason), "deferred", reason.name());
            }
            Effect::Pinned(id, reason) => {
                self.report(id, Counter::Pinned(reason), "pinned", reason.name());
            }
            Effect::OpenedBeforeRule(id) => self.report_bypass(id, BypassReason::OpenedBeforeRule),
            Effect::SignalIgnored(id, reason) => {
                self.metrics.count(Counter::SignalIgnored(reason));
                self.log_event(id, format_args!("its client ignores the drain signal"));
            }
            Effect::DryRunDrain(_, reason) => {
                self.metrics.count(Counter::DryRunDrain(reason));
                self.pending.dry_run.count(reason);
            }
            Effect::ClosedWithoutNotice(_, reason) => {
                self.metrics.count(Counter::ClosedWithoutNotice(reason))
            }
            Effect::EndStream {
                id,
                stream: StreamId(context),
                response_started,
            } => {
                self.metrics
                    .count(Counter::Plain(Metric::StreamsTerminated));
                self.log_event(id, format_args!("ending a stream: max_stream_age"));
                if response_started {
                    self.pending.resetting.push(id);
                }
                self.pending.actions.push(Action::EndStream(context));
            }
            Effect::Close {
                id,
                reason,
                aborted,
            } => {
                let connection = self.engine.connection(id);
                let (counter, what) = if connection.is_some_and(Connection::is_http) {
                    (Counter::RequestAborted(reason), "requests")
                } else {
                    (Counter::ConnectionAborted(reason), "active connections")
                };
                self.metrics.count_by(counter, u64::from(aborted));
                let reason = reason.name();
                let event = format_args!("closing: {reason}; {aborted} {what} aborted");
                self.log_event(id, event);
                self.plan_close(id, aborted);
            }
        }
    }

    /// Logs the drains of a dry run, at most once per second.
    pub(super) fn log_dry_run(&mut self, now: Instant) {
        if let Some(drains) = self.pending.dry_run.take(now) {
            self.log.write(
                Level::Info,
                format_args!("dry run: would have drained {drains} connection(s)"),
            );
        }
    }
}
