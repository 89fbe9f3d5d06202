//! What a head says about the length of its message and about the connection (RFC 9112 6.3 and 9.3).
use super::fields::Name;
use super::start_line::Version;
use super::text::Word;
use crate::Opaque;

/// What the fields seen so far say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    /// An element of `upgrade` is `websocket`; one is something else.
    websocket: bool,
    not_websocket: bool,
    /// There is a `keep-alive` field.
    pub(super) keep_alive_hint: bool,
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

impl Said {
    /// Takes one element of a list-valued field.
    pub(super) fn element(&mut self, name: Name, element: &Word) -> Result<(), Opaque> {
        match name {
            Name::Connection => {
                self.close |= element.is(b"close");
                self.keep_alive |= element.is(b"keep-alive");
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
                let length = element.get().and_then(decimal).ok_or(Opaque::Framing)?;
                if self.length.is_some_and(|known| known != length) {
                    return Err(Opaque::Framing);
                }
                self.length = Some(length);
            }
            // Envoy knows no other coding, and chunked twice is forbidden (RFC 9112 7.1).
            Name::TransferEncoding => {
                if self.chunked || !element.is(b"chunked") {
                    return Err(Opaque::Framing);
                }
                self.chunked = true;
            }
        }
        Ok(())
    }

    /// A head with both lengths, or an HTTP/1.0 one with chunks, is how requests are smuggled.
    pub(super) fn length(&self, version: Version) -> Result<Length, Opaque> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Opaque::Framing),
            (true, None) if version == Version::Http10 => Err(Opaque::Framing),
            (true, None) => Ok(Length::Chunked),
            (false, Some(length)) => Ok(Length::Sized(length)),
            (false, None) => Ok(Length::Unsaid),
        }
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
