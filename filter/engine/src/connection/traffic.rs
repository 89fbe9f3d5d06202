//! What happens on a connection when bytes pass.

use super::Connection;
use super::drain::DrainState;
use super::protocol::ProtocolState;
use super::usage::Increment;
use crate::{Activity, DrainReason, Instant};

/// What follows from bytes that the client has sent.
pub(crate) struct ReadOutcome {
    pub(crate) increment: Increment,
    /// The client has shown that it ignores the drain signal.
    pub(crate) ignored_signal: Option<DrainReason>,
    pub(crate) reschedules: bool,
}

impl Connection {
    /// Records bytes of the client. None if they must not be forwarded, because the connection is closing or the client
    /// ignores the drain signal.
    pub(crate) fn record_read(&mut self, activity: &Activity, now: Instant) -> Option<ReadOutcome> {
        // The server executes nothing that it does not receive, so the client can send it again.
        if matches!(self.drain, DrainState::Closing(_)) {
            return None;
        }
        if let DrainState::Draining(drain) = &self.drain
            && drain.idle_since.is_some()
            && drain.reaction.refuses_requests()
            && self.delivery.is_complete
        {
            return None;
        }
        let is_delivery = self.delivery.record(true, activity.undelivered, now);
        let is_pending = self.is_pending();
        self.record_session(activity);
        if let ProtocolState::WebSocket(websocket) = &mut self.protocol
            && activity.has_message
        {
            websocket.last_client_message = now;
        }
        if let Some(http) = self.protocol.http_mut() {
            if activity.requests > self.usage.requests {
                http.last_request = is_pending.then_some(now);
            }
            // The client has reset a stream, or read the last response, and may be about to open another stream.
            if activity.active < self.usage.active || is_delivery {
                http.last_progress = Some(now);
            }
        }
        let ignored_signal = self.record_reaction(activity, now);
        let increment = self.record_usage(activity);
        let changes = self.update_idle(now);
        Some(ReadOutcome {
            increment,
            ignored_signal,
            reschedules: changes
                || (is_delivery && self.closes_on_delivery())
                || (is_pending && self.protocol.is_tcp()),
        })
    }

    fn record_session(&mut self, activity: &Activity) {
        if let (ProtocolState::Session(session), Some(state)) =
            (&mut self.protocol, activity.session)
        {
            session.record(state);
        }
    }

    /// The client has sent something after the drain signal. Gives the reason of the drain when this shows that the
    /// client ignores it.
    fn record_reaction(&mut self, activity: &Activity, now: Instant) -> Option<DrainReason> {
        let DrainState::Draining(drain) = &mut self.drain else {
            return None;
        };
        drain.reaction.record_read(&self.delivery);
        // HTTP/1: a request counts from its first byte, before its head is complete.
        let was_idle = self.usage.active == 0 && activity.active > 0;
        let has_started = activity.requests > self.usage.requests || was_idle;
        let waited = now.since(drain.since);
        let ignores = has_started && drain.reaction.record_request(was_idle, waited);
        ignores.then_some(drain.reason)
    }

    /// The close of the connection waits until the client has what was written.
    fn closes_on_delivery(&self) -> bool {
        self.is_draining() || (self.is_pending() && !self.is_http())
    }

    /// Records bytes of the server. [`Connection::finish_write`] follows when it is decided what to do with them.
    #[inline]
    pub(crate) fn record_write(&mut self, activity: &Activity, now: Instant) -> (Increment, bool) {
        let ends_stream = activity.active < self.usage.active;
        self.delivery.record(false, activity.undelivered, now);
        self.record_session(activity);
        (self.record_usage(activity), ends_stream)
    }

    /// True when the connection must be rescheduled.
    pub(crate) fn finish_write(&mut self, ends_stream: bool, now: Instant) -> bool {
        if let Some(http) = self.protocol.http_mut().filter(|_| ends_stream) {
            http.last_progress = Some(now);
        }
        self.update_idle(now) || self.protocol.is_tcp()
    }

    fn update_idle(&mut self, now: Instant) -> bool {
        match &mut self.drain {
            DrainState::Draining(drain) => drain.record_active(self.usage.possibly_active(), now),
            _ => false,
        }
    }
}
