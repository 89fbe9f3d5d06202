//! A proxy-wasm host (ABI 0.2.1) that behaves like Envoy and runs the built module on virtual time.
//!
//! A [`Host`] is a proxy. Its [`Worker`]s have their own instance (VM) of the module and share the map of shared data, the
//! metrics and the clock, as in Envoy. A [`Root`] is a plugin configuration on a worker; it has [`Connection`]s (network
//! filter) and [`Stream`]s (HTTP filter). The test acts as both peers and the adjacent filters, advances the clock, and
//! reads bytes, headers, metrics, log lines and [`Counts`].
//!
//! ```no_run
//! use evenkeel_test_host::{Host, RootSpec, module};
//! use std::time::Duration;
//!
//! let host = Host::new(&module());
//! let network = host.start_worker().configure(&RootSpec::new("network").config(r#"{"version":1}"#));
//! let connection = network.connect();
//! let to_server = connection.client_sends(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
//! let to_client = connection.server_writes(b"HTTP/1.1 204 No Content\r\n\r\n");
//! host.advance(Duration::from_secs(60));
//! assert!(connection.is_open());
//! # let _ = (to_server, to_client);
//! ```
//!
//! The host has the hostcalls and callbacks that the module uses; any other one fails the test. It rejects calls as Envoy's
//! `source/extensions/common/wasm/context.cc` does. If Envoy would lose bytes or drop traffic (a close or a pause during a
//! write, a trap, a rejected configuration), or a gauge falls below zero, the test fails at once, with the log.

#![warn(missing_docs)]

mod abi;
mod connection;
mod counts;
mod headers;
mod host;
mod hostcalls;
mod http_call;
mod log;
mod memory;
mod metrics;
mod program;
mod properties;
mod root;
mod shared_data;
mod state;
mod stream;
mod vm;
mod world;

pub use abi::Level;
pub use connection::{ClosedBy, Connection};
pub use counts::Counts;
pub use host::{Host, Worker};
pub use http_call::HttpCall;
pub use log::LogLine;
pub use program::module;
pub use root::{Direction, Root, RootSpec};
pub use stream::{LocalResponse, Stream};
