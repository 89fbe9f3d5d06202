//! The module's log lines.

use core::fmt;
use std::rc::Rc;

use evenkeel_engine::SortedMap;

use crate::host::{Host, Level};

/// A warning about the configuration, which is logged once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Warning {
    /// HTTP streams come on connections that the network role does not know.
    UnmatchedStream,
    /// Nothing shows the protocol of upstream connections that should be recycled.
    UnknownUpstreamProtocol,
    /// Two NETWORK filter entries of the module are on one connection.
    DuplicateFilter,
    /// Two filter entries have this name.
    SharedName(String),
}

/// Writes log lines, and only those that the host logs.
#[derive(Debug)]
pub(super) struct Log {
    host: Rc<dyn Host>,
    /// The lowest level that the host logs.
    lowest: Level,
    warned: SortedMap<Warning, ()>,
}

impl Log {
    pub(super) fn new(host: Rc<dyn Host>) -> Self {
        Self {
            host,
            lowest: Level::default(),
            warned: SortedMap::default(),
        }
    }

    /// Logs, if the host logs at that level. A line that is not logged is not formatted.
    pub(super) fn write(&self, level: Level, message: fmt::Arguments<'_>) {
        if level >= self.lowest {
            self.host.log(level, &message.to_string());
        }
    }

    /// Logs a warning, unless it was logged before.
    pub(super) fn warn_once(&mut self, warning: Warning, message: fmt::Arguments<'_>) {
        if self.warned.insert(warning, ()) {
            self.write(Level::Warn, message);
        }
    }

    /// Reads the host's log level, which an operator may change at any time.
    pub(super) fn update_level(&mut self) {
        let Ok(lowest) = self.host.log_level() else {
            return;
        };
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        let is_logged = |level: &Level| *level as u32 >= lowest;
        let level = levels.into_iter().find(is_logged);
        self.lowest = level.unwrap_or(Level::Critical);
    }
}
