//! The policy: JSON to a type that cannot hold an invalid policy.
//!
//! [`Policy::parse`] takes the bytes that Envoy passes to a plugin and returns a [`Policy`], or [`Errors`]: all errors,
//! each one line with the place, what was found there and what is allowed. Nothing here does IO, reads a clock,
//! uses randomness or logs.
//!
//! `json` parses the text into a tree that still shows duplicate keys; `document` declares the keys; `resolve` fills in
//! defaults, finds contradictions and returns the [`Policy`]. The JSON schema and the table of keys are derived from
//! `document`, too.

mod declare;
mod document;
mod duration;
mod error;
mod glob;
mod json;
#[cfg(feature = "schema")]
mod keys_table;
mod matcher;
mod number;
mod path;
mod policy;
mod protobuf;
mod quoted;
mod read;
mod rebalance;
mod resolve;
mod rule;
#[cfg(feature = "schema")]
mod schema;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
mod value;

pub use duration::show as show_duration;
pub use error::{Cause, Error, Errors};
pub use matcher::{Direction, MatchCondition, Request, RequestParts};
pub use path::{Place, Step};
pub use policy::{
    Budget, Http2Ping, Keepalive, Mode, Policy, Role, Route, TcpKeepalive, TcpRule,
    UpstreamProtocol, UpstreamRecycling,
};
pub use rebalance::{Measure, Peers, Rebalance, Trust, Weight};
pub use rule::{
    CloseCode, ErrorSetting, Http2, Jitter, LastStreamId, ProtocolSetting, Rule, Scope,
    SessionStateSetting, Tcp, WebSocket, WhenActive, WhenTcpActive,
};
#[cfg(feature = "schema")]
pub use {keys_table::with_keys_table, schema::schema};
