//! A report about one pod, and the range of plausible numbers.

use core::time::Duration;

use super::{OwnReport, PeerId};
use crate::{Instant, Load};

/// Of connections, and of active requests.
const MAX_CONNECTIONS: u32 = 10_000_000;
/// Per second.
const MAX_REQUESTS: u32 = 1_000_000_000;
/// Per second.
const MAX_BYTES: u64 = 10_000_000_000_000;
const MAX_WEIGHT_MILLI: u32 = 1_000_000_000;
/// A hundred years, in ms.
const MAX_SPAN_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// A report in a message: id, connections, active requests, requests per second, bytes per second, weight in
/// thousandths, uptime in ms, ms since a peer last sent it a request (-1: never), and its age in ms.
pub(super) type Row = (u64, u32, u32, u32, u64, u32, u64, i64, u64);

/// What a pod reported about itself, in whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    pub(super) id: PeerId,
    connections: u32,
    active: u32,
    requests: u32,
    bytes: u64,
    weight_milli: u32,
    uptime_ms: u64,
    since_peer_request_ms: Option<u64>,
    /// When the numbers were measured.
    pub(super) measured: Instant,
    pub(super) source: Source,
    /// When its pod started, in ms on this proxy's clock: by the first report about it, or by the last one
    /// that it sent itself.
    started_ms: i64,
}

/// Who sent a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Its pod.
    Direct,
    /// Another pod, and it fits an earlier report of its pod.
    Confirmed,
    /// Another pod, and its pod has sent no report yet.
    Unconfirmed,
}

/// The largest difference between the starts of a pod that two reports imply. Correct reports differ by the rounding of
/// an age at each hop, and by the time on the network.
const SLACK_MS: i64 = 2_000;

impl Report {
    /// None if a number is implausible.
    pub(super) fn new(row: Row, measured: Instant) -> Option<Self> {
        let (id, connections, active, requests, bytes, weight_milli, uptime_ms, since_request, _) =
            row;
        let since_peer_request_ms = match since_request {
            -1 => None,
            since => Some(u64::try_from(since).ok()?),
        };
        let is_plausible = connections <= MAX_CONNECTIONS
            && active <= MAX_CONNECTIONS
            && requests <= MAX_REQUESTS
            && bytes <= MAX_BYTES
            && (1..=MAX_WEIGHT_MILLI).contains(&weight_milli)
            && uptime_ms <= MAX_SPAN_MS
            && since_peer_request_ms.is_none_or(|since| since <= MAX_SPAN_MS);
        is_plausible.then_some(Self {
            id: PeerId(id),
            connections,
            active,
            requests,
            bytes,
            weight_milli,
            uptime_ms,
            since_peer_request_ms,
            measured,
            source: Source::Unconfirmed,
            started_ms: started_ms(measured, uptime_ms),
        })
    }

    /// The report of a pod about itself, limited to the numbers that others accept.
    pub(super) fn own(own: &OwnReport, now: Instant) -> Self {
        let OwnReport { load, weight, .. } = own;
        let uptime_ms = millis(own.uptime);
        Self {
            id: own.id,
            connections: rounded(load.connections, MAX_CONNECTIONS),
            active: rounded(load.active, MAX_CONNECTIONS),
            requests: rounded(load.requests, MAX_REQUESTS),
            // A cast from a float saturates, and NaN becomes 0.
            bytes: (load.bytes.round() as u64).min(MAX_BYTES),
            weight_milli: in_milli(*weight),
            uptime_ms,
            since_peer_request_ms: own.since_peer_request.map(millis),
            measured: now,
            source: Source::Direct,
            started_ms: started_ms(now, uptime_ms),
        }
    }

    pub(super) fn row(&self, age_ms: u64) -> Row {
        let since_peer_request = self.since_peer_request_ms.map(i64::try_from);
        (
            self.id.0,
            self.connections,
            self.active,
            self.requests,
            self.bytes,
            self.weight_milli,
            self.uptime_ms,
            since_peer_request.and_then(Result::ok).unwrap_or(-1),
            age_ms,
        )
    }

    /// The report to keep if `self`, which arrives at `now`, replaces `known`, an earlier one about the
    /// same pod; `None` if it does not. `hold` is the age up to which a report that its pod sent is not
    /// replaced by reports of others.
    ///
    /// The report with the higher uptime is later. An uptime can be forged, so it must fit the time at which the pod
    /// started, which is known best from the pod itself.
    pub(super) fn replacing(mut self, known: &Self, now: Instant, hold: Duration) -> Option<Self> {
        let is_later = self.uptime_ms > known.uptime_ms;
        let earlier = known.started_ms.saturating_sub(self.started_ms);
        let fits = earlier.saturating_abs() <= SLACK_MS;
        match (self.source, known.source) {
            // A message that another one overtook has an earlier report.
            (Source::Direct, Source::Direct) if fits => is_later.then_some(self),
            (Source::Direct, _) => Some(self),
            (_, Source::Direct) if known.age(now) <= hold => None,
            (_, Source::Direct | Source::Confirmed) => {
                self.source = Source::Confirmed;
                self.started_ms = known.started_ms;
                // A report that was long on its way seems to be of a pod that started later.
                (is_later && earlier <= SLACK_MS).then_some(self)
            }
            (_, Source::Unconfirmed) if fits => {
                self.started_ms = known.started_ms;
                is_later.then_some(self)
            }
            // One of the two is forged, and nothing shows which: neither may last.
            (_, Source::Unconfirmed) => (self.measured > known.measured).then_some(self),
        }
    }

    /// The record of a view in shared data. All numbers are little-endian:
    ///
    /// | offset | type | field |
    /// |---|---|---|
    /// | 0 | u64 | id |
    /// | 8 | u32 | connections |
    /// | 12 | u32 | active requests |
    /// | 16 | u32 | requests a second |
    /// | 20 | u32 | weight in thousandths |
    /// | 24 | u64 | bytes a second |
    /// | 32 | u64 | uptime in ms |
    /// | 40 | u64 | ms since a peer last sent it a request; [`NEVER`] |
    /// | 48 | u64 | when the numbers were measured, in ns of the monotonic clock |
    /// | 56 | i64 | when the pod started, in ms of the same clock |
    /// | 64 | u64 | [`Source`] |
    pub(super) fn to_record(&self) -> [u64; 9] {
        [
            self.id.0,
            pack(self.connections, self.active),
            pack(self.requests, self.weight_milli),
            self.bytes,
            self.uptime_ms,
            self.since_peer_request_ms.unwrap_or(NEVER),
            self.measured.as_nanos(),
            self.started_ms.cast_unsigned(),
            self.source as u64,
        ]
    }

    /// Reads what [`Report::to_record`] wrote; `None` for anything else.
    pub(super) fn from_record(record: [u64; 9]) -> Option<Self> {
        let [
            id,
            counts,
            rates,
            bytes,
            uptime,
            since_request,
            measured,
            started,
            from,
        ] = record;
        let (connections, active) = unpack(counts);
        let (requests, weight_milli) = unpack(rates);
        let since_request = match since_request {
            NEVER => -1,
            since => i64::try_from(since).ok()?,
        };
        let row = (
            id,
            connections,
            active,
            requests,
            bytes,
            weight_milli,
            uptime,
            since_request,
            0,
        );
        let mut report = Self::new(row, Instant::from_nanos(measured))?;
        report.started_ms = started.cast_signed();
        let sources = [Source::Direct, Source::Confirmed, Source::Unconfirmed];
        let is_read = |source: &Source| *source as u64 == from;
        report.source = sources.into_iter().find(is_read)?;
        Some(report)
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.since(self.measured)
    }

    /// As [`Report::age`], in nanoseconds.
    pub(super) const fn age_nanos(&self, now: Instant) -> u64 {
        now.nanos_since(self.measured)
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

    /// The pod's uptime when the numbers were measured, in nanoseconds.
    pub(super) const fn uptime_nanos(&self) -> u64 {
        to_nanos(self.uptime_ms)
    }

    /// How long before the measurement a peer last sent the pod a request, in nanoseconds.
    pub(super) fn since_peer_request_nanos(&self) -> Option<u64> {
        self.since_peer_request_ms.map(to_nanos)
    }
}

/// The nanoseconds of at most [`MAX_SPAN_MS`].
const fn to_nanos(ms: u64) -> u64 {
    ms.wrapping_mul(1_000_000)
}

/// In shared data: no peer has sent the pod a request.
const NEVER: u64 = u64::MAX;

fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

const fn unpack(both: u64) -> (u32, u32) {
    (both as u32, (both >> 32) as u32)
}

fn started_ms(measured: Instant, uptime_ms: u64) -> i64 {
    let made_ms = measured.as_nanos() / 1_000_000;
    i64::try_from(i128::from(made_ms).saturating_sub(uptime_ms.into())).unwrap_or(i64::MIN)
}

/// The weight that others accept.
pub(super) fn plausible_weight(weight: f64) -> f64 {
    f64::from(in_milli(weight)) / 1000.0
}

fn in_milli(weight: f64) -> u32 {
    rounded(weight * 1000.0, MAX_WEIGHT_MILLI).max(1)
}

fn rounded(number: f64, max: u32) -> u32 {
    (number.round() as u32).min(max)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis())
        .unwrap_or(u64::MAX)
        .min(MAX_SPAN_MS)
}
