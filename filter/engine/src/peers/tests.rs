//! Tests of gossip, on virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

mod estimate;
mod false_loads;
mod false_uptimes;
#[cfg(not(target_arch = "wasm32"))]
mod fleet;
mod invalid_messages;
mod messages;
#[cfg(not(target_arch = "wasm32"))]
mod propagation;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod received;
mod sampling;
#[cfg(not(target_arch = "wasm32"))]
mod ten_thousand;
mod terminating;

use core::time::Duration;

use evenkeel_policy::Measure;

use super::*;
use crate::Instant;

const NOON: Instant = Instant::from_nanos(1_700_000_000_000_000_000);
const INTERVAL: Duration = Duration::from_secs(1);
const RULES: Rules = Rules {
    measure: Measure::Connections,
    interval: INTERVAL,
    slow_start: Duration::ZERO,
    stabilization_window: Duration::from_secs(5),
};

fn connections(connections: f64) -> Load {
    Load {
        connections,
        ..Load::default()
    }
}

/// A pod that has been up for an hour.
fn pod(id: u64, load: f64) -> OwnReport {
    OwnReport {
        id: PeerId(id),
        load: connections(load),
        weight: 1.0,
        uptime: Duration::from_secs(3600),
        since_peer_request: Some(Duration::from_millis(200)),
    }
}

/// A view with the own reports of all `others`.
fn view_of(others: &[OwnReport], now: Instant) -> View {
    let mut view = View::default();
    for other in others {
        receive(
            &mut view,
            &View::default().write_message(other, now, 0),
            now,
        );
    }
    view
}

/// Pod 1 receive a message that is one.
fn receive(view: &mut View, message: &str, now: Instant) -> ReceivedReports {
    let message = Message::parse(message.as_bytes()).unwrap();
    view.receive(PeerId(1), &message, now, INTERVAL, 7)
}

/// A message with these rows.
fn message(rows: &[impl AsRef<str>]) -> String {
    let rows: Vec<_> = rows.iter().map(AsRef::as_ref).collect();
    format!(r#"{{"v":1,"peers":[{}]}}"#, rows.join(","))
}

fn later(seconds: f64) -> Instant {
    NOON.after(Duration::from_secs_f64(seconds))
}
