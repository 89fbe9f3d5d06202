//! What a dry run must not share with what is enforced.

use evenkeel_policy::Mode;

/// A value for the roots that enforce their policy, and another one for those in dry run.
///
/// The roots of a worker share one engine, so whatever rebalancing or recycling remembers or limits is kept by
/// mode: a dry run affects nothing but its own metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMode<T> {
    /// Of the roots that enforce their policy.
    pub enforced: T,
    /// Of the roots in dry run.
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

    /// The value of a mode, to change it.
    pub fn get_mut(&mut self, mode: Mode) -> &mut T {
        match mode {
            Mode::Enforce => &mut self.enforced,
            Mode::DryRun => &mut self.dry_run,
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
