//! Responses that are not read: a read costs more than scanning.
//!
//! The end of an unread response is not visible. The next bytes of the client are taken for a request that follows it,
//! which is true for every client that waits for its responses. From a client that does not, Envoy reads ahead once, and
//! hands over the same bytes again after the response. So there is doubt about the first request after an unread response
//! (it may be counted twice): whatever its response seems to be is not used. There is none about the second one, because
//! Envoy takes nothing more from the client before it has sent the unread response.
use super::Http1Scanner;
use super::buffered::BufferedBytes;
use super::head::MessageHead;
use super::responses::ResponseHead;
use super::state::{Exchange, Phase, RequestState, ResponseState};
use crate::BypassReason;
use crate::source::Window;

/// A part of a response that need not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadPart {
    /// The beginning: the response can still be read.
    First,
    /// A later part of an unread response.
    Later,
}

impl Http1Scanner {
    /// The part of a response that is written next and need not be read. None if the write has to be scanned, as every part
    /// of a response whose beginning was. So does a response during which Envoy takes more from the client: to a request
    /// that may open a tunnel, that is not complete, or behind which Envoy already has another one.
    pub fn unread_part(&self) -> Option<UnreadPart> {
        match &self.response {
            ResponseState::Unread => Some(UnreadPart::Later),
            ResponseState::Head if self.awaits_lone_response() => Some(UnreadPart::First),
            ResponseState::Head | ResponseState::Body(_) => None,
        }
    }

    /// Does not read the response that the next write is a part of.
    pub fn skip_response(&mut self) {
        self.response = ResponseState::Unread;
    }

    fn awaits_lone_response(&self) -> bool {
        self.phase == Phase::Open
            && matches!(self.request, RequestState::Complete)
            && self.buffered.is_empty()
            && self.awaits_response()
            && self
                .exchange
                .is_some_and(|exchange| !exchange.offers_tunnel)
    }

    /// No byte of the response to the current request has been written.
    fn awaits_response(&self) -> bool {
        let awaits = |exchange: &Exchange| !exchange.response_complete;
        matches!(self.response, ResponseState::Head)
            && self.response_head.is_empty()
            && self.exchange.as_ref().is_some_and(awaits)
    }

    /// The client sends bytes. After an unread response they are doubtful; after a response that was read in doubt they
    /// begin a request.
    pub(super) fn update_doubt(&mut self) {
        if matches!(self.response, ResponseState::Unread) {
            // A response is skipped only where nothing else has begun.
            self.response = ResponseState::Head;
            self.request = RequestState::default();
            self.exchange = None;
            self.in_doubt = true;
        } else if self.in_doubt && self.exchange.is_none() && self.buffered.is_empty() {
            self.in_doubt = !matches!(self.request, RequestState::Between { .. });
        }
    }

    /// Scans the client's bytes again as the beginning of a request, after an error in doubt: Envoy has handed them over
    /// again. `requests` is the count before them.
    #[inline(never)]
    pub(super) fn rescan_requests(
        &mut self,
        window: &mut Window<'_>,
        requests: u64,
        error: BypassReason,
    ) -> Result<(), BypassReason> {
        if !self.in_doubt {
            return Err(error);
        }
        self.restart();
        self.requests = requests;
        self.scan_requests(window)
    }

    /// Checks what was found in a write. In doubt it may be the rest of the unread response.
    pub(super) fn check_write(
        &mut self,
        found: Result<Option<ResponseHead>, BypassReason>,
    ) -> Result<Option<ResponseHead>, BypassReason> {
        if !self.in_doubt {
            return found;
        }
        if found.is_err() {
            self.await_request();
        }
        if let Phase::WebSocket { .. } = self.phase {
            self.phase = Phase::Tunnel;
        }
        Ok(None)
    }

    /// The server makes an empty write, with which Envoy ends many responses. No response begins with one: in doubt it ends
    /// the unread response, and the client's bytes before it come again.
    pub fn wrote_nothing(&mut self) {
        if self.in_doubt && self.awaits_response() {
            self.await_request();
        }
    }

    /// Leaves everything unread until the client sends its next bytes.
    fn await_request(&mut self) {
        self.restart();
        self.response = ResponseState::Unread;
    }

    /// Expects a request, as at the beginning of the connection.
    fn restart(&mut self) {
        self.request = RequestState::default();
        self.request_head = MessageHead::default();
        self.response = ResponseState::default();
        self.response_head = MessageHead::default();
        self.exchange = None;
        self.buffered = BufferedBytes::default();
        self.pipelined.clear();
    }
}
