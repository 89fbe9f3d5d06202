//! The NATS client protocol (NATS documentation, "Client Protocol").
//!
//! Both sides send lines; those with a message are followed by its payload. Messages are delivered at most once,
//! so only a pending reply makes a close unsafe: a PONG, the reply to a request, or the acknowledgement of a
//! JetStream message.

mod line;
mod pending_replies;

use super::{BypassReason, Scanner, SessionState, UnsafeReason};
use crate::chunk::Chunk;
use line::{Line, Lines, Operation};
use pending_replies::PendingReplies;

/// Both directions of a connection to a NATS server.
#[derive(Debug, Default)]
pub(super) struct Session {
    client: Lines,
    server: Lines,
    shared: Shared,
}

/// What both directions change.
#[derive(Debug, Default)]
struct Shared {
    phase: Phase,
    /// PINGs without their PONG.
    client_pings: u32,
    server_pings: u32,
    /// `"verbose":true`: each of the client's operations is followed by `+OK` or `-ERR`.
    is_verbose: bool,
    acknowledgements: u32,
    /// Subjects on which the client expects a reply.
    requests: PendingReplies,
    /// Subjects on which a reply or an acknowledgement of the client is expected.
    deliveries: PendingReplies,
}

/// ```text
///       INFO           CONNECT            PONG
/// Info ──────▶ Connect ────────▶ Connecting ──▶ Connected
/// ```
/// Clients send a PING after their CONNECT; its PONG ends the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Info,
    Connect,
    Connecting,
    Connected,
}

impl Scanner for Session {
    fn client(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while let Some(line) = self.client.next(chunk)? {
            self.shared.apply_client(&line)?;
        }
        Ok(())
    }

    fn server(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        while let Some(line) = self.server.next(chunk)? {
            self.shared.apply_server(&line)?;
        }
        Ok(())
    }

    fn state(&self) -> SessionState {
        let shared = &self.shared;
        let reason = if shared.phase != Phase::Connected {
            UnsafeReason::Handshake
        } else if !self.client.is_between_messages() || !self.server.is_between_messages() {
            UnsafeReason::Message
        } else if shared.client_pings > 0 || shared.server_pings > 0 {
            UnsafeReason::Ping
        } else if shared.acknowledgements > 0 || !shared.requests.is_empty() {
            UnsafeReason::Response
        } else if !shared.deliveries.is_empty() {
            UnsafeReason::Delivery
        } else {
            return SessionState::Safe;
        };
        SessionState::Unsafe(reason)
    }

    fn heap_bytes(&self) -> usize {
        let requests = self.shared.requests.heap_bytes();
        requests.saturating_add(self.shared.deliveries.heap_bytes())
    }
}

impl Shared {
    fn apply_client(&mut self, line: &Line) -> Result<(), BypassReason> {
        match line.operation()? {
            Operation::Connect => {
                self.is_verbose = line.is_verbose();
                if self.phase != Phase::Connected {
                    self.phase = Phase::Connecting;
                }
            }
            Operation::Pub => {
                if let Some(reply) = line.publication_reply()
                    && !line.is_pull()
                {
                    self.requests.insert(reply);
                }
                self.deliveries.remove(line.subject());
            }
            Operation::Sub | Operation::Unsub => {}
            Operation::Ping => {
                self.client_pings = self.client_pings.saturating_add(1);
                return Ok(());
            }
            Operation::Pong => {
                self.server_pings = self.server_pings.saturating_sub(1);
                return Ok(());
            }
            Operation::Info | Operation::Msg | Operation::Ok | Operation::Err => {
                return Err(BypassReason::Malformed);
            }
        }
        if self.is_verbose {
            self.acknowledgements = self.acknowledgements.saturating_add(1);
        }
        Ok(())
    }

    fn apply_server(&mut self, line: &Line) -> Result<(), BypassReason> {
        match line.operation()? {
            Operation::Info => {
                if self.phase == Phase::Info {
                    self.phase = Phase::Connect;
                }
            }
            Operation::Msg => {
                self.requests.remove(line.subject());
                if let Some(reply) = line.delivery_reply() {
                    self.deliveries.insert(reply);
                }
            }
            Operation::Ping => {
                self.server_pings = self.server_pings.saturating_add(1);
                // The server sends one to an idle client, by default after two minutes.
                self.requests.age();
                self.deliveries.age();
            }
            Operation::Pong => {
                self.client_pings = self.client_pings.saturating_sub(1);
                if self.phase == Phase::Connecting {
                    self.phase = Phase::Connected;
                }
            }
            Operation::Ok | Operation::Err => {
                self.acknowledgements = self.acknowledgements.saturating_sub(1);
            }
            Operation::Connect | Operation::Pub | Operation::Sub | Operation::Unsub => {
                return Err(BypassReason::Malformed);
            }
        }
        Ok(())
    }
}
