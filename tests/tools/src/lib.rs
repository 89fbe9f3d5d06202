//! What tests need beyond this repository, provisioned once and kept outside git.

pub mod cache;
pub mod debian;
