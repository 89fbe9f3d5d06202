//! Scanners for the byte streams of downstream connections, without IO.
//!
//! [`ConnectionScanner`] follows both directions of one connection. Pass it the bytes of every callback in
//! Envoy's order. It reports the number of active requests and, for a write to the client, the
//! [`DrainPoint`]: the position at which a drain signal fits, and what the client tolerates there. Scanners
//! never copy a body, their state is bounded, and a connection that they do not understand is bypassed for the
//! rest of its life ([`BypassReason`]).

mod bypass;
mod chunk;
mod drain_point;
mod first_bytes;
pub mod h1;
pub mod h2;
mod protocol;
mod scanner;
mod source;
pub mod splice;
pub mod tcp;
mod undelivered;
pub mod websocket;

pub use bypass::BypassReason;
pub use drain_point::{DrainOpportunity, DrainPoint, DrainSignal, Http2Client};
pub use first_bytes::ExpectedProtocol;
pub use protocol::{Detection, Protocol};
pub use scanner::{ConnectionScanner, Progress, WriteSummary};
pub use source::ByteSource;
