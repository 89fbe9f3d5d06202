//! Proxies as clients: the most common client in a mesh is another sidecar.

use std::net::SocketAddr;

use anyhow::Result;
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener};
use serde_json::{Value, json};

use crate::client::Protocol;
use crate::nginx::{self, Nginx};
use crate::pattern::Pattern;

/// A proxy between a client's program and the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Envoy without retries, its default.
    Envoy,
    /// Envoy with the retries that Istio gives every route by default.
    EnvoyRetrying,
    /// nginx with connections kept alive to its upstream.
    Nginx,
}

/// A proxy that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) enum Proxy {
    Envoy(Envoy),
    Nginx(Nginx),
}

const LISTENER: &str = "out";

impl Via {
    /// What it needs and is not available.
    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Self::Envoy | Self::EnvoyRetrying => None,
            Self::Nginx => nginx::missing(),
        }
    }

    /// Whether it forwards what the pattern tests: nginx drops the trailers of an HTTP/1 server.
    pub(crate) fn passes(self, pattern: &Pattern) -> bool {
        self != Self::Nginx || pattern.switch != Some("--trailers")
    }

    /// Starts the proxy in front of `site`, with `protocol` between them.
    pub(crate) async fn start(self, site: SocketAddr, protocol: Protocol) -> Result<Proxy> {
        if self == Self::Nginx {
            return Ok(Proxy::Nginx(Nginx::client(site, protocol).await?));
        }
        let mut cluster = Cluster::new("site", [site]);
        if protocol != Protocol::Http1 {
            cluster = cluster.http2();
        }
        let listener = Listener::http(LISTENER);
        let listener = match self {
            // What pilot writes for a route without a retry policy.
            Self::EnvoyRetrying => listener.retried_route(
                "/",
                "site",
                json!({
                    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
                    "num_retries": 2,
                    "retry_host_predicate": [{
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" },
                    }],
                    "host_selection_retry_max_attempts": 5,
                    "retriable_status_codes": [503],
                }),
            ),
            Self::Envoy | Self::Nginx => listener.route("/", "site"),
        };
        let bootstrap = Bootstrap::new()
            .concurrency(2)
            .listener(listener)
            .cluster(cluster);
        Ok(Proxy::Envoy(Envoy::start(bootstrap).await?))
    }
}

impl Proxy {
    /// The name and version of the proxy.
    ///
    /// # Errors
    /// When it does not report them.
    pub(crate) async fn version(&self) -> Result<String> {
        match self {
            Self::Envoy(envoy) => {
                // COMMIT/VERSION/STATE/BUILD/TLS
                let info = envoy.admin("/server_info").await?;
                let info: Value = serde_json::from_str(&info)?;
                let parts = info["version"].as_str().unwrap_or_default();
                Ok(format!("Envoy {}", parts.split('/').nth(1).unwrap_or("?")))
            }
            Self::Nginx(_) => Nginx::version(),
        }
    }

    /// Where the client's program connects, and the protocol there, which may differ from that towards the site.
    pub(crate) fn endpoint(&self, protocol: Protocol) -> (SocketAddr, Protocol) {
        match (self, protocol) {
            (Self::Envoy(envoy), _) => (envoy.address(LISTENER), Protocol::Http1),
            (Self::Nginx(nginx), Protocol::Grpc) => (nginx.http2_address(), Protocol::Grpc),
            (Self::Nginx(nginx), _) => (nginx.address(), Protocol::Http1),
        }
    }
}
