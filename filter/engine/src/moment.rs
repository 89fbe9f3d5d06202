//! Whether this is a good moment to say goodbye.

use core::time::Duration;

use evenkeel_policy::{Busy, Goaway, Rule};

use crate::Instant;

/// How long nothing must have been answered before for a client that throws away what it has received and
/// not read, or is about to use the connection. Httpx with several requests at a time loses some where it
/// is 5, and even 20 milliseconds; with a second it is surely not at work.
const REST: Duration = Duration::from_secs(1);

/// What a client bears while it has other streams open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// It loses nothing.
    Bears,
    /// It can lose what it is about to send.
    Avoid,
    /// It loses every stream that is open.
    Never,
}

/// A place in a write to the client where an announcement would be understood, and what is known of the
/// client's side at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The head of the answer to an HTTP/1 request that came alone.
    Head,
    /// The end of an HTTP/2 connection's last active stream.
    Quiet {
        /// The client has had several streams open at once: it may hold answers that it has not read.
        multiplexes: bool,
        /// No other stream was open while this one was.
        alone: bool,
        /// How the client takes an announcement at a bad moment.
        bearing: Bearing,
    },
    /// A boundary between two frames while streams are open.
    Busy {
        /// How the client takes an announcement now.
        bearing: Bearing,
    },
}

/// What is known of a connection that waits for its moment.
pub(crate) struct Wait {
    /// When it became due.
    pub(crate) since: Instant,
    /// When the answer before this one was written to its end.
    pub(crate) answered: Option<Instant>,
}

/// Whether to announce now, wait for a better moment, or wait past the rule's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Wait,
    /// `grace` is over and the moment is still one that would lose requests.
    PutOff,
}

impl Moment {
    pub(crate) fn judge(self, rule: &Rule, wait: &Wait, now: Instant) -> Verdict {
        let waited = now.since(wait.since);
        match self {
            Self::Head
            | Self::Quiet {
                multiplexes: false, ..
            } => return Verdict::Good,
            Self::Quiet {
                bearing: Bearing::Bears | Bearing::Avoid,
                ..
            } => return Verdict::Good,
            Self::Quiet { alone, .. }
                if alone && wait.answered.is_some_and(|at| now.since(at) >= REST) =>
            {
                return Verdict::Good;
            }
            // Refusing what is on its way takes a quiet moment, whoever the client is.
            Self::Busy { .. } if rule.goaway == Goaway::Exact => return Verdict::Wait,
            Self::Busy {
                bearing: Bearing::Bears,
            } if waited >= rule.quiet_wait => return Verdict::Good,
            Self::Busy {
                bearing: Bearing::Bears,
            } => return Verdict::Wait,
            Self::Quiet { .. } | Self::Busy { .. } => {}
        }
        match rule.grace {
            Some(grace) if waited >= grace => match rule.busy {
                Busy::Announce => Verdict::Good,
                Busy::Wait => Verdict::PutOff,
            },
            _ => Verdict::Wait,
        }
    }
}
