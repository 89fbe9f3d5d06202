//! The features of each Istio version, and which settings need a patch of Envoy's configuration.

use serde::Serialize;

/// A version of Istio, by its minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Version {
    minor: u32,
}

impl Version {
    const OLDEST: u32 = 24;
    const NEWEST: u32 = 31;

    /// The supported versions, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::OLDEST..=Self::NEWEST).map(|minor| Self { minor })
    }

    /// The version of its Envoy.
    pub fn envoy(self) -> String {
        format!("1.{}", self.minor + 8)
    }

    /// Whether a listener has `tcp_keepalive` (Envoy 1.37).
    pub fn has_listener_keepalive(self) -> bool {
        self.minor >= 29
    }

    /// Whether the maximum duration of a connection has jitter (Envoy 1.39).
    pub fn has_connection_jitter(self) -> bool {
        self.minor >= 31
    }

    /// Whether there is the TrafficExtension resource.
    pub fn has_traffic_extension(self) -> bool {
        self.minor >= 30
    }

    /// Whether a DestinationRule has `http2KeepAlive`.
    pub fn has_http2_keepalive(self) -> bool {
        self.minor >= 31
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

impl std::str::FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| {
                format!(
                    "expected a version from 1.{} to 1.{}, without a patch number",
                    Self::OLDEST,
                    Self::NEWEST
                )
            })
    }
}
