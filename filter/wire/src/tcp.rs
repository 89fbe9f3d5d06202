//! Databases and message brokers over TCP: where a connection can be closed so that its client loses nothing.
//!
//! [`Session`] follows both directions of one connection by the rules of its [`TcpProtocol`]. Give it the bytes
//! of every callback in the order in which Envoy made them, then ask for its [`SessionState`]:
//!
//! ```
//! use evenkeel_wire::tcp::{TcpProtocol, Session, SessionState, UnsafeReason};
//!
//! let mut session = Session::new(TcpProtocol::Redis);
//! session.client(&mut &b"*1\r\n$4\r\nPING\r\n"[..]);
//! assert_eq!(session.state(), SessionState::Unsafe(UnsafeReason::Response));
//! session.server(&mut &b"+PONG\r\n"[..]);
//! assert_eq!(session.state(), SessionState::SafeWhenIdle);
//! ```
//!
//! Scanners read headers and skip payloads by their length; they copy neither. What is kept between two
//! callbacks is a few counters, at most one incomplete header, and sets of message ids with a fixed limit: 248
//! bytes (Redis) to 872 bytes (NATS) for a new connection, and never more than [`MAX_STATE_BYTES`]. Of a SQL
//! statement, the first [`MAX_INSPECTED`] bytes are inspected, word by word. A connection whose bytes are not
//! understood is bypassed from then on.

mod amqp;
mod detect;
mod field;
mod frames;
mod id_set;
mod mqtt;
mod mysql;
mod nats;
mod postgresql;
mod prefix;
mod redis;
mod session;
mod sql;
mod state;

pub use detect::{MAX_DETECTED, Side, TcpDetection, detect};
pub use postgresql::shutdown;
pub use session::{MAX_STATE_BYTES, Session, TcpProtocol};
pub use sql::MAX_INSPECTED;
pub use state::{PinReason, SessionState, UnsafeReason};

use crate::BypassReason;
use crate::chunk::Chunk;

/// The content type of a TLS handshake record, the first byte of a TLS connection (RFC 8446 5.1).
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// A scanner of both directions of a connection.
///
/// An error means that the bytes are not understood; the scanner is not used after it.
trait Scanner {
    /// Takes bytes that the client sent.
    fn client(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason>;

    /// Takes bytes that the server sent.
    fn server(&mut self, chunk: &mut Chunk<'_>) -> Result<(), BypassReason>;

    /// The state after the bytes so far.
    fn state(&self) -> SessionState;

    /// How many bytes of heap memory the scanner uses.
    fn heap_bytes(&self) -> usize {
        0
    }
}
