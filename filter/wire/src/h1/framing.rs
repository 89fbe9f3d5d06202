//! The fields of a head that determine the length of its message (RFC 9112 6.3) and the future of the connection
//! (RFC 9112 9.3).
use super::fields::Name;
use super::start_line::Version;
use super::text::{is_same, split};
use crate::BypassReason;

/// The length of `keep-alive`, a field name and an option.
const KEEP_ALIVE_LEN: u32 = 10;

/// What the fields scanned so far determine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    /// The `upgrade` field lists `websocket`.
    websocket: bool,
    /// The `upgrade` field lists another protocol.
    other_protocol: bool,
    /// Where the option `close` is written.
    option: Option<FieldRange>,
    /// The first `keep-alive` field line; its length is 0 until it has ended.
    keep_alive_line: Option<FieldRange>,
}

/// A part of a field section.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldRange {
    pub(super) at: u32,
    pub(super) len: u32,
}

/// How the end of a message's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// The head does not determine it.
    Unknown,
    /// After this many bytes.
    Sized(u64),
    /// At the last chunk.
    Chunked,
}

impl FramingFields {
    /// Adds one element of a list-valued field, which began at offset `at` of the section.
    pub(super) fn add_element(
        &mut self,
        name: Name,
        element: &[u8],
        at: u32,
    ) -> Result<(), BypassReason> {
        match name {
            Name::Connection if element.is_empty() => {}
            Name::Connection => {
                let is_keep_alive = is_same(element, b"keep-alive");
                // The first `keep-alive` is replaced; where there is none, `close` comes before the first option.
                if self.option.is_none() || (is_keep_alive && !self.keep_alive) {
                    let len = if is_keep_alive { KEEP_ALIVE_LEN } else { 0 };
                    self.option = Some(FieldRange { at, len });
                }
                self.close |= is_same(element, b"close");
                self.keep_alive |= is_keep_alive;
                self.upgrade_option |= is_same(element, b"upgrade");
            }
            Name::Upgrade if element.is_empty() => {}
            Name::Upgrade => {
                let is_websocket = is_same(element, b"websocket");
                self.upgrade_field = true;
                self.websocket |= is_websocket;
                self.other_protocol |= !is_websocket;
            }
            Name::ContentLength => {
                let length = decimal(element).ok_or(BypassReason::Framing)?;
                if self.length.is_some_and(|known| known != length) {
                    return Err(BypassReason::Framing);
                }
                self.length = Some(length);
            }
            // Envoy supports no other coding, and chunked must not be applied twice (RFC 9112 7.1).
            Name::TransferEncoding => {
                if self.chunked || !is_same(element, b"chunked") {
                    return Err(BypassReason::Framing);
                }
                self.chunked = true;
            }
            Name::KeepAlive => {}
        }
        Ok(())
    }

    /// The length of the message's body.
    ///
    /// # Errors
    /// [`BypassReason::Framing`] for both lengths, and for chunks in HTTP/1.0: proxies disagree on these, which
    /// request smuggling exploits (RFC 9112 6.1).
    pub(super) fn length(&self, version: Version) -> Result<Length, BypassReason> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(BypassReason::Framing),
            (true, None) if version == Version::Http10 => Err(BypassReason::Framing),
            (true, None) => Ok(Length::Chunked),
            (false, Some(length)) => Ok(Length::Sized(length)),
            (false, None) => Ok(Length::Unknown),
        }
    }

    /// Records that the name of a `keep-alive` field ends at offset `end` of the section.
    pub(super) fn begin_keep_alive(&mut self, end: u32) {
        let at = end.saturating_sub(KEEP_ALIVE_LEN);
        self.keep_alive_line
            .get_or_insert(FieldRange { at, len: 0 });
    }

    /// Records that the LF of a `keep-alive` field is at offset `lf` of the section.
    pub(super) fn end_keep_alive(&mut self, lf: u32) {
        if let Some(FieldRange { at, len: len @ 0 }) = &mut self.keep_alive_line {
            *len = lf.saturating_sub(*at).saturating_add(1);
        }
    }

    /// Whether there is a `keep-alive` field.
    pub(super) fn has_keep_alive_field(&self) -> bool {
        self.keep_alive_line.is_some()
    }

    /// What `connection: close` replaces: an option of the `connection` field, and the `keep-alive` field.
    pub(super) fn persistence(&self) -> (Option<FieldRange>, Option<FieldRange>) {
        (self.option, self.keep_alive_line)
    }

    /// Whether the sender requests a persistent connection explicitly, as HTTP/1.0 must (RFC 9112 9.3).
    pub(super) fn has_keep_alive(&self) -> bool {
        self.keep_alive && !self.close
    }

    /// Whether the connection ends with this message (RFC 9112 9.3).
    pub(super) fn closes(&self, version: Version) -> bool {
        self.close || (version == Version::Http10 && !self.keep_alive)
    }

    /// Whether the option `close` is present.
    pub(super) fn has_close(&self) -> bool {
        self.close
    }

    /// Whether the sender offers or selects another protocol (RFC 9110 7.8).
    pub(super) fn upgrades(&self) -> bool {
        self.upgrade_option && self.upgrade_field
    }

    /// Whether the sender offers a WebSocket, possibly among other protocols (RFC 6455 4.1).
    pub(super) fn offers_websocket(&self) -> bool {
        self.upgrades() && self.websocket
    }

    /// Whether the sender of a 101 selects a WebSocket and nothing else (RFC 6455 4.2.2).
    pub(super) fn selects_websocket(&self) -> bool {
        self.offers_websocket() && !self.other_protocol
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let digit = |byte: u8| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then_some(u64::from(digit))
    };
    // Any 19 digits fit into 64 bits. Checks are expensive: they multiply 128 bits.
    let (most, last) = split(digits, 19);
    let value = most.iter().try_fold(0_u64, |value, byte| {
        Some(value.wrapping_mul(10).wrapping_add(digit(*byte)?))
    })?;
    let value = last.iter().try_fold(value, |value, byte| {
        value.checked_mul(10)?.checked_add(digit(*byte)?)
    })?;
    (!digits.is_empty()).then_some(value)
}
