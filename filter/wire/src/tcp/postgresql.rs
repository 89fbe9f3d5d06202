//! PostgreSQL's frontend/backend protocol 3 (PostgreSQL documentation, chapter "Frontend/Backend Protocol").
//!
//! `ReadyForQuery` ends each response and carries the status of the transaction. Messages that the server
//! sends at any time (`NoticeResponse`, `ParameterStatus`, `NotificationResponse`) are no responses.

mod backend;
mod frontend;
pub mod shutdown;
mod statements;

use super::sql::{SqlReader, SqlSession};
use super::{BypassReason, Scanner, SessionState, UnsafeReason};
use crate::chunk::Chunk;
use backend::Backend;
use frontend::Frontend;
use statements::NamedStatements;

/// Both directions of a connection to PostgreSQL.
#[derive(Debug, Default)]
pub(super) struct Session {
    frontend: Frontend,
    backend: Backend,
    shared: Shared,
}

/// What both directions change.
#[derive(Debug, Default)]
struct Shared {
    phase: Phase,
    transaction: TransactionStatus,
    sql: SqlSession,
    named: NamedStatements,
}

/// ```text
///            SSLRequest, GSSENCRequest
///         ┌──────────────────────────▶ Encryption ── S, G ──▶ bypassed
/// Startup ◀──────────────────── N ─────────┘
///    │  StartupMessage                first ReadyForQuery
///    └──────────────▶ Authentication ─────────────────────▶ Ready
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Startup,
    /// The server responds with one byte, outside of any message.
    Encryption,
    Authentication,
    Ready(Requests),
}

/// What the client has sent that the server has not completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Requests {
    /// Messages whose response ends with a ReadyForQuery: Query, Sync, FunctionCall.
    pending: u32,
    /// The last of them was a Sync.
    ends_with_sync: bool,
    /// Messages of the extended query protocol were sent after the last Sync or Query: the server keeps an
    /// implicit transaction and portals open until the next one.
    has_unsynced: bool,
    copy: CopyMode,
}

/// The mode of a COPY ("COPY Operations").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CopyMode {
    #[default]
    None,
    /// The client sends the data, and has not sent CopyDone or CopyFail.
    In,
    Out,
    /// Streaming replication.
    Both,
}

/// The status that ReadyForQuery reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TransactionStatus {
    #[default]
    Idle,
    /// In a transaction block, failed or not: until it ends, to close the connection aborts it.
    InBlock,
}

impl Scanner for Session {
    fn client(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        self.frontend.scan(chunk, &mut self.shared)
    }

    fn server(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason> {
        self.backend.scan(chunk, &mut self.shared)
    }

    fn state(&self) -> SessionState {
        let Phase::Ready(requests) = self.shared.phase else {
            return SessionState::Unsafe(UnsafeReason::Handshake);
        };
        let reason = if requests.copy == CopyMode::Both {
            UnsafeReason::Replication
        } else if requests.copy != CopyMode::None {
            UnsafeReason::Copy
        } else if requests.pending > 0 || requests.has_unsynced {
            UnsafeReason::Response
        } else if self.shared.transaction == TransactionStatus::InBlock {
            UnsafeReason::Transaction
        } else if self.frontend.is_closing() {
            UnsafeReason::Closing
        } else if !self.frontend.frames.is_between_messages()
            || !self.backend.frames.is_between_messages()
        {
            UnsafeReason::Message
        } else {
            return self.shared.sql.pins.state_or(SessionState::SafeWhenIdle);
        };
        SessionState::Unsafe(reason)
    }
}

impl Shared {
    fn apply_statement(&mut self, reader: SqlReader) {
        self.sql.apply(reader.finish());
    }
}
