//! Methods, and their arguments as far as they matter ("Class and Method Definitions").

use crate::tcp::BypassReason;
use crate::tcp::field::{Field, Fields};
use crate::tcp::prefix::Prefix;

/// The ids of a class and of its method.
const fn id(class: u32, method: u32) -> u32 {
    (class << 16) | method
}

pub(super) const CONNECTION_OPEN_OK: u32 = id(10, 41);
pub(super) const CONNECTION_CLOSE: u32 = id(10, 50);
pub(super) const CONNECTION_CLOSE_OK: u32 = id(10, 51);
pub(super) const CHANNEL_OPEN: u32 = id(20, 10);
const CHANNEL_FLOW: u32 = id(20, 20);
pub(super) const CHANNEL_CLOSE: u32 = id(20, 40);
pub(super) const CHANNEL_CLOSE_OK: u32 = id(20, 41);
const EXCHANGE_DECLARE: u32 = id(40, 10);
const EXCHANGE_DELETE: u32 = id(40, 20);
const EXCHANGE_BIND: u32 = id(40, 30);
const EXCHANGE_UNBIND: u32 = id(40, 40);
const EXCHANGE_UNBIND_OK: u32 = id(40, 51);
pub(super) const QUEUE_DECLARE: u32 = id(50, 10);
const QUEUE_BIND: u32 = id(50, 20);
const QUEUE_PURGE: u32 = id(50, 30);
const QUEUE_DELETE: u32 = id(50, 40);
const QUEUE_UNBIND: u32 = id(50, 50);
const BASIC_QOS: u32 = id(60, 10);
pub(super) const BASIC_CONSUME: u32 = id(60, 20);
const BASIC_CANCEL: u32 = id(60, 30);
pub(super) const BASIC_PUBLISH: u32 = id(60, 40);
pub(super) const BASIC_RETURN: u32 = id(60, 50);
pub(super) const BASIC_DELIVER: u32 = id(60, 60);
pub(super) const BASIC_GET: u32 = id(60, 70);
pub(super) const BASIC_GET_OK: u32 = id(60, 71);
const BASIC_GET_EMPTY: u32 = id(60, 72);
pub(super) const BASIC_ACK: u32 = id(60, 80);
pub(super) const BASIC_REJECT: u32 = id(60, 90);
pub(super) const BASIC_RECOVER_ASYNC: u32 = id(60, 100);
pub(super) const BASIC_RECOVER: u32 = id(60, 110);
pub(super) const BASIC_NACK: u32 = id(60, 120);
pub(super) const CONFIRM_SELECT: u32 = id(85, 10);
pub(super) const TX_SELECT: u32 = id(90, 10);
pub(super) const TX_COMMIT: u32 = id(90, 20);
pub(super) const TX_ROLLBACK: u32 = id(90, 30);

const NAME: Field = Field::Text(1);
const RESERVED: Field = Field::Number(2);
const TAG: Field = Field::Number(8);
const FLAGS: Field = Field::Number(1);

/// The arguments of a method up to the last one that matters, which is its flags if it has any.
fn arguments(id: u32) -> &'static [Field] {
    match id {
        BASIC_ACK | BASIC_NACK | BASIC_REJECT => &[TAG, FLAGS],
        BASIC_DELIVER => &[NAME, TAG],
        BASIC_GET_OK => &[TAG],
        BASIC_CONSUME | EXCHANGE_DECLARE => &[RESERVED, NAME, NAME, FLAGS],
        BASIC_GET | QUEUE_DECLARE | QUEUE_PURGE | QUEUE_DELETE | EXCHANGE_DELETE => {
            &[RESERVED, NAME, FLAGS]
        }
        QUEUE_BIND | EXCHANGE_BIND | EXCHANGE_UNBIND => &[RESERVED, NAME, NAME, NAME, FLAGS],
        BASIC_CANCEL => &[NAME, FLAGS],
        CONFIRM_SELECT => &[FLAGS],
        _ => &[],
    }
}

/// A method with those of its arguments that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) id: u32,
    /// The delivery tag, if it has one.
    first: u64,
    /// The flags, if it has any.
    last: u64,
}

impl Method {
    pub(super) fn tag(self) -> u64 {
        self.first
    }

    /// The flag of `ack` and `nack`: for all messages up to this one.
    pub(super) fn is_multiple(self) -> bool {
        self.last & 0x01 != 0
    }

    /// The flag of `consume` and `get`: what is delivered counts as acknowledged.
    pub(super) fn has_no_ack(self) -> bool {
        let flag = if self.id == BASIC_GET { 0x01 } else { 0x02 };
        self.last & flag != 0
    }

    /// The flag of `queue.declare`, without the one that only asks whether there is such a queue.
    pub(super) fn declares_exclusive_queue(self) -> bool {
        let (passive, exclusive) = (0x01, 0x04);
        self.last & (passive | exclusive) == exclusive
    }

    /// The same for a queue that is deleted with its last consumer.
    pub(super) fn declares_auto_delete_queue(self) -> bool {
        let (passive, auto_delete) = (0x01, 0x08);
        self.last & (passive | auto_delete) == auto_delete
    }

    /// Whether the server responds to this method of the client.
    pub(super) fn awaits_response(self) -> bool {
        // `no-wait` is the last of the flags.
        let no_wait = match self.id {
            EXCHANGE_DECLARE | QUEUE_DECLARE => 0x10,
            BASIC_CONSUME => 0x08,
            QUEUE_DELETE => 0x04,
            EXCHANGE_DELETE => 0x02,
            EXCHANGE_BIND | EXCHANGE_UNBIND | QUEUE_BIND | QUEUE_PURGE | BASIC_CANCEL
            | CONFIRM_SELECT => 0x01,
            CHANNEL_OPEN | CHANNEL_FLOW | CHANNEL_CLOSE | QUEUE_UNBIND | BASIC_QOS | BASIC_GET
            | BASIC_RECOVER | TX_SELECT | TX_COMMIT | TX_ROLLBACK => 0,
            _ => return false,
        };
        self.last & no_wait == 0
    }

    /// Whether this method of the server responds to one of the client.
    pub(super) fn is_response(self) -> bool {
        match self.id {
            BASIC_GET_OK | BASIC_GET_EMPTY | EXCHANGE_UNBIND_OK => true,
            id => id.checked_sub(1).is_some_and(|request| {
                let request = Self {
                    id: request,
                    first: 0,
                    last: 0,
                };
                request.awaits_response() && request.id != BASIC_GET
            }),
        }
    }
}

/// Reads a method.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MethodReader {
    id: Prefix<4>,
    arguments: Option<Fields>,
}

impl MethodReader {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        if self.arguments.is_none() {
            let missing = usize::try_from(self.id.free()).unwrap_or(0);
            let (id, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.id.push(id);
            if self.id.free() > 0 {
                return;
            }
            let id = u32::from_be_bytes(self.id.padded());
            self.arguments = Some(Fields::new(arguments(id)));
            bytes = rest;
        }
        if let Some(arguments) = &mut self.arguments {
            arguments.push(bytes);
        }
    }

    /// # Errors
    /// If the frame ended before the arguments.
    pub(super) fn method(&self) -> Result<Method, BypassReason> {
        let arguments = self.arguments.ok_or(BypassReason::Malformed)?;
        let [first, ..] = arguments.numbers().ok_or(BypassReason::Malformed)?;
        Ok(Method {
            id: u32::from_be_bytes(self.id.padded()),
            first,
            last: arguments.last_number().unwrap_or(0),
        })
    }
}
