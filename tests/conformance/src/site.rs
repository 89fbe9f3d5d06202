//! One Envoy, and a listener for each thing that is compared.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Roles, eventually};

use crate::recorder::Recorder;

/// A listener of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Without the module.
    Bare,
    /// With the module in both of its roles, and limits that no connection here comes near.
    Watched,
    /// With the module in both of its roles; the end of a connection is announced with its first answer. A client
    /// that does not close is given a minute, in which it can go on.
    Moved,
}

impl Listener {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Watched, Self::Moved];

    /// Its name, and that of its cluster.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Watched => "watched",
            Self::Moved => "moved",
        }
    }

    fn policy(self) -> Option<&'static str> {
        match self {
            Self::Bare => None,
            Self::Watched => Some(
                r#"{ "version": 1, "budget": "off",
                     "defaults": { "max_connection_age": "24h", "max_requests_per_connection": 1000000 } }"#,
            ),
            Self::Moved => Some(
                r#"{ "version": 1, "budget": "off",
                     "defaults": { "max_requests_per_connection": 1, "jitter": 0, "close_delay": "1m" } }"#,
            ),
        }
    }
}

/// A running Envoy, and behind each of its listeners a backend of its own.
#[derive(Debug)]
pub struct Site {
    envoy: Envoy,
    recorders: [Recorder; 3],
}

impl Site {
    /// Starts all.
    ///
    /// # Errors
    /// When Envoy or the module is missing (says what provides it), or does not run.
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

    /// Where the listener listens.
    pub fn address(&self, listener: Listener) -> SocketAddr {
        self.envoy.address(listener.name())
    }

    /// The backend behind the listener.
    pub fn recorder(&self, listener: Listener) -> &Recorder {
        &self.recorders[listener as usize]
    }

    /// How many connections the module has announced the end of.
    ///
    /// # Errors
    /// When Envoy does not answer, because it died.
    pub async fn announced(&self) -> Result<u64> {
        let stats = self.envoy.stats().await?;
        Ok(stats.get("wasmcustom.evenkeel_drain_signals_total"))
    }

    /// Waits until no request is on its way to the listener's backend.
    ///
    /// # Errors
    /// When one remains.
    pub async fn settled(&self, listener: Listener) -> Result<()> {
        let active = format!("cluster.{}.upstream_rq_active", listener.name());
        eventually(&format!("{active} to be 0"), async || {
            Ok((self.stat(&active).await? == 0).then_some(()))
        })
        .await
    }

    /// How many bytes the listener has read from its clients so far.
    ///
    /// # Errors
    /// When Envoy does not answer, because it died.
    pub async fn received(&self, listener: Listener) -> Result<u64> {
        let name = listener.name();
        self.stat(&format!("http.{name}.downstream_cx_rx_bytes_total"))
            .await
    }

    /// One number only: with all the others it would take a hundred times as long.
    async fn stat(&self, name: &str) -> Result<u64> {
        let answer = self.envoy.admin(&format!("/stats?filter=^{name}$")).await?;
        let value = answer.trim().strip_prefix(&format!("{name}: "));
        let value = value.with_context(|| format!("Envoy has no {name}: {answer:?}"))?;
        Ok(value.parse()?)
    }
}
