//! Real databases and message brokers with real clients, and an Envoy between them that closes connections.
//!
//! A [`Run`] starts two servers of a [`System`], one Envoy with a `tcp_proxy` listener per client program, and the
//! programs. What closes the connections is the [`Contender`]. Each program reports what it observed per operation,
//! as README.md of this crate defines it.

mod client;
mod contender;
mod language;
mod page;
mod process;
mod program;
mod report;
mod row;
mod run;
mod server;
mod site;
mod system;
mod table;
mod verdict;

pub use client::Client;
pub use contender::Contender;
pub use page::render as render_page;
pub use program::Program;
pub use report::{Counts, Report};
pub use row::{ModuleCounts, Results, Row};
pub use run::{Run, Target, run_client};
pub use server::Servers;
pub use server::nats::start_member as start_nats_member;
pub use system::System;
pub use table::render as render_table;
pub use verdict::judge;
