//! What is known of one pod, and which numbers can be true.

use core::time::Duration;

use super::{Own, PeerId};
use crate::{Instant, Load};

/// Of connections, and of requests that are owed something.
const MAX_CONNECTIONS: u32 = 10_000_000;
/// A second.
const MAX_REQUESTS: u32 = 1_000_000_000;
/// A second.
const MAX_BYTES: u64 = 10_000_000_000_000;
const MAX_WEIGHT_MILLI: u32 = 1_000_000_000;
/// A hundred years.
const MAX_SPAN_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// A report as it is written: id, connections, active, requests, bytes, weight in thousandths, uptime in ms,
/// asked how many ms ago (-1: never), and when: its age in ms, or in a view, the instant in ns.
pub(super) type Row = (u64, u32, u32, u32, u64, u32, u64, i64, u64);

/// What a pod told of itself, in whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    pub(super) id: PeerId,
    connections: u32,
    active: u32,
    requests: u32,
    bytes: u64,
    weight_milli: u32,
    uptime_ms: u64,
    asked_ms: Option<u64>,
    /// When the numbers were true.
    pub(super) made: Instant,
}

impl Report {
    /// None if one of its numbers cannot be true.
    pub(super) fn new(row: Row, made: Instant) -> Option<Self> {
        let (id, connections, active, requests, bytes, weight_milli, uptime_ms, asked, _) = row;
        let asked_ms = match asked {
            -1 => None,
            asked => Some(u64::try_from(asked).ok()?),
        };
        let can_be = connections <= MAX_CONNECTIONS
            && active <= MAX_CONNECTIONS
            && requests <= MAX_REQUESTS
            && bytes <= MAX_BYTES
            && (1..=MAX_WEIGHT_MILLI).contains(&weight_milli)
            && uptime_ms <= MAX_SPAN_MS
            && asked_ms.is_none_or(|asked| asked <= MAX_SPAN_MS);
        can_be.then_some(Self {
            id: PeerId(id),
            connections,
            active,
            requests,
            bytes,
            weight_milli,
            uptime_ms,
            asked_ms,
            made,
        })
    }

    /// What a pod tells of itself, brought to numbers that the others believe.
    pub(super) fn own(own: &Own, now: Instant) -> Self {
        let Own { load, weight, .. } = own;
        Self {
            id: own.id,
            connections: whole(load.connections, MAX_CONNECTIONS),
            active: whole(load.active, MAX_CONNECTIONS),
            requests: whole(load.requests, MAX_REQUESTS),
            // A float's cast saturates, and NaN is nothing.
            bytes: (load.bytes.round() as u64).min(MAX_BYTES),
            weight_milli: in_milli(*weight),
            uptime_ms: millis(own.uptime),
            asked_ms: own.asked.map(millis),
            made: now,
        }
    }

    pub(super) fn row(&self, when: u64) -> Row {
        let asked = self.asked_ms.map(i64::try_from);
        (
            self.id.0,
            self.connections,
            self.active,
            self.requests,
            self.bytes,
            self.weight_milli,
            self.uptime_ms,
            asked.and_then(Result::ok).unwrap_or(-1),
            when,
        )
    }

    /// It tells later news of the same pod.
    pub(super) fn follows(&self, other: &Self) -> bool {
        self.uptime_ms > other.uptime_ms
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.since(self.made)
    }

    pub(super) fn load(&self) -> Load {
        Load {
            connections: self.connections.into(),
            active: self.active.into(),
            requests: self.requests.into(),
            bytes: self.bytes as f64,
        }
    }

    pub(super) fn weight(&self) -> f64 {
        f64::from(self.weight_milli) / 1000.0
    }

    /// When the numbers were true.
    pub(super) fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime_ms)
    }

    /// When the numbers were true.
    pub(super) fn asked(&self) -> Option<Duration> {
        self.asked_ms.map(Duration::from_millis)
    }
}

/// The weight that the others believe.
pub(super) fn believable(weight: f64) -> f64 {
    f64::from(in_milli(weight)) / 1000.0
}

fn in_milli(weight: f64) -> u32 {
    whole(weight * 1000.0, MAX_WEIGHT_MILLI).max(1)
}

fn whole(number: f64, max: u32) -> u32 {
    (number.round() as u32).min(max)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis())
        .unwrap_or(u64::MAX)
        .min(MAX_SPAN_MS)
}
