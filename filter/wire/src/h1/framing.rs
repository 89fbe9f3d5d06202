//! What a head says about the length of its message and about the connection (RFC 9112 6.3 and 9.3).
use super::fields::Name;
use super::start_line::Version;
use super::text::Word;
use crate::BypassReason;

/// The length of the option `keep-alive`.
const KEEP_ALIVE_LEN: u32 = 10;

/// What the fields seen so far say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    /// An element of `upgrade` is `websocket`; one is something else.
    websocket: bool,
    not_websocket: bool,
    /// Where the `close` option would stand.
    option: Option<Range>,
    /// The first `keep-alive` field line; its length is 0 until it has ended.
    keep_alive_line: Option<Range>,
}

/// A part of a field section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) at: u32,
    pub(super) len: u32,
}

/// How the end of a message's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// The head does not say.
    Unsaid,
    /// So many bytes.
    Sized(u64),
    /// By the last chunk.
    Chunked,
}

impl FramingFields {
    /// Takes one element of a list-valued field, which began at offset `at` of the section.
    pub(super) fn element(
        &mut self,
        name: Name,
        element: &Word,
        at: u32,
    ) -> Result<(), BypassReason> {
        match name {
            Name::Connection if element.is_empty() => {}
            Name::Connection => {
                let is_keep_alive = element.is(b"keep-alive");
                // The first `keep-alive` is replaced; where there is none, `close` comes before the first option.
                if self.option.is_none() || (is_keep_alive && !self.keep_alive) {
                    let len = if is_keep_alive { KEEP_ALIVE_LEN } else { 0 };
                    self.option = Some(Range { at, len });
                }
                self.close |= element.is(b"close");
                self.keep_alive |= is_keep_alive;
                self.upgrade_option |= element.is(b"upgrade");
            }
            Name::Upgrade if element.is_empty() => {}
            Name::Upgrade => {
                let is_websocket = element.is(b"websocket");
                self.upgrade_field = true;
                self.websocket |= is_websocket;
                self.not_websocket |= !is_websocket;
            }
            Name::ContentLength => {
                let length = element
                    .get()
                    .and_then(decimal)
                    .ok_or(BypassReason::Framing)?;
                if self.length.is_some_and(|known| known != length) {
                    return Err(BypassReason::Framing);
                }
                self.length = Some(length);
            }
            // Envoy knows no other coding, and chunked twice is forbidden (RFC 9112 7.1).
            Name::TransferEncoding => {
                if self.chunked || !element.is(b"chunked") {
                    return Err(BypassReason::Framing);
                }
                self.chunked = true;
            }
        }
        Ok(())
    }

    /// A head with both lengths, or an HTTP/1.0 one with chunks, is how requests are smuggled.
    pub(super) fn length(&self, version: Version) -> Result<Length, BypassReason> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(BypassReason::Framing),
            (true, None) if version == Version::Http10 => Err(BypassReason::Framing),
            (true, None) => Ok(Length::Chunked),
            (false, Some(length)) => Ok(Length::Sized(length)),
            (false, None) => Ok(Length::Unsaid),
        }
    }

    /// A `keep-alive` field line begins at offset `at` of the section.
    pub(super) fn begin_keep_alive(&mut self, at: u32) {
        self.keep_alive_line.get_or_insert(Range { at, len: 0 });
    }

    /// A line has ended at offset `at` of the section.
    pub(super) fn end_line(&mut self, at: u32) {
        if let Some(Range { at: begin, len }) = &mut self.keep_alive_line
            && *len == 0
        {
            *len = at.saturating_sub(*begin);
        }
    }

    /// There is a `keep-alive` field.
    pub(super) fn has_keep_alive_hint(&self) -> bool {
        self.keep_alive_line.is_some()
    }

    /// What `connection: close` would replace: an option of the `connection` field, and the `keep-alive` field.
    pub(super) fn persistence(&self) -> (Option<Range>, Option<Range>) {
        (self.option, self.keep_alive_line)
    }

    /// The sender asks in so many words that the connection persists, as HTTP/1.0 has to (RFC 9112 9.3).
    pub(super) fn says_keep_alive(&self) -> bool {
        self.keep_alive && !self.close
    }

    /// The connection ends with this message.
    pub(super) fn closes(&self, version: Version) -> bool {
        self.close || (version == Version::Http10 && !self.keep_alive)
    }

    /// `connection: close` stands there in so many words.
    pub(super) fn says_close(&self) -> bool {
        self.close
    }

    /// The sender would like another protocol (RFC 9110 7.8).
    pub(super) fn upgrades(&self) -> bool {
        self.upgrade_option && self.upgrade_field
    }

    /// The sender would like a WebSocket, maybe among others (RFC 6455 4.1).
    pub(super) fn offers_websocket(&self) -> bool {
        self.upgrades() && self.websocket
    }

    /// The sender of a 101 has chosen a WebSocket, and nothing else (RFC 6455 4.2.2).
    pub(super) fn chooses_websocket(&self) -> bool {
        self.offers_websocket() && !self.not_websocket
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
