//! The series of upstream hosts.

use evenkeel_test_envoy::{Client, eventually};
use serde_json::json;

use super::{cluster, get_ok, listener, start};
use crate::support::assert_healthy;
use crate::support::server::{Server, ok};

/// More than the 256 that have series of their own at a time.
const HOSTS: u16 = 300;

#[tokio::test]
async fn hosts_keep_their_own_series_beside_the_others() {
    let server = Server::start_anywhere(|_| Some(ok("a"))).await;
    let port = server.address.port();
    let endpoints: Vec<_> = (0..HOSTS)
        .map(|host| {
            let address = format!("127.0.{}.{}", 1 + host / 200, 1 + host % 200);
            json!({ "endpoint": { "address": { "socket_address": { "address": address, "port_value": port } } } })
        })
        .collect();
    let mut app = cluster("app", &json!({}));
    app["load_assignment"]["endpoints"] = json!([{ "lb_endpoints": endpoints }]);
    let envoy = start(
        listener(r#"{"version": 1, "rebalance": {}}"#),
        app,
        Vec::new(),
    )
    .await;
    let client = Client::http1(envoy.address("out"));

    let rates = eventually("the rates of 256 hosts and the others", || async {
        for _ in 0..HOSTS {
            get_ok(&client, "/").await;
        }
        let stats = envoy.stats().await?;
        let rates = stats.by(
            "wasmcustom.evenkeel_upstream_requests_per_second",
            "upstream_host",
        );
        Ok((rates.len() == 257).then_some(rates))
    });
    let rates = rates.await.unwrap();

    assert!(rates.contains_key("other"), "{rates:?}");
    let stats = envoy.stats().await.unwrap();
    let requests = stats.by(
        "wasmcustom.evenkeel_upstream_requests_total",
        "upstream_host",
    );
    assert_eq!(requests.len(), 257);
    assert_healthy(&envoy);
}
