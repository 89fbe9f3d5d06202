//! gRPC streams whose age is limited.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use evenkeel_policy::Rule;

use crate::Instant;
use crate::limits::Draw;

/// An HTTP stream, in the caller's own numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// The most streams of a connection whose age is limited; further ones are not.
pub(crate) const MAX_TIMED: usize = 1024;

/// An open stream under a rule with a `max_stream_age`.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) rule: Rc<Rule>,
    pub(crate) began: Instant,
    pub(crate) draw: Draw,
    /// Its answer has begun.
    pub(crate) answered: bool,
}

impl Timed {
    /// When its age is up; never, if its rule protects it.
    fn ends(&self) -> Option<Instant> {
        #[cfg(test)]
        ENDS_COMPUTED.with(|count| count.set(count.get().saturating_add(1)));
        let max = self.rule.max_stream_age.filter(|_| !self.rule.protect)?;
        Some(self.began.after(self.draw.age(max, self.rule.jitter)))
    }
}

#[cfg(test)]
thread_local! {
    /// How often the end of a stream has been computed, which is all that is done for each stream.
    pub(crate) static ENDS_COMPUTED: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// The open streams of one connection whose age is limited, at most [`MAX_TIMED`]. Each write to the connection
/// asks for the earliest end, so that is kept; everything else takes a time that grows with the logarithm of
/// the number of streams.
#[derive(Debug, Default)]
pub(crate) struct TimedStreams {
    streams: BTreeMap<StreamId, Timed>,
    /// The streams that end at an age, earliest first.
    ends: BTreeSet<(Instant, StreamId)>,
    /// The end of the first of them.
    earliest: Option<Instant>,
}

impl TimedStreams {
    /// When the age of the first stream is up.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// How many streams are past their age.
    pub(crate) fn over(&self, now: Instant) -> usize {
        self.ends.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// Adds a stream, unless there are too many.
    pub(crate) fn insert(&mut self, stream: StreamId, timed: Timed) {
        self.remove(stream);
        if self.streams.len() >= MAX_TIMED {
            return;
        }
        self.ends.extend(timed.ends().map(|at| (at, stream)));
        self.streams.insert(stream, timed);
        self.find_earliest();
    }

    pub(crate) fn remove(&mut self, stream: StreamId) -> Option<Timed> {
        let timed = self.streams.remove(&stream)?;
        if let Some(at) = timed.ends() {
            self.ends.remove(&(at, stream));
            self.find_earliest();
        }
        Some(timed)
    }

    /// Removes the first stream whose age is up.
    pub(crate) fn remove_over(&mut self, now: Instant) -> Option<(StreamId, Timed)> {
        let (_, stream) = *self.ends.first().filter(|(at, _)| *at <= now)?;
        self.remove(stream).map(|timed| (stream, timed))
    }

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut Timed> {
        self.streams.get_mut(&stream)
    }

    /// Replaces the rule of each stream for which there is another.
    pub(crate) fn adopt(&mut self, rule: impl Fn(&Rule) -> Option<Rc<Rule>>) {
        self.ends.clear();
        for (stream, timed) in &mut self.streams {
            if let Some(rule) = rule(&timed.rule) {
                timed.rule = rule;
            }
            self.ends.extend(timed.ends().map(|at| (at, *stream)));
        }
        self.find_earliest();
    }

    fn find_earliest(&mut self) {
        self.earliest = self.ends.first().map(|(at, _)| *at);
    }
}
