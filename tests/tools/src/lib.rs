//! Tools of the tests that are provisioned once and kept outside git.

pub mod cache;
pub mod debian;
