//! Requests that reach the module late, because a filter before it makes them wait.

use std::time::Duration;

use serde_json::json;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, get};
use crate::support::{counted, healthy, until};

/// The pod whose report a peer's message has.
const REPORT: &str = r#"{"v":1,"peers":[[7,3,0,0,0,1000,600000,0,0]]}"#;

/// As long as a request of a peer waits.
const DELAY: Duration = Duration::from_millis(700);

#[tokio::test]
async fn an_exchange_is_attributed_to_the_connection_that_it_came_on() {
    let policy = r#"{"version": 1, "defaults": {"max_connection_age": "off"}, "rebalance": {},
        "peers": {"cluster": "app", "trust": "anyone"}}"#;
    let server = Server::start(|_| Some(ok("a"))).await;
    let entry = |kind, root| Entry {
        kind,
        root,
        vm_id: "e",
        policy,
    };
    let mut listener = http_listener("in", 0, &[entry("network", "n")], &[entry("http", "h")]);
    let filters = listener["filter_chains"][0]["filters"].as_array_mut();
    let manager = filters.and_then(|filters| filters.last_mut()).unwrap();
    let fault = json!({
        "name": "fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "delay": { "header_delay": {}, "percentage": { "numerator": 100 } },
        },
    });
    let chain = manager["typed_config"]["http_filters"].as_array_mut();
    chain.unwrap().insert(0, fault);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;
    let mut peer = Socket::connect(envoy.address("in")).await;
    let mut client = Socket::connect(envoy.address("in")).await;

    let delay = DELAY.as_millis();
    peer.send(format!(
        "GET /.evenkeel/v1/peers HTTP/1.1\r\nhost: a\r\nx-envoy-fault-delay-request: {delay}\r\n\
         evenkeel-peers: {REPORT}\r\n\r\n"
    ))
    .await;
    // The requests of a client are read, and answered, while the exchange waits.
    let mut requests = 0;
    while counted(&envoy, "peer_exchanges_total").await == 0 || requests < 3 {
        client.send(get("/")).await;
        client.answer().await;
        requests += 1;
    }
    let (head, _) = peer.answer().await;
    assert!(head.contains("application/json"), "{head}");

    // The client's connection is load; the one on which there was nothing but an exchange is not.
    until(&envoy, "rebalanced_load_connections", |load| load == 1).await;
    healthy(&envoy);
}
