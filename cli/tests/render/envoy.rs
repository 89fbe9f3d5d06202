//! For a plain Envoy: both filters, with the policy as text. That they work is a test in a real Envoy.

use std::fs;

use evenkeel_policy::Policy;

use super::{documents, policies, policy};

#[test]
fn an_envoy_has_both_filters_in_one_vm_with_the_policy_as_json() {
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
            let mut carried = Policy::parse(text.as_bytes()).unwrap();
            assert_eq!(carried.role.take().map(|role| role.name()), Some(role));
            assert_eq!(carried, written, "{name}");
        }
    }
}
