//! Connections to PostgreSQL whose client gets an error before the close.
//!
//! The engine has decided to close them. Each stays open until its client sends its next request, which is not executed
//! and gets the error, or until a deadline.

use core::time::Duration;

use evenkeel_engine::{Connection, ConnectionId, IdTable, Instant, OrderedIds};
use evenkeel_policy::ErrorSetting;
use evenkeel_wire::tcp::TcpProtocol;

use super::Worker;
use super::effects::Action;

/// How long a client may leave its connection unused, where the rule has no `drain_timeout`.
const USE_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Shutdowns {
    deadlines: IdTable<Instant>,
    /// Earliest first.
    order: OrderedIds,
}

impl Shutdowns {
    fn insert(&mut self, id: ConnectionId, deadline: Instant) {
        self.remove(id);
        if self.deadlines.insert(id.0, deadline).is_some() {
            self.order.insert(deadline.ordinal(), id.0);
        }
    }

    /// False if the connection is not shutting down.
    pub(super) fn remove(&mut self, id: ConnectionId) -> bool {
        if self.deadlines.is_empty() {
            return false;
        }
        let deadline = self.deadlines.remove(id.0);
        deadline.is_some_and(|deadline| self.order.remove(deadline.ordinal(), id.0))
    }

    fn take_expired(&mut self, now: Instant) -> Option<ConnectionId> {
        let (deadline, id) = self.order.first()?;
        let id = ConnectionId(id);
        (deadline <= now.ordinal() && self.remove(id)).then_some(id)
    }
}

impl Worker {
    /// Closes a connection: in this tick, or after its client has got an error, if its rule has one.
    pub(super) fn plan_close(&mut self, id: ConnectionId, aborted: u32) {
        let connection = self.engine.connection(id);
        let rule = connection.and_then(Connection::rule);
        let has_error = rule.is_some_and(|rule| rule.tcp.error == ErrorSetting::AdminShutdown)
            && connection.and_then(Connection::session_protocol) == Some(TcpProtocol::PostgreSql);
        if has_error && aborted == 0 {
            let timeout = rule.and_then(|rule| rule.drain_timeout);
            let deadline = self.engine.now().after(timeout.unwrap_or(USE_TIMEOUT));
            self.shutdowns.insert(id, deadline);
        } else {
            self.close_next(id);
        }
    }

    /// Closes a connection in the next tick, or in this one.
    fn close_next(&mut self, id: ConnectionId) {
        let context = self.contexts.get(id.0).copied();
        let close = context.map(Action::CloseConnection);
        self.pending.actions.extend(close);
    }

    /// Closes at most `max` connections that their clients did not use before the deadline.
    pub(super) fn close_unused(&mut self, now: Instant, max: usize) {
        for _ in 0..max {
            let Some(id) = self.shutdowns.take_expired(now) else {
                return;
            };
            self.close_next(id);
        }
    }

    /// The client's next request gets an error.
    pub(crate) fn is_shutting_down(&self, id: ConnectionId) -> bool {
        // Asked with each read: usually there is none.
        !self.shutdowns.deadlines.is_empty() && self.shutdowns.deadlines.get(id.0).is_some()
    }

    /// The client was sent the error.
    pub(crate) fn sent_error(&mut self, id: ConnectionId) {
        if self.shutdowns.remove(id) {
            self.close_next(id);
        }
    }
}
