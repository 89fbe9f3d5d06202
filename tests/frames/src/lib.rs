//! Builders of the HTTP/2 and WebSocket frames that tests send and expect.
//!
//! They are written from the RFCs and share no code with `evenkeel-wire`, so that a test does not repeat its mistakes.

pub mod http2;
pub mod websocket;
