//! Requests that reach the module late: a filter before it delays them.

use std::time::Duration;

use evenkeel_test_envoy::Roles;
use serde_json::json;

use crate::support::config::{self, manager};
use crate::support::server::{Server, ok};
use crate::support::socket::Socket;
use crate::support::{assert_healthy, metric, wait_for_metric};

/// The message of a peer with one load report.
const REPORT: &str = r#"{"v":1,"peers":[[7,3,0,0,0,1000,600000,0,0]]}"#;

/// How long the request of the peer is delayed.
const DELAY: Duration = Duration::from_millis(700);

#[tokio::test]
async fn exchange_is_attributed_to_its_own_connection() {
    let policy = r#"{"version": 1, "defaults": {"max_connection_age": "off"}, "rebalance": {},
        "peers": {"cluster": "app", "trust": "anyone"}}"#;
    let server = Server::start(|_| Some(ok("a"))).await;
    let mut listener = config::listener("in", Roles::Both, policy);
    let fault = json!({
        "name": "fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "delay": { "header_delay": {}, "percentage": { "numerator": 100 } },
        },
    });
    let filters = manager(&mut listener)["http_filters"].as_array_mut();
    filters.unwrap().insert(0, fault);
    let envoy = config::start_before(server.address, &[listener]).await;
    let mut peer = Socket::connect(envoy.address("in")).await;
    let mut client = Socket::connect(envoy.address("in")).await;

    let delay = DELAY.as_millis();
    peer.send(format!(
        "GET /.evenkeel/v1/peers HTTP/1.1\r\nhost: a\r\nx-envoy-fault-delay-request: {delay}\r\n\
         evenkeel-peers: {REPORT}\r\n\r\n"
    ))
    .await;
    // A client gets responses while the exchange is delayed.
    let mut requests = 0;
    while metric(&envoy, "peer_exchanges_total").await == 0 || requests < 3 {
        client.get("/").await;
        requests += 1;
    }
    let (head, _) = peer.response().await;
    assert!(head.contains("application/json"), "{head}");

    // The client's connection counts as load; one with an exchange only does not.
    wait_for_metric(&envoy, "rebalanced_load_connections", 1).await;
    assert_healthy(&envoy);
}
