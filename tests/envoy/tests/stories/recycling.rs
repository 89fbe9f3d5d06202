//! Recycling of upstream connections: which requests are marked, and how many connections are opened.

mod failures;
mod hosts;
mod marks;
mod pools;
mod protocol;

use std::path::Path;

use evenkeel_test_envoy::{Client, Envoy, Roles};
use serde_json::{Value, json};

use crate::support::config::{self, manager};

/// Returns a policy that recycles after this number of requests; every cluster speaks HTTP/1.
fn after(max_requests_per_connection: u32) -> String {
    policy(max_requests_per_connection, r#", "protocol": "http1""#)
}

/// Returns a policy that recycles after this number of requests what is identified as HTTP/1.
fn auto_after(max_requests_per_connection: u32) -> String {
    policy(max_requests_per_connection, "")
}

fn policy(max_requests_per_connection: u32, more: &str) -> String {
    format!(
        r#"{{"version": 1, "budget": "off", "upstream": {{"max_requests_per_connection": {max_requests_per_connection}, "jitter": 0{more}}}}}"#
    )
}

/// Returns an HTTP listener `out` with the HTTP role.
fn listener(policy: &str) -> Value {
    config::listener("out", Roles::Http, policy)
}

/// Returns the only route of a listener.
fn route(listener: &mut Value) -> &mut Value {
    &mut manager(listener)["route_config"]["virtual_hosts"][0]["routes"][0]
}

/// Starts an Envoy with this listener, this cluster `app` and others.
async fn start(listener: Value, app: Value, others: Vec<Value>) -> Envoy {
    let clusters: Vec<_> = [app].into_iter().chain(others).collect();
    let mut config = config::bootstrap(&[listener], ([127, 0, 0, 1], 1).into());
    config["static_resources"]["clusters"] = clusters.into();
    config::start(&config).await
}

/// Starts an Envoy before a server on a Unix domain socket; returns it and a client.
async fn start_unix(policy: &str, socket: &Path) -> (Envoy, Client) {
    let app = cluster("app", &json!({ "pipe": { "path": socket } }));
    let envoy = start(listener(policy), app, Vec::new()).await;
    let client = Client::http1(envoy.address("out"));
    (envoy, client)
}

/// Returns a cluster with one address.
fn cluster(name: &str, address: &Value) -> Value {
    let mut cluster = config::app(([127, 0, 0, 1], 1).into());
    cluster["name"] = name.into();
    let assignment = &mut cluster["load_assignment"];
    assignment["cluster_name"] = name.into();
    assignment["endpoints"] = json!([{ "lb_endpoints": [{ "endpoint": { "address": address } }] }]);
    cluster
}

/// Sends a GET whose response must be 200.
async fn get_ok(client: &Client, path: &str) {
    assert_eq!(client.get(path).await.unwrap().status, 200);
}
