//! A cluster: its endpoints and how Envoy connects to them.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::address;

/// A named set of endpoints, which `Envoy::replace_endpoints` can change.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) name: String,
    pub(crate) endpoints: Vec<SocketAddr>,
    http2: bool,
    pings: Value,
    policy: &'static str,
    transport: Option<Value>,
}

impl Cluster {
    /// Endpoints that speak HTTP/1 (or raw TCP), taken in turn.
    pub fn new(name: &str, endpoints: impl IntoIterator<Item = SocketAddr>) -> Self {
        let endpoints = endpoints.into_iter().collect();
        Self {
            name: name.to_owned(),
            endpoints,
            http2: false,
            pings: Value::Null,
            policy: "ROUND_ROBIN",
            transport: None,
        }
    }

    /// Speaks HTTP/2 with prior knowledge to the endpoints.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Sends the endpoints PINGs by this `connection_keepalive`; with null none. They speak HTTP/2.
    pub fn pings(mut self, keepalive: Value) -> Self {
        self.pings = keepalive;
        self.http2()
    }

    /// Picks an endpoint by chance instead of in turn.
    pub fn random(mut self) -> Self {
        self.policy = "RANDOM";
        self
    }

    /// Opens connections over this `TransportSocket`, TLS for instance.
    pub fn transport(mut self, socket: Value) -> Self {
        self.transport = Some(socket);
        self
    }

    /// Where the endpoints stand, in the directory of the watched files.
    pub(crate) fn file(name: &str) -> String {
        format!("endpoints-{name}")
    }

    pub(super) fn to_json(&self, directory: &Path) -> Value {
        let explicit = if self.http2 {
            json!({ "http2_protocol_options": { "connection_keepalive": self.pings } })
        } else {
            json!({ "http_protocol_options": { "enable_trailers": true } })
        };
        let options = json!({
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": explicit,
        });
        let file = directory.join(Self::file(&self.name));
        let mut cluster = json!({
            "name": self.name,
            "type": "EDS",
            "lb_policy": self.policy,
            "connect_timeout": "5s",
            "eds_cluster_config": { "eds_config": {
                "path_config_source": { "path": file },
                "resource_api_version": "V3",
            } },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options,
            },
        });
        if let Some(socket) = &self.transport {
            cluster["transport_socket"] = socket.clone();
        }
        cluster
    }

    /// The content of that file: a discovery response with the endpoints.
    pub(crate) fn discovery(name: &str, endpoints: &[SocketAddr]) -> Value {
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|endpoint| json!({ "endpoint": { "address": address(*endpoint) } }))
            .collect();
        json!({
            "resources": [{
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": name,
                "endpoints": [{ "lb_endpoints": endpoints }],
            }],
        })
    }
}
