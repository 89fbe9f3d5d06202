//! MQTT 3.1.1 and 5 (OASIS standards).
//!
//! What is in flight are messages with QoS 1 and 2 until their handshake ends (MQTT 4.3), in both directions,
//! and requests until their response.

mod connect;
mod packet;

use super::frames::{Event, Frames};
use super::id_set::IdSet;
use super::{BypassReason, PinReason, Scanner, SessionState, UnsafeReason};
use crate::chunk::Chunk;
use connect::SessionExpiry;
use packet::{HEADER, Kind, Packet, parse};

/// Both directions of a connection to a broker.
#[derive(Debug, Default)]
pub(super) struct Session {
    client: Half,
    server: Half,
    shared: Shared,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    frames: Frames<HEADER>,
    packet: Packet,
}

/// What both directions change.
#[derive(Debug, Default)]
struct Shared {
    phase: Phase,
    version: u8,
    /// The broker keeps the session, and the client asks for it when it connects again.
    is_persistent: bool,
    has_subscribed: bool,
    /// PINGREQ without PINGRESP.
    is_pinging: bool,
    /// A re-authentication is in progress (MQTT 5, 4.12.1).
    is_authenticating: bool,
    /// Packet identifiers in use, by the space of identifiers.
    in_flight: IdSet,
}

/// ```text
///         CONNECT         CONNACK            DISCONNECT
/// Connect ───────▶ Connack ─────▶ Connected ───────────▶ Closing
///                     │ CONNACK with an error               ▲
///                     └─────────────────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Connect,
    Connack,
    Connected,
    Closing,
}

/// The use of a packet identifier. A client numbers its messages and its subscriptions in one space (MQTT 2.2.1);
/// here they have two, to tell the reasons apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Publish = 0,
    Delivery = 1,
    Subscription = 2,
}

impl Space {
    fn id(self, id: u16) -> u64 {
        ((self as u64) << 16) | u64::from(id)
    }

    fn is_used(self, ids: &IdSet) -> bool {
        ids.contains_any(self.id(0), self.id(u16::MAX))
    }
}

impl Scanner for Session {
    fn client(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while let Some(packet) = self.client.next(chunk)? {
            self.shared.apply_client(&packet)?;
        }
        Ok(())
    }

    fn server(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while let Some(packet) = self.server.next(chunk)? {
            self.shared.apply_server(&packet)?;
        }
        Ok(())
    }

    fn state(&self) -> SessionState {
        let shared = &self.shared;
        let reason = match shared.phase {
            Phase::Connect | Phase::Connack => UnsafeReason::Handshake,
            Phase::Closing => UnsafeReason::Closing,
            Phase::Connected if shared.is_authenticating => UnsafeReason::Handshake,
            Phase::Connected => {
                if !self.client.frames.is_between_messages()
                    || !self.server.frames.is_between_messages()
                {
                    UnsafeReason::Message
                } else if Space::Subscription.is_used(&shared.in_flight) {
                    UnsafeReason::Response
                } else if Space::Publish.is_used(&shared.in_flight) {
                    UnsafeReason::Publish
                } else if Space::Delivery.is_used(&shared.in_flight) {
                    UnsafeReason::Delivery
                } else if shared.is_pinging {
                    UnsafeReason::Ping
                } else if shared.has_subscribed && !shared.is_persistent {
                    return SessionState::Pinned(PinReason::Subscription);
                } else {
                    return SessionState::Safe;
                }
            }
        };
        SessionState::Unsafe(reason)
    }

    fn heap_bytes(&self) -> usize {
        self.shared.in_flight.heap_bytes()
    }
}

impl Half {
    /// Returns the next packet, or None if it needs more bytes than the chunk has.
    fn next(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<Packet>, BypassReason> {
        while let Some(event) = self.frames.next(chunk, parse)? {
            match event {
                Event::Begin([first, ..]) => self.packet = Packet::new(first),
                Event::Payload(bytes) => self.packet.push(bytes),
                Event::End => return Ok(Some(core::mem::take(&mut self.packet))),
            }
        }
        Ok(None)
    }
}

impl Shared {
    fn apply_client(&mut self, packet: &Packet) -> Result<(), BypassReason> {
        let kind = packet.kind()?;
        match (self.phase, kind) {
            (Phase::Connect, Kind::Connect) => {
                let connect = packet.connect()?;
                self.version = connect.version;
                self.is_persistent = connect.is_persistent;
                self.phase = Phase::Connack;
                return Ok(());
            }
            (Phase::Connect, _) | (_, Kind::Connect) => return Err(BypassReason::OutOfStep),
            // A client may send without waiting for CONNACK (MQTT 3.1.1, 3.1.4).
            (Phase::Connack | Phase::Connected, _) => {}
            (Phase::Closing, _) => return Ok(()),
        }
        match kind {
            Kind::Publish => self.insert_publish(Space::Publish, packet)?,
            Kind::Puback | Kind::Pubcomp => self.remove(Space::Delivery, packet)?,
            Kind::Pubrec => self.apply_pubrec(Space::Delivery, packet)?,
            // After a reconnect, it is the first packet of its message.
            Kind::Pubrel => self.insert(Space::Publish, packet)?,
            Kind::Subscribe => {
                self.has_subscribed = true;
                self.insert(Space::Subscription, packet)?;
            }
            Kind::Unsubscribe => self.insert(Space::Subscription, packet)?,
            Kind::Pingreq => self.is_pinging = true,
            Kind::Disconnect => self.phase = Phase::Closing,
            Kind::Auth => self.is_authenticating = true,
            Kind::Connect | Kind::Connack | Kind::Suback | Kind::Unsuback | Kind::Pingresp => {
                return Err(BypassReason::Malformed);
            }
        }
        Ok(())
    }

    fn apply_server(&mut self, packet: &Packet) -> Result<(), BypassReason> {
        let kind = packet.kind()?;
        match (self.phase, kind) {
            (Phase::Connect, _) => return Err(BypassReason::OutOfStep),
            (Phase::Connack, Kind::Connack) => {
                let (is_accepted, expiry) = packet.connack(self.version)?;
                self.phase = if is_accepted {
                    Phase::Connected
                } else {
                    Phase::Closing
                };
                match expiry {
                    SessionExpiry::Never | SessionExpiry::Unknown => {}
                    SessionExpiry::Seconds(seconds) => self.is_persistent &= seconds > 0,
                }
                return Ok(());
            }
            (Phase::Connack, Kind::Auth) => return Ok(()),
            (Phase::Connack, _) | (_, Kind::Connack) => return Err(BypassReason::OutOfStep),
            (Phase::Connected, _) => {}
            (Phase::Closing, _) => return Ok(()),
        }
        match kind {
            Kind::Publish => self.insert_publish(Space::Delivery, packet)?,
            Kind::Puback | Kind::Pubcomp => self.remove(Space::Publish, packet)?,
            Kind::Pubrec => self.apply_pubrec(Space::Publish, packet)?,
            Kind::Pubrel => self.insert(Space::Delivery, packet)?,
            Kind::Suback | Kind::Unsuback => self.remove(Space::Subscription, packet)?,
            Kind::Pingresp => self.is_pinging = false,
            Kind::Disconnect => self.phase = Phase::Closing,
            Kind::Auth => self.is_authenticating = !packet.is_success(),
            Kind::Connect | Kind::Connack | Kind::Subscribe | Kind::Unsubscribe | Kind::Pingreq => {
                return Err(BypassReason::Malformed);
            }
        }
        Ok(())
    }

    fn insert_publish(&mut self, space: Space, packet: &Packet) -> Result<(), BypassReason> {
        match packet.has_id() {
            true => self.insert(space, packet),
            // QoS 0 has no handshake.
            false => Ok(()),
        }
    }

    /// A message with QoS 2 goes on unless PUBREC has an error (MQTT 5, 4.3.3).
    fn apply_pubrec(&mut self, space: Space, packet: &Packet) -> Result<(), BypassReason> {
        match packet.is_error() {
            true => self.remove(space, packet),
            false => self.insert(space, packet),
        }
    }

    fn insert(&mut self, space: Space, packet: &Packet) -> Result<(), BypassReason> {
        self.in_flight.insert(space.id(packet.id()?))
    }

    fn remove(&mut self, space: Space, packet: &Packet) -> Result<(), BypassReason> {
        self.in_flight.remove(space.id(packet.id()?))
    }
}
