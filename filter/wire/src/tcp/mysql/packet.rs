//! Packets: a length of three bytes, a sequence id and a payload ("MySQL Packets").

use crate::tcp::BypassReason;
use crate::tcp::frames::Lengths;

pub(super) const HEADER: usize = 4;

/// The length of a payload that goes on in the next packet.
pub(super) const MAX_PAYLOAD: u32 = 0xff_ffff;

pub(super) const OK: u8 = 0x00;
pub(super) const LOCAL_INFILE: u8 = 0xfb;
pub(super) const EOF: u8 = 0xfe;
pub(super) const ERR: u8 = 0xff;

const IN_TRANS: u16 = 0x0001;
const AUTOCOMMIT: u16 = 0x0002;
const MORE_RESULTS_EXIST: u16 = 0x0008;
const CURSOR_EXISTS: u16 = 0x0040;
const LAST_ROW_SENT: u16 = 0x0080;
const IN_TRANS_READONLY: u16 = 0x2000;

/// The status flags (`SERVER_STATUS_flags_enum`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) in_transaction: bool,
    pub(super) has_autocommit: bool,
    pub(super) has_more_results: bool,
    pub(super) has_cursor: bool,
    pub(super) is_last_row_sent: bool,
}

impl Status {
    fn new(flags: u16) -> Self {
        Self {
            in_transaction: flags & (IN_TRANS | IN_TRANS_READONLY) != 0,
            has_autocommit: flags & AUTOCOMMIT != 0,
            has_more_results: flags & MORE_RESULTS_EXIST != 0,
            has_cursor: flags & CURSOR_EXISTS != 0,
            is_last_row_sent: flags & LAST_ROW_SENT != 0,
        }
    }

    /// Reads the first bytes of an OK_Packet or EOF_Packet whose payload has `length` bytes.
    pub(super) fn read(payload: &[u8], length: u32) -> Result<Self, BypassReason> {
        // The shortest OK has 7 bytes; an EOF has 5.
        let flags = if payload.first() == Some(&EOF) && length < 7 {
            payload.get(3..5)
        } else {
            let rest = payload.get(1..).unwrap_or_default();
            let (_affected_rows, rest) = read_integer(rest)?;
            let (_last_insert_id, rest) = read_integer(rest)?;
            rest.get(..2)
        };
        match flags {
            Some([low, high]) => Ok(Self::new(u16::from_le_bytes([*low, *high]))),
            _ => Err(BypassReason::Malformed),
        }
    }
}

/// Reads a length-encoded integer.
pub(super) fn read_integer(bytes: &[u8]) -> Result<(u64, &[u8]), BypassReason> {
    let (first, rest) = bytes.split_first().ok_or(BypassReason::Malformed)?;
    let size = match first {
        0..=0xfa => return Ok((u64::from(*first), rest)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return Err(BypassReason::Malformed),
    };
    let (digits, rest) = rest.split_at_checked(size).ok_or(BypassReason::Malformed)?;
    let value = digits
        .iter()
        .rev()
        .fold(0, |value: u64, digit| (value << 8) | u64::from(*digit));
    Ok((value, rest))
}

/// Reads a header; None while it is incomplete.
pub(super) fn parse(header: &[u8], inspected: u64) -> Result<Option<Lengths>, BypassReason> {
    let [a, b, c, _sequence] = *header else {
        return Ok(None);
    };
    Ok(Some(Lengths {
        payload: u64::from(payload_length([a, b, c])),
        inspected,
    }))
}

pub(super) fn payload_length([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}
