//! The one list of metrics.
//!
//! [`Metric`] says for each its name, kind, unit and labels, what it means and what is to be done about it. The module
//! counts by it, and from it come the dashboard, the alert rules, `evenkeel status`, the table in
//! docs/operating.md, and the tags that an Envoy needs.
//!
//! What is for people (help, actions, label values) stands in functions of its own, which the module never calls: so
//! none of that text is in it.

mod counter;
mod find;
mod label;
mod list;
mod table;

pub use counter::Counter;
pub use find::NotListed;
pub use label::{Exchange, GoawayLabels, Label, Values};
pub use list::{Kind, Metric};
pub use table::with_metrics_table;
