//! Request lines and status lines, in pieces of any size (RFC 9112 3 and 4).
use super::text::{is_token, skip_target, skip_text, split};
use super::word::Word;
use crate::BypassReason;

/// The first line of a head.
pub(super) trait StartLine {
    /// Scans `bytes`. Returns those after the line once its CRLF has arrived; all of them when it had arrived before.
    /// `word` keeps a word that is cut.
    fn scan<'a>(
        &mut self,
        word: &mut Word,
        bytes: &'a [u8],
    ) -> Result<Option<&'a [u8]>, BypassReason>;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    #[default]
    Http11,
}

impl Version {
    /// Parses an HTTP-version and what follows it, which must be `end` (RFC 9112 2.3).
    fn parse<const N: usize>(word: &[u8; N], end: &[u8]) -> Result<Self, BypassReason> {
        const HTTP_1_0: u64 = u64::from_le_bytes(*b"HTTP/1.0");
        const HTTP_1_1: u64 = u64::from_le_bytes(*b"HTTP/1.1");
        match word.split_first_chunk() {
            Some((version, after)) if after == end => match u64::from_le_bytes(*version) {
                HTTP_1_0 => Ok(Self::Http10),
                HTTP_1_1 => Ok(Self::Http11),
                _ => Err(BypassReason::StartLine),
            },
            _ => Err(BypassReason::StartLine),
        }
    }

    /// Checks an HTTP-version that is cut. A protocol without line ends never completes the line, so the first wrong
    /// byte distinguishes it from HTTP.
    fn check_begin(word: &Word, end: &[u8]) -> Result<(), BypassReason> {
        let (version, after) = split(word.get(), 8);
        let is_begin_of = |whole: &[u8]| whole.starts_with(version);
        if (is_begin_of(b"HTTP/1.0") || is_begin_of(b"HTTP/1.1")) && end.starts_with(after) {
            Ok(())
        } else {
            Err(BypassReason::StartLine)
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
    pub(super) method: Method,
    pub(super) version: Version,
}

/// ```text
/// Method ──SP──▶ Target ──SP──▶ Version ──CRLF──▶ End
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum RequestLineState {
    #[default]
    Method,
    Target {
        empty: bool,
    },
    Version,
    End,
}

impl StartLine for RequestLine {
    fn scan<'a>(
        &mut self,
        word: &mut Word,
        bytes: &'a [u8],
    ) -> Result<Option<&'a [u8]>, BypassReason> {
        let mut rest = bytes;
        if self.state == RequestLineState::Method {
            let len = rest.iter().position(|&byte| !is_token(byte));
            let (piece, tail) = split(rest, len.unwrap_or(rest.len()));
            let Some((&byte, after)) = tail.split_first() else {
                word.push(piece);
                return Ok(None);
            };
            self.method = match (word.end(piece), byte) {
                (b"", _) => return Err(BypassReason::StartLine),
                (b"HEAD", b' ') => Method::Head,
                (b"CONNECT", b' ') => Method::Connect,
                (_, b' ') => Method::Other,
                _ => return Err(BypassReason::StartLine),
            };
            self.state = RequestLineState::Target { empty: true };
            rest = after;
        }
        if let RequestLineState::Target { empty } = self.state {
            // The target is not kept: only its presence matters.
            let tail = skip_target(rest);
            let empty = empty && tail.len() == rest.len();
            match tail.split_first() {
                None => {
                    self.state = RequestLineState::Target { empty };
                    return Ok(None);
                }
                Some((b' ', after)) if !empty => {
                    self.state = RequestLineState::Version;
                    rest = after;
                }
                Some(_) => return Err(BypassReason::StartLine),
            }
        }
        if self.state == RequestLineState::Version {
            self.version = match word.end_after::<10>(&mut rest) {
                Some(version) => Version::parse(version, b"\r\n")?,
                None => return Version::check_begin(word, b"\r\n").map(|()| None),
            };
            self.state = RequestLineState::End;
        }
        Ok(Some(rest))
    }
}

/// `HTTP-version SP status-code [ SP reason-phrase ] CRLF`. RFC 9112 4 requires the second space, but some
/// servers omit it with the reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StatusLine {
    state: StatusLineState,
    pub(super) version: Version,
    pub(super) status: u16,
}

/// ```text
/// Version ──SP──▶ Status ──SP──▶ Reason ──CR──▶ Lf ──LF──▶ End
///                    └───────────CR────────────▲
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum StatusLineState {
    #[default]
    Version,
    Status,
    Reason,
    Lf,
    End,
}

impl StartLine for StatusLine {
    fn scan<'a>(
        &mut self,
        word: &mut Word,
        bytes: &'a [u8],
    ) -> Result<Option<&'a [u8]>, BypassReason> {
        let mut rest = bytes;
        if self.state == StatusLineState::Version {
            self.version = match word.end_after::<9>(&mut rest) {
                Some(version) => Version::parse(version, b" ")?,
                None => return Version::check_begin(word, b" ").map(|()| None),
            };
            self.state = StatusLineState::Status;
        }
        if self.state == StatusLineState::Status {
            let Some([digits @ .., end]) = word.end_after::<4>(&mut rest) else {
                return Ok(None);
            };
            self.status = status(*digits).ok_or(BypassReason::StartLine)?;
            self.state = match end {
                b' ' => StatusLineState::Reason,
                b'\r' => StatusLineState::Lf,
                _ => return Err(BypassReason::StartLine),
            };
        }
        if self.state == StatusLineState::Reason {
            match skip_text(rest).split_first() {
                None => return Ok(None),
                Some((b'\r', after)) => rest = after,
                Some(_) => return Err(BypassReason::StartLine),
            }
            self.state = StatusLineState::Lf;
        }
        if self.state == StatusLineState::Lf {
            match rest.split_first() {
                None => return Ok(None),
                Some((b'\n', after)) => rest = after,
                Some(_) => return Err(BypassReason::StartLine),
            }
            self.state = StatusLineState::End;
        }
        Ok(Some(rest))
    }
}

/// Parses three digits, the first of which gives the class (RFC 9110 15).
fn status(digits: [u8; 3]) -> Option<u16> {
    let [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = digits else {
        return None;
    };
    let add = |value: u16, digit: u8| value.wrapping_mul(10).wrapping_add((digit & 0xf).into());
    Some(digits.into_iter().fold(0, add))
}
