//! Connections whose clients were sent a drain signal.

use crate::connection::{Connection, Kind, State};
use crate::drain_point::{Verdict, Wait};
use crate::evidence::Signal;
use crate::{Activity, Decision, DrainPoint, DrainReason, Instant};

impl Connection {
    /// The drain signal goes out at `moment`.
    pub(super) fn signalled(&mut self, point: DrainPoint) {
        self.evidence.signalled(match point {
            DrainPoint::ResponseHead => Signal::Close,
            DrainPoint::Idle { .. } | DrainPoint::Active { .. } => Signal::Goaway,
            DrainPoint::Message { .. } => Signal::None,
        });
    }

    /// HTTP/1: no further request of this client is served.
    pub(super) fn refuses_requests(&self) -> bool {
        matches!(self.state, State::Lingering { .. })
            && self.evidence.refuses_requests()
            && self.evidence.is_delivered()
    }

    /// Its close waits until the client has what was written.
    pub(super) fn closes_on_delivery(&self) -> bool {
        let is_silent = matches!(self.state, State::Due { .. }) && self.kind != Kind::Http;
        is_silent || self.is_draining()
    }

    /// The client has sent something. Gives why its connection drains when it thereby shows that it ignores
    /// the drain signal.
    pub(super) fn heard(&mut self, activity: Activity, now: Instant) -> Option<DrainReason> {
        let (State::Draining { reason, since } | State::Lingering { reason, since, .. }) =
            self.state
        else {
            return None;
        };
        self.evidence.heard();
        // HTTP/1: a request counts from its first byte, before its head is complete.
        let was_idle = self.active == 0 && activity.active > 0;
        let has_begun = activity.requests > self.requests || was_idle;
        let ignores = has_begun && self.evidence.request_started(was_idle, now.since(since));
        ignores.then_some(reason)
    }

    /// Sends a second GOAWAY to a client that ignores the first one, at a moment at which nothing is open.
    pub(super) fn refuse(&mut self, point: DrainPoint, since: Instant, now: Instant) -> Decision {
        let Some(rule) = self.rule.as_ref() else {
            return Decision::PassThrough;
        };
        let wait = Wait {
            opened: self.opened,
            since,
            answered: self.answered,
            requested: self.requested,
            spoken: self.spoken,
            stream_over: false,
            others_open: false,
        };
        let is_quiet = matches!(point, DrainPoint::Idle { .. });
        if is_quiet
            && self.evidence.needs_refusal()
            && wait.judge(point, rule, now) == Verdict::Safe
        {
            self.evidence.signalled(Signal::Refusal);
            return Decision::RefuseRequests;
        }
        Decision::PassThrough
    }
}
