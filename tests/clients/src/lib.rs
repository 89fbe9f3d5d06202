//! Real clients, each a program in its own language, and what becomes of their requests when their
//! connections are ended after every second one.
//!
//! A client is a row of [`Client::ALL`] and a program that keeps the contract in this folder's README.md: it
//! sends numbered requests in one of the ways of [`Pattern`] and prints a [`Report`] as one line of JSON. What
//! ends the connections is the module, or one of its alternatives ([`Against`]).
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
