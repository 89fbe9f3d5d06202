//! HTTP/1 connections that have become WebSockets.

use evenkeel_policy::CloseCode;

use super::Engine;
use crate::connection::{Kind, State};
use crate::{ConnectionId, DrainReason};

impl Engine {
    /// The connection has become a WebSocket. False when its rule leaves these alone.
    pub fn upgrade_to_websocket(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        let is_told = connection
            .rule
            .as_ref()
            .is_some_and(|rule| rule.websocket.close_code != CloseCode::Off);
        let reason = match connection.state {
            State::Serving => None,
            State::Due { reason, .. } => Some(reason),
            // It was told as HTTP, and went on all the same.
            _ => return false,
        };
        if !is_told {
            return false;
        }
        connection.kind = Kind::WebSocket;
        connection.spoken = now;
        connection.limits.requests = None;
        if reason == Some(DrainReason::MaxRequestsPerConnection) {
            connection.state = State::Serving;
        }
        self.rearm(id);
        true
    }

    /// The client of a WebSocket has sent a part of a message.
    pub fn record_client_message(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.spoken = self.now;
        }
    }
}
