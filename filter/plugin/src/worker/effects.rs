//! What follows from the engine's effects: metrics, log lines, and actions for the next tick.

use core::time::Duration;

use evenkeel_engine::{ConnectionId, DrainReason, Effect, Instant, StreamId};
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
    resetting: Vec<ConnectionId>,
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

impl Pending {
    /// The host resets a stream on this connection right after the tick, before anything else is written: the first
    /// write is that of the reset.
    pub(super) fn is_resetting(&self, id: ConnectionId) -> bool {
        self.resetting.contains(&id)
    }

    pub(super) fn reset_written(&mut self, id: ConnectionId) {
        self.resetting.retain(|resetting| *resetting != id);
    }

    pub(super) fn begin_tick(&mut self) {
        self.resetting.clear();
    }
}

impl Worker {
    /// Counts and logs the engine's effects, and keeps its actions for the next tick.
    pub(super) fn process_effects(&mut self) {
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
        let text = format_args!("connection {}: {what}: {reason}", id.0);
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
                self.log.write(
                    Level::Debug,
                    format_args!("connection {}: its client ignores the drain signal", id.0),
                );
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
                self.log.write(
                    Level::Debug,
                    format_args!("connection {}: ending a stream: max_stream_age", id.0),
                );
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
                let is_http = self.engine.is_http(id);
                let (counter, what) = if is_http {
                    (Counter::RequestAborted(reason), "requests")
                } else {
                    (Counter::ConnectionAborted(reason), "active connections")
                };
                self.metrics.count_by(counter, u64::from(aborted));
                self.log.write(
                    Level::Debug,
                    format_args!(
                        "connection {}: closing: {}; {aborted} {what} aborted",
                        id.0,
                        reason.name()
                    ),
                );
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
