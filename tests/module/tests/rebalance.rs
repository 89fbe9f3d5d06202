//! A pod that carries more than its peers moves the surplus, and no more than that.

mod kinds;
mod liars;
mod scale_out;
mod scene;
mod surplus;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
