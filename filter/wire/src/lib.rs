//! HTTP and WebSocket byte streams without IO: bytes in, what they mean and where an announcement fits out.
//!
//! [`Connection`] follows both directions of one downstream connection. Give it every callback's bytes
//! in the order in which Envoy made them; it tells how many requests are owed an answer and, of a write
//! to the client, the [`Place`]s where an announcement would be understood. It never copies a body, its
//! state is bounded, and what it does not understand makes the connection [`Opaque`] for ever.

mod connection;
pub mod h1;
pub mod h2;
mod opaque;
mod source;
pub mod splice;
mod unconfirmed;
pub mod websocket;

pub use connection::{Connection, Kind, Place};
pub use opaque::Opaque;
pub use source::Source;
