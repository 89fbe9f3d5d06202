//! The reports that a pod has of the others.

use core::cmp::Reverse;
use core::time::Duration;

use super::chance::Chance;
use super::message::{self, Message};
use super::report::{Report, Row, Source};
use super::{MAX_PEERS, MAX_REPORTS, OwnReport, PeerId};
use crate::Instant;

/// A report that is older cannot be told: the others would not believe it.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// A report that is so many times `every` old is forgotten.
const FORGET: u32 = 10;

/// A report that its pod sent itself is not replaced by what others say until it is so many times `every`
/// old. In a service of up to some ten pods it is replaced by the pod's next one before that.
const HOLD: u32 = 2;

/// The first byte of a view in shared data. Another version of the module may have written one.
const FORMAT: u8 = 1;

/// What a message brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceivedReports {
    /// Reports that were news and are kept.
    pub accepted: usize,
    /// Reports that cannot be true, or were too many.
    pub dropped: usize,
}

/// All that a pod knows of the others, at most [`MAX_PEERS`] of them: at most 24 KiB, and 18 KiB in the data
/// that the workers share (a test holds the numbers). Call [`View::forget`] before anything else is asked of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// By id, each once.
    pub(super) reports: Vec<Report>,
}

impl View {
    /// How many others are known.
    pub fn len(&self) -> usize {
        self.reports.len()
    }

    /// No other is known.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// The view as it is stored in shared data: one byte with the format's version (1), then for each pod a row of
    /// [`Report::BYTES`] bytes, sorted by id. [`Report::to_bytes`] states the layout of a row. Its times are on the
    /// monotonic clock, which is the same for all workers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        for report in &self.reports {
            bytes.extend(report.to_bytes());
        }
        bytes
    }

    /// Reads what [`View::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&FORMAT, rows) = bytes.split_first()? else {
            return None;
        };
        let (rows, []) = rows.as_chunks::<{ Report::BYTES }>() else {
            return None;
        };
        if rows.len() > MAX_PEERS {
            return None;
        }
        let reports: Vec<_> = rows.iter().map(Report::from_bytes).collect::<Option<_>>()?;
        let is_sorted = reports.is_sorted_by(|one, next| one.id < next.id);
        is_sorted.then_some(Self { reports })
    }

    /// Forgets pods of which nothing was heard for long.
    pub fn forget(&mut self, now: Instant, every: Duration) {
        self.reports
            .retain(|report| !is_forgotten(report, now, every));
    }

    /// The reports that are not to be forgotten.
    pub(super) fn fresh(&self, now: Instant, every: Duration) -> impl Iterator<Item = &Report> {
        self.reports
            .iter()
            .filter(move |report| !is_forgotten(report, now, every))
    }

    /// The message to another pod: `own`, then a random sample of the others. Visible ASCII of at most
    /// [`MAX_LEN`](super::MAX_LEN) bytes. An answer is better written before what was asked is heard: it would tell
    /// the other one what that has just told.
    pub fn write_message(&self, own: &OwnReport, now: Instant, seed: u64) -> String {
        let mut rows = vec![Report::own(own, now).row(0)];
        for report in self.sample(now, seed) {
            rows.push(report.row(age_ms(report, now)));
        }
        message::write(&rows)
    }

    /// Of the fresher half: news would be slow to spread if everything were told as often.
    fn sample(&self, now: Instant, seed: u64) -> Vec<&Report> {
        let mut told: Vec<_> = self
            .reports
            .iter()
            .filter(|report| report.age(now) <= MAX_AGE)
            .collect();
        told.sort_unstable_by_key(|report| Reverse(report.made));
        told.truncate(MAX_REPORTS.max(told.len() / 2));
        let mut chance = Chance::new(seed);
        told.sort_by_cached_key(|_| chance.draw());
        told.truncate(MAX_REPORTS);
        told
    }

    /// Takes in the message of another pod, in a service whose pods tell each other `every` so often. What
    /// it says about `me` is left out.
    pub fn receive(
        &mut self,
        me: PeerId,
        message: &Message,
        now: Instant,
        every: Duration,
        seed: u64,
    ) -> ReceivedReports {
        let Message { rows } = message;
        let sender = message.sender();
        let hold = every.saturating_mul(HOLD);
        let mut chance = Chance::new(seed);
        let mut heard = ReceivedReports {
            dropped: rows.len().saturating_sub(MAX_REPORTS.saturating_add(1)),
            ..ReceivedReports::default()
        };
        for (at, row) in rows.iter().take(MAX_REPORTS.saturating_add(1)).enumerate() {
            let Some(mut report) = row.and_then(|row| told(row, now)) else {
                heard.dropped = heard.dropped.saturating_add(1);
                continue;
            };
            if at == 0 && sender.is_some() {
                report.source = Source::Direct;
            }
            if report.id != me && self.take(report, now, hold, &mut chance) {
                heard.accepted = heard.accepted.saturating_add(1);
            }
        }
        heard
    }

    /// Keeps a report if it is news. In a full view a pod that was unknown takes the place of a random one
    /// whose report is older: whatever pod that is, so that all have the same chance to be known.
    fn take(&mut self, report: Report, now: Instant, hold: Duration, chance: &mut Chance) -> bool {
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
                let victim = chance.below(self.reports.len());
                let is_older = self
                    .reports
                    .get(victim)
                    .is_some_and(|known| known.made < report.made);
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

fn told(row: Row, now: Instant) -> Option<Report> {
    let age = Duration::from_millis(row.8);
    let made = Instant::from_nanos(now.as_nanos().saturating_sub(nanos(age)));
    Report::new(row, made).filter(|_| age <= MAX_AGE)
}

fn is_forgotten(report: &Report, now: Instant, every: Duration) -> bool {
    report.age(now) > every.saturating_mul(FORGET)
}

/// Rounded up: no report may grow younger by being told.
fn age_ms(report: &Report, now: Instant) -> u64 {
    let millis = report.age(now).as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).unwrap_or(u64::MAX)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
