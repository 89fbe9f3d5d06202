//! The gRPC streams of a connection whose age is limited.

use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::Rule;

use crate::limits::Draw;
use crate::{Instant, SortedMap};

/// An HTTP stream, in the caller's own numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// The most streams of a connection whose age is limited. Further ones are not limited.
pub(crate) const MAX_TIMED: usize = 1024;

/// An open stream under a rule with a `max_stream_age`.
#[derive(Debug)]
pub(crate) struct TimedStream {
    rule: Rc<Rule>,
    started: Instant,
    draw: Draw,
    /// Its response has started.
    pub(crate) response_started: bool,
}

impl TimedStream {
    pub(crate) fn new(rule: Rc<Rule>, seed: u64, started: Instant) -> Self {
        Self {
            rule,
            started,
            draw: Draw::new(seed),
            response_started: false,
        }
    }

    /// When the stream reaches its age; never, if its rule protects it.
    fn expiry(&self) -> Option<Instant> {
        #[cfg(test)]
        EXPIRIES_COMPUTED.with(|count| count.set(count.get().saturating_add(1)));
        let max = self.rule.max_stream_age.filter(|_| !self.rule.protect)?;
        Some(self.started.after(self.draw.age(max, self.rule.jitter)))
    }
}

#[cfg(test)]
thread_local! {
    /// How often the expiry of a stream was computed, which is all that is done for each stream.
    pub(crate) static EXPIRIES_COMPUTED: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// The open streams of one connection whose age is limited, at most [`MAX_TIMED`]. Each write to the connection needs the
/// earliest expiry, so it is stored.
#[derive(Debug, Default)]
pub(crate) struct TimedStreams {
    streams: SortedMap<StreamId, TimedStream>,
    /// When streams expire, earliest first.
    expiries: SortedMap<(Instant, StreamId), ()>,
    /// The first of them.
    earliest: Option<Instant>,
    /// At most one stream is taken in a tick: none before this.
    next_take: Instant,
}

impl TimedStreams {
    /// When the first stream expires.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// When the next stream can be taken.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.earliest.map(|at| at.max(self.next_take))
    }

    /// Removes an expired stream, at most one in a tick: each costs the host a reset.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<(StreamId, TimedStream)> {
        if now < self.next_take {
            return None;
        }
        let expired = self.remove_expired(now)?;
        self.next_take = now.after(Duration::from_nanos(1));
        Some(expired)
    }

    /// The number of expired streams.
    pub(crate) fn expired(&self, now: Instant) -> usize {
        let expiries = self.expiries.keys();
        expiries.take_while(|(at, _)| *at <= now).count()
    }

    /// Adds a stream, unless there are too many.
    pub(crate) fn insert(&mut self, stream: StreamId, timed: TimedStream) {
        self.remove(stream);
        if self.streams.len() >= MAX_TIMED {
            return;
        }
        if let Some(at) = timed.expiry() {
            self.expiries.insert((at, stream), ());
        }
        self.streams.insert(stream, timed);
        self.find_earliest();
    }

    pub(crate) fn remove(&mut self, stream: StreamId) -> Option<TimedStream> {
        let timed = self.streams.remove(&stream)?;
        if let Some(at) = timed.expiry() {
            self.expiries.remove(&(at, stream));
            self.find_earliest();
        }
        // A connection that once had many streams does not keep their memory.
        if self.streams.is_empty() {
            (self.streams, self.expiries) = (SortedMap::default(), SortedMap::default());
        }
        Some(timed)
    }

    /// Dry run: the expired streams would have ended.
    pub(super) fn forget_expired(&mut self, now: Instant) {
        self.streams
            .retain(|_, timed| timed.expiry().is_none_or(|at| at > now));
        self.expiries.retain(|(at, _), ()| *at > now);
        self.find_earliest();
    }

    /// Removes the first expired stream.
    fn remove_expired(&mut self, now: Instant) -> Option<(StreamId, TimedStream)> {
        let (_, stream) = *self.expiries.keys().next().filter(|(at, _)| *at <= now)?;
        self.remove(stream).map(|timed| (stream, timed))
    }

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut TimedStream> {
        self.streams.get_mut(&stream)
    }

    /// Replaces the rule of each stream for which there is another.
    pub(crate) fn replace_rules(&mut self, rule: impl Fn(&Rule) -> Option<Rc<Rule>>) {
        self.expiries.clear();
        for (stream, timed) in self.streams.iter_mut() {
            if let Some(rule) = rule(&timed.rule) {
                timed.rule = rule;
            }
            if let Some(at) = timed.expiry() {
                self.expiries.insert((at, *stream), ());
            }
        }
        self.find_earliest();
    }

    fn find_earliest(&mut self) {
        self.earliest = self.expiries.keys().next().map(|(at, _)| *at);
    }
}
