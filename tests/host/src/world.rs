//! What all workers of a host share.

use crate::counts::Counts;
use crate::http_call::CallState;
use crate::log::LogLine;
use crate::metrics::Values;
use crate::shared_data::SharedData;
use crate::{Level, log};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// A piece of state that a test's handle and the VM both look at. A host lives on one thread.
pub(crate) type Shared<T> = Rc<RefCell<T>>;

pub(crate) fn shared<T>(value: T) -> Shared<T> {
    Rc::new(RefCell::new(value))
}

/// 2026-01-01T00:00:00Z: a time of day that is plausible and the same in every run.
const START: Duration = Duration::from_secs(1_767_225_600);

/// How long the machine has been up when a host starts: no module may take the monotonic clock for the
/// time since anything.
const UP: Duration = Duration::from_secs(86_400);

/// Time that only the test moves. As in Envoy, timers follow the steady clock, and the module gets
/// both that and the wall clock, which somebody may set.
pub(crate) struct Clock {
    steady: Duration,
    wall: Duration,
}

impl Clock {
    pub(crate) fn steady(&self) -> Duration {
        self.steady
    }

    pub(crate) fn wall(&self) -> Duration {
        self.wall
    }

    pub(crate) fn advance_to(&mut self, steady: Duration) {
        self.wall += steady - self.steady;
        self.steady = steady;
    }

    pub(crate) fn set_wall(&mut self, wall: Duration) {
        self.wall = wall;
    }
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) shared_data: SharedData,
    pub(crate) metrics: Values,
    pub(crate) counts: Counts,
    pub(crate) log: Vec<LogLine>,
    pub(crate) log_level: Level,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) calls: Vec<Shared<CallState>>,
    pub(crate) crashes_are_expected: bool,
    next_connection: u64,
    violation: Option<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            clock: Clock {
                steady: UP,
                wall: START,
            },
            shared_data: SharedData::new(),
            metrics: Values::default(),
            counts: Counts::default(),
            log: Vec::new(),
            log_level: Level::Info,
            clusters: BTreeSet::new(),
            calls: Vec::new(),
            crashes_are_expected: false,
            next_connection: 1,
            violation: None,
        }
    }

    /// Ids are unique in the process, over all workers and listeners.
    pub(crate) fn next_connection_id(&mut self) -> u64 {
        let id = self.next_connection;
        self.next_connection += 1;
        id
    }

    /// Notes that the module did what must never be done. The test fails as soon as the module has
    /// returned, because nobody may panic through its frames.
    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert(what.into());
    }

    /// Fails the test if anything was noted.
    pub(crate) fn check(&self) {
        if let Some(what) = &self.violation {
            self.fail(what);
        }
    }

    /// Fails the test, with the end of the log.
    pub(crate) fn fail(&self, what: &str) -> ! {
        panic!("{what}{}", log::tail(&self.log))
    }
}
