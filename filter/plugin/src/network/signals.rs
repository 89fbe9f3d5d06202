//! What the network role inserts into a write: drain signals, and what belongs to them.

use evenkeel_engine::{Decision, is_exact_goaway};
use evenkeel_metrics::{Counter, GoawayLabels};
use evenkeel_policy::CloseCode;
use evenkeel_wire::h1::ResponseHead;
use evenkeel_wire::h2::{self, AbortedResponse, Http2Write, MAX_STREAM_ID, RST_STREAM_LEN};
use evenkeel_wire::tcp::{SessionState, shutdown};
use evenkeel_wire::websocket::{StatusCode, close_frame};
use evenkeel_wire::{ByteSource, DrainOpportunity, DrainPoint, DrainSignal, splice};

use super::{Downstream, Forwarding};
use crate::host::Bytes;
use crate::worker::Worker;

impl Downstream {
    /// Inserts the drain signal that `decision` asks for.
    #[inline(never)]
    pub(super) fn insert_drain_signal(
        &mut self,
        worker: &mut Worker,
        bytes: &mut Bytes<'_>,
        opportunity: &DrainOpportunity,
        decision: Decision,
    ) {
        let rule = worker.rule(self.id);
        match opportunity.signal {
            DrainSignal::ConnectionClose(head) => {
                for edit in splice::connection_close(head).into_iter().flatten() {
                    bytes.splice(edit.at, edit.len, edit.replacement);
                }
            }
            DrainSignal::CloseFrame => {
                let code = rule.map(|rule| rule.websocket.close_code);
                let status = match code.unwrap_or_default() {
                    CloseCode::ServiceRestart => StatusCode::ServiceRestart,
                    CloseCode::GoingAway | CloseCode::Off => StatusCode::GoingAway,
                };
                self.forwarding = Forwarding::FromClient;
                bytes.splice(opportunity.at, 0, &close_frame(status));
            }
            DrainSignal::Goaway {
                last_stream_id,
                client,
                tolerated,
                write,
            } => {
                let configured = rule.map(|rule| rule.http2.last_stream_id);
                let configured = configured.unwrap_or_default();
                let is_exact = is_exact_goaway(configured, tolerated, opportunity.point, decision);
                let labels = GoawayLabels {
                    client,
                    is_exact,
                    is_idle: matches!(opportunity.point, DrainPoint::Idle { .. }),
                };
                worker.count(Counter::Goaway(labels));
                let goaway = h2::PlannedGoaway {
                    last_stream_id: if is_exact {
                        last_stream_id
                    } else {
                        MAX_STREAM_ID
                    },
                    at: opportunity.at,
                };
                self.insert_frames(bytes, &write, Some(goaway));
                if is_exact {
                    self.forwarding = Forwarding::None;
                }
            }
        }
    }

    /// Replaces a request of a PostgreSQL client with a Sync, which executes nothing, and discards what follows it.
    #[inline(never)]
    pub(super) fn replace_request(&mut self, bytes: &mut Bytes<'_>) {
        if self.forwarding == Forwarding::UntilError {
            bytes.discard();
        } else if bytes.read(0, 1) != [shutdown::TERMINATE] {
            self.forwarding = Forwarding::UntilError;
            let size = bytes.len();
            bytes.splice(0, size, &shutdown::SYNC);
            self.scanner.scan_downstream(bytes);
        }
    }

    /// Replaces the response to the Sync with an error, after which the connection is closed. The response may come in
    /// several writes, and after other messages.
    #[inline(never)]
    pub(super) fn send_error(&mut self, worker: &mut Worker, bytes: &mut Bytes<'_>) {
        self.scanner.scan_upstream(bytes);
        if matches!(
            self.scanner.progress().session,
            Some(SessionState::Unsafe(_))
        ) {
            bytes.discard();
            return;
        }
        let size = bytes.len();
        bytes.splice(0, size, &shutdown::admin_shutdown());
        self.forwarding = Forwarding::None;
        worker.sent_error(self.id);
    }

    /// Inserts the module's own HTTP/2 frames into a write: `goaway`, and PINGs.
    #[inline(never)]
    pub(super) fn insert_frames(
        &mut self,
        bytes: &mut Bytes<'_>,
        write: &Http2Write,
        goaway: Option<h2::PlannedGoaway>,
    ) {
        let Some(http2) = self.scanner.http2_mut() else {
            return;
        };
        for insertion in http2.insertions(*write, bytes.len(), goaway) {
            bytes.splice(insertion.at, 0, &insertion.frame);
        }
    }

    /// Replaces the RST_STREAM of a gRPC stream past its age by trailers: in the middle of a response Envoy can only
    /// reset a stream, and which gRPC status a reset means differs from client to client.
    #[inline(never)]
    pub(super) fn replace_reset(
        &self,
        worker: &Worker,
        bytes: &mut Bytes<'_>,
        aborted: AbortedResponse,
    ) {
        if let Some(at) = aborted.frame_at
            && worker.is_resetting(self.id)
        {
            let trailers = h2::unavailable_trailers(aborted.stream, aborted.client_ended);
            bytes.splice(at, RST_STREAM_LEN, &trailers);
        }
    }

    /// Inserts a `Keep-Alive` field into the head of a response: for how long the connection will be served.
    #[inline(never)]
    pub(super) fn insert_keep_alive_hint(
        &self,
        worker: &Worker,
        bytes: &mut Bytes<'_>,
        head: &ResponseHead,
    ) {
        let (Some(at), true) = (head.insert_at, head.may_close && !head.has_keep_alive_field)
        else {
            return;
        };
        let Some((age, requests)) = worker.keep_alive_hint(self.id) else {
            return;
        };
        let seconds = age.map(|age| age.as_secs());
        if seconds == Some(0) || requests == Some(0) {
            return;
        }
        if let Some(field) = splice::keep_alive_field(seconds, requests) {
            bytes.splice(at, 0, &field);
        }
    }
}
