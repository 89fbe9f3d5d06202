//! The state that all workers of a host share.

use crate::counts::Counts;
use crate::http_call::CallState;
use crate::log;
use crate::log::LogLine;
use crate::metrics::Values;
use crate::shared_data::SharedData;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// State that both a handle of the test and the VM access. A host runs on one thread.
pub(crate) type Shared<T> = Rc<RefCell<T>>;

pub(crate) fn shared<T>(value: T) -> Shared<T> {
    Rc::new(RefCell::new(value))
}

/// 2026-01-01T00:00:00Z, the same in every run.
const START: Duration = Duration::from_secs(1_767_225_600);

/// The monotonic time at the start of a host, so that no module can take it for the time since its start.
const UP: Duration = Duration::from_secs(86_400);

/// Virtual time. As in Envoy, timers follow the steady clock, and the module gets both that and the wall clock, which can be
/// set.
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
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) calls: Vec<Shared<CallState>>,
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
            clusters: BTreeSet::new(),
            calls: Vec::new(),
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

    /// Records a violation by the module. The test fails when the module has returned, because a panic must not unwind
    /// through its frames.
    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert(what.into());
    }

    /// Fails the test if there was a violation.
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
