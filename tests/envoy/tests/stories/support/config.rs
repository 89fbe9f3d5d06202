//! Envoys that the harness has no words for: their configuration is written out, as a user would.

use std::net::SocketAddr;
use std::path::Path;

use evenkeel_test_envoy::{Envoy, module_path, stats_tags};
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
    /// The configuration, exactly.
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

/// An HTTP listener on `port` (0: any): filter entries, and all requests go to the cluster `app`.
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

/// The cluster `app`: HTTP/1 to one server, trailers included.
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

/// A configuration with these listeners before that server.
pub fn whole(listeners: &[Value], server: SocketAddr) -> Value {
    json!({
        "node": { "id": "evenkeel-test", "cluster": "evenkeel-test" },
        "admin": { "address": loopback(0) },
        "stats_config": { "stats_tags": stats_tags() },
        "static_resources": { "listeners": listeners, "clusters": [app(server)] },
    })
}

/// Runs an Envoy with this configuration, and one worker.
pub async fn start(config: &Value) -> Envoy {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("envoy.json");
    write(&file, config);
    Envoy::start_file(&file).await.unwrap()
}

/// Puts a file in place at once: Envoy watches for a move.
pub fn write(file: &Path, content: &Value) {
    let next = file.with_extension("next");
    std::fs::write(&next, content.to_string()).unwrap();
    std::fs::rename(&next, file).unwrap();
}
