//! Redis: RESP2 and RESP3 ("Redis serialization protocol specification").
//!
//! Each command has one reply, in order. Exceptions are subscriptions, whose confirmations and messages come
//! beside the replies, RESP3's push data, and `CLIENT REPLY`.

mod command;
mod decimal;
mod reply;

use super::state::Pins;
use super::{BypassReason, PinReason, Scanner, SessionState, UnsafeReason};
use crate::chunk::Chunk;
use command::{Command, Commands};
use reply::{Replies, Reply};

/// Both directions of a connection to Redis.
#[derive(Debug, Default)]
pub(super) struct Session {
    commands: Commands,
    replies: Replies,
    shared: Shared,
}

/// What both directions change.
#[derive(Debug, Default)]
struct Shared {
    /// Replies that the server has not sent.
    pending: u32,
    /// Confirmations of subscriptions that the server has not sent.
    confirmations: u32,
    /// The client has subscribed, or may have: in RESP2, messages are arrays like replies.
    may_be_subscribed: bool,
    /// The server has sent what RESP2 does not have: only push data is no reply. It may reject `HELLO 3`.
    is_resp3: bool,
    /// Channels and patterns, and shard channels, as the server has confirmed them.
    channels: u64,
    shard_channels: u64,
    /// Between MULTI and EXEC or DISCARD.
    in_transaction: bool,
    /// `CLIENT REPLY`.
    mode: ReplyMode,
    is_replica: bool,
    is_closing: bool,
    /// WATCH, MONITOR, CLIENT TRACKING, CLIENT REPLY OFF.
    pins: Pins,
}

/// Which commands have a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ReplyMode {
    #[default]
    On,
    Off,
    /// All but the next command.
    Skip,
}

impl Scanner for Session {
    fn client(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while !self.shared.is_replica
            && let Some(command) = self.commands.next(chunk)?
        {
            self.shared.apply_command(&command);
        }
        Ok(())
    }

    fn server(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while !self.shared.is_replica
            && let Some(reply) = self.replies.next(chunk)?
        {
            self.shared.apply_reply(&reply)?;
        }
        Ok(())
    }

    fn state(&self) -> SessionState {
        let shared = &self.shared;
        let reason = if shared.is_replica {
            UnsafeReason::Replication
        } else if shared.pending > 0 || shared.confirmations > 0 {
            UnsafeReason::Response
        } else if shared.in_transaction {
            UnsafeReason::Transaction
        } else if shared.is_closing {
            UnsafeReason::Closing
        } else if !self.commands.is_between_commands() || !self.replies.is_between_replies() {
            UnsafeReason::Message
        } else {
            let mut pins = shared.pins;
            if shared.channels > 0 || shared.shard_channels > 0 {
                pins.insert(PinReason::Subscription);
            }
            return pins.state_or(SessionState::SafeWhenIdle);
        };
        SessionState::Unsafe(reason)
    }
}

impl Shared {
    fn apply_command(&mut self, command: &Command) {
        let has_reply = match (self.mode, command.reply_mode()) {
            // It also ends `CLIENT REPLY`.
            (_, None) if command.is(0, "reset") => true,
            (_, Some(mode)) => {
                self.set_reply_mode(mode);
                // Only `CLIENT REPLY ON` has one.
                mode == ReplyMode::On
            }
            (ReplyMode::On, None) => true,
            (ReplyMode::Off, None) => false,
            (ReplyMode::Skip, None) => {
                self.mode = ReplyMode::On;
                false
            }
        };
        let subscribes = self.apply_name(command);
        if !has_reply {
            return;
        }
        // In a transaction, the reply is QUEUED.
        if subscribes && !self.in_transaction {
            // One for each channel. `UNSUBSCRIBE` alone has one for each channel that it ends, or one.
            let confirmations = command.arguments().max(1);
            self.confirmations = self.confirmations.saturating_add(confirmations);
        } else {
            self.pending = self.pending.saturating_add(1);
        }
    }

    /// True if the command subscribes or unsubscribes.
    fn apply_name(&mut self, command: &Command) -> bool {
        let name = |word| command.is(0, word);
        if ["subscribe", "psubscribe", "ssubscribe"]
            .into_iter()
            .any(name)
        {
            self.may_be_subscribed = true;
            return true;
        }
        if ["unsubscribe", "punsubscribe", "sunsubscribe"]
            .into_iter()
            .any(name)
        {
            return true;
        }
        if name("hello") && command.is(1, "2") {
            self.is_resp3 = false;
        } else if name("multi") {
            self.in_transaction = true;
        } else if name("exec") || name("discard") {
            self.in_transaction = false;
            self.pins.remove(PinReason::Watch);
        } else if name("watch") {
            self.pins.insert(PinReason::Watch);
        } else if name("unwatch") {
            self.pins.remove(PinReason::Watch);
        } else if name("monitor") {
            self.pins.insert(PinReason::Monitor);
        } else if name("client") && command.is(1, "tracking") {
            match command.is(2, "on") {
                true => self.pins.insert(PinReason::Tracking),
                false => self.pins.remove(PinReason::Tracking),
            }
        } else if name("reset") {
            self.in_transaction = false;
            self.pins.clear();
            self.is_resp3 = false;
            self.mode = ReplyMode::On;
            (self.channels, self.shard_channels) = (0, 0);
        } else if name("sync") || name("psync") {
            self.is_replica = true;
        } else if name("quit") {
            self.is_closing = true;
        }
        false
    }

    fn set_reply_mode(&mut self, mode: ReplyMode) {
        self.mode = mode;
        match mode {
            ReplyMode::Off => self.pins.insert(PinReason::ReplyOff),
            _ => self.pins.remove(PinReason::ReplyOff),
        }
    }

    fn apply_reply(&mut self, reply: &Reply) -> Result<(), BypassReason> {
        // The response to `HELLO 3` is a map.
        self.is_resp3 |= reply.is_map;
        let may_be_beside = reply.is_push || (self.may_be_subscribed && !self.is_resp3);
        if may_be_beside && reply.is_confirmation() {
            self.confirmations = self.confirmations.saturating_sub(1);
            let count = reply.last_number;
            match reply.name.bytes().first() {
                // `ssubscribe`, `sunsubscribe`, and not `subscribe`.
                Some(b's') if !reply.name.is("subscribe") => self.shard_channels = count,
                _ => self.channels = count,
            }
            self.may_be_subscribed =
                self.channels > 0 || self.shard_channels > 0 || self.confirmations > 0;
        } else if reply.is_push || (may_be_beside && reply.is_message()) {
            // It belongs to no command.
        } else if self.pending > 0 {
            self.pending = self.pending.saturating_sub(1);
        } else if self.confirmations > 0 {
            // The error of a command that did not subscribe, to any of its channels, or the reply to `PING` in
            // its place.
            self.confirmations = match reply.is_error {
                true => 0,
                false => self.confirmations.saturating_sub(1),
            };
        } else if !self.pins.contains(PinReason::Monitor) {
            return Err(BypassReason::OutOfStep);
        }
        Ok(())
    }
}
