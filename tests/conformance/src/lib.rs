//! Whether a proxy with the module keeps to HTTP as well as one without: the same requests, well-formed and
//! malformed, are sent to listeners of one Envoy that differ in nothing else ([`Site`]).
//!
//! - HTTP/1: a table of raw requests ([`requests`]), each sent whole and cut in two ([`exchange`]). What came back
//!   is compared, and what the backend received ([`Recorder`]).
//! - HTTP/2: h2spec, case by case ([`h2spec`]).
//!
//! What is right is not judged here: Envoy's own verdict is, by being the module's.

pub mod exchange;
pub mod h2spec;
mod recorder;
pub mod requests;
mod site;

pub use exchange::{Answer, Client, End, Exchange};
pub use recorder::Recorder;
pub use requests::Request;
pub use site::{Listener, Site};
