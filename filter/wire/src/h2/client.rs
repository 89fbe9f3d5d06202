//! Which client is at the other end, recognised by its first frames, and how it is drained.
//!
//! Clients differ in what they do with a GOAWAY: some lose requests when it stands behind the frame that
//! ends the last stream, some when it stands before it, some whenever another stream is open. What tells
//! them apart is the fingerprint of what they send first: which settings in which order, whether a WINDOW_UPDATE
//! follows, the id of the first stream, whether the first request is gRPC. Values that users configure are
//! ignored. Where several libraries fit, the tolerance is what all of them tolerate.

mod fingerprint;
mod table;
mod tolerance;

pub use fingerprint::{Fingerprint, SettingPattern, WindowUpdatePattern};
pub use table::KNOWN_CLIENTS;
pub use tolerance::{Conditions, IDLE_TIME, LastStreamIdTolerance, PositionTolerance, Tolerance};

use super::first_frames::FirstFrames;

/// A library, or several that begin in the same way.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownClient {
    /// Its name, of `a-z 0-9 . _ -`: it labels metrics.
    pub name: &'static str,
    /// The versions that it was measured with.
    pub versions: &'static str,
    /// How it begins; one of these.
    pub fingerprints: &'static [Fingerprint],
    /// How it is drained.
    pub tolerance: Tolerance,
    /// Its fingerprints are so wide that they count only where no other client's fit.
    pub is_fallback: bool,
}

/// What is known of the client at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientProfile {
    /// The client's name, [`UNKNOWN`]'s, or [`AMBIGUOUS`].
    pub name: &'static str,
    /// How it is drained.
    pub tolerance: Tolerance,
}

/// The name of a client that may be one of several.
pub const AMBIGUOUS: &str = "ambiguous";

/// A client that no fingerprint fits, and every client before its first request. It may be one that loses a
/// request to any GOAWAY while it is active: so it is drained when it is idle, which takes PINGs; or, as not
/// every proxy sends PINGs, at the end of a response, but only when waiting has not helped.
pub const UNKNOWN: ClientProfile = ClientProfile {
    name: "unknown",
    tolerance: Tolerance {
        at_end: Conditions::ALONE.and(Conditions::PATIENCE_OVER),
        ..Tolerance::WHEN_IDLE
    },
};

impl KnownClient {
    fn profile(&self) -> ClientProfile {
        ClientProfile {
            name: self.name,
            tolerance: self.tolerance,
        }
    }

    fn matches(&self, first_frames: &FirstFrames) -> bool {
        self.fingerprints
            .iter()
            .any(|fingerprint| fingerprint.matches(first_frames))
    }
}

impl ClientProfile {
    /// The client that begins so.
    pub(super) fn of(first_frames: &FirstFrames) -> Self {
        let candidates = |is_fallback| {
            KNOWN_CLIENTS
                .iter()
                .filter(move |client| client.is_fallback == is_fallback)
                .filter(|client| client.matches(first_frames))
                .map(KnownClient::profile)
        };
        candidates(false)
            .reduce(Self::or)
            .or_else(|| candidates(true).reduce(Self::or))
            .unwrap_or(UNKNOWN)
    }

    /// One of the two.
    fn or(self, other: Self) -> Self {
        Self {
            name: if self.name == other.name {
                self.name
            } else {
                AMBIGUOUS
            },
            tolerance: self.tolerance.merge(other.tolerance),
        }
    }
}
