//! Which requests carry the mark that recycles an upstream connection, and how many connections it costs.

mod failures;
mod hosts;
mod marks;
mod pools;
mod protocol;

use evenkeel_test_envoy::{Client, Envoy};
use serde_json::{Value, json};

use crate::support::config::{self, Entry, http_listener};

/// Recycles after so many requests; every cluster speaks HTTP/1.
fn after(max_requests_per_connection: u32) -> String {
    policy(max_requests_per_connection, r#", "protocol": "http1""#)
}

/// Recycles after so many requests what shows itself as HTTP/1.
fn auto_after(max_requests_per_connection: u32) -> String {
    policy(max_requests_per_connection, "")
}

fn policy(max_requests_per_connection: u32, more: &str) -> String {
    format!(
        r#"{{"version": 1, "budget": "off", "upstream": {{"max_requests_per_connection": {max_requests_per_connection}, "jitter": 0{more}}}}}"#
    )
}

/// An HTTP listener `out` with the HTTP role.
fn listener(policy: &str) -> Value {
    let entry = Entry {
        kind: "http",
        root: "h",
        vm_id: "e",
        policy,
    };
    http_listener("out", 0, &[], &[entry])
}

/// The connection manager of a listener.
fn manager(listener: &mut Value) -> &mut Value {
    &mut listener["filter_chains"][0]["filters"][0]["typed_config"]
}

/// The only route of a listener.
fn route(listener: &mut Value) -> &mut Value {
    &mut manager(listener)["route_config"]["virtual_hosts"][0]["routes"][0]
}

/// An Envoy with this listener and this cluster `app` before others.
async fn start(listener: Value, app: Value, others: Vec<Value>) -> Envoy {
    let clusters: Vec<_> = [app].into_iter().chain(others).collect();
    let mut whole = config::whole(&[listener], ([127, 0, 0, 1], 1).into());
    whole["static_resources"]["clusters"] = clusters.into();
    config::start(&whole).await
}

/// The cluster `name` at one address.
fn cluster(name: &str, address: &Value) -> Value {
    let mut cluster = config::app(([127, 0, 0, 1], 1).into());
    cluster["name"] = name.into();
    let assignment = &mut cluster["load_assignment"];
    assignment["cluster_name"] = name.into();
    assignment["endpoints"] = json!([{ "lb_endpoints": [{ "endpoint": { "address": address } }] }]);
    cluster
}

async fn get_ok(client: &Client, path: &str) {
    assert_eq!(client.get(path).await.unwrap().status, 200);
}
