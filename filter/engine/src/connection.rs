//! One downstream connection's life.

use core::time::Duration;
use std::rc::Rc;

use evenkeel_policy::{CloseCode, Mode, Rule};

use crate::evidence::Evidence;
use crate::hosts::UpstreamHostId;
use crate::limits::{Draw, Limits};
use crate::load::Flow;
use crate::open_requests::{OpenRequests, longest};
use crate::timed::TimedStreams;
use crate::timers::{Lane, Wake};
use crate::{DrainReason, Instant};

/// ```text
///              a limit is reached            a good moment, and budget
///   Serving ───────────────────────▶ Due ───────────────────────────────▶ Draining
///      ▲                              │                                    │    ▲
///      │ observe: said, not done      │ TCP: at rest, or drain timeout over        │    │ a request that was
///      └──────────────────────────────┤                    all is answered │    │ already on its way
///                                     ▼                                    ▼    │
///                                  Closing ◀── close_delay or drain timeout over ──── Lingering
/// ```
///
/// `Unmanaged` stands beside it: what is not understood is left alone for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Serving,
    Due {
        reason: DrainReason,
        since: Instant,
        /// Its moment came, and it was not its turn.
        queued: bool,
        refused: bool,
        put_off: bool,
    },
    /// The end is announced; what is owed is being served.
    Draining {
        reason: DrainReason,
        since: Instant,
    },
    /// The end is announced and nothing is owed; the client is given time to close.
    Lingering {
        reason: DrainReason,
        since: Instant,
        idle: Instant,
    },
    /// The host was told to close it.
    Closing {
        reason: DrainReason,
    },
    Unmanaged,
    /// The proxy itself drains it: nothing more is to be done.
    DrainedByProxy,
}

/// A TCP connection silent for so long is idle, where the rule does not say.
const IDLE: Duration = Duration::from_secs(30);

/// How long both sides of a WebSocket may take to answer a Close, where the rule does not say.
const FAREWELL: Duration = Duration::from_secs(10);

/// What the bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    WebSocket,
    Tcp,
}

/// About 300 bytes, whatever the peers send (a test holds the number), and 48 for each of at most
/// [`MAX_TIMED`](crate::timed::MAX_TIMED) streams whose age is limited.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) origin: crate::Origin,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) opened: Instant,
    /// When its age began to count: when it opened, or when a dry run last restarted it.
    pub(crate) renewed: Instant,
    /// When something last happened on it, as far as the clock was told.
    pub(crate) touched: Instant,
    /// The client spoke last: it may be waiting for an answer.
    pub(crate) asked: bool,
    /// When a stream or an exchange last ended.
    pub(crate) answered: Option<Instant>,
    /// When the last request came, if the connection was due by then: only such are timed.
    pub(crate) requested: Option<Instant>,
    /// WebSocket: when the client last sent a part of a message, or began.
    pub(crate) spoken: Instant,
    /// Open gRPC streams whose age is limited.
    pub(crate) streams: Option<Box<TimedStreams>>,
    /// None of them is ended before.
    pub(crate) next_end: Instant,
    pub(crate) draw: Draw,
    pub(crate) rule: Option<Rc<Rule>>,
    pub(crate) mode: Mode,
    /// A request has matched a rule; before, the rule is only a guess.
    pub(crate) matched: bool,
    pub(crate) limits: Limits,
    pub(crate) requests: u64,
    /// Requests that it had carried when observing last began anew.
    pub(crate) carried: u64,
    pub(crate) active: u32,
    /// The rules of open requests, as far as the HTTP role has told them.
    pub(crate) open_requests: OpenRequests,
    /// What the client has shown of its end.
    pub(crate) evidence: Evidence,
    /// How much it carries.
    pub(crate) flow: Flow,
    /// The upstream host that it stays with, or that answered last.
    pub(crate) host: Option<UpstreamHostId>,
    /// How many of its requests were exchanges between peers.
    pub(crate) exchanges: u64,
    /// It was chosen to go and could not be told: not again before.
    pub(crate) spared: Instant,
    /// Observe: it would be elsewhere by now.
    pub(crate) left: bool,
    pub(crate) timer: Wake,
}

/// How long a TCP connection that is due waits for a rest after an answer. Without a drain timeout, one that is
/// silent all that time is taken to be idle.
pub(crate) fn patience(rule: &Rule) -> Duration {
    rule.drain_timeout.unwrap_or(IDLE)
}

impl Connection {
    /// Observe: it would have moved now. It begins to count age and requests anew, as its successor would;
    /// but for one that would be rebalanced the successor is elsewhere.
    pub(crate) fn record_dry_run_drain(&mut self, reason: DrainReason, now: Instant) {
        self.state = State::Serving;
        if reason == DrainReason::Rebalance {
            self.left = true;
            return;
        }
        self.renewed = now;
        self.carried = self.requests;
        self.limit();
    }

    /// Draws the limits of its rule, forgetting those of rules before.
    pub(crate) fn limit(&mut self) {
        self.limits = self.own_limits().unwrap_or_default();
    }

    pub(crate) fn own_limits(&self) -> Option<Limits> {
        let rule = self.rule.as_ref()?;
        let limits = Limits::new(rule, &self.draw, self.renewed, self.carried);
        match self.kind {
            Kind::WebSocket if rule.websocket.close_code == CloseCode::Off => None,
            // Messages are no requests.
            Kind::WebSocket => Some(Limits {
                requests: None,
                ..limits
            }),
            Kind::Http | Kind::Tcp => Some(limits),
        }
    }

    /// Serving, and a limit is reached: Due. Says why.
    pub(crate) fn fall_due(&mut self, now: Instant) -> Option<DrainReason> {
        if self.state != State::Serving {
            return None;
        }
        let reason = self.reached(now)?;
        self.state = State::Due {
            reason,
            since: now,
            queued: false,
            refused: false,
            put_off: false,
        };
        Some(reason)
    }

    fn reached(&self, now: Instant) -> Option<DrainReason> {
        let by_stream = now >= self.limits.not_before && self.is_stream_over(now);
        let by_stream = by_stream.then_some(DrainReason::MaxStreamAge);
        self.limits.reached(now, self.requests).or(by_stream)
    }

    /// The age of an open gRPC stream is up.
    pub(crate) fn is_stream_over(&self, now: Instant) -> bool {
        self.next_stream().is_some_and(|at| at <= now)
    }

    /// Requests are open beside the gRPC streams whose age is up.
    pub(crate) fn has_others_than_over(&self, now: Instant) -> bool {
        let over = self.streams.as_ref().map_or(0, |streams| streams.over(now));
        usize::try_from(self.active).unwrap_or(usize::MAX) > over
    }

    /// A protected stream is open and its own drain timeout is not over.
    pub(crate) fn is_protected(&self, since: Instant, now: Instant) -> bool {
        self.open_requests.has_protected()
            && self
                .open_requests
                .protected_grace()
                .is_none_or(|drain_timeout| now.since(since) < drain_timeout)
    }

    /// After an announcement or a read: what is owed decides between Draining and Lingering.
    pub(crate) fn settle(&mut self, now: Instant) {
        self.state = match self.state {
            State::Draining { reason, since } if self.active == 0 => State::Lingering {
                reason,
                since,
                idle: now,
            },
            State::Lingering { reason, since, .. } if self.active > 0 => {
                State::Draining { reason, since }
            }
            other => other,
        };
    }

    /// It has to go, its client cannot be told, and it can be closed now: raw TCP at rest or past its patience,
    /// or a silent WebSocket.
    pub(crate) fn may_close(&self, now: Instant) -> bool {
        let (Some(rule), State::Due { since, .. }) = (&self.rule, self.state) else {
            return false;
        };
        if !self.is_time(now) {
            return false;
        }
        match self.kind {
            Kind::Http => false,
            Kind::Tcp => {
                // In the middle of a pause of unknown length the next question may be on its way: only the
                // rest just after an answer is surely one, or a silence as long as the patience.
                let rests = self.rests(rule, now);
                let answered = rests && self.touched > since;
                let over = now.since(since) >= patience(rule);
                answered || (over && (rests || rule.drain_timeout.is_some()))
            }
            Kind::WebSocket => {
                self.silent_at(rule, since).is_some_and(|at| at <= now)
                    && !self.is_protected(since, now)
            }
        }
    }

    /// Raw TCP: the server spoke last, and nothing has come since for long enough.
    pub(crate) fn rests(&self, rule: &Rule, now: Instant) -> bool {
        now.since(self.touched) >= rule.idle_time && !self.asked
    }

    /// Its turn, if it has to go and may be closed now.
    pub(crate) fn turn(&self) -> Wake {
        let State::Due { reason, since, .. } = self.state else {
            return Wake::Never;
        };
        let lane = Lane {
            policy: self.origin.policy,
            rebalances: reason == DrainReason::Rebalance,
        };
        Wake::InTurn(lane, since)
    }

    /// When this connection is to be looked at without an event of its own.
    pub(crate) fn wants(&self) -> Wake {
        self.wakes_at().map_or(Wake::Never, Wake::At)
    }

    /// Its time has come, and the client has what was written, or has made no progress for too long.
    pub(crate) fn is_time(&self, now: Instant) -> bool {
        self.wakes_at().is_some_and(|at| at <= now)
    }

    fn wakes_at(&self) -> Option<Instant> {
        let rule = self.rule.as_ref()?;
        match self.state {
            State::Serving => {
                let deadline = self.limits.deadline.map(|(at, _)| at);
                earlier(deadline, self.next_stream()).map(|at| at.max(self.limits.not_before))
            }
            State::Due { since, .. } if self.kind == Kind::WebSocket => {
                let spared = match self.open_requests.protected_grace() {
                    _ if !self.open_requests.has_protected() => since,
                    // When the stream ends, the timer is set again.
                    None => return None,
                    Some(drain_timeout) => since.after(drain_timeout),
                };
                let silent = self.silent_at(rule, since)?;
                Some(self.evidence.closes_at(silent.max(spared), self.touched))
            }
            State::Due { since, .. } if self.kind == Kind::Tcp => {
                let over = since.after(patience(rule));
                let rest = self.touched.after(rule.idle_time);
                let rest = self.evidence.closes_at(rest, self.touched);
                let forced = self.evidence.closes_at(over, over.min(self.touched));
                match (self.asked, rule.drain_timeout) {
                    (false, Some(_)) if self.touched > since => Some(rest.min(forced)),
                    (false, None) if self.touched > since => Some(rest),
                    (false, None) => Some(over.max(rest)),
                    (_, Some(_)) => Some(forced),
                    // The answer, when it comes, sets the timer again.
                    (true, None) => None,
                }
            }
            State::Due { .. }
            | State::Closing { .. }
            | State::Unmanaged
            | State::DrainedByProxy => None,
            State::Draining { since, .. } => {
                let end = self.next_stream().map(|at| at.max(self.next_end));
                earlier(self.patience_over(rule, since), end)
            }
            State::Lingering { since, idle, .. } if self.evidence.refuses_requests() => {
                Some(self.evidence.closes_at(idle, since))
            }
            State::Lingering { idle, .. } => {
                let at = idle.after(rule.close_delay);
                Some(self.evidence.closes_at(at, self.touched))
            }
        }
    }

    /// When a WebSocket that is due will have been silent for `idle_wait`, if nothing more is said.
    pub(crate) fn silent_at(&self, rule: &Rule, since: Instant) -> Option<Instant> {
        let wait = rule.websocket.idle_timeout?;
        Some(self.touched.max(since).after(wait))
    }

    /// When what is owed after an announcement is not waited for any longer.
    pub(crate) fn patience_over(&self, rule: &Rule, since: Instant) -> Option<Instant> {
        let timeout = self.open_requests.drain_timeout(self.active, rule);
        let timeout = match self.kind {
            Kind::WebSocket => Some(timeout.unwrap_or(FAREWELL)),
            Kind::Http | Kind::Tcp => timeout,
        };
        let over = since.after(timeout?);
        // What is open is aborted; the responses that are complete are not.
        Some(self.evidence.closes_at(over, over.min(self.touched)))
    }

    /// Its end has been announced, and it is not closed yet.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining { .. } | State::Lingering { .. })
    }

    /// Puts it under `rule`. While it drains, only one with a longer drain timeout takes the place of another.
    pub(crate) fn put_under(&mut self, rule: &Rc<Rule>) {
        let is_shorter = self.rule.as_ref().is_some_and(|held| {
            longest(held.drain_timeout, rule.drain_timeout) != rule.drain_timeout
                || held.drain_timeout == rule.drain_timeout
        });
        if !(self.is_draining() && is_shorter) {
            self.rule = Some(Rc::clone(rule));
        }
    }

    fn next_stream(&self) -> Option<Instant> {
        self.streams.as_ref()?.earliest()
    }

    /// Observe: the streams whose age is up would have ended.
    pub(crate) fn forget_streams_over(&mut self, now: Instant) {
        if let Some(streams) = &mut self.streams {
            while streams.remove_over(now).is_some() {}
        }
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
