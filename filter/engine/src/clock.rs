//! Points in time on the host's monotonic clock.

use core::num::NonZeroU64;
use core::time::Duration;

/// Nanoseconds on a monotonic clock. Only differences have a meaning. All workers of a process share the clock; other
/// processes have others. All arithmetic saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(
    /// One more than the nanoseconds, so that an `Option<Instant>` is no larger than an `Instant`: a connection has
    /// several.
    NonZeroU64,
);

/// The earliest instant.
impl Default for Instant {
    fn default() -> Self {
        Self(NonZeroU64::MIN)
    }
}

impl Instant {
    /// The instant `nanos` after the zero of the clock.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Nanoseconds since the zero of the clock.
    pub const fn as_nanos(self) -> u64 {
        self.0.get().saturating_sub(1)
    }

    /// A number by which instants are in order.
    pub const fn ordinal(self) -> u64 {
        self.0.get()
    }

    /// The instant `span` later, or the latest one.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// The instant `span` earlier, or the earliest one.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self::from_nanos(self.as_nanos().saturating_sub(nanos(span)))
    }

    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// The nanoseconds since `earlier`; 0 if that is later.
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }
}

/// The nanoseconds of a span; the highest number for one of 584 years or more. Without the 128 bits of [`Duration::as_nanos`], which
/// cost much in a module.
pub(crate) const fn nanos(span: Duration) -> u64 {
    /// In a second.
    const NANOS: u64 = 1_000_000_000;
    if span.as_secs() >= u64::MAX / NANOS {
        return u64::MAX;
    }
    let nanos = span.as_secs().wrapping_mul(NANOS);
    nanos.wrapping_add(span.subsec_nanos() as u64)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn spans_are_converted_exactly_or_to_the_highest_number() {
        let longest = Duration::from_nanos(u64::MAX);
        for (span, expected) in [
            (Duration::ZERO, 0),
            (Duration::new(3, 7), 3_000_000_007),
            (
                Duration::new(longest.as_secs() - 1, 999_999_999),
                18_446_744_072_999_999_999,
            ),
            (longest, u64::MAX),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(nanos(span), expected, "{span:?}");
        }
    }
}
