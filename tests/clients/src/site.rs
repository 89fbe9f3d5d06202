//! The site: a proxy with two workers that drains connections, and behind it a server that counts requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Result, bail};
use clap::ValueEnum;
use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles, Stats, eventually};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::Protocol;
use crate::haproxy::{self, Haproxy};
use crate::nginx::{self, Nginx};
use crate::pattern::Pattern;
use crate::recycle::Recycle;

const LISTENER: &str = "in";

/// What drains the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// The module, in both of its roles.
    Evenkeel,
    /// Envoy's own limits: `max_requests_per_connection` and `max_connection_duration`.
    Native,
    /// Envoy's Lua filter: `drainConnectionUponCompletion`.
    Lua,
    /// nginx: `keepalive_requests` and `keepalive_time`.
    Nginx,
    /// HAProxy: `Connection: close` on a session's last response.
    Haproxy,
    /// Nothing: failures are those of the client itself.
    None,
}

impl Against {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "evenkeel",
            Self::Native => "native",
            Self::Lua => "lua",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::None => "none",
        }
    }

    /// What it needs and is not available.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Nginx => nginx::missing(),
            Self::Haproxy => haproxy::missing(),
            Self::Evenkeel | Self::Native | Self::Lua | Self::None => None,
        }
    }

    /// Whether it serves this protocol in this pattern. nginx and HAProxy drop the trailers of an HTTP/1 server; gRPC and
    /// WebSocket would need another configuration.
    pub fn serves(self, protocol: Protocol, pattern: &Pattern) -> bool {
        match self {
            Self::Nginx | Self::Haproxy => {
                matches!(protocol, Protocol::Http1 | Protocol::Http2)
                    && pattern.switch != Some("--trailers")
            }
            _ => true,
        }
    }
}

/// A running proxy and its server. Dropping it ends both.
#[derive(Debug)]
pub struct Site {
    proxy: Proxy,
    backend: Backend,
}

#[derive(Debug)]
enum Proxy {
    Envoy(Box<Envoy>),
    Nginx(Nginx),
    Haproxy(Haproxy),
}

/// What the site counted, independent of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that the proxy accepted, if it counts them.
    pub connections: Option<u64>,
    /// Drain signals that the module sent.
    pub drain_signals: u64,
    /// Requests that the module aborted.
    pub aborted: u64,
    /// Request ids that the server executed, each counted once.
    pub executed: u64,
    /// Executions beyond the first of the same request.
    pub duplicated: u64,
    /// The HTTP/2 clients that the module recognized, with the connections of each.
    pub clients: BTreeMap<String, u64>,
}

impl Counts {
    /// The counts since `before`.
    pub fn since(self, before: &Self) -> Self {
        let mut clients = self.clients;
        for (fingerprint, count) in &before.clients {
            if let Some(now) = clients.get_mut(fingerprint) {
                *now -= count;
            }
        }
        clients.retain(|_, count| *count > 0);
        Self {
            connections: self
                .connections
                .map(|now| now - before.connections.unwrap_or_default()),
            drain_signals: self.drain_signals - before.drain_signals,
            aborted: self.aborted - before.aborted,
            clients,
            ..self
        }
    }
}

impl Site {
    /// Starts both.
    ///
    /// # Errors
    /// When the proxy or the module is missing (names what provides it), or does not run.
    pub async fn start(against: Against, recycle: Recycle) -> Result<Self> {
        let backend = Backend::start("evenkeel").await?;
        let proxy = match against {
            Against::Nginx => Proxy::Nginx(Nginx::server(backend.address(), recycle).await?),
            Against::Haproxy => Proxy::Haproxy(Haproxy::start(backend.address(), recycle).await?),
            Against::Evenkeel | Against::Native | Against::Lua | Against::None => {
                Proxy::Envoy(Box::new(envoy(against, recycle, backend.address()).await?))
            }
        };
        Ok(Self { proxy, backend })
    }

    /// Where clients of this protocol connect.
    pub fn address(&self, protocol: Protocol) -> SocketAddr {
        match &self.proxy {
            Proxy::Envoy(envoy) => envoy.address(LISTENER),
            Proxy::Nginx(nginx) => match protocol {
                Protocol::Http2 | Protocol::Grpc => nginx.http2_address(),
                Protocol::Http1 | Protocol::WebSocket => nginx.address(),
            },
            Proxy::Haproxy(haproxy) => haproxy.address(protocol),
        }
    }

    /// How many requests the server has executed so far.
    pub fn requests(&self) -> u64 {
        self.backend.requests()
    }

    /// The proxy's statistics, where it is an Envoy.
    ///
    /// # Errors
    /// When Envoy does not respond because it died.
    pub async fn stats(&self) -> Result<Option<Stats>> {
        match &self.proxy {
            Proxy::Envoy(envoy) => Ok(Some(envoy.stats().await?)),
            Proxy::Nginx(_) | Proxy::Haproxy(_) => Ok(None),
        }
    }

    /// Waits until the proxy has closed the connections of a client that has ended, so that nothing of it is counted
    /// for the next one. Only an Envoy counts its connections.
    ///
    /// # Errors
    /// When connections stay open, or Envoy does not respond because it died.
    pub async fn wait_until_unused(&self) -> Result<()> {
        eventually(
            "the connections of an earlier client to close",
            async || {
                let stats = self.stats().await?;
                let active = stats.map_or(0, |stats| {
                    stats.get(&format!("http.{LISTENER}.downstream_cx_active"))
                });
                Ok((active == 0).then_some(()))
            },
        )
        .await
    }

    /// Begins a run, whose requests are numbered from 0 again. Returns the counts before it.
    ///
    /// # Errors
    /// When Envoy does not respond because it died.
    pub async fn begin(&self) -> Result<Counts> {
        self.backend.reset_ids();
        self.counts().await
    }

    /// The counts so far.
    ///
    /// # Errors
    /// When Envoy does not respond because it died.
    pub async fn counts(&self) -> Result<Counts> {
        let stats = self.stats().await?;
        let rejected = stats.as_ref().map_or(0, |stats| {
            stats.with(
                "wasmcustom.evenkeel_policy_updates_total",
                &[("update_result", "rejected")],
            )
        });
        if rejected > 0 {
            bail!("the module rejected the policy of the clients' site: see recycle.rs");
        }
        let get = |name: &str| stats.as_ref().map(|stats| stats.get(name));
        let by_id = self.backend.requests_by_id();
        let executions: u64 = by_id.values().sum();
        let executed = by_id.len() as u64;
        Ok(Counts {
            connections: get(&format!("http.{LISTENER}.downstream_cx_total")),
            drain_signals: get("wasmcustom.evenkeel_drain_signals_total").unwrap_or_default(),
            aborted: get("wasmcustom.evenkeel_requests_aborted_total").unwrap_or_default(),
            executed,
            duplicated: executions - executed,
            clients: stats
                .as_ref()
                .map(|stats| {
                    stats.by(
                        "wasmcustom.evenkeel_http2_connections_total",
                        "http2_client",
                    )
                })
                .unwrap_or_default(),
        })
    }
}

async fn envoy(against: Against, recycle: Recycle, backend: SocketAddr) -> Result<Envoy> {
    let listener = Listener::http(LISTENER)
        // Writes on which an idle connection can be drained; a mesh has them some seconds apart.
        .keepalive("0.1s")
        .route("/evenkeel.Test/", "app-http2")
        // The server sends trailers over HTTP/1 only where the request has `te: trailers`, which Envoy removes.
        .route("/trailers", "app-http2")
        .route("/", "app");
    let listener = match against {
        Against::Evenkeel => listener.evenkeel(Roles::Both, recycle.policy()),
        Against::Native => listener.connection_limits(native(recycle)),
        Against::Lua => listener.lua(lua(recycle)),
        _ => listener,
    };
    let bootstrap = Bootstrap::new()
        .concurrency(2)
        .listener(listener)
        .cluster(Cluster::new("app", [backend]))
        .cluster(Cluster::new("app-http2", [backend]).http2());
    Envoy::start(bootstrap).await
}

/// Envoy's `HttpProtocolOptions`. It has no jitter for a duration: the mean of the ages.
fn native(recycle: Recycle) -> Value {
    match recycle {
        Recycle::Requests => json!({ "max_requests_per_connection": 2 }),
        Recycle::Age => json!({ "max_connection_duration": "0.2s" }),
    }
}

/// Lua sees requests, not connections: it distinguishes these by the client's port.
fn lua(recycle: Recycle) -> &'static str {
    match recycle {
        Recycle::Requests => {
            "local responses = {}
            function envoy_on_response(handle)
                local client = handle:streamInfo():downstreamDirectRemoteAddress()
                responses[client] = (responses[client] or 0) + 1
                if responses[client] >= 2 then
                    responses[client] = nil
                    handle:streamInfo():drainConnectionUponCompletion()
                end
            end"
        }
        Recycle::Age => {
            "local opened = {}
            function envoy_on_response(handle)
                local client = handle:streamInfo():downstreamDirectRemoteAddress()
                local now = handle:timestamp()
                opened[client] = opened[client] or now
                if now - opened[client] >= 200 then
                    opened[client] = nil
                    handle:streamInfo():drainConnectionUponCompletion()
                end
            end"
        }
    }
}
