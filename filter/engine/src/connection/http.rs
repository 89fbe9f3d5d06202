//! HTTP connections: drained with a response head or a GOAWAY, and never closed without one.

use std::rc::Rc;

use evenkeel_policy::Rule;

use super::protocol::Behavior;
use super::timed_streams::{TimedStream, TimedStreams};
use crate::limits::Draw;
use crate::safe_point::SafePointCheck;
use crate::{Instant, StreamId};

#[derive(Debug, Default)]
pub(super) struct HttpState {
    /// When a stream, or an HTTP/1 exchange, last ended.
    last_stream_end: Option<Instant>,
    /// When the last request came, if a drain was pending by then: only such requests are timed.
    last_request: Option<Instant>,
    /// Open gRPC streams whose age is limited.
    streams: Option<Box<TimedStreams>>,
}

impl HttpState {
    pub(super) fn record_request(&mut self, at: Option<Instant>) {
        self.last_request = at;
    }

    pub(super) fn record_stream_end(&mut self, now: Instant) {
        self.last_stream_end = Some(now);
    }

    pub(super) fn start_stream(
        &mut self,
        stream: StreamId,
        rule: &Rc<Rule>,
        seed: u64,
        now: Instant,
    ) {
        let timed = TimedStream {
            rule: Rc::clone(rule),
            started: now,
            draw: Draw::new(seed),
            response_started: false,
        };
        self.streams.get_or_insert_default().insert(stream, timed);
    }

    pub(super) fn streams_mut(&mut self) -> Option<&mut TimedStreams> {
        self.streams.as_deref_mut()
    }

    /// When the first stream reaches its age.
    pub(super) fn stream_expiry(&self) -> Option<Instant> {
        self.streams.as_ref()?.earliest()
    }

    pub(super) fn has_expired_stream(&self, now: Instant) -> bool {
        self.stream_expiry().is_some_and(|at| at <= now)
    }

    /// When the next stream is to be ended, while the connection drains.
    pub(super) fn next_stream_end(&self) -> Option<Instant> {
        self.streams.as_ref()?.next_end()
    }

    /// Takes a stream that is to be ended now, at most one in a tick.
    pub(super) fn take_expired_stream(&mut self, now: Instant) -> Option<(StreamId, TimedStream)> {
        self.streams.as_mut()?.take_expired(now)
    }

    /// Dry run: the streams past their age would have ended.
    pub(super) fn forget_expired_streams(&mut self, now: Instant) {
        if let Some(streams) = &mut self.streams {
            while streams.remove_expired(now).is_some() {}
        }
    }
}

impl Behavior for HttpState {
    fn stays_with_host(&self) -> bool {
        false
    }

    /// Without a request there is no response that could carry a drain signal.
    fn is_selectable(&self, _: &Rule, requests: u64) -> bool {
        requests > 0
    }

    fn add_to_check(&self, check: &mut SafePointCheck<'_>, active: u32) {
        let now = check.now;
        check.last_stream_end = self.last_stream_end;
        check.last_request = self.last_request;
        check.stream_expired = self.has_expired_stream(now);
        if check.stream_expired {
            let expired = self.streams.as_ref().map_or(0, |it| it.expired(now));
            check.others_active = usize::try_from(active).unwrap_or(usize::MAX) > expired;
        }
    }
}
