//! Two NETWORK entries of the module on one listener, as a mesh-wide and a workload's WasmPlugin make them.

use evenkeel_test_envoy::Client;
use serde_json::Value;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, healthy, rule, said, until};

fn network<'a>(root: &'a str, vm_id: &'a str, policy: &'a str) -> Entry<'a> {
    Entry {
        kind: "network",
        root,
        vm_id,
        policy,
    }
}

#[tokio::test]
async fn the_second_entry_on_a_listener_does_nothing() {
    let (mesh, workload) = (
        rule(r#""max_requests_per_connection": 3"#),
        rule(r#""max_requests_per_connection": 2, "http2": {"last_stream_id": "max"}"#),
    );
    for (second, vm_id) in [("workload", "e"), ("mesh", "e"), ("workload", "other")] {
        let server = Server::start(|_| Some(ok("a"))).await;
        let entries = [
            network("mesh", "e", &mesh),
            network(second, vm_id, &workload),
        ];
        let listener: Value = http_listener("in", 0, &entries, &[]);
        let envoy = config::start(&config::whole(&[listener], server.address)).await;

        let mut socket = Socket::connect(envoy.address("in")).await;
        for request in 1..=3 {
            socket.send(get("/")).await;
            let (head, _) = socket.answer().await;
            assert_eq!(closes(&head), request == 3, "{second} {vm_id}: {head}");
        }
        drop(socket);
        let client = Client::http2(envoy.address("in"));
        for _ in 0..9 {
            assert_eq!(client.get("/").await.unwrap().body, "a");
        }
        assert_eq!(client.connections_opened().await, 3, "{second} {vm_id}");
        drop(client);

        until(&envoy, "downstream_connections_active", |open| open == 0).await;
        assert_eq!(counted(&envoy, "requests_total").await, 12);
        assert_eq!(counted(&envoy, "drain_signals_total").await, 4);
        assert_eq!(counted(&envoy, "duplicate_filters_total").await, 4);
        assert_eq!(counted(&envoy, "connections_bypassed_total").await, 0);
        let log = said(&envoy);
        assert_eq!(log.matches("does nothing there").count(), 1, "{log}");
        healthy(&envoy);
    }
}
