//! Envoys with filter entries that `Bootstrap` cannot express: their configuration is written out.

use std::net::SocketAddr;
use std::path::Path;

use evenkeel_test_envoy::{Envoy, Roles, module_path, stats_tags};
use serde_json::{Value, json};
use tempfile::TempDir;

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// One filter entry of the module.
pub struct Entry<'a> {
    /// `network` or `http`.
    pub kind: &'a str,
    /// The name and the root id.
    pub root: &'a str,
    pub vm_id: &'a str,
    /// The configuration, to the letter.
    pub policy: &'a str,
}

impl Entry<'_> {
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.root,
            "typed_config": {
                "@type": format!("{TYPES}.filters.{}.wasm.v3.Wasm", self.kind),
                "config": {
                    "name": self.root,
                    "root_id": self.root,
                    "failure_policy": "FAIL_OPEN",
                    "vm_config": {
                        "vm_id": self.vm_id,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": module_path().unwrap() } },
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": self.policy,
                    },
                },
            },
        })
    }
}

/// Returns an HTTP listener with the module in these roles, before the cluster `app`.
pub fn listener(name: &str, roles: Roles, policy: &str) -> Value {
    listener_on(0, name, roles, policy)
}

/// Returns an HTTP listener on `port` with the module in these roles, before the cluster `app`.
pub fn listener_on(port: u16, name: &str, roles: Roles, policy: &str) -> Value {
    let entry = |kind| Entry {
        kind,
        root: kind,
        vm_id: "e",
        policy,
    };
    let network = [entry("network")];
    let http = [entry("http")];
    match roles {
        Roles::Network => http_listener(name, port, &network, &[]),
        Roles::Http => http_listener(name, port, &[], &http),
        Roles::Both => http_listener(name, port, &network, &http),
    }
}

/// Returns the connection manager of an HTTP listener.
pub fn manager(listener: &mut Value) -> &mut Value {
    let filters = listener["filter_chains"][0]["filters"].as_array_mut();
    &mut filters.unwrap().last_mut().unwrap()["typed_config"]
}

/// Returns an HTTP listener on `port` (0: any) with these entries, before the cluster `app`.
pub fn http_listener(name: &str, port: u16, network: &[Entry<'_>], http: &[Entry<'_>]) -> Value {
    let router = json!({
        "name": "router",
        "typed_config": { "@type": format!("{TYPES}.filters.http.router.v3.Router") },
    });
    let http: Vec<_> = http.iter().map(Entry::to_json).chain([router]).collect();
    let route =
        json!({ "match": { "prefix": "/" }, "route": { "cluster": "app", "timeout": "0s" } });
    let manager = json!({
        "name": "manager",
        "typed_config": {
            "@type": format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": name,
            "codec_type": "AUTO",
            "http_protocol_options": { "accept_http_10": true, "enable_trailers": true },
            "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
            "http_filters": http,
        },
    });
    let filters: Vec<_> = network
        .iter()
        .map(Entry::to_json)
        .chain([manager])
        .collect();
    json!({
        "name": name,
        "address": loopback(port),
        "filter_chains": [{ "filters": filters }],
    })
}

/// Returns the cluster `app`: one HTTP/1 server, with trailers.
pub fn app(server: SocketAddr) -> Value {
    let options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
    });
    json!({
        "name": "app",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "app",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": loopback(server.port()) } }] }],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options,
        },
    })
}

fn loopback(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

/// Returns the configuration of an Envoy with these listeners before one server.
pub fn bootstrap(listeners: &[Value], server: SocketAddr) -> Value {
    json!({
        "node": { "id": "evenkeel-test", "cluster": "evenkeel-test" },
        "admin": { "address": loopback(0) },
        "stats_config": { "stats_tags": stats_tags() },
        "static_resources": { "listeners": listeners, "clusters": [app(server)] },
    })
}

/// Starts an Envoy with these listeners before one server.
pub async fn start_before(server: SocketAddr, listeners: &[Value]) -> Envoy {
    start(&bootstrap(listeners, server)).await
}

/// Starts an Envoy with this configuration and one worker.
pub async fn start(config: &Value) -> Envoy {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("envoy.json");
    write(&file, config);
    Envoy::start_file(&file).await.unwrap()
}

/// Replaces a file with a rename: Envoy watches for renames.
pub fn write(file: &Path, content: &Value) {
    let next = file.with_extension("next");
    std::fs::write(&next, content.to_string()).unwrap();
    std::fs::rename(&next, file).unwrap();
}
