//! A pod with more load than its peers drains the excess, and no more than that.

mod excess;
mod false_reports;
mod protocols;
mod scale_out;
mod service;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
