//! What pods come to know of each other.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

mod counting;
#[cfg(not(target_arch = "wasm32"))]
mod crowd;
mod draining;
#[cfg(not(target_arch = "wasm32"))]
mod fleet;
mod forged;
mod hearing;
mod hostile;
mod liars;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod sampling;
#[cfg(not(target_arch = "wasm32"))]
mod spreading;
mod telling;

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
    stabilization_window: Duration::from_secs(5),
};

fn connections(connections: f64) -> Load {
    Load {
        connections,
        ..Load::default()
    }
}

/// A pod that has long served.
fn pod(id: u64, load: f64) -> OwnReport {
    OwnReport {
        id: PeerId(id),
        load: connections(load),
        weight: 1.0,
        uptime: Duration::from_secs(3600),
        asked: Some(Duration::from_millis(200)),
    }
}

/// What a view knows that has heard all `others` directly.
fn knowing(others: &[OwnReport], now: Instant) -> View {
    let mut view = View::default();
    for other in others {
        hears(
            &mut view,
            &View::default().write_message(other, now, 0),
            now,
        );
    }
    view
}

/// Pod 1 hears a message that is one.
fn hears(view: &mut View, message: &str, now: Instant) -> ReceivedReports {
    let message = Message::parse(message.as_bytes()).unwrap();
    view.receive(PeerId(1), &message, now, EVERY, 7)
}

/// A message of rows as they stand.
fn message(rows: &[impl AsRef<str>]) -> String {
    let rows: Vec<_> = rows.iter().map(AsRef::as_ref).collect();
    format!(r#"{{"v":1,"peers":[{}]}}"#, rows.join(","))
}

fn later(seconds: f64) -> Instant {
    NOON.after(Duration::from_secs_f64(seconds))
}
