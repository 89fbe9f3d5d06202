//! Which client is at the other end, recognised by its first frames, and how it is drained.
//!
//! Clients differ in what they do with a GOAWAY: some lose requests when it stands behind the frame that
//! ends the last stream, some when it stands before it, some whenever another stream is open. What tells
//! them apart is the shape of what they send first: which settings in which order, whether a WINDOW_UPDATE
//! follows, the id of the first stream, whether the first request is gRPC. Values that users configure are
//! ignored. Where several libraries fit, the treatment is what all of them tolerate.

mod shape;
mod table;
mod treatment;

pub use shape::{Setting, Shape, WindowUpdate};
pub use table::CLIENTS;
pub use treatment::{Conditions, IDLE_TIME, LastStreamIds, Positions, Treatment};

use super::greeting::Greeting;

/// A library, or several that begin in the same way.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    /// Its name, of `a-z 0-9 . _ -`: it labels metrics.
    pub name: &'static str,
    /// The versions that it was measured with.
    pub versions: &'static str,
    /// How it begins; one of these.
    pub shapes: &'static [Shape],
    /// How it is drained.
    pub treatment: Treatment,
    /// Its shapes are so wide that they count only where no other client's fit.
    pub is_fallback: bool,
}

/// What is known of the client at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientProfile {
    /// The client's name, [`UNKNOWN`]'s, or [`AMBIGUOUS`].
    pub name: &'static str,
    /// How it is drained.
    pub treatment: Treatment,
}

/// The name of a client that may be one of several.
pub const AMBIGUOUS: &str = "ambiguous";

/// A client that no shape fits, and every client before its first request. It may be one that loses a
/// request to any GOAWAY while it is active: so it is drained when it is idle, which takes PINGs; or, as not
/// every proxy sends PINGs, at the end of a response, but only when waiting has not helped.
pub const UNKNOWN: ClientProfile = ClientProfile {
    name: "unknown",
    treatment: Treatment {
        at_end: Conditions::ALONE.and(Conditions::PATIENCE_OVER),
        ..Treatment::WHEN_IDLE
    },
};

impl Client {
    fn profile(&self) -> ClientProfile {
        ClientProfile {
            name: self.name,
            treatment: self.treatment,
        }
    }

    fn matches(&self, greeting: &Greeting) -> bool {
        self.shapes.iter().any(|shape| shape.matches(greeting))
    }
}

impl ClientProfile {
    /// The client that begins so.
    pub(super) fn of(greeting: &Greeting) -> Self {
        let candidates = |is_fallback| {
            CLIENTS
                .iter()
                .filter(move |client| client.is_fallback == is_fallback)
                .filter(|client| client.matches(greeting))
                .map(Client::profile)
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
            treatment: self.treatment.merge(other.treatment),
        }
    }
}
