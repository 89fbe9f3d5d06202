//! Control packets (MQTT 2).

use super::connect::{Connect, SessionExpiry, read_connack, read_connect};
use crate::tcp::field::{Field, Fields};
use crate::tcp::frames::Lengths;
use crate::tcp::prefix::Prefix;
use crate::tcp::{BypassReason, TLS_HANDSHAKE};

/// The fixed header: a byte, and a length of at most four.
pub(super) const HEADER: usize = 5;

/// How much of CONNECT and CONNACK is read: as far as the session's expiry among the properties.
const CONNECT: usize = 128;

/// In front of the payload of a message with QoS 1 or 2: the topic, and the packet identifier.
const PUBLISH: &[Field] = &[Field::Text(2), Field::Number(2)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Pingreq,
    Pingresp,
    Disconnect,
    Auth,
}

impl Kind {
    /// Reads the first byte: the type, and flags that all types but PUBLISH have fixed (MQTT 2.1.3).
    fn read(first: u8) -> Result<Self, BypassReason> {
        let kind = match first >> 4 {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return Err(BypassReason::Malformed),
        };
        let flags = first & 0x0f;
        let is_valid = match kind {
            // QoS 3 does not exist.
            Self::Publish => flags & 0x06 != 0x06,
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => flags == 0x02,
            _ => flags == 0,
        };
        match is_valid {
            true => Ok(kind),
            false => Err(BypassReason::Malformed),
        }
    }
}

/// A packet as far as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    first: u8,
    payload: Payload,
}

#[derive(Clone, Copy, Debug)]
enum Payload {
    Publish(Fields),
    Other(Prefix<CONNECT>),
}

impl Default for Packet {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Packet {
    pub(super) fn new(first: u8) -> Self {
        let payload = match Kind::read(first) {
            Ok(Kind::Publish) => Payload::Publish(Fields::new(PUBLISH)),
            _ => Payload::Other(Prefix::default()),
        };
        Self { first, payload }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match &mut self.payload {
            Payload::Publish(fields) => fields.push(bytes),
            Payload::Other(prefix) => prefix.push(bytes),
        }
    }

    pub(super) fn kind(&self) -> Result<Kind, BypassReason> {
        Kind::read(self.first)
    }

    /// Whether a PUBLISH has QoS 1 or 2.
    pub(super) fn has_id(&self) -> bool {
        has_id(self.first)
    }

    pub(super) fn id(&self) -> Result<u16, BypassReason> {
        let id = match &self.payload {
            Payload::Publish(fields) => {
                fields.numbers().and_then(|[id, ..]| u16::try_from(id).ok())
            }
            Payload::Other(prefix) => match prefix.bytes() {
                [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            },
        };
        id.ok_or(BypassReason::Malformed)
    }

    fn start(&self) -> &[u8] {
        match &self.payload {
            Payload::Publish(_) => &[],
            Payload::Other(prefix) => prefix.bytes(),
        }
    }

    /// Whether the reason code after the packet identifier is an error (MQTT 5, 2.4).
    pub(super) fn is_error(&self) -> bool {
        self.start().get(2).is_some_and(|code| *code >= 0x80)
    }

    /// Whether the reason code of an AUTH is Success, which is also what an empty one means.
    pub(super) fn is_success(&self) -> bool {
        self.start().first().is_none_or(|code| *code == 0)
    }

    pub(super) fn connect(&self) -> Result<Connect, BypassReason> {
        read_connect(self.start())
    }

    /// Whether a CONNACK accepts the connection, and the session's expiry that it sets.
    pub(super) fn connack(&self, version: u8) -> Result<(bool, SessionExpiry), BypassReason> {
        read_connack(self.start(), version)
    }
}

fn has_id(first: u8) -> bool {
    first & 0x06 != 0
}

/// Reads a fixed header; None while it is incomplete.
pub(super) fn parse(header: &[u8]) -> Result<Option<Lengths>, BypassReason> {
    let Some((first, digits)) = header.split_first() else {
        return Ok(None);
    };
    // A TLS record begins like a CONNECT with flags.
    if *first == TLS_HANDSHAKE {
        return Err(BypassReason::Encrypted);
    }
    let kind = Kind::read(*first)?;
    let Some((payload, _)) = read_variable(digits)? else {
        return Ok(None);
    };
    let inspected = match kind {
        Kind::Publish if !has_id(*first) => 0,
        // Two lengths, the topic and the identifier.
        Kind::Publish => 4 + 0xffff,
        _ => 128,
    };
    Ok(Some(Lengths { payload, inspected }))
}

/// Reads a Variable Byte Integer (MQTT 5, 1.5.5), and returns what follows it; None while it is incomplete.
pub(super) fn read_variable(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, BypassReason> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        let shift = u32::try_from(index).unwrap_or(0).saturating_mul(7);
        value |= u64::from(byte & 0x7f).unbounded_shl(shift);
        if byte & 0x80 == 0 {
            let rest = bytes.get(index.saturating_add(1)..).unwrap_or_default();
            return Ok(Some((value, rest)));
        }
    }
    match bytes.len() {
        0..4 => Ok(None),
        _ => Err(BypassReason::Malformed),
    }
}
