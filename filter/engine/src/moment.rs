//! Whether this is a good moment to say goodbye.

use core::time::Duration;

use evenkeel_policy::{Busy, Goaway, Rule};

use crate::Instant;

/// How long nothing must have been answered before for a client that throws away what it has received and
/// not read, or is about to use the connection. Httpx with several requests at a time loses some where it
/// is 5, and even 20 milliseconds; with a second it is surely not at work.
const REST: Duration = Duration::from_secs(1);

/// How long an answer must have taken for a client that loses one that comes at once. Hyper loses none
/// that took a millisecond; a busy machine gets some more.
const SLOW: Duration = Duration::from_millis(5);

/// How long a connection must have been open for a client that gives a request up when it meets a second
/// connection that has been told. OkHttp lost one in tens of thousands where connections lived for some
/// milliseconds.
const SETTLED: Duration = Duration::from_secs(1);

/// What a client bears while it has other streams open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// It loses nothing.
    Bears,
    /// It loses nothing once the connection has been open for a while.
    Settled,
    /// It can lose what it is about to send.
    Avoid,
    /// It loses every stream that is open.
    Never,
}

/// What must be so at a moment at which nothing is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Nothing.
    None,
    /// The answer that ends took its time, or the connection is at rest.
    Slow,
    /// The connection has been open for a while: the client bears to be told once in that time.
    Settled,
    /// The answer that ends, if one does, is the first after a rest, and came alone: the client may hold
    /// answers that it has not read.
    Apart,
    /// The connection is at rest.
    Rest,
}

/// A place in a write to the client where an announcement would be understood, and what is known of the
/// client's side at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The head of the answer to an HTTP/1 request that came alone.
    Head,
    /// No stream is active on an HTTP/2 connection.
    Quiet {
        /// The write in hand ended the last one.
        ends: bool,
        /// No other stream was open while that one was.
        alone: bool,
        /// What the client needs.
        care: Care,
    },
    /// A boundary between two frames while streams are open.
    Busy {
        /// How the client takes an announcement now.
        bearing: Bearing,
    },
    /// The end of a write to a WebSocket's client, where no message is open on either side.
    Message {
        /// The write answers a message: the client will go on with the next.
        answers: bool,
        /// The client has spoken last, and may be waiting for an answer.
        owes: bool,
    },
}

/// What is known of a connection that waits for its moment.
pub(crate) struct Wait {
    /// When the connection opened.
    pub(crate) opened: Instant,
    /// When it became due.
    pub(crate) since: Instant,
    /// When the answer before this one was written to its end.
    pub(crate) answered: Option<Instant>,
    /// When the last request came, if it was timed.
    pub(crate) requested: Option<Instant>,
    /// WebSocket: when the client last sent a part of a message.
    pub(crate) spoken: Instant,
    /// The age of a gRPC stream is up, which is to end once the announcement is made.
    pub(crate) stream_over: bool,
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
            Self::Head => return Verdict::Good,
            Self::Quiet { ends, alone, care } if wait.is_calm(ends, alone, care, now) => {
                return Verdict::Good;
            }
            // Whoever the client is, the operator wants this stream to end.
            Self::Busy { .. } if wait.stream_over && waited >= rule.quiet_wait => {
                return Verdict::Good;
            }
            // Refusing what is on its way takes a quiet moment, whoever the client is.
            Self::Busy { .. } if rule.goaway == Goaway::Exact => return Verdict::Wait,
            Self::Busy {
                bearing: bearing @ (Bearing::Bears | Bearing::Settled),
            } => {
                let bears = bearing == Bearing::Bears || wait.is_settled(now);
                return if bears && waited >= rule.quiet_wait {
                    Verdict::Good
                } else {
                    Verdict::Wait
                };
            }
            // A client that is talking sends its next message before it reads the Close.
            Self::Message { answers: false, .. } if now.since(wait.spoken) >= rule.quiet_wait => {
                return Verdict::Good;
            }
            Self::Quiet { .. } | Self::Busy { .. } | Self::Message { .. } => {}
        }
        let owes = matches!(self, Self::Message { owes: true, .. });
        match rule.grace {
            Some(grace) if waited >= grace => match rule.busy {
                Busy::Announce if !owes => Verdict::Good,
                Busy::Announce | Busy::Wait => Verdict::PutOff,
            },
            _ => Verdict::Wait,
        }
    }
}

impl Wait {
    fn is_calm(&self, ends: bool, alone: bool, care: Care, now: Instant) -> bool {
        let rests = self.answered.is_some_and(|at| now.since(at) >= REST);
        let is_slow = self.requested.is_some_and(|at| now.since(at) >= SLOW);
        match care {
            Care::None => true,
            Care::Settled => self.is_settled(now),
            Care::Slow => (ends && is_slow) || (!ends && rests),
            Care::Apart => alone && rests,
            Care::Rest => !ends && rests,
        }
    }

    fn is_settled(&self, now: Instant) -> bool {
        now.since(self.opened) >= SETTLED
    }
}
