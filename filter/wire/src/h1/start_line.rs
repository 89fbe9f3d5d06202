//! Request lines and status lines, in pieces of any size (RFC 9112 3 and 4).
use super::text::{Word, split, target_len, text_len, token_len};
use crate::BypassReason;

/// The first line of a head.
pub(super) trait StartLine {
    /// Scans `bytes`. Returns how many of them belong to the line once its CRLF has arrived; 0 when it had arrived
    /// before.
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, BypassReason>;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    #[default]
    Http11,
}

impl Version {
    fn of(word: &Word) -> Result<Self, BypassReason> {
        match word.get() {
            Some(b"HTTP/1.1") => Ok(Self::Http11),
            Some(b"HTTP/1.0") => Ok(Self::Http10),
            _ => Err(BypassReason::StartLine),
        }
    }
}

/// The methods whose responses have a length of their own (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Connect,
    #[default]
    Other,
}

/// `method SP request-target SP HTTP-version CRLF`
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestLine {
    state: RequestLineState,
    word: Word,
    pub(super) method: Method,
    pub(super) version: Version,
}

/// ```text
/// Method ──SP──▶ Target ──SP──▶ Version ──CR──▶ Lf ──LF──▶ End
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum RequestLineState {
    #[default]
    Method,
    Target {
        empty: bool,
    },
    Version,
    Lf,
    End,
}

impl StartLine for RequestLine {
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, BypassReason> {
        let mut rest = bytes;
        loop {
            if matches!(self.state, RequestLineState::End) {
                return Ok(Some(bytes.len().saturating_sub(rest.len())));
            }
            let run = match self.state {
                RequestLineState::Method => token_len(rest),
                RequestLineState::Target { .. } => target_len(rest),
                RequestLineState::Version => text_len(rest),
                RequestLineState::Lf | RequestLineState::End => 0,
            };
            let (piece, tail) = split(rest, run);
            match &mut self.state {
                // The target is not kept: only its presence matters.
                RequestLineState::Target { empty } => *empty &= piece.is_empty(),
                _ => self.word.push(piece),
            }
            let Some((&byte, after)) = tail.split_first() else {
                return Ok(None);
            };
            self.state = match (self.state, byte) {
                (RequestLineState::Method, b' ') if !self.word.is_empty() => {
                    self.method = match self.word.get() {
                        Some(b"HEAD") => Method::Head,
                        Some(b"CONNECT") => Method::Connect,
                        _ => Method::Other,
                    };
                    self.word.clear();
                    RequestLineState::Target { empty: true }
                }
                (RequestLineState::Target { empty: false }, b' ') => RequestLineState::Version,
                (RequestLineState::Version, b'\r') => {
                    self.version = Version::of(&self.word)?;
                    RequestLineState::Lf
                }
                (RequestLineState::Lf, b'\n') => RequestLineState::End,
                _ => return Err(BypassReason::StartLine),
            };
            rest = after;
        }
    }
}

/// `HTTP-version SP status-code [ SP reason-phrase ] CRLF`. RFC 9112 4 requires the second space, but some
/// servers omit it with the reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StatusLine {
    state: StatusLineState,
    word: Word,
    pub(super) version: Version,
    pub(super) status: u16,
}

/// ```text
/// Version ──SP──▶ Status ──SP──▶ Reason ──CR──▶ Lf ──LF──▶ End
///                    └───────────CR────────────▲
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum StatusLineState {
    #[default]
    Version,
    Status,
    Reason,
    Lf,
    End,
}

impl StartLine for StatusLine {
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, BypassReason> {
        let mut rest = bytes;
        loop {
            if matches!(self.state, StatusLineState::End) {
                return Ok(Some(bytes.len().saturating_sub(rest.len())));
            }
            let run = match self.state {
                StatusLineState::Version | StatusLineState::Status => target_len(rest),
                StatusLineState::Reason => text_len(rest),
                StatusLineState::Lf | StatusLineState::End => 0,
            };
            let (piece, tail) = split(rest, run);
            self.word.push(piece);
            // A protocol without line ends never completes the line, so the first wrong byte distinguishes it from HTTP.
            if matches!(self.state, StatusLineState::Version) && !begins_version(&self.word) {
                return Err(BypassReason::StartLine);
            }
            let Some((&byte, after)) = tail.split_first() else {
                return Ok(None);
            };
            self.state = match (self.state, byte) {
                (StatusLineState::Version, b' ') => {
                    self.version = Version::of(&self.word)?;
                    self.word.clear();
                    StatusLineState::Status
                }
                (StatusLineState::Status, b' ' | b'\r') => {
                    self.status = self
                        .word
                        .get()
                        .and_then(status)
                        .ok_or(BypassReason::StartLine)?;
                    if byte == b' ' {
                        StatusLineState::Reason
                    } else {
                        StatusLineState::Lf
                    }
                }
                (StatusLineState::Reason, b'\r') => StatusLineState::Lf,
                (StatusLineState::Lf, b'\n') => StatusLineState::End,
                _ => return Err(BypassReason::StartLine),
            };
            rest = after;
        }
    }
}

/// Whether these bytes can become an HTTP-version (RFC 9112 2.3).
fn begins_version(word: &Word) -> bool {
    const PREFIX: &[u8] = b"HTTP/1.";
    word.get()
        .is_some_and(|word| PREFIX.starts_with(word) || word.starts_with(PREFIX))
}

/// Parses three digits, the first of which gives the class (RFC 9110 15).
fn status(digits: &[u8]) -> Option<u16> {
    let [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = digits else {
        return None;
    };
    std::str::from_utf8(digits).ok()?.parse().ok()
}
