//! How long the broker keeps the session (MQTT 3.1.1, 3.1.2.4; MQTT 5, 3.1.2.11.2).

use super::packet::read_variable;
use crate::tcp::BypassReason;

/// The fields of CONNECT that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connect {
    /// 3 is MQTT 3.1, 4 is 3.1.1.
    pub(super) version: u8,
    /// The session outlives the connection, and the client resumes it.
    pub(super) is_persistent: bool,
}

/// The Session Expiry Interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionExpiry {
    /// The property is absent.
    Never,
    Seconds(u32),
    /// The properties are longer than what is read of them.
    Unknown,
}

const CLEAN_START: u8 = 0x02;
const SESSION_EXPIRY_INTERVAL: u8 = 0x11;

/// Mosquitto marks bridges in the version.
const BRIDGE: u8 = 0x80;

pub(super) fn read_connect(payload: &[u8]) -> Result<Connect, BypassReason> {
    let rest = payload
        .strip_prefix(b"\0\x04MQTT")
        .or_else(|| payload.strip_prefix(b"\0\x06MQIsdp"))
        .ok_or(BypassReason::Unsupported)?;
    let [level, flags, _, _, properties @ ..] = rest else {
        return Err(BypassReason::Malformed);
    };
    let version = level & !BRIDGE;
    let is_clean = flags & CLEAN_START != 0;
    let is_persistent = match version {
        3 | 4 => !is_clean,
        // A client with Clean Start may or may not set it again when it reconnects.
        5 => matches!(read_expiry(properties)?, SessionExpiry::Seconds(1..)) && !is_clean,
        _ => return Err(BypassReason::Unsupported),
    };
    Ok(Connect {
        version,
        is_persistent,
    })
}

pub(super) fn read_connack(
    payload: &[u8],
    version: u8,
) -> Result<(bool, SessionExpiry), BypassReason> {
    let [_, code, properties @ ..] = payload else {
        return Err(BypassReason::Malformed);
    };
    let expiry = match version {
        5 => read_expiry(properties)?,
        _ => SessionExpiry::Never,
    };
    Ok((*code == 0, expiry))
}

/// Looks for the Session Expiry Interval in properties, the end of which may be missing.
fn read_expiry(bytes: &[u8]) -> Result<SessionExpiry, BypassReason> {
    let Some((length, bytes)) = read_variable(bytes)? else {
        return Ok(SessionExpiry::Unknown);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut rest = bytes.get(..length).unwrap_or(bytes);
    while let Some((id, value)) = rest.split_first() {
        let size = match (*id, value) {
            (SESSION_EXPIRY_INTERVAL, [a, b, c, d, ..]) => {
                let seconds = u32::from_be_bytes([*a, *b, *c, *d]);
                return Ok(SessionExpiry::Seconds(seconds));
            }
            _ => size_of_property(*id, value)?,
        };
        let behind = size.and_then(|size| value.get(size..));
        let Some(behind) = behind else {
            return Ok(SessionExpiry::Unknown);
        };
        rest = behind;
    }
    match bytes.len() < length {
        true => Ok(SessionExpiry::Unknown),
        false => Ok(SessionExpiry::Never),
    }
}

/// The size of a property's value in CONNECT or CONNACK (MQTT 5, 2.2.2.2); None if it is incomplete.
fn size_of_property(id: u8, value: &[u8]) -> Result<Option<usize>, BypassReason> {
    let size = match id {
        0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => Some(1),
        0x13 | 0x21 | 0x22 => Some(2),
        0x11 | 0x27 => Some(4),
        // Texts and binary data.
        0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => size_of_text(value),
        // A name and a value.
        0x26 => size_of_text(value).and_then(|name| {
            let value = size_of_text(value.get(name..)?)?;
            name.checked_add(value)
        }),
        _ => return Err(BypassReason::Malformed),
    };
    Ok(size)
}

fn size_of_text(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [high, low, ..] => Some(usize::from(u16::from_be_bytes([*high, *low])).saturating_add(2)),
        _ => None,
    }
}
