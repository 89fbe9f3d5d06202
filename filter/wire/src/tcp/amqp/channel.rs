//! Channels, and the messages in flight on them.

use super::frame::{Frame, Payload};
use crate::tcp::BypassReason;
use crate::tcp::id_set::IdSet;
use crate::tcp::state::Pins;

/// How many channels are followed at once.
const MAX_CHANNELS: usize = 128;

/// The state of a channel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Channel {
    pub(super) id: u16,
    /// Methods of the client to which the server has not responded.
    pub(super) requests: u16,
    pub(super) client_content: Content,
    pub(super) server_content: Content,
    pub(super) publishing: Publishing,
    /// A consumer acknowledges what is delivered to it. If others of the same channel do not, their messages
    /// count as unacknowledged, too.
    pub(super) acknowledges: bool,
    /// The same for the last `basic.get`.
    pub(super) acknowledges_gets: bool,
    pub(super) pins: Pins,
}

/// How the client learns that its messages were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Publishing {
    #[default]
    Plain,
    /// The server confirms messages by their number, from 1.
    Confirms {
        last: u64,
    },
    Transaction {
        is_open: bool,
    },
}

/// A message of one direction ("Content Framing", 4.2.6).
///
/// ```text
///      publish, deliver, get-ok, return       header
/// None ────────────────────────────────▶ Header ────▶ Body ──▶ None
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Content {
    #[default]
    None,
    Header,
    Body {
        left: u64,
    },
}

impl Content {
    /// Applies a frame of a header or body.
    pub(super) fn apply(&mut self, frame: &Frame) -> Result<(), BypassReason> {
        let left = match (*self, frame.payload) {
            (Self::Header, Payload::Header(fields)) => {
                fields.last_number().ok_or(BypassReason::Malformed)?
            }
            (Self::Body { left }, Payload::Body) => left
                .checked_sub(u64::from(frame.size))
                .ok_or(BypassReason::Malformed)?,
            _ => return Err(BypassReason::OutOfStep),
        };
        *self = match left {
            0 => Self::None,
            left => Self::Body { left },
        };
        Ok(())
    }
}

impl Channel {
    pub(super) fn has_content(&self) -> bool {
        self.client_content != Content::None || self.server_content != Content::None
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.publishing == Publishing::Transaction { is_open: true }
    }
}

/// The open channels.
#[derive(Debug, Default)]
pub(super) struct Channels(Vec<Channel>);

impl Channels {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter()
    }

    pub(super) fn get(&mut self, id: u16) -> Result<&mut Channel, BypassReason> {
        let channel = self.0.iter_mut().find(|channel| channel.id == id);
        channel.ok_or(BypassReason::OutOfStep)
    }

    pub(super) fn open(&mut self, id: u16) -> Result<(), BypassReason> {
        self.remove(id);
        if self.0.len() >= MAX_CHANNELS {
            return Err(BypassReason::TooManyInFlight);
        }
        self.0.push(Channel {
            id,
            ..Channel::default()
        });
        Ok(())
    }

    pub(super) fn remove(&mut self, id: u16) {
        self.0.retain(|channel| channel.id != id);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Channel>())
    }
}

/// The two sequences of message numbers of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// Publishes that the server confirms.
    Publish = 0,
    /// Deliveries that the client acknowledges.
    Delivery = 1,
}

/// In an id, the bits below that are the number; above it are 16 of the channel, and the space.
const NUMBER_BITS: u32 = 47;
const MAX_NUMBER: u64 = (1 << NUMBER_BITS) - 1;

impl Space {
    fn first(self, channel: u16) -> u64 {
        ((self as u64) << 63) | (u64::from(channel) << NUMBER_BITS)
    }

    fn last(self, channel: u16) -> u64 {
        self.first(channel) | MAX_NUMBER
    }

    /// # Errors
    /// [`BypassReason::Unsupported`] for a number that no connection reaches.
    pub(super) fn id(self, channel: u16, number: u64) -> Result<u64, BypassReason> {
        match number {
            0..=MAX_NUMBER => Ok(self.first(channel) | number),
            _ => Err(BypassReason::Unsupported),
        }
    }

    pub(super) fn is_used(self, ids: &IdSet) -> bool {
        ids.contains_any(self.first(0), self.last(u16::MAX))
    }

    /// Removes a number, or with `is_multiple` all numbers up to it, where 0 means all (`basic.ack`).
    pub(super) fn acknowledge(
        self,
        channel: u16,
        number: u64,
        is_multiple: bool,
        ids: &mut IdSet,
    ) -> Result<(), BypassReason> {
        match (is_multiple, number) {
            (false, number) => ids.remove(self.id(channel, number)?),
            (true, 0) => self.remove_all(channel, ids),
            (true, number) => ids.remove_range(self.first(channel), self.id(channel, number)?),
        }
    }

    pub(super) fn remove_all(self, channel: u16, ids: &mut IdSet) -> Result<(), BypassReason> {
        ids.remove_range(self.first(channel), self.last(channel))
    }
}
