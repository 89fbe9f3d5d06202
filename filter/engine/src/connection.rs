//! One downstream connection's life.

use core::time::Duration;
use std::rc::Rc;

use evenkeel_policy::Rule;

use crate::limits::{Draw, Limits};
use crate::{Instant, Reason};

/// ```text
///              a limit is reached            a good moment, and budget
///   Serving ───────────────────────▶ Due ───────────────────────────────▶ Draining
///      ▲                              │                                    │    ▲
///      │ observe: said, not done      │ TCP: at rest, or grace over        │    │ a request that was
///      └──────────────────────────────┤                    all is answered │    │ already on its way
///                                     ▼                                    ▼    │
///                                  Closing ◀── linger or grace over ──── Lingering
/// ```
///
/// `Unmanaged` stands beside it: what is not understood is left alone for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Serving,
    Due {
        reason: Reason,
        since: Instant,
        refused: bool,
        put_off: bool,
    },
    /// The end is announced; what is owed is being served.
    Draining {
        reason: Reason,
        since: Instant,
    },
    /// The end is announced and nothing is owed; the client is given time to close.
    Lingering {
        reason: Reason,
        since: Instant,
        idle: Instant,
    },
    /// The host was told to close it.
    Closing {
        reason: Reason,
    },
    Unmanaged,
}

/// A TCP connection silent for so long is idle, where the rule does not say.
const IDLE: Duration = Duration::from_secs(30);

/// What the bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Tcp,
}

/// About 250 bytes, whatever the peers send (a test holds the number).
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) origin: crate::Origin,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) opened: Instant,
    /// When something last happened on it, as far as the clock was told.
    pub(crate) touched: Instant,
    /// The client spoke last: it may be waiting for an answer.
    pub(crate) asked: bool,
    /// When an answer was last written to its end.
    pub(crate) answered: Option<Instant>,
    pub(crate) draw: Draw,
    pub(crate) rule: Option<Rc<Rule>>,
    pub(crate) observe: bool,
    /// A request has matched a rule; before, the rule is only a guess.
    pub(crate) matched: bool,
    pub(crate) limits: Limits,
    pub(crate) requests: u64,
    /// Requests that it had carried when observing last began anew.
    pub(crate) carried: u64,
    pub(crate) active: u32,
    /// Open streams that a rule protects, and the longest grace among them (None: for ever).
    pub(crate) protected: u32,
    pub(crate) protected_grace: Option<Duration>,
    pub(crate) timer: Option<Instant>,
}

/// How long a TCP connection that is due waits for a rest after an answer. Without a grace, one that is
/// silent all that time is taken to be idle.
pub(crate) fn patience(rule: &Rule) -> Duration {
    rule.grace.unwrap_or(IDLE)
}

impl Connection {
    /// Begins to count age and requests anew.
    pub(crate) fn renew(&mut self, now: Instant) {
        self.opened = now;
        self.carried = self.requests;
        self.state = State::Serving;
        self.limit();
    }

    /// Draws the limits of its rule, forgetting those of rules before.
    pub(crate) fn limit(&mut self) {
        self.limits = self.own_limits().unwrap_or_default();
    }

    pub(crate) fn own_limits(&self) -> Option<Limits> {
        let rule = self.rule.as_ref()?;
        Some(Limits::new(rule, &self.draw, self.opened, self.carried))
    }

    /// Serving, and a limit is reached: Due. Says why.
    pub(crate) fn fall_due(&mut self, now: Instant) -> Option<Reason> {
        if self.state != State::Serving {
            return None;
        }
        let reason = self.limits.reached(now, self.requests)?;
        self.state = State::Due {
            reason,
            since: now,
            refused: false,
            put_off: false,
        };
        Some(reason)
    }

    /// A protected stream is open and its own grace is not over.
    pub(crate) fn is_protected(&self, since: Instant, now: Instant) -> bool {
        self.protected > 0
            && self
                .protected_grace
                .is_none_or(|grace| now.since(since) < grace)
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

    /// When this connection wants to be looked at without an event of its own.
    pub(crate) fn wants(&self, retry: Instant) -> Option<Instant> {
        let rule = self.rule.as_ref()?;
        match self.state {
            State::Serving => self
                .limits
                .deadline
                .map(|(at, _)| at.max(self.limits.not_before)),
            State::Due { since, .. } if self.kind == Kind::Tcp => {
                let over = since.after(patience(rule));
                let rest = self.touched.after(rule.quiet_wait);
                let at = match (self.asked, rule.grace) {
                    (false, Some(_)) if self.touched > since => rest.min(over),
                    (false, None) if self.touched > since => rest,
                    (false, None) => over.max(rest),
                    (_, Some(_)) => over,
                    // The answer, when it comes, sets the timer again.
                    (true, None) => return None,
                };
                Some(at.max(retry))
            }
            State::Due { .. } | State::Closing { .. } | State::Unmanaged => None,
            State::Draining { since, .. } => rule.grace.map(|grace| since.after(grace)),
            State::Lingering { idle, .. } => Some(idle.after(rule.linger)),
        }
    }
}
