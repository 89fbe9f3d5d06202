//! Request lines and status lines, in pieces of any size (RFC 9112 3 and 4).
use super::text::{Word, split, target, text, token};
use crate::BypassReason;

/// The first line of a head.
pub(super) trait StartLine {
    /// Takes `bytes` and gives how many of them belong to the line, once its CRLF has come; none of them
    /// when it had come before.
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

/// The methods whose answers have a length of their own (RFC 9112 6.3).
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
    place: RequestPlace,
    word: Word,
    pub(super) method: Method,
    pub(super) version: Version,
}

#[derive(Clone, Copy, Debug, Default)]
enum RequestPlace {
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
            if matches!(self.place, RequestPlace::End) {
                return Ok(Some(bytes.len().saturating_sub(rest.len())));
            }
            let run = match self.place {
                RequestPlace::Method => token(rest),
                RequestPlace::Target { .. } => target(rest),
                RequestPlace::Version => text(rest),
                RequestPlace::Lf | RequestPlace::End => 0,
            };
            let (piece, tail) = split(rest, run);
            match &mut self.place {
                RequestPlace::Target { empty } => *empty &= piece.is_empty(),
                _ => self.word.push(piece),
            }
            let Some((&byte, after)) = tail.split_first() else {
                return Ok(None);
            };
            self.place = match (self.place, byte) {
                (RequestPlace::Method, b' ') if !self.word.is_empty() => {
                    self.method = match self.word.get() {
                        Some(b"HEAD") => Method::Head,
                        Some(b"CONNECT") => Method::Connect,
                        _ => Method::Other,
                    };
                    self.word.clear();
                    RequestPlace::Target { empty: true }
                }
                (RequestPlace::Target { empty: false }, b' ') => RequestPlace::Version,
                (RequestPlace::Version, b'\r') => {
                    self.version = Version::of(&self.word)?;
                    RequestPlace::Lf
                }
                (RequestPlace::Lf, b'\n') => RequestPlace::End,
                _ => return Err(BypassReason::StartLine),
            };
            rest = after;
        }
    }
}

/// `HTTP-version SP status-code [ SP reason-phrase ] CRLF`; RFC 9112 4 asks for the second space, but
/// there are servers that leave it out with the reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StatusLine {
    place: StatusPlace,
    word: Word,
    pub(super) version: Version,
    pub(super) status: u16,
}

#[derive(Clone, Copy, Debug, Default)]
enum StatusPlace {
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
            if matches!(self.place, StatusPlace::End) {
                return Ok(Some(bytes.len().saturating_sub(rest.len())));
            }
            let run = match self.place {
                StatusPlace::Version | StatusPlace::Status => target(rest),
                StatusPlace::Reason => text(rest),
                StatusPlace::Lf | StatusPlace::End => 0,
            };
            let (piece, tail) = split(rest, run);
            self.word.push(piece);
            // A protocol without line ends would never complete the line: the first wrong byte tells it from HTTP.
            if matches!(self.place, StatusPlace::Version) && !begins_version(&self.word) {
                return Err(BypassReason::StartLine);
            }
            let Some((&byte, after)) = tail.split_first() else {
                return Ok(None);
            };
            self.place = match (self.place, byte) {
                (StatusPlace::Version, b' ') => {
                    self.version = Version::of(&self.word)?;
                    self.word.clear();
                    StatusPlace::Status
                }
                (StatusPlace::Status, b' ' | b'\r') => {
                    self.status = self
                        .word
                        .get()
                        .and_then(status)
                        .ok_or(BypassReason::StartLine)?;
                    if byte == b' ' {
                        StatusPlace::Reason
                    } else {
                        StatusPlace::Lf
                    }
                }
                (StatusPlace::Reason, b'\r') => StatusPlace::Lf,
                (StatusPlace::Lf, b'\n') => StatusPlace::End,
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

/// Three digits, of which the first gives the class (RFC 9110 15).
fn status(digits: &[u8]) -> Option<u16> {
    let [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = digits else {
        return None;
    };
    std::str::from_utf8(digits).ok()?.parse().ok()
}
