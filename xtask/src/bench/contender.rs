//! What is compared on an Envoy: nothing, the alternatives, and the module in its roles.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use evenkeel_test_envoy::{Listener, Roles};
use serde_json::json;

/// The cluster that responds with 5 bytes.
pub const APP: &str = "app";

/// The cluster with bodies of any size.
pub const BODIES: &str = "bodies";

/// The cluster that echoes lines.
pub const ECHO: &str = "echo";

const LUA_EMPTY: &str = "function envoy_on_request(handle) end
function envoy_on_response(handle) end";

const LUA_COUNTING: &str = "local opened, requests = {}, {}
function envoy_on_response(handle)
  local client = handle:streamInfo():downstreamDirectRemoteAddress()
  local now = handle:timestamp()
  opened[client] = opened[client] or now
  requests[client] = (requests[client] or 0) + 1
  if requests[client] >= 100000000 or now - opened[client] >= 3600000 then
    opened[client], requests[client] = nil, nil
    handle:streamInfo():drainConnectionUponCompletion()
  end
end";

const PLAIN: &str = r#"{"version": 1}"#;
const ROUTES: &str = r#"{"version": 1, "routes": [
    {"name": "a", "match": {"path_prefix": "/a"}, "max_connection_age": "1h"},
    {"name": "b", "match": {"path_prefix": "/b"}, "max_connection_age": "2h"}]}"#;
const PEERS: &str =
    r#"{"version": 1, "rebalance": {}, "peers": {"cluster": "app", "trust": "anyone"}}"#;
const DRY_RUN: &str = r#"{"version": 1, "mode": "dry_run"}"#;
const TCP: &str =
    r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1}, "max_connection_age": "1h"}]}"#;

/// What handles the connections of a listener beside Envoy itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    Bare,
    NativeLimits,
    Lua(&'static str),
    /// A module that does nothing.
    Empty(Roles),
    /// A module that reads the first bytes of each network callback.
    Reading(Roles),
    /// As `Reading` in both roles, and it looks up the connection and the path of each request.
    LookingUp,
    Evenkeel(Roles, &'static str),
    /// Both roles, the HTTP filter for requests of peers only.
    OnDemand(&'static str),
}

/// The contenders of HTTP; the first is what the others are divided by.
pub const HTTP: [(&str, Contender); 16] = [
    ("Envoy alone", Contender::Bare),
    ("Envoy's own limits", Contender::NativeLimits),
    ("Lua filter, empty", Contender::Lua(LUA_EMPTY)),
    (
        "Lua filter that counts and drains",
        Contender::Lua(LUA_COUNTING),
    ),
    ("empty network filter", Contender::Empty(Roles::Network)),
    ("empty filters in both roles", Contender::Empty(Roles::Both)),
    (
        "network filter that only reads",
        Contender::Reading(Roles::Network),
    ),
    (
        "filters in both roles that only read",
        Contender::Reading(Roles::Both),
    ),
    ("the same, and look up two attributes", Contender::LookingUp),
    ("network role", Contender::Evenkeel(Roles::Network, PLAIN)),
    ("HTTP role", Contender::Evenkeel(Roles::Http, PLAIN)),
    ("both roles", Contender::Evenkeel(Roles::Both, PLAIN)),
    (
        "both roles, two routes by path",
        Contender::Evenkeel(Roles::Both, ROUTES),
    ),
    (
        "both roles, `rebalance` and `peers`",
        Contender::Evenkeel(Roles::Both, PEERS),
    ),
    (
        "the same, HTTP filter on demand",
        Contender::OnDemand(PEERS),
    ),
    (
        "both roles, dry run",
        Contender::Evenkeel(Roles::Both, DRY_RUN),
    ),
];

/// The contenders of raw TCP.
pub const TCP_ONLY: [(&str, Contender); 3] = [
    ("Envoy alone", Contender::Bare),
    ("empty network filter", Contender::Empty(Roles::Network)),
    ("network role", Contender::Evenkeel(Roles::Network, TCP)),
];

/// The contenders whose start and memory are measured.
pub const PROCESSES: [(&str, Contender); 5] = [
    ("Envoy alone", Contender::Bare),
    ("empty network filter", Contender::Empty(Roles::Network)),
    ("empty filters in both roles", Contender::Empty(Roles::Both)),
    ("network role", Contender::Evenkeel(Roles::Network, PLAIN)),
    ("both roles", Contender::Evenkeel(Roles::Both, PLAIN)),
];

/// The modules that the module is compared with.
pub struct Modules {
    empty: PathBuf,
    reading: PathBuf,
    looking_up: PathBuf,
}

impl Modules {
    /// Writes them to `directory`.
    pub fn write(directory: &Path) -> Result<Self> {
        let write = |name: &str, text| -> Result<PathBuf> {
            let path = directory.join(name);
            fs::write(&path, wat::parse_str(text)?)?;
            Ok(path)
        };
        Ok(Self {
            empty: write("empty.wasm", include_str!("empty.wat"))?,
            reading: write("reading.wasm", include_str!("reading.wat"))?,
            looking_up: write("looking_up.wasm", include_str!("looking_up.wat"))?,
        })
    }
}

impl Contender {
    /// Returns an HTTP listener with this contender.
    pub fn http(self, name: &str, modules: &Modules) -> Listener {
        let listener = Listener::http(name)
            .direct_response("/direct", 200, "hello")
            .route("/bytes", BODIES)
            .route("/count", BODIES)
            .route("/evenkeel.Test", "grpc")
            .route("/", APP);
        self.install(listener, name, modules)
    }

    /// Returns a TCP listener with this contender.
    pub fn tcp(self, name: &str, modules: &Modules) -> Listener {
        self.install(Listener::tcp(name, ECHO), name, modules)
    }

    /// Each contender has VMs of its own.
    fn install(self, listener: Listener, name: &str, modules: &Modules) -> Listener {
        match self {
            Self::Bare => listener,
            Self::NativeLimits => listener.connection_limits(json!({
                "max_connection_duration": "3600s",
                "max_requests_per_connection": 100_000_000,
            })),
            Self::Lua(script) => listener.lua(script),
            Self::Empty(roles) => {
                let listener = listener.evenkeel(roles, PLAIN).vm(name);
                listener.module(&modules.empty)
            }
            Self::Reading(roles) => {
                let listener = listener.evenkeel(roles, PLAIN).vm(name);
                listener.module(&modules.reading)
            }
            Self::LookingUp => {
                let listener = listener.evenkeel(Roles::Both, PLAIN).vm(name);
                listener.module(&modules.looking_up)
            }
            Self::Evenkeel(roles, policy) => listener.evenkeel(roles, policy).vm(name),
            Self::OnDemand(policy) => {
                let listener = listener.evenkeel(Roles::Both, policy).vm(name);
                listener.on_demand()
            }
        }
    }
}
