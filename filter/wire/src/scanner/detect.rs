//! The detection of a connection's protocol by its first bytes.

use super::{ConnectionScanner, State};
use crate::first_bytes::{Identified, matches_no_protocol};
use crate::h2::PREFACE;
use crate::tcp::{Session, Side};
use crate::{ByteSource, h1, h2};

/// Envoy takes a connection for HTTP/2 after `PRI * HTTP/2`, and then writes its SETTINGS without waiting for the rest of
/// the preface.
const ENVOY_PREFACE: usize = 12;

/// The selected scanner gets the bytes of earlier callbacks, too: they are the beginning of the preface.
fn bytes_of_earlier_callbacks(matched: usize) -> &'static [u8] {
    PREFACE.get(..matched).unwrap_or_default()
}

impl ConnectionScanner {
    /// Scans bytes from the client by which the protocol may be detected.
    #[inline(never)]
    pub(super) fn scan_first_bytes(&mut self, source: &mut dyn ByteSource) -> bool {
        let is_first = matches!(self.state, State::Pending(0));
        if let State::Pending(matched) = self.state {
            self.detect(matched, source);
        }
        let has_message = self.scan_from_client(source);
        if is_first && matches!(self.state, State::Tcp) {
            self.is_known_raw |= matches_no_protocol(Side::Client, source);
        }
        has_message
    }

    /// Finds the protocol by the first bytes of the server.
    #[inline(never)]
    pub(super) fn scan_first_write(&mut self, source: &mut dyn ByteSource) {
        if let Some(earlier) = self.identify(Side::Server, source)
            && let State::Session(session) = &mut self.state
        {
            session.server(&mut &*earlier);
        }
        match self.state {
            State::Pending(matched @ ENVOY_PREFACE..) if !source.is_empty() => {
                self.start_http2(matched)
            }
            // In HTTP the client sends first.
            State::Pending(matched) if !source.is_empty() => {
                self.is_known_raw |= matched == 0 && matches_no_protocol(Side::Server, source);
                self.set_state(self.not_http());
            }
            _ => {}
        }
    }

    /// Compares the first bytes with the protocols of databases and brokers. Returns the bytes of earlier callbacks once
    /// the comparison is decided.
    pub(super) fn identify(&mut self, side: Side, source: &mut dyn ByteSource) -> Option<Vec<u8>> {
        let State::FirstBytes(first) = &mut self.state else {
            return None;
        };
        if source.is_empty() {
            return None;
        }
        match first.add(side, source) {
            Identified::NeedMore => None,
            Identified::Session(protocol, earlier) => {
                self.set_state(State::Session(Session::new(protocol)));
                Some(earlier)
            }
            Identified::Other { earlier, bypass } => {
                self.bypass_unless_http = bypass;
                self.is_known_raw = bypass.is_none();
                self.set_state(State::default());
                Some(earlier)
            }
        }
    }

    /// Compares the first bytes with the HTTP/2 preface, of which `matched` bytes came in earlier callbacks.
    fn detect(&mut self, matched: usize, source: &mut dyn ByteSource) {
        let rest = PREFACE.get(matched..).unwrap_or_default();
        let first = source.read(0, rest.len());
        let same = rest.iter().zip(&first).take_while(|(a, b)| a == b).count();
        if same == rest.len() {
            self.start_http2(matched);
        } else if same == source.len() {
            self.set_state(State::Pending(matched.saturating_add(same)));
        } else {
            let mut scanner = Box::<h1::Http1Scanner>::default();
            let result = scanner.scan_downstream(&mut bytes_of_earlier_callbacks(matched));
            self.set_state(State::Http1(scanner));
            if let Err(reason) = result {
                self.bypass(reason);
            }
        }
    }

    /// The connection speaks HTTP/2; `matched` bytes of the preface came in earlier callbacks.
    fn start_http2(&mut self, matched: usize) {
        let mut scanner = Box::<h2::Http2Scanner>::default();
        let result = scanner.scan_downstream(&mut bytes_of_earlier_callbacks(matched));
        self.set_state(State::Http2(scanner));
        if let Err(reason) = result {
            self.bypass(reason);
        }
    }

    /// The state of a connection that has turned out not to be HTTP.
    pub(super) fn not_http(&self) -> State {
        self.bypass_unless_http.map_or(State::Tcp, State::Bypassed)
    }
}
