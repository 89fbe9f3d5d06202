//! The clients: each keeps one connection and sends requests on it.

use evenkeel_engine::{ConnectionId, Instant};

/// The bytes of a request and its response, half of them each, for the measure `bytes`.
pub const BYTES: u64 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// It has no connection.
    Disconnected,
    /// Its requests are drawn as a number, not simulated one by one.
    Open,
    /// Its connection is expired, so each request is simulated: the next one is scheduled.
    Expired,
}

#[derive(Clone, Debug)]
pub struct Client {
    pub state: ClientState,
    /// The pod that it is connected to, and its index in `Pod::clients`.
    pub pod: u32,
    pub slot: u32,
    /// The number of connections that it has opened.
    pub generation: u32,
    /// Requests on this connection.
    pub requests: u32,
    /// Mean requests per second.
    pub rate: f32,
    /// When its requests were last counted.
    pub counted: Instant,
}

impl Client {
    pub fn new(rate: f64) -> Self {
        Self {
            state: ClientState::Disconnected,
            pod: 0,
            slot: 0,
            generation: 0,
            requests: 0,
            rate: rate as f32,
            counted: Instant::default(),
        }
    }
}

/// Returns the id of a connection of a client.
pub fn connection_id(client: u32, generation: u32) -> ConnectionId {
    ConnectionId(u64::from(generation) << 32 | u64::from(client))
}

/// Returns the client of a connection.
pub fn client_of(id: ConnectionId) -> u32 {
    (id.0 & u64::from(u32::MAX)) as u32
}
