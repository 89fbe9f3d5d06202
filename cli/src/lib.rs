//! The command line `evenkeel`, for operators.
//!
//! It is also a library, so that generated files come from the same code.

mod alerts;
mod check;
mod cli;
mod completions;
mod dashboard;
mod diagnose;
mod explain;
mod man;
mod pace;
mod promql;
mod render;
mod rule_protocol;
mod simulate;
mod span;
mod status;

pub use alerts::rule_file;
pub use cli::{commands, run};
pub use dashboard::dashboard_file;
pub use render::{manifests, rendered};
pub use simulate::{Row, simulated};
pub use status::describe_status;
