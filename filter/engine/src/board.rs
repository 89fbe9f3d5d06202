//! The load of every worker of a proxy: a board in the host's shared data on which each worker writes its own row,
//! so that each can add up the whole proxy.

use core::time::Duration;

use evenkeel_policy::{Rebalance, Weight};

use crate::{Instant, Load, record};

/// A row that was not written for so long is of a worker that no longer runs.
const STALE: Duration = Duration::from_secs(5);

/// The most rows on a board.
pub const MAX_WORKERS: usize = 256;

/// Names a worker within its proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub u64);

/// What one worker, or the whole proxy, carries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeasuredLoad {
    /// The whole load.
    pub load: Load,
    /// In dry run: the part of it that would have been drained by now.
    pub dry_run_drained: Load,
}

/// What all workers of a proxy carry together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProxyLoad {
    /// The sum of all workers.
    pub measured: MeasuredLoad,
    /// How many workers serve connections.
    pub workers: usize,
}

impl ProxyLoad {
    /// How many times the mean of all pods this proxy should carry.
    pub fn weight(&self, rebalance: &Rebalance) -> f64 {
        match rebalance.weight {
            Weight::Fixed(weight) => weight,
            Weight::Workers => self.workers.max(1) as f64,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    worker: WorkerId,
    written: Instant,
    measured: MeasuredLoad,
}

impl Row {
    /// `None` unless every number of the load is finite and not negative: a sum of others would be spoiled for all.
    fn from_record([worker, written, loads @ ..]: [u64; 10]) -> Option<Self> {
        let [load, drained] = loads.as_chunks().0 else {
            return None;
        };
        Some(Self {
            worker: WorkerId(worker),
            written: Instant::from_nanos(written),
            measured: MeasuredLoad {
                load: read_load(*load)?,
                dry_run_drained: read_load(*drained)?,
            },
        })
    }

    fn to_record(self) -> [u64; 10] {
        let [a, b, c, d] = fields(self.measured.load).map(f64::to_bits);
        let [e, f, g, h] = fields(self.measured.dry_run_drained).map(f64::to_bits);
        let (worker, written) = (self.worker.0, self.written.as_nanos());
        [worker, written, a, b, c, d, e, f, g, h]
    }

    /// The worker still runs. The clocks of two threads may be read in the other order than their rows are written,
    /// so a row may be a little ahead of `now`; one that is far ahead would stay forever.
    fn is_current(&self, now: Instant) -> bool {
        now.since(self.written) < STALE && self.written.since(now) < STALE
    }
}

fn fields(load: Load) -> [f64; 4] {
    [load.connections, load.active, load.requests, load.bytes]
}

fn read_load(fields: [u64; 4]) -> Option<Load> {
    let [connections, active, requests, bytes] = fields.map(f64::from_bits);
    let load = Load {
        connections,
        active,
        requests,
        bytes,
    };
    let is_valid = |number: f64| number.is_finite() && number >= 0.0;
    self::fields(load).into_iter().all(is_valid).then_some(load)
}

/// The rows of all workers.
///
/// In shared data a board is one byte with the format's version (1), then for each worker a row of ten little-endian
/// numbers of 8 bytes: worker id (u64), time of writing in nanoseconds of the monotonic clock (u64), and as f64 the
/// connections, active requests, requests a second and bytes a second of the whole load, then of the part that a dry
/// run would have drained. At most [`MAX_WORKERS`] rows, so at most 20 481 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board(Vec<Row>);

impl Board {
    /// Reads what [`Board::to_bytes`] wrote; an empty board for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let rows = record::read_table(bytes, MAX_WORKERS);
        let rows: Option<_> = rows.and_then(|rows| rows.map(Row::from_record).collect());
        rows.map(Self).unwrap_or_default()
    }

    /// The board as it is stored in shared data.
    pub fn to_bytes(&self) -> Vec<u8> {
        record::write_table(self.0.iter().map(|row| row.to_record()))
    }

    /// Writes a worker's row, and removes those of workers that no longer run.
    pub fn write(&mut self, worker: WorkerId, measured: MeasuredLoad, now: Instant) {
        self.0
            .retain(|row| row.worker != worker && row.is_current(now));
        if self.0.len() < MAX_WORKERS {
            self.0.push(Row {
                worker,
                written: now,
                measured,
            });
        }
    }

    /// What all workers carry together.
    pub fn total(&self) -> ProxyLoad {
        let measured = self
            .0
            .iter()
            .fold(MeasuredLoad::default(), |sum, row| MeasuredLoad {
                load: sum.load.plus(row.measured.load),
                dry_run_drained: sum.dry_run_drained.plus(row.measured.dry_run_drained),
            });
        ProxyLoad {
            measured,
            workers: self.0.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::record::FORMAT;

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(seconds))
    }

    fn measured(connections: f64) -> MeasuredLoad {
        MeasuredLoad {
            load: Load {
                connections,
                ..Load::default()
            },
            dry_run_drained: Load::default(),
        }
    }

    /// A board with one row of these numbers.
    fn with_row(written: u64, numbers: [f64; 8]) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend([7, written].into_iter().flat_map(u64::to_le_bytes));
        bytes.extend(numbers.into_iter().flat_map(f64::to_le_bytes));
        bytes
    }

    #[test]
    fn each_worker_has_one_row_and_all_rows_are_added() {
        let mut board = Board::default();
        board.write(WorkerId(1), measured(5.0), at(100));
        board.write(WorkerId(2), measured(7.0), at(100));
        board.write(WorkerId(1), measured(6.0), at(101));

        let total = board.total();

        assert_eq!(total.workers, 2);
        assert_eq!(total.measured, measured(13.0));
    }

    #[test]
    fn board_is_stored_and_read() {
        let load = Load {
            connections: 1.0,
            active: 2.0,
            requests: 3.5,
            bytes: 4e9,
        };
        let mut board = Board::default();
        board.write(
            WorkerId(u64::MAX),
            MeasuredLoad {
                load,
                dry_run_drained: load,
            },
            at(100),
        );
        board.write(WorkerId(2), measured(7.0), at(100));

        assert_eq!(Board::from_bytes(&board.to_bytes()), board);
    }

    #[test]
    fn row_of_a_worker_that_no_longer_runs_is_removed() {
        let mut board = Board::default();
        board.write(WorkerId(1), measured(5.0), at(100));
        board.write(WorkerId(3), measured(7.0), at(105));
        assert_eq!(board.total().measured, measured(7.0));
    }

    #[test]
    fn row_from_the_far_future_is_removed() {
        let mut board = Board::from_bytes(&with_row(u64::MAX, [1.0; 8]));
        assert_eq!(board.total().workers, 1);
        board.write(WorkerId(3), measured(7.0), at(100));
        assert_eq!(board.total().measured, measured(7.0));
    }

    #[test]
    fn foreign_bytes_are_an_empty_board() {
        let good = with_row(0, [1.0; 8]);
        assert_ne!(Board::from_bytes(&good), Board::default());
        for length in 0..good.len() {
            let cut = good.get(..length).unwrap();
            assert_eq!(Board::from_bytes(cut), Board::default(), "{length}");
        }
        let mut other_format = good.clone();
        other_format[0] = 2;
        let mut too_many = vec![FORMAT];
        too_many.resize(1 + (MAX_WORKERS + 1) * 80, 0);
        for bytes in [&other_format[..], &too_many, b"[[1]]", b"null"] {
            assert_eq!(Board::from_bytes(bytes), Board::default());
        }
    }

    #[test]
    fn row_with_a_number_that_is_no_load_is_not_added() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            for at in 0..8 {
                let mut numbers = [1.0; 8];
                numbers[at] = number;
                let board = Board::from_bytes(&with_row(0, numbers));
                assert_eq!(board, Board::default(), "{number} at {at}");
            }
        }
    }

    #[test]
    fn board_is_bounded() {
        let mut board = Board::default();
        for worker in 0..1000 {
            board.write(WorkerId(worker), measured(1.0), at(1));
        }
        assert_eq!(board.total().workers, MAX_WORKERS);
        assert_eq!(board.to_bytes().len(), 20_481);
    }

    #[test]
    fn weight_of_the_workers_is_at_least_one() {
        let rebalance = Rebalance {
            weight: Weight::Workers,
            ..Rebalance::default()
        };
        let weight = |workers| {
            let load = ProxyLoad {
                workers,
                ..ProxyLoad::default()
            };
            load.weight(&rebalance)
        };
        assert_eq!([0, 1, 4].map(weight), [1.0, 1.0, 4.0]);
    }
}
