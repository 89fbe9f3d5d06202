//! The known clients, recognized by their first frames, and which GOAWAYs they tolerate.
//!
//! Some clients lose requests when a GOAWAY follows the frame that ends the last stream, some when it precedes that
//! frame, and some whenever another stream is open. Their fingerprints distinguish them: which settings they send in
//! which order, whether a WINDOW_UPDATE follows, the id of the first stream, whether the first request is gRPC, and the
//! order of its first fields.
//! Values that users configure are ignored. Where several clients match, only what all of them tolerate is used.

mod fingerprint;
mod table;
mod tolerance;

pub use fingerprint::{Fingerprint, SettingPattern, WindowUpdatePattern};
pub use table::KNOWN_CLIENTS;
pub use tolerance::{
    Conditions, IDLE_TIME, IdleTime, LastStreamIdTolerance, PositionTolerance, Tolerance,
};

pub use super::grpc::FirstFields;

use super::first_frames::FirstFrames;

/// A library, or several with the same fingerprint.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownClient {
    /// The name, a label value in metrics: `a-z 0-9 . _ -`.
    pub name: &'static str,
    /// The versions that were measured.
    pub versions: &'static str,
    /// Its first frames match one of these.
    pub fingerprints: &'static [Fingerprint],
    /// Which GOAWAYs it tolerates.
    pub tolerance: Tolerance,
    /// Its fingerprints are so general that they count only where no other client matches.
    pub is_fallback: bool,
}

/// What is known of the client at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientProfile {
    /// The client's name, [`UNKNOWN`]'s, or [`AMBIGUOUS`].
    pub name: &'static str,
    /// Which GOAWAYs the client tolerates.
    pub tolerance: Tolerance,
}

/// The name of a client that may be one of several.
pub const AMBIGUOUS: &str = "ambiguous";

/// A client that matches no fingerprint, and every client before its first request. It may lose a request to any
/// GOAWAY while it is active, so it is drained when it is idle, on a PING. Not every proxy sends PINGs, so after
/// the engine has waited it is drained at the end of a response.
pub const UNKNOWN: ClientProfile = ClientProfile {
    name: "unknown",
    tolerance: Tolerance {
        at_end: Conditions::ALONE.and(Conditions::WAITED),
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
    /// Identifies the client by its first frames.
    pub(super) fn of(first_frames: &FirstFrames) -> Self {
        let candidates = |is_fallback| {
            KNOWN_CLIENTS
                .iter()
                .filter(move |client| client.is_fallback == is_fallback)
                .filter(|client| client.matches(first_frames))
                .map(KnownClient::profile)
        };
        // General fingerprints match tuned clients of other libraries too, so they count last.
        candidates(false)
            .reduce(Self::merge)
            .or_else(|| candidates(true).reduce(Self::merge))
            .unwrap_or(UNKNOWN)
    }

    /// Returns the profile of a client that is one of the two.
    fn merge(self, other: Self) -> Self {
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
