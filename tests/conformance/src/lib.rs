//! Compares the HTTP behavior of a proxy with and without the module: the same requests, well-formed and malformed, are sent to
//! listeners of one Envoy that differ in nothing else ([`Site`]).
//!
//! - HTTP/1: a table of raw requests ([`requests`]), each sent complete and in two parts ([`exchange`]). The
//!   responses are compared, and what the backend received ([`Recorder`]).
//! - HTTP/2: h2spec, case by case ([`h2spec`]).
//!
//! The reference is the behavior of Envoy, not the RFC.

pub mod exchange;
pub mod h2spec;
mod recorder;
mod relay;
pub mod requests;
mod site;

pub use exchange::{Client, End, Exchange, Response};
pub use recorder::Recorder;
pub use relay::Relay;
pub use requests::Request;
pub use site::{Listener, Site};
