//! Responses that are not read: each read costs more than all that the scanner does with the bytes.
//!
//! Where such a response ends does not show. The next bytes of the client are taken for a request that follows it. They are
//! that from every client that waits for its responses. From one that does not, Envoy reads ahead once, and hands over the
//! same bytes again when the response has ended, so that the scanner starts again there (such a request is counted twice).
//! What is written in between is the rest of that response: it is told from the next response by Envoy's way of writing a
//! head, which is a write of its own.
use super::buffered::BufferedBytes;
use super::head::MessageHead;
use super::state::{Exchange, Phase, RequestState, ResponseState};
use super::{Http1Scanner, ResponseHead};
use crate::BypassReason;
use crate::source::Window;

/// A part of a response that need not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadResponse {
    /// Its first bytes: it can still be read.
    Begins,
    /// Bytes of a response of which others were not read.
    Continues,
}

/// Whether responses can be skipped, and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Skipping {
    /// Not before a response has shown that heads are written alone.
    #[default]
    NotYet,
    Possible,
    /// A response was skipped: an error means that the scanner may be out of step, and not that it does not understand.
    Used,
}

impl Http1Scanner {
    /// Which part of a response that need not be read is written next. None if the write has to be scanned, as every write
    /// of a response whose first one was. So does a response during which Envoy takes more from the client: to a request
    /// that may open a tunnel, that is not complete, or after which Envoy already has another one.
    pub fn unread_response(&self) -> Option<UnreadResponse> {
        match &self.response {
            ResponseState::Unread => Some(UnreadResponse::Continues),
            ResponseState::Head if self.awaits_lone_response() => Some(UnreadResponse::Begins),
            ResponseState::Head | ResponseState::Body(_) => None,
        }
    }

    /// Does not read the response that begins with the next write.
    pub fn skip_response(&mut self) {
        self.response = ResponseState::Unread;
        self.skipping = Skipping::Used;
    }

    fn awaits_lone_response(&self) -> bool {
        let waits = |exchange: &Exchange| !exchange.offers_tunnel && !exchange.response_complete;
        self.skipping != Skipping::NotYet
            && self.response_head.is_empty()
            && self.phase == Phase::Open
            && matches!(self.request, RequestState::Complete)
            && self.buffered.is_empty()
            && self.exchange.as_ref().is_some_and(waits)
    }

    /// The client sends its next bytes. Nothing else was begun before a response was skipped.
    pub(super) fn end_unread_response(&mut self) {
        if matches!(self.response, ResponseState::Unread) {
            self.response = ResponseState::Head;
            self.request = RequestState::default();
            self.exchange = None;
        }
    }

    /// Starts with a new exchange, as at the beginning of the connection.
    fn restart(&mut self) {
        self.request = RequestState::default();
        self.request_head = MessageHead::default();
        self.response = ResponseState::default();
        self.response_head = MessageHead::default();
        self.exchange = None;
        self.buffered = BufferedBytes::default();
        self.pipelined.clear();
    }

    /// Scans requests again after an error, from the beginning of the callback.
    #[inline(never)]
    pub(super) fn rescan_requests(
        &mut self,
        window: &mut Window<'_>,
        error: BypassReason,
    ) -> Result<(), BypassReason> {
        if self.skipping != Skipping::Used {
            return Err(error);
        }
        self.restart();
        if self.scan_requests(window).is_err() {
            self.restart();
            self.response = ResponseState::Unread;
        }
        Ok(())
    }

    /// Checks what was found in a write of `len` bytes: a head that is alone shows that responses can be skipped. After a
    /// skipped one, everything else in place of a head is the rest of another response.
    pub(super) fn check_head(
        &mut self,
        found: Result<Option<ResponseHead>, BypassReason>,
        len: usize,
    ) -> Result<Option<ResponseHead>, BypassReason> {
        let is_alone =
            |head: ResponseHead| head.insert_at.and_then(|at| at.checked_add(2)) == Some(len);
        let is_cut = !self.response_head.is_empty();
        match (found, self.skipping) {
            (Ok(Some(head)), Skipping::NotYet) if is_alone(head) => {
                self.skipping = Skipping::Possible;
                found
            }
            (Ok(Some(head)), Skipping::Used) if is_alone(head) => found,
            (Ok(None), Skipping::Used) if !is_cut => found,
            (_, Skipping::Used) if matches!(self.phase, Phase::Open | Phase::Closing) => {
                self.restart();
                self.phase = Phase::Open;
                self.response = ResponseState::Unread;
                Ok(None)
            }
            _ => found,
        }
    }
}
