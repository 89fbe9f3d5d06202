//! Tools of the tests: what is provisioned once and kept outside git, programs that run to their end, and free ports.

pub mod cache;
pub mod command;
pub mod debian;
pub mod ports;
