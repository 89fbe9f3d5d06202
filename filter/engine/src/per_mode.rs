//! State that a dry run must not share with an enforced policy.

use evenkeel_policy::Mode;

use crate::Load;

/// One value for roots that enforce their policy, and one for those in dry run.
///
/// The roots of a worker share one engine, so the state and limits of rebalancing and recycling are kept by mode: a dry
/// run affects nothing but its own metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMode<T> {
    /// For roots that enforce their policy.
    pub enforced: T,
    /// For roots in dry run.
    pub dry_run: T,
}

impl<T> PerMode<T> {
    /// The value of a mode.
    pub fn get(&self, mode: Mode) -> &T {
        match mode {
            Mode::Enforce => &self.enforced,
            Mode::DryRun => &self.dry_run,
        }
    }

    /// The value of a mode, mutably.
    pub fn get_mut(&mut self, mode: Mode) -> &mut T {
        match mode {
            Mode::Enforce => &mut self.enforced,
            Mode::DryRun => &mut self.dry_run,
        }
    }
}

impl PerMode<Load> {
    /// The load that leaves, as a mode counts it: for a dry run, what is enforced leaves, too.
    pub(crate) fn leaving(&self, mode: Mode) -> Load {
        match mode {
            Mode::Enforce => self.enforced,
            Mode::DryRun => self.enforced.plus(self.dry_run),
        }
    }
}

impl<T: Clone> From<T> for PerMode<T> {
    fn from(both: T) -> Self {
        Self {
            enforced: both.clone(),
            dry_run: both,
        }
    }
}
