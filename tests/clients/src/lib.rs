//! Real clients, each a program in its own language, and what becomes of their requests when their
//! connections are moved after every second one.
//!
//! A client is a row of [`Client::ALL`] and a program that keeps the contract: it takes `--address`,
//! `--protocol`, `--requests`, `--concurrency` and `--method`, sends request `N` with the header `x-id: N`,
//! tries nothing again by itself, and prints a [`Report`] as one line of JSON.
//!
//! `cargo run -p evenkeel-test-clients` runs them and shows a table; the tests hold them to it.

mod cache;
mod client;
mod language;
mod report;
mod row;
mod run;
mod site;
pub mod table;

pub use client::Client;
pub use language::{Language, Program};
pub use report::Report;
pub use row::Row;
pub use run::{Load, Method, run};
pub use site::{Against, Counts, Site};
