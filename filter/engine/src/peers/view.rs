//! The reports that a pod has about the others.

use core::time::Duration;

use super::message::{self, Message};
use super::random::SeededRandom;
use super::report::{Report, Row, Source};
use super::{MAX_PEERS, MAX_REPORTS, OwnReport, PeerId};
use crate::clock::nanos;
use crate::sort::smallest_by_number;
use crate::{Instant, record};

/// An older report is not sent: others do not accept it.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// A report that is older than so many intervals is removed.
const FORGET: u32 = 10;

/// A report that its pod sent itself is replaced by reports of others only when it is older than so many intervals. In a
/// service of up to some ten pods the pod's next report arrives earlier.
const HOLD: u32 = 2;

/// What a message contained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceivedReports {
    /// Reports that were new, and are kept.
    pub accepted: usize,
    /// Reports that are implausible, or too many.
    pub dropped: usize,
}

/// The reports that a pod has about the others, at most [`MAX_PEERS`]: at most 24 KiB, and 18 KiB in shared data (a test
/// verifies the numbers). Call [`View::forget`] before other methods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// By id, each once.
    pub(super) reports: Vec<Report>,
}

impl View {
    /// The number of known pods.
    pub fn len(&self) -> usize {
        self.reports.len()
    }

    /// No other pod is known.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// The view as it is stored in shared data: a table with a record for each pod, sorted by id. `Report::to_record`
    /// states the layout of a record. Its times are on the monotonic clock, which is the same for all workers.
    pub fn to_bytes(&self) -> Vec<u8> {
        record::write_table(self.reports.iter().map(Report::to_record))
    }

    /// Reads what [`View::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let records = record::read_table(bytes, MAX_PEERS)?;
        let reports: Vec<_> = records.map(Report::from_record).collect::<Option<_>>()?;
        let is_sorted = reports.is_sorted_by(|one, next| one.id < next.id);
        is_sorted.then_some(Self { reports })
    }

    /// Removes the reports that are too old.
    pub fn forget(&mut self, now: Instant, interval: Duration) {
        let oldest = oldest_known(interval);
        self.reports
            .retain(|report| report.age_nanos(now) <= oldest);
    }

    /// The reports that are not too old.
    pub(super) fn current(
        &self,
        now: Instant,
        interval: Duration,
    ) -> impl Iterator<Item = &Report> {
        let oldest = oldest_known(interval);
        self.reports
            .iter()
            .filter(move |report| report.age_nanos(now) <= oldest)
    }

    /// Writes a message to another pod: `own`, then a random sample of the other reports. Visible ASCII of at most
    /// [`MAX_LEN`](super::MAX_LEN) bytes. Write a response before the request is received: the peer needs none of its
    /// own reports back.
    pub fn write_message(&self, own: &OwnReport, now: Instant, seed: u64) -> String {
        let mut rows = vec![Report::own(own, now).row(0)];
        for report in self.sample(now, seed) {
            rows.push(report.row(age_ms(report, now)));
        }
        message::write(&rows)
    }

    /// A random sample of the newer half: new reports would spread slowly if all were sent equally often.
    fn sample(&self, now: Instant, seed: u64) -> Vec<&Report> {
        let is_sent = |report: &&Report| report.age(now) <= MAX_AGE;
        let sent: Vec<_> = self.reports.iter().filter(is_sent).collect();
        let count = MAX_REPORTS.max(sent.len() / 2);
        let newest = smallest_by_number(&sent, count, |report| !report.measured.as_nanos());
        let mut random = SeededRandom::new(seed);
        smallest_by_number(&newest, MAX_REPORTS, |_| random.draw())
    }

    /// Receives the message of another pod. Its report about `me` is ignored.
    pub fn receive(
        &mut self,
        me: PeerId,
        message: &Message,
        now: Instant,
        interval: Duration,
        seed: u64,
    ) -> ReceivedReports {
        let Message { rows } = message;
        let sender = message.sender();
        let hold = interval.saturating_mul(HOLD);
        let mut random = SeededRandom::new(seed);
        let mut received = ReceivedReports {
            dropped: rows.len().saturating_sub(MAX_REPORTS.saturating_add(1)),
            ..ReceivedReports::default()
        };
        for (at, row) in rows.iter().take(MAX_REPORTS.saturating_add(1)).enumerate() {
            let Some(mut report) = row.and_then(|row| report_of(row, now)) else {
                received.dropped = received.dropped.saturating_add(1);
                continue;
            };
            if at == 0 && sender.is_some() {
                report.source = Source::Direct;
            }
            if report.id != me && self.take(report, now, hold, &mut random) {
                received.accepted = received.accepted.saturating_add(1);
            }
        }
        received
    }

    /// Keeps a report if it is new. In a full view the report of an unknown pod replaces a random older one, so that all
    /// pods are equally likely to be known.
    fn take(
        &mut self,
        report: Report,
        now: Instant,
        hold: Duration,
        random: &mut SeededRandom,
    ) -> bool {
        match self
            .reports
            .binary_search_by_key(&report.id, |known| known.id)
        {
            Ok(at) => {
                let Some(known) = self.reports.get_mut(at) else {
                    return false;
                };
                let Some(report) = report.replacing(known, now, hold) else {
                    return false;
                };
                *known = report;
                true
            }
            Err(_) if self.reports.len() >= MAX_PEERS => {
                let victim = random.below(self.reports.len());
                let is_older = self
                    .reports
                    .get(victim)
                    .is_some_and(|known| known.measured < report.measured);
                if is_older {
                    self.reports.remove(victim);
                    let at = self.reports.partition_point(|known| known.id < report.id);
                    self.reports.insert(at, report);
                }
                is_older
            }
            Err(at) => {
                self.reports.insert(at, report);
                true
            }
        }
    }
}

fn report_of(row: Row, now: Instant) -> Option<Report> {
    let age = Duration::from_millis(row.8);
    Report::new(row, now.before(age)).filter(|_| age <= MAX_AGE)
}

/// The age up to which a report is kept, in nanoseconds.
fn oldest_known(interval: Duration) -> u64 {
    nanos(interval.saturating_mul(FORGET))
}

/// The age of a report in a message. Rounded up: no report may grow younger when it is sent on.
fn age_ms(report: &Report, now: Instant) -> u64 {
    report.age_nanos(now).div_ceil(1_000_000)
}
