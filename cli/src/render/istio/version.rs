//! The features of each Istio version, and which settings need a patch of Envoy's configuration.

use serde::Serialize;

use super::options::Kind;

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

    /// The name that Istio gives the filter of a plugin, whose name is `namespace.name`, in Envoy's configuration.
    pub fn filter_name(self, kind: Kind, plugin: &str) -> String {
        match (kind, self.minor) {
            (Kind::TrafficExtension, _) => format!("extensions.istio.io/trafficextension/{plugin}"),
            (Kind::WasmPlugin, ..=25) => format!("extenstions.istio.io/wasmplugin/{plugin}"),
            (Kind::WasmPlugin, 26..=29) => format!("extensions.istio.io/wasmplugin/{plugin}"),
            // Istio translates the resource to a TrafficExtension.
            (Kind::WasmPlugin, _) => {
                format!("extensions.istio.io/trafficextension/{plugin}~istio-translated-wasmplugin")
            }
        }
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
