//! The client's direction: requests (RFC 9112 3 and 6).
use super::body::{Body, Passed};
use super::buffered::BufferedBytes;
use super::framing::Length;
use super::head::MessageHead;
use super::pipelined::scan_pipelined;
use super::start_line::{Method, RequestLine, Version};
use super::state::{Exchange, RequestState};
use super::{Http1Scanner, bytes_at};
use crate::BypassReason;
use crate::source::Window;

impl Http1Scanner {
    pub(super) fn scan_requests(&mut self, window: &mut Window<'_>) -> Result<(), BypassReason> {
        if !self.buffered.is_empty() && window.len() > 0 {
            self.check_order(window)?;
            // What is buffered comes again in this callback, so it is scanned again.
            self.buffered = BufferedBytes::default();
            self.pipelined.clear();
        }
        let mut at = 0_usize;
        while at < window.len() {
            at = match &mut self.request {
                RequestState::Complete => return self.buffer_from(window, at),
                RequestState::Body(body) => {
                    match body.pass(self.request_head.fields(), window, at)? {
                        Passed::All => return Ok(()),
                        Passed::Message(end) => {
                            self.request = RequestState::Complete;
                            self.end_exchange();
                            end
                        }
                    }
                }
                RequestState::Between { .. } | RequestState::Head => {
                    at.saturating_add(self.scan_head(bytes_at(window, at)?)?)
                }
            };
        }
        Ok(())
    }

    /// Scans an empty line or a head. Returns how many bytes belong to it.
    #[inline(never)]
    fn scan_head(&mut self, bytes: &[u8]) -> Result<usize, BypassReason> {
        if let RequestState::Between { cr } = &mut self.request {
            match (bytes.first(), *cr) {
                (Some(b'\r'), false) | (Some(b'\n'), true) => {
                    *cr = !*cr;
                    return Ok(1);
                }
                (_, true) => return Err(BypassReason::StartLine),
                (_, false) => self.request = RequestState::Head,
            }
        }
        let Some(end) = self.request_head.scan(bytes)? else {
            return Ok(bytes.len());
        };
        let (exchange, length) = exchange(&self.request_head)?;
        self.requests = self.requests.saturating_add(1);
        self.exchange = Some(exchange);
        self.request = Body::new(length).map_or(RequestState::Complete, RequestState::Body);
        self.request_head = MessageHead::default();
        Ok(end)
    }

    /// Compares the front of a callback with what Envoy had not taken of the one before. Where they differ, Envoy
    /// has taken those bytes in between, and the scanner must know as what.
    fn check_order(&mut self, window: &mut Window<'_>) -> Result<(), BypassReason> {
        if self.buffered.is_prefix_of(window)? {
            return Ok(());
        }
        match &mut self.exchange {
            // Envoy forwards what follows an upgrade or CONNECT request as bytes of the tunnel.
            Some(exchange) if exchange.offers_tunnel => exchange.has_tunnel_bytes = true,
            Some(_) if self.buffered.contains_request() => return Err(BypassReason::OutOfStep),
            Some(_) => {}
            // Envoy has taken the next request; the bytes after that request are handed over again.
            None => {
                let is_in_step = self.start_pipelined() && self.buffered.is_prefix_of(window)?;
                if !is_in_step && self.buffered.contains_request() {
                    return Err(BypassReason::OutOfStep);
                }
            }
        }
        Ok(())
    }

    /// Remembers the bytes from offset `at`, which follow a complete request and stay in Envoy's buffer.
    fn buffer_from(&mut self, window: &mut Window<'_>, at: usize) -> Result<(), BypassReason> {
        if !self
            .exchange
            .is_some_and(|exchange| exchange.has_tunnel_bytes)
        {
            self.buffered = BufferedBytes::record(window, at)?;
            if self.buffered.contains_request() {
                self.pipelined = scan_pipelined(window, at)?;
            }
        }
        Ok(())
    }
}

/// Returns the exchange that a request head starts, and the length of the request's body.
pub(super) fn exchange(
    head: &MessageHead<RequestLine>,
) -> Result<(Exchange, Length), BypassReason> {
    let RequestLine {
        method, version, ..
    } = head.line;
    let framing = head.framing();
    let length = match framing.length(version)? {
        // A request without a length has no body (RFC 9112 6.3, item 7).
        Length::Unknown => Length::Sized(0),
        length => length,
    };
    // With a body, the peers may disagree on where the tunnel begins (RFC 9110 9.3.6).
    if method == Method::Connect && length != Length::Sized(0) {
        return Err(BypassReason::Framing);
    }
    let exchange = Exchange {
        method,
        persists: match version {
            Version::Http11 => !framing.has_close(),
            Version::Http10 => framing.has_keep_alive(),
        },
        is_http10: version == Version::Http10,
        offers_tunnel: method == Method::Connect || framing.upgrades(),
        offers_websocket: framing.offers_websocket(),
        has_tunnel_bytes: false,
        response_complete: false,
    };
    Ok((exchange, length))
}
