//! What a worker does because time has passed, and how it counts what the engine tells.

use core::time::Duration;

use evenkeel_engine::{DrainReason, Effect, Instant, Origin, StreamId};
use evenkeel_metrics::{Counter, Metric};

use super::Worker;
use crate::host::{Level, SharedBudget};
use crate::peers::Question;

/// A tick so soon after another is another root's: all roots of a VM share the worker.
const RECENT: Duration = Duration::from_millis(50);

/// How many connections and streams one tick ends at most: Envoy's closes nest.
const CLOSES: usize = 32;

/// What the host is to do: what to end, by its context.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A connection.
    Close(u32),
    /// A gRPC stream.
    EndStream(u32),
    /// Nothing: a peer is to be asked.
    Ask(Question),
}

/// What observe mode has to say and has not said yet.
#[derive(Debug, Default)]
pub(super) struct Observed {
    moves: [u64; DrainReason::ALL.len()],
    said: Instant,
}

impl Worker {
    /// Looks at the timers, unless another root of this VM just did. Gives what is to be done.
    pub(crate) fn tick(&mut self) -> Vec<Act> {
        let now = self.now();
        if now.since(self.ticked) < RECENT {
            return Vec::new();
        }
        self.ticked = now;
        self.has_sampled = false;
        self.resetting.clear();
        self.engine.advance(now);
        self.follow_others(now);
        let policies = &self.policies;
        let bucket = |origin: Origin| policies.bucket(origin.policy);
        self.engine
            .tick(CLOSES, bucket, &mut SharedBudget(&*self.host));
        self.upstreams.sweep(now);
        self.count_ended_upstreams();
        self.look(now);
        self.tell();
        let mut acts = core::mem::take(&mut self.acts);
        acts.extend(self.question(now).map(Act::Ask));
        self.say(now);
        acts
    }

    /// Counts what the engine has to tell, and keeps what it wants ended for the tick: in the middle of a write
    /// nothing may be closed.
    pub(super) fn tell(&mut self) {
        while let Some(effect) = self.engine.poll() {
            match effect {
                Effect::DrainPending(_, reason) => self.metrics.count(Counter::Expired(reason)),
                Effect::BudgetExhausted(_) => {
                    self.metrics.count(Counter::Plain(Metric::BudgetExhausted))
                }
                Effect::Deferred(_) => self.metrics.count(Counter::Plain(Metric::Deferred)),
                Effect::SignalIgnored(id, reason) => {
                    self.metrics.count(Counter::SignalIgnored(reason));
                    self.log(
                        Level::Debug,
                        format_args!("connection {}: its client ignores the drain signal", id.0),
                    );
                }
                Effect::DryRunDrain(_, reason) => {
                    self.metrics.count(Counter::DryRunDrain(reason));
                    if let Some(moves) = self.observed.moves.get_mut(reason.index()) {
                        *moves = moves.saturating_add(1);
                    }
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
                    self.log(
                        Level::Debug,
                        format_args!("connection {}: ending a stream: max_stream_age", id.0),
                    );
                    if response_started {
                        self.resetting.push(id);
                    }
                    self.acts.push(Act::EndStream(context));
                }
                Effect::Close {
                    id,
                    reason,
                    aborted,
                } => {
                    self.metrics
                        .count_by(Counter::RequestAborted(reason), u64::from(aborted));
                    self.log(
                        Level::Debug,
                        format_args!(
                            "connection {}: closing: {}; {aborted} requests aborted",
                            id.0,
                            reason.name()
                        ),
                    );
                    let context = self.contexts.get(&id).copied();
                    self.acts.extend(context.map(Act::Close));
                }
            }
        }
    }

    /// Observe mode speaks in the log at most once a second.
    fn say(&mut self, now: Instant) {
        if self.observed.moves.iter().all(|&moves| moves == 0)
            || now.since(self.observed.said) < Duration::from_secs(1)
        {
            return;
        }
        let moves = self
            .observed
            .moves
            .iter()
            .zip(DrainReason::ALL)
            .filter(|(moves, _)| **moves > 0);
        let moves: Vec<String> = moves
            .map(|(moves, reason)| format!("{moves} by {}", reason.name()))
            .collect();
        self.log(
            Level::Info,
            format_args!(
                "dry run: would have drained {} connection(s)",
                moves.join(", ")
            ),
        );
        self.observed = Observed {
            said: now,
            ..Observed::default()
        };
    }
}
