//! What pods come to know of each other.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

#[cfg(not(target_arch = "wasm32"))]
mod crowd;
#[cfg(not(target_arch = "wasm32"))]
mod fleet;
#[cfg(not(target_arch = "wasm32"))]
mod spreading;

use core::time::Duration;

use evenkeel_policy::Measure;

use super::*;
use crate::Instant;

const NOON: Instant = Instant::from_nanos(1_700_000_000_000_000_000);
const EVERY: Duration = Duration::from_secs(1);
const RULES: Rules = Rules {
    measure: Measure::Connections,
    every: EVERY,
    slow_start: Duration::ZERO,
    settle: Duration::from_secs(5),
};

fn connections(connections: f64) -> Load {
    Load {
        connections,
        ..Load::default()
    }
}
