//! A cluster: its endpoints and how Envoy connects to them.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::address;

/// A builder of a cluster, whose endpoints `Envoy::replace_endpoints` can change.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) name: String,
    pub(crate) endpoints: Vec<SocketAddr>,
    http2: bool,
    keepalive: Value,
    tcp_keepalive: Option<Value>,
    policy: &'static str,
    transport: Option<Value>,
}

impl Cluster {
    /// Returns a cluster of HTTP/1 or TCP endpoints with round robin.
    pub fn new(name: &str, endpoints: impl IntoIterator<Item = SocketAddr>) -> Self {
        let endpoints = endpoints.into_iter().collect();
        Self {
            name: name.to_owned(),
            endpoints,
            http2: false,
            keepalive: Value::Null,
            tcp_keepalive: None,
            policy: "ROUND_ROBIN",
            transport: None,
        }
    }

    /// Uses HTTP/2 with prior knowledge.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Uses HTTP/2 with this `connection_keepalive`.
    pub fn keepalive(mut self, keepalive: Value) -> Self {
        self.keepalive = keepalive;
        self.http2()
    }

    /// Sets the `TcpKeepalive` of connections.
    pub fn tcp_keepalive(mut self, keepalive: Value) -> Self {
        self.tcp_keepalive = Some(keepalive);
        self
    }

    /// Selects endpoints at random.
    pub fn random(mut self) -> Self {
        self.policy = "RANDOM";
        self
    }

    /// Sets the `TransportSocket` of connections, for TLS.
    pub fn transport(mut self, socket: Value) -> Self {
        self.transport = Some(socket);
        self
    }

    /// Returns the name of the watched file with the endpoints.
    pub(crate) fn file(name: &str) -> String {
        format!("endpoints-{name}")
    }

    pub(super) fn to_json(&self, directory: &Path) -> Value {
        let explicit = if self.http2 {
            json!({ "http2_protocol_options": { "connection_keepalive": self.keepalive } })
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
        if let Some(keepalive) = &self.tcp_keepalive {
            cluster["upstream_connection_options"] = json!({ "tcp_keepalive": keepalive });
        }
        if let Some(socket) = &self.transport {
            cluster["transport_socket"] = socket.clone();
        }
        cluster
    }

    /// Returns the content of that file, a discovery response.
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
