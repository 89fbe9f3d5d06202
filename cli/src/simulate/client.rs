//! The clients: each keeps one connection, and sends requests on it.

use evenkeel_engine::{ConnectionId, Instant};

/// Bytes of a request and its response, half of it each, for the measure `bytes`.
pub const BYTES: u64 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has no connection.
    Disconnected,
    /// Its requests are counted together.
    Open,
    /// Its connection is expired, so requests are simulated one by one: the next one is planned.
    Expired,
}

#[derive(Clone, Debug)]
pub struct Client {
    pub link: Link,
    /// Which pod has its connection, and where in the pod's list it is.
    pub pod: u32,
    pub slot: u32,
    /// How many connections it has had.
    pub generation: u32,
    /// Requests on this connection.
    pub requests: u32,
    /// Requests a second, on average.
    pub rate: f32,
    /// Until when its requests have been counted.
    pub counted: Instant,
}

impl Client {
    pub fn new(rate: f64) -> Self {
        Self {
            link: Link::Disconnected,
            pod: 0,
            slot: 0,
            generation: 0,
            requests: 0,
            rate: rate as f32,
            counted: Instant::default(),
        }
    }
}

/// The connection that a client has, or had last.
pub fn id(client: u32, generation: u32) -> ConnectionId {
    ConnectionId(u64::from(generation) << 32 | u64::from(client))
}

/// Whose connection it is.
pub fn of(id: ConnectionId) -> u32 {
    (id.0 & u64::from(u32::MAX)) as u32
}
