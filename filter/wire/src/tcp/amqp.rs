//! AMQP 0-9-1 (AMQP Working Group, "Protocol Specification"; RabbitMQ's confirms and `basic.nack`).
//!
//! A connection has channels. On each, methods are requests and responses, and messages are a method, a
//! header with the size of the body, and frames of the body.

mod channel;
mod frame;
mod method;

use super::id_set::IdSet;
use super::state::Pins;
use super::{BypassReason, PinReason, Scanner, SessionState, UnsafeReason};
use crate::chunk::Chunk;
use channel::{Channel, Channels, Content, Publishing, Space};
use frame::{Frame, Half, Payload};
use method::Method;

/// Both directions of a connection to a broker.
#[derive(Debug, Default)]
pub(super) struct Session {
    client: Half,
    server: Half,
    shared: Shared,
}

/// What both directions change.
#[derive(Debug, Default)]
struct Shared {
    phase: Phase,
    channels: Channels,
    /// Messages that are not confirmed by the server or acknowledged by the client.
    in_flight: IdSet,
    /// Exclusive queues: they belong to the connection, not to a channel.
    pins: Pins,
    /// A queue was declared that its last consumer takes with it.
    has_auto_delete_queue: bool,
}

/// ```text
///       connection.open-ok        connection.close
/// Start ──────────────────▶ Open ─────────────────▶ Closing
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Start,
    Open,
    Closing,
}

impl Scanner for Session {
    fn client(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while let Some(frame) = self.client.next(chunk, frame::parse_client)? {
            self.shared.apply_client(&frame)?;
        }
        Ok(())
    }

    fn server(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while let Some(frame) = self.server.next(chunk, frame::parse_server)? {
            self.shared.apply_server(&frame)?;
        }
        Ok(())
    }

    fn state(&self) -> SessionState {
        let shared = &self.shared;
        let any = |condition: fn(&Channel) -> bool| shared.channels.iter().any(condition);
        let is_between_frames = self.client.is_between_frames() && self.server.is_between_frames();
        let reason = match shared.phase {
            Phase::Start => UnsafeReason::Handshake,
            Phase::Closing => UnsafeReason::Closing,
            Phase::Open if !is_between_frames || any(Channel::has_content) => UnsafeReason::Message,
            Phase::Open if any(|channel| channel.requests > 0) => UnsafeReason::Response,
            Phase::Open if any(Channel::is_in_transaction) => UnsafeReason::Transaction,
            Phase::Open if Space::Publish.is_used(&shared.in_flight) => UnsafeReason::Publish,
            Phase::Open if Space::Delivery.is_used(&shared.in_flight) => UnsafeReason::Delivery,
            Phase::Open => {
                let mut pins = shared.pins;
                shared
                    .channels
                    .iter()
                    .for_each(|channel| pins.extend(channel.pins));
                if shared.has_auto_delete_queue && any(|channel| channel.acknowledges) {
                    pins.insert(PinReason::ExclusiveQueue);
                }
                // Some clients take a confirm that comes with the end of the connection for an error.
                return pins.state_or(SessionState::SafeWhenIdle);
            }
        };
        SessionState::Unsafe(reason)
    }

    fn heap_bytes(&self) -> usize {
        let in_flight = self.shared.in_flight.heap_bytes();
        in_flight.saturating_add(self.shared.channels.heap_bytes())
    }
}

impl Shared {
    fn apply_client(&mut self, frame: &Frame) -> Result<(), BypassReason> {
        let method = match frame.payload {
            Payload::Method(reader) => reader.method()?,
            Payload::Header(_) | Payload::Body => {
                let channel = self.channels.get(frame.channel)?;
                return channel.client_content.apply(frame);
            }
            Payload::None => return Ok(()),
        };
        if frame.channel == 0 {
            if matches!(
                method.id,
                method::CONNECTION_CLOSE | method::CONNECTION_CLOSE_OK
            ) {
                self.phase = Phase::Closing;
            }
            return Ok(());
        }
        match method.id {
            method::CHANNEL_OPEN => self.channels.open(frame.channel)?,
            method::CHANNEL_CLOSE_OK => return self.close(frame.channel),
            _ => {}
        }
        let channel = self.channels.get(frame.channel)?;
        if method.awaits_response() {
            channel.requests = channel.requests.saturating_add(1);
        }
        channel.apply_client(method, &mut self.in_flight)?;
        if method.id == method::QUEUE_DECLARE {
            if method.declares_exclusive_queue() {
                self.pins.insert(PinReason::ExclusiveQueue);
            }
            self.has_auto_delete_queue |= method.declares_auto_delete_queue();
        }
        Ok(())
    }

    fn apply_server(&mut self, frame: &Frame) -> Result<(), BypassReason> {
        let method = match frame.payload {
            Payload::Method(reader) => reader.method()?,
            Payload::Header(_) | Payload::Body => {
                let channel = self.channels.get(frame.channel)?;
                return channel.server_content.apply(frame);
            }
            Payload::None => return Ok(()),
        };
        match method.id {
            method::CONNECTION_OPEN_OK => self.phase = Phase::Open,
            method::CONNECTION_CLOSE | method::CONNECTION_CLOSE_OK => self.phase = Phase::Closing,
            method::CHANNEL_CLOSE_OK => return self.close(frame.channel),
            _ if frame.channel == 0 => {}
            _ => {
                let channel = self.channels.get(frame.channel)?;
                if method.is_response() {
                    channel.requests = channel.requests.saturating_sub(1);
                }
                channel.apply_server(method, &mut self.in_flight)?;
            }
        }
        Ok(())
    }

    fn close(&mut self, channel: u16) -> Result<(), BypassReason> {
        self.channels.remove(channel);
        Space::Publish.remove_all(channel, &mut self.in_flight)?;
        Space::Delivery.remove_all(channel, &mut self.in_flight)
    }
}

impl Channel {
    fn apply_client(&mut self, method: Method, in_flight: &mut IdSet) -> Result<(), BypassReason> {
        match method.id {
            method::BASIC_PUBLISH => {
                self.client_content = Content::Header;
                match &mut self.publishing {
                    Publishing::Plain => self.pins.insert(PinReason::NoConfirms),
                    Publishing::Confirms { last } => {
                        *last = last.saturating_add(1);
                        in_flight.insert(Space::Publish.id(self.id, *last)?)?;
                    }
                    Publishing::Transaction { is_open } => *is_open = true,
                }
            }
            method::BASIC_ACK | method::BASIC_NACK | method::BASIC_REJECT => {
                if let Publishing::Transaction { is_open } = &mut self.publishing {
                    *is_open = true;
                }
                // The flag of `reject` is `requeue`: it rejects one message.
                let is_multiple = method.is_multiple() && method.id != method::BASIC_REJECT;
                Space::Delivery.acknowledge(self.id, method.tag(), is_multiple, in_flight)?;
            }
            // The server delivers them again, with new tags.
            method::BASIC_RECOVER | method::BASIC_RECOVER_ASYNC => {
                Space::Delivery.remove_all(self.id, in_flight)?;
            }
            method::BASIC_CONSUME if method.has_no_ack() => {
                self.pins.insert(PinReason::NoAcknowledgements);
            }
            method::BASIC_CONSUME => self.acknowledges = true,
            method::BASIC_GET => self.acknowledges_gets = !method.has_no_ack(),
            method::CONFIRM_SELECT => {
                if self.publishing == Publishing::Plain {
                    self.publishing = Publishing::Confirms { last: 0 };
                }
                self.pins.remove(PinReason::NoConfirms);
            }
            method::TX_SELECT | method::TX_COMMIT | method::TX_ROLLBACK => {
                self.publishing = Publishing::Transaction { is_open: false };
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_server(&mut self, method: Method, in_flight: &mut IdSet) -> Result<(), BypassReason> {
        match method.id {
            method::BASIC_DELIVER => {
                self.server_content = Content::Header;
                if self.acknowledges {
                    in_flight.insert(Space::Delivery.id(self.id, method.tag())?)?;
                }
            }
            method::BASIC_GET_OK => {
                self.server_content = Content::Header;
                if self.acknowledges_gets {
                    in_flight.insert(Space::Delivery.id(self.id, method.tag())?)?;
                }
            }
            method::BASIC_RETURN => self.server_content = Content::Header,
            method::BASIC_ACK | method::BASIC_NACK => {
                Space::Publish.acknowledge(
                    self.id,
                    method.tag(),
                    method.is_multiple(),
                    in_flight,
                )?;
            }
            // Until the client's `close-ok`, after which the channel does not exist.
            method::CHANNEL_CLOSE => self.requests = 1,
            _ => {}
        }
        Ok(())
    }
}
