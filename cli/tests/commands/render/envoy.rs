//! For a plain Envoy: both filters, with the policy as text. `tests/envoy` runs them.

use std::fs;

use evenkeel_policy::Policy;

use super::{documents, policies, policy};

#[test]
fn pings_to_clients_are_sent_to_no_upstream() {
    let [pieces] = &documents(&["envoy", &policy("grpc")])[..] else {
        panic!("not one document");
    };
    let ping = &pieces["http_connection_manager"]["http2_protocol_options"]["connection_keepalive"];
    assert_eq!(ping["interval"], "30s");
    assert_eq!(pieces["http2_cluster"], serde_json::Value::Null);
}

#[test]
fn upstream_pings_have_their_own_times() {
    let [pieces] = &documents(&["envoy", &policy("gateway")])[..] else {
        panic!("not one document");
    };
    let options = &pieces["http2_cluster"]["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
        ["explicit_http_config"];
    let ping = &options["http2_protocol_options"]["connection_keepalive"];
    assert_eq!(
        (&ping["interval"], &ping["timeout"]),
        (&"300s".into(), &"20s".into())
    );
}

#[test]
fn envoy_has_both_filters_in_one_vm_with_the_policy_as_json() {
    for name in policies() {
        let written = Policy::parse(&fs::read(policy(&name)).unwrap()).unwrap();
        let [pieces] = &documents(&["envoy", &policy(&name), "--module", "/a b/evenkeel.wasm"])[..]
        else {
            panic!("not one document");
        };
        for (place, role) in [("network_filters", "network"), ("http_filters", "http")] {
            let filters = pieces[place].as_array();
            let Some(filter) = filters.and_then(|filters| filters.first()) else {
                assert_eq!(role, "http");
                continue;
            };
            let config = &filter["typed_config"]["config"];
            assert_eq!(config["vm_config"]["vm_id"], "evenkeel");
            assert_eq!(
                config["vm_config"]["code"]["local"]["filename"],
                "/a b/evenkeel.wasm"
            );
            let text = config["configuration"]["value"].as_str().unwrap();
            let mut rendered = Policy::parse(text.as_bytes()).unwrap();
            assert_eq!(rendered.role.take().map(|role| role.name()), Some(role));
            assert_eq!(rendered, written, "{name}");
        }
    }
}

#[test]
fn http_filter_that_only_peers_need_is_enabled_by_a_route() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.json");
    let peers = r#""peers": { "cluster": "shop" }"#;
    let render = |keys: &str| {
        fs::write(&file, format!(r#"{{ "version": 1, {keys} }}"#)).unwrap();
        let [pieces] = &documents(&["envoy", &file.display().to_string()])[..] else {
            panic!("not one document");
        };
        pieces.clone()
    };

    let on_demand = render(peers);
    let filter = &on_demand["http_filters"][0];
    assert_eq!(filter["disabled"], true);
    let enabled = &on_demand["http_routes"][0]["typed_per_filter_config"];
    let name = filter["name"].as_str().unwrap();
    assert_eq!(enabled[name]["config"], serde_json::json!({}));
    assert_eq!(on_demand["network_filters"][0].get("disabled"), None);

    let upstream = render(&format!(
        r#"{peers}, "upstream": {{ "max_connection_age": "1h" }}"#
    ));
    assert_eq!(upstream["http_filters"][0].get("disabled"), None);
    assert_eq!(upstream.get("http_routes"), None);
}
