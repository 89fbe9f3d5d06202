//! gRPC streams whose age is limited.

use std::rc::Rc;

use evenkeel_policy::Rule;

use crate::Instant;
use crate::limits::Draw;

/// An HTTP stream, in the caller's own numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(pub u32);

/// The most streams of a connection whose age is limited; further ones are not.
pub(crate) const MAX_TIMED: usize = 1024;

/// An open stream under a rule with a `max_stream_age`.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) stream: StreamId,
    pub(crate) rule: Rc<Rule>,
    pub(crate) began: Instant,
    pub(crate) draw: Draw,
    /// Its answer has begun.
    pub(crate) answered: bool,
}

impl Timed {
    /// When its age is up; never, if its rule protects it.
    pub(crate) fn ends(&self) -> Option<Instant> {
        let max = self.rule.max_stream_age.filter(|_| !self.rule.protect)?;
        Some(self.began.after(self.draw.age(max, self.rule.jitter)))
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.ends().is_some_and(|at| at <= now)
    }
}
