//! The MySQL client/server protocol (MySQL Source Code Documentation, "Client/Server Protocol"; MariaDB
//! Knowledge Base, "Client/Server Protocol").
//!
//! The server speaks first. After the login, each command of the client has a response of one or more
//! packets, in order; its last packet carries the status flags of the session.

mod command;
mod handshake;
mod packet;
mod queue;
mod response;

use super::id_set::IdSet;
use super::sql::SqlSession;
use super::{BypassReason, Scanner, SessionState, UnsafeReason};
use crate::chunk::Chunk;
use command::Client;
use handshake::Capabilities;
use packet::Status;
use queue::Queue;
use response::Server;

/// Both directions of a connection to MySQL or MariaDB.
#[derive(Debug, Default)]
pub(super) struct Session {
    client: Client,
    server: Server,
    shared: Shared,
}

/// What both directions change.
#[derive(Debug, Default)]
struct Shared {
    phase: Phase,
    capabilities: Capabilities,
    /// Commands whose responses are not complete.
    queue: Queue,
    status: Status,
    /// Statements with an open cursor.
    cursors: IdSet,
    sql: SqlSession,
}

/// ```text
///          server's greeting       client's response        OK
/// Greeting ────────────────▶ Login ───────────────▶ Authentication ───▶ Command
///     │                        │ SSLRequest             │ ERR             │ COM_QUIT, ERR
///     │ ERR                    ▼                        ▼                 ▼
///     └────▶ Closing        bypassed                 Closing           Closing
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Greeting,
    Login,
    Authentication,
    Command,
    /// The client sends the file that `LOAD DATA LOCAL INFILE` names.
    LocalInfile,
    /// The binary log is sent to a replica.
    Replication,
    Closing,
}

impl Scanner for Session {
    fn client(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        self.client.scan(chunk, &mut self.shared)
    }

    fn server(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        self.server.scan(chunk, &mut self.shared)
    }

    fn state(&self) -> SessionState {
        let shared = &self.shared;
        let reason = match shared.phase {
            Phase::Greeting | Phase::Login | Phase::Authentication => UnsafeReason::Handshake,
            Phase::LocalInfile => UnsafeReason::Copy,
            Phase::Replication => UnsafeReason::Replication,
            Phase::Closing => UnsafeReason::Closing,
            Phase::Command if !shared.queue.is_empty() => UnsafeReason::Response,
            Phase::Command if shared.status.in_transaction => UnsafeReason::Transaction,
            Phase::Command if !shared.cursors.is_empty() => UnsafeReason::Cursor,
            Phase::Command
                if !self.client.frames.is_between_messages()
                    || !self.server.frames.is_between_messages() =>
            {
                UnsafeReason::Message
            }
            Phase::Command => return shared.sql.pins.state_or(SessionState::SafeWhenIdle),
        };
        SessionState::Unsafe(reason)
    }

    fn heap_bytes(&self) -> usize {
        let queue = self.shared.queue.heap_bytes();
        queue.saturating_add(self.shared.cursors.heap_bytes())
    }
}

impl Shared {
    /// The session is as after its login: COM_RESET_CONNECTION, COM_CHANGE_USER.
    fn reset(&mut self) {
        self.sql = SqlSession::default();
        self.cursors = IdSet::default();
    }
}
