//! Real clients, each a program in its own language, and the results of their requests while their
//! connections are drained after every second one.
//!
//! A client is a row of [`Client::ALL`] and a program that follows the contract in this folder's README.md: it
//! sends numbered requests in one of the ways of [`Pattern`] and prints a [`Report`] as one line of JSON. The module
//! or one of its alternatives ([`Against`]) drains the connections.
//!
//! `cargo xtask clients` runs them and shows a table; `cargo xtask storm` sends many more requests.

mod client;
mod drained;
mod exemption;
pub mod fingerprint;
mod h2load;
mod haproxy;
mod language;
pub mod matrix;
mod nginx;
pub mod outcome;
pub mod page;
mod pattern;
mod recycle;
mod report;
mod row;
mod run;
pub mod selection;
mod site;
pub mod table;
mod via;

pub use client::{Client, Protocol};
pub use language::{Language, Program};
pub use pattern::Pattern;
pub use recycle::Recycle;
pub use report::Report;
pub use row::Row;
pub use run::Run;
pub use site::{Against, Counts, Site};
