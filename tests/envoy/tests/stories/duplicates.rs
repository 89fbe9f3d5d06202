//! Two NETWORK entries of the module on one listener, as from a mesh-wide WasmPlugin and one of a workload.

use evenkeel_test_envoy::Client;
use serde_json::Value;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, announces_close};
use crate::support::{assert_healthy, assert_metric, module_log, wait_for_metric, with_defaults};

fn network<'a>(root: &'a str, vm_id: &'a str, policy: &'a str) -> Entry<'a> {
    Entry {
        kind: "network",
        root,
        vm_id,
        policy,
    }
}

#[tokio::test]
async fn second_entry_on_a_listener_is_inert() {
    let (mesh, workload) = (
        with_defaults(r#""max_requests_per_connection": 3"#),
        with_defaults(r#""max_requests_per_connection": 2, "http2": {"last_stream_id": "max"}"#),
    );
    for (second, vm_id) in [("workload", "e"), ("mesh", "e"), ("workload", "other")] {
        let server = Server::start(|_| Some(ok("a"))).await;
        let entries = [
            network("mesh", "e", &mesh),
            network(second, vm_id, &workload),
        ];
        let listener: Value = http_listener("in", 0, &entries, &[]);
        let envoy = config::start_before(server.address, &[listener]).await;

        let mut socket = Socket::connect(envoy.address("in")).await;
        for request in 1..=3 {
            let (head, _) = socket.get("/").await;
            assert_eq!(
                announces_close(&head),
                request == 3,
                "{second} {vm_id}: {head}"
            );
        }
        drop(socket);
        let client = Client::http2(envoy.address("in"));
        for _ in 0..9 {
            assert_eq!(client.get("/").await.unwrap().body, "a");
        }
        assert_eq!(client.connections_opened().await, 3, "{second} {vm_id}");
        drop(client);

        wait_for_metric(&envoy, "downstream_connections_active", 0).await;
        wait_for_metric(&envoy, "requests_total", 12).await;
        assert_metric(&envoy, "drain_signals_total", 4).await;
        assert_metric(&envoy, "duplicate_filters_total", 4).await;
        assert_metric(&envoy, "connections_bypassed_total", 0).await;
        let log = module_log(&envoy);
        assert_eq!(log.matches("does nothing there").count(), 1, "{log}");
        assert_healthy(&envoy);
    }
}
