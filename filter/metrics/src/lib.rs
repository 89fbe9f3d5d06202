//! The one list of metrics.
//!
//! [`Metric`] has for each its name, kind, unit, labels, meaning, and what to do about it. The module counts by it, and
//! the dashboard, the alert rules, `evenkeel status`, the table in docs/operating.md and the tags that Envoy needs are
//! generated from it.
//!
//! The text for people (help, actions, label values) is in functions that the module never calls, so none of it is in
//! the module.

mod counter;
mod find;
mod label;
mod list;
mod table;

pub use counter::Counter;
pub use find::NotListed;
pub use label::{Exchange, GoawayLabels, Label, VERSION, Values, mode_name};
pub use list::{Kind, Metric};
pub use table::with_metrics_table;
