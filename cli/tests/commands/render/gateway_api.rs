//! For Envoy Gateway: Envoy's own limits, and the module for `upstream`.

use std::fs;

use evenkeel_policy::Policy;
use serde_json::{Value, json};

use super::{IMAGE, documents, named, policies, policy};

fn gateway(name: &str) -> Vec<Value> {
    let file = policy(name);
    documents(
        &[
            &["gateway-api", &file],
            &IMAGE[..],
            &["--gateway", "public"],
        ]
        .concat(),
    )
}

#[test]
fn gateway_api_loads_the_module_only_for_upstreams() {
    for name in policies() {
        let written = Policy::parse(&fs::read(policy(&name)).unwrap()).unwrap();
        let documents = gateway(&name);
        let plugins: Vec<_> = documents
            .iter()
            .filter(|document| document["kind"] == "EnvoyExtensionPolicy")
            .collect();
        assert_eq!(
            plugins.len(),
            usize::from(written.upstream.is_some()),
            "{name}"
        );
        for plugin in plugins {
            let wasm = &plugin["spec"]["wasm"][0];
            assert_eq!(wasm["failOpen"], true);
            assert_eq!(
                wasm["code"]["image"]["url"],
                "registry.example/evenkeel:0.1.0"
            );
            let mut rendered = Policy::parse(wasm["config"].to_string().as_bytes()).unwrap();
            assert_eq!(rendered.role.take().map(|role| role.name()), Some("http"));
            assert_eq!(rendered, written, "{name}");
        }
        for document in &documents {
            let target = json!([{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public" }]);
            assert_eq!(document["spec"]["targetRefs"], target);
        }
    }
}

#[test]
fn keepalive_and_limits_follow_the_policy() {
    let documents = gateway("gateway");

    let clients = &named(&documents, "evenkeel-clients")["spec"];
    let tcp = json!({ "idleTime": "2m", "interval": "10s", "probes": 3 });
    let ping = json!({ "interval": "1m", "timeout": "20s" });
    assert_eq!(clients["tcpKeepalive"], tcp);
    assert_eq!(clients["http2"]["connectionKeepalive"], ping);
    assert_eq!(
        clients["connection"]["connectionLimit"],
        json!({ "maxConnectionDuration": "1h" })
    );
    let backends = &named(&documents, "evenkeel-backends")["spec"];
    assert_eq!(backends["tcpKeepalive"], tcp);
    let ping = json!({ "interval": "5m", "timeout": "20s" });
    assert_eq!(backends["http2"]["connectionKeepalive"], ping);
    assert_eq!(
        backends["circuitBreaker"]["maxRequestsPerConnection"],
        50000
    );
    assert_eq!(backends["timeout"]["http"]["maxConnectionDuration"], "10m");
}

#[test]
fn unsupported_settings_are_listed() {
    let file = policy("gateway");
    let line = [
        &["gateway-api", &file],
        &IMAGE[..],
        &["--gateway", "public"],
    ]
    .concat();
    let text = evenkeel_cli::rendered(line).unwrap();

    for what in ["`routes`", "`tcp`", "`keepalive.http1_hint`"] {
        assert!(text.contains(&format!("# - {what}")), "{what}");
    }
    assert!(!text.contains("# - `rebalance`"));
}

#[test]
fn dry_run_has_no_limits() {
    let kinds: Vec<_> = gateway("dry-run")
        .iter()
        .map(|document| document["kind"].clone())
        .collect();

    assert_eq!(kinds, ["EnvoyExtensionPolicy"]);
}
