//! One Envoy with a listener for each configuration that is compared.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Roles, eventually};

use crate::recorder::Recorder;

/// A listener of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Without the module.
    Bare,
    /// With the module in both roles, and limits that no connection reaches.
    Watched,
    /// With the module in both roles, which drains a connection with its first response. Its `close_delay` is a minute, so that
    /// clients can send more requests.
    Draining,
}

impl Listener {
    /// All listeners.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Watched, Self::Draining];

    /// Returns its name, and that of its cluster.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Watched => "watched",
            Self::Draining => "draining",
        }
    }

    fn policy(self) -> Option<&'static str> {
        match self {
            Self::Bare => None,
            Self::Watched => Some(
                r#"{ "version": 1, "budget": "off",
                     "defaults": { "max_connection_age": "24h", "max_requests_per_connection": 1000000 } }"#,
            ),
            Self::Draining => Some(
                r#"{ "version": 1, "budget": "off",
                     "defaults": { "max_requests_per_connection": 1, "jitter": 0, "close_delay": "1m" } }"#,
            ),
        }
    }
}

/// A running Envoy with a backend behind each listener.
#[derive(Debug)]
pub struct Site {
    envoy: Envoy,
    recorders: [Recorder; 3],
}

impl Site {
    /// Starts Envoy and the backends.
    ///
    /// # Errors
    /// When Envoy or the module is missing, with the command that provides it, or does not run.
    pub async fn start() -> Result<Self> {
        let mut bootstrap = Bootstrap::new();
        let mut recorders = Vec::new();
        for listener in Listener::ALL {
            let recorder = Recorder::start().await?;
            let name = listener.name();
            let http = evenkeel_test_envoy::Listener::http(name).route("/", name);
            let http = match listener.policy() {
                Some(policy) => http.evenkeel(Roles::Both, policy),
                None => http,
            };
            bootstrap = bootstrap
                .listener(http)
                .cluster(Cluster::new(name, [recorder.address()]));
            recorders.push(recorder);
        }
        Ok(Self {
            envoy: Envoy::start(bootstrap).await?,
            recorders: recorders.try_into().expect("one for each listener"),
        })
    }

    /// Returns the address of the listener.
    pub fn address(&self, listener: Listener) -> SocketAddr {
        self.envoy.address(listener.name())
    }

    /// Returns the backend behind the listener.
    pub fn recorder(&self, listener: Listener) -> &Recorder {
        &self.recorders[listener as usize]
    }

    /// Returns the number of drain signals of the module.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn drain_signals(&self) -> Result<u64> {
        let stats = self.envoy.stats().await?;
        Ok(stats.get("wasmcustom.evenkeel_drain_signals_total"))
    }

    /// Waits until no request to the listener's backend is active.
    ///
    /// # Errors
    /// When one remains active.
    pub async fn wait_until_idle(&self, listener: Listener) -> Result<()> {
        let active = format!("cluster.{}.upstream_rq_active", listener.name());
        eventually(&format!("{active} to be 0"), async || {
            Ok((self.stat(&active).await? == 0).then_some(()))
        })
        .await
    }

    /// Returns the number of bytes that the listener has read so far.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn received(&self, listener: Listener) -> Result<u64> {
        let name = listener.name();
        self.stat(&format!("http.{name}.downstream_cx_rx_bytes_total"))
            .await
    }

    /// Reads one stat, which is a hundred times faster than all.
    async fn stat(&self, name: &str) -> Result<u64> {
        let response = self.envoy.admin(&format!("/stats?filter=^{name}$")).await?;
        let value = response.trim().strip_prefix(&format!("{name}: "));
        let value = value.with_context(|| format!("Envoy has no {name}: {response:?}"))?;
        Ok(value.parse()?)
    }
}
