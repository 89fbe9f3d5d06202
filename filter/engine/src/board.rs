//! What every worker of a proxy carries: a board in the host's shared data on which each writes its own
//! line, so that each can add up the whole proxy.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Instant, Load};

/// A line that was not written anew for so long is of a worker that is no more.
const STALE: Duration = Duration::from_secs(5);

/// The most lines there are.
pub const MAX_WORKERS: usize = 256;

/// Names a worker within its proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u64);

/// What one worker, or the whole proxy, carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// All that counts.
    pub load: Load,
    /// Observe: the part of it that would be elsewhere by now.
    pub left: Load,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    worker: WorkerId,
    written: u64,
    carried: Carried,
}

/// The lines of all workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Board(Vec<Line>);

impl Board {
    /// Reads what [`Board::to_bytes`] wrote; empty where it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// As text for the shared data.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Writes a worker's line, and wipes those of workers that are no more.
    pub fn write(&mut self, worker: WorkerId, carried: Carried, now: Instant) {
        self.0.retain(|line| {
            let written = Instant::from_nanos(line.written);
            line.worker != worker && now.since(written) < STALE
        });
        if self.0.len() < MAX_WORKERS {
            self.0.push(Line {
                worker,
                written: now.as_nanos(),
                carried,
            });
        }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.0.len()
    }

    /// What all carry together.
    pub fn total(&self) -> Carried {
        self.0.iter().fold(Carried::default(), |sum, line| Carried {
            load: sum.load.plus(line.carried.load),
            left: sum.left.plus(line.carried.left),
        })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(seconds))
    }

    fn carried(connections: f64) -> Carried {
        Carried {
            load: Load {
                connections,
                ..Load::default()
            },
            left: Load::default(),
        }
    }

    #[test]
    fn workers_add_up_and_each_has_one_line() {
        let mut board = Board::default();
        board.write(WorkerId(1), carried(5.0), at(100));
        board.write(WorkerId(2), carried(7.0), at(100));
        board.write(WorkerId(1), carried(6.0), at(101));

        let read = Board::from_bytes(&board.to_bytes());

        assert_eq!(read, board);
        assert_eq!(read.workers(), 2);
        assert_eq!(read.total(), carried(13.0));
    }

    #[test]
    fn a_worker_that_is_gone_is_removed() {
        let mut board = Board::default();
        board.write(WorkerId(1), carried(5.0), at(100));
        board.write(WorkerId(3), carried(7.0), at(105));
        assert_eq!(board.total(), carried(7.0));
    }

    #[test]
    fn what_is_no_board_is_an_empty_one() {
        for bytes in [b"".as_slice(), b"{}", b"\xff", b"[[1]]", b"null"] {
            assert_eq!(Board::from_bytes(bytes), Board::default());
        }
    }

    #[test]
    fn the_board_is_bounded() {
        let mut board = Board::default();
        for worker in 0..1000 {
            board.write(WorkerId(worker), carried(1.0), at(1));
        }
        assert_eq!(board.workers(), MAX_WORKERS);
        assert!(board.to_bytes().len() < 256 * MAX_WORKERS);
    }
}
