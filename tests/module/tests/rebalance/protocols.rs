//! Rebalancing of raw TCP and WebSockets, and of upstream hosts at a gateway.

use evenkeel_test_frames::websocket::{
    TEXT, UPGRADE_RESPONSE, drain_close, server_frame, upgrade_request,
};
use evenkeel_test_host::{ClosedBy, Connection};
use evenkeel_test_module::pods::{Pod, message};

use super::SECOND;
use super::service::{ALL, OTHERS};

const TCP_AND_WEBSOCKET: &str = r#"{"version": 1, "peers": {"cluster": "shop", "trust": "anyone"}, "budget": "off",
    "rebalance": {"max_rate": 0.1, "min_connections": 20},
    "defaults": {"max_connection_age": "off", "websocket": {"close_code": "going_away", "idle_time": "0s"}},
    "tcp": [{"name": "db", "match": {"port": 5432}, "protocol": "raw", "idle_time": "300ms", "drain_timeout": "30s"}]}"#;

#[test]
fn tcp_connections_are_closed_when_idle_and_websockets_after_a_message() {
    let pod = Pod::start("shop-1", 1, TCP_AND_WEBSOCKET);
    let connect = || pod.workers[0].network.connect();
    let tcp: Vec<_> = (0..30).map(|_| connect()).collect();
    for connection in &tcp {
        connection.set_property(&["destination", "port"], 5432_i64.to_le_bytes());
        connection.set_property(&["upstream", "address"], "10.0.0.7:5432");
    }
    let websockets: Vec<_> = (0..70).map(|_| connect()).collect();
    for connection in &websockets {
        connection.client_sends(upgrade_request("/chat"));
        connection.server_writes(UPGRADE_RESPONSE);
    }
    let text = server_frame(TEXT, b"message");
    let drained = [text.clone(), drain_close(1001)].concat();
    let mut drained_websockets = 0;

    for _ in 0..40 {
        for connection in tcp.iter().filter(|connection| connection.is_open()) {
            assert_eq!(connection.client_sends(b"\0Q"), b"\0Q");
            assert_eq!(connection.server_writes(b"\0A"), b"\0A");
        }
        for connection in websockets.iter().filter(|connection| connection.is_open()) {
            let received = connection.server_writes(&text);
            if received == drained {
                drained_websockets += 1;
                connection.client_closes();
            } else {
                assert_eq!(received, text);
            }
        }
        let left = tcp
            .iter()
            .chain(&websockets)
            .filter(|connection| connection.is_open())
            .count();
        pod.pass(SECOND, |call| {
            let words = message(
                pod.host.now(),
                OTHERS.map(|id| (id, (ALL - left as u64) / 3)),
            );
            call.respond(&[(":status", "200")], words);
        });
    }

    let closed = tcp
        .iter()
        .filter(|connection| !connection.is_open())
        .count();
    let by_us = |connection: &&Connection| connection.closed_by() == Some(ClosedBy::Module);
    assert_eq!(tcp.iter().filter(by_us).count(), closed);
    assert_eq!(closed, 30, "idle connections are drained first");
    assert!(
        (24..=28).contains(&drained_websockets),
        "{drained_websockets}"
    );
    assert_eq!(
        pod.metric("drain_reason=.=rebalance;.;evenkeel_connections_aborted_total"),
        0
    );
}

/// A TCP connection to this upstream host.
fn connect_to(pod: &Pod, host: &str) -> Connection {
    let connection = pod.workers[0].network.connect();
    connection.set_property(&["destination", "port"], 8883_i64.to_le_bytes());
    connection.set_property(&["xds", "cluster_name"], "mqtt");
    connection.set_property(&["upstream", "address"], host);
    connection
}

#[test]
fn gateway_without_peers_rebalances_its_upstream_hosts() {
    let policy = r#"{"version": 1, "rebalance": {"max_rate": 0.05, "min_connections": 20}, "budget": "off",
        "tcp": [{"name": "mqtt", "match": {"port": 8883}, "idle_time": "300ms", "drain_timeout": "30s"}]}"#;
    let pod = Pod::start("gateway", 1, policy);
    let hosts = ["10.0.0.1:1883", "10.0.0.2:1883"];
    let mut clients: Vec<_> = (0..90).map(|_| (connect_to(&pod, hosts[0]), 0)).collect();
    clients.extend((0..10).map(|_| (connect_to(&pod, hosts[1]), 1)));
    let mut drained = 0;

    for _ in 0..90 {
        for (client, host) in &mut clients {
            if !client.is_open() {
                drained += 1;
                // Round robin.
                *host = drained % 2;
                *client = connect_to(&pod, hosts[*host]);
            }
            client.client_sends(b"\0Q");
            client.server_writes(b"\0A");
        }
        pod.pass(SECOND, |_| panic!("no call is expected"));
    }

    // Half of them reconnected to this pod.
    let on_first = clients.iter().filter(|(_, host)| *host == 0).count();
    assert!((45..=55).contains(&on_first), "{on_first}");
    assert!((66..=76).contains(&drained), "{drained}");
    assert_eq!(
        pod.metric("drain_reason=.=rebalance;.;evenkeel_connections_aborted_total"),
        0
    );
    assert_eq!(
        pod.metric(
            "drain_reason=.=rebalance;.;closed_by=.=evenkeel;.;evenkeel_connections_drained_total"
        ),
        drained as u64
    );
}
