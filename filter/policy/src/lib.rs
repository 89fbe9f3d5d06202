//! The policy: JSON to a type in which a wrong policy cannot exist.
//!
//! [`Policy::parse`] takes the bytes that Envoy hands to a plugin and gives a [`Policy`], or [`Errors`]:
//! every mistake that one look can find, each one line that names the place, what was found there and
//! what is allowed. Nothing here does IO, reads a clock, draws chance or logs.
//!
//! The way of the text: `json` reads it into a tree that still shows repeated keys; `document` says,
//! key by key, what may be written; `resolve` fills in defaults, looks for contradictions and gives the
//! [`Policy`]. The JSON schema and the table of keys come from `document` too.

mod declare;
mod document;
mod duration;
mod error;
mod glob;
mod json;
#[cfg(feature = "schema")]
mod keys_table;
mod matcher;
mod path;
mod policy;
mod protobuf;
mod read;
mod resolve;
mod rule;
#[cfg(feature = "schema")]
mod schema;
mod shed;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
mod value;

pub use duration::show as show_duration;
pub use error::{Cause, Error, Errors};
pub use matcher::{Direction, Needs, Part, Request};
pub use path::{Place, Step};
pub use policy::{
    Budget, Http2Ping, Keepalive, Mode, Policy, PortRule, Protocol, Role, Route, TcpKeepalive,
    Upstream,
};
pub use rule::{Busy, Goaway, Jitter, Rule, Scope, WebSocket};
pub use shed::{Allow, Measure, Peers, Shed, Weight};
#[cfg(feature = "schema")]
pub use {keys_table::with_keys_table, schema::schema};
