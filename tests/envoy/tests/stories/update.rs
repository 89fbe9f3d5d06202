//! Policy updates under open connections.

use evenkeel_test_envoy::{Client, Envoy, Roles, eventually};
use evenkeel_test_tasks::Tasks;

use crate::support::lds::UpdatedListener;
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, announces_close};
use crate::support::{
    ACCEPTED, REJECTED, assert_healthy, assert_metric, metric_with, module_log, start_listeners,
    wait_for_metric, wait_until_metric, wait_until_metric_with, with_defaults, within,
};

/// Returns a policy with this request limit.
fn limit(requests: u32) -> String {
    with_defaults(&format!(r#""max_requests_per_connection": {requests}"#))
}

/// Sends requests until a response has `connection: close`.
async fn request_until_close(socket: &mut Socket) {
    within("connection: close", async {
        while !announces_close(&socket.get("/").await.0) {}
    })
    .await;
}

/// None of twenty responses has `connection: close`.
async fn assert_stays_open(socket: &mut Socket) {
    assert_eq!(socket.closing_responses("/", 20).await, [false; 20]);
}

/// The last of so many responses, and no other, has `connection: close`.
async fn assert_closes_after(socket: &mut Socket, requests: usize) {
    let closing = socket.closing_responses("/", requests).await;
    let first = closing.iter().position(|closes| *closes);
    assert_eq!(first, Some(requests - 1));
}

/// Waits until the module has rejected a policy.
async fn wait_for_rejection(envoy: &Envoy) {
    wait_until_metric_with(envoy, "policy_updates_total", REJECTED, |count| count >= 1).await;
}

#[tokio::test]
async fn new_policy_applies_to_open_connections_without_a_loss() {
    let long = limit(1_000_000);
    for (roles, name) in [(Roles::Network, "network"), (Roles::Both, "both")] {
        let (envoy, backend) = start_listeners(&[("in", roles, &long)]).await;
        let clients = [
            Client::http1(envoy.address("in")),
            Client::http2(envoy.address("in")),
        ];
        let mut sent = 0;
        let traffic = async {
            while clients[0].connections_opened().await < 5
                || clients[1].connections_opened().await < 5
            {
                for client in &clients {
                    assert_eq!(client.get("/").await.unwrap().body, "a", "{name}");
                    sent += 1;
                }
            }
        };
        let update = async {
            eventually("traffic", || async {
                Ok((backend.requests() > 100).then_some(()))
            })
            .await
            .unwrap();
            for client in &clients {
                assert_eq!(client.connections_opened().await, 1);
            }
            envoy.replace_policy("in", limit(10)).await.unwrap();
        };

        within("reconnects", async { tokio::join!(traffic, update) }).await;

        assert_eq!(backend.requests(), sent);
        assert_healthy(&envoy);
    }
}

/// Envoy configures the module before the listener changes to the new configuration.
#[tokio::test]
async fn connections_opened_during_an_update_do_not_revert_it() {
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, &limit(1_000_000))]).await;
    let to = envoy.address("in");
    let mut open = Socket::connect(to).await;
    assert_stays_open(&mut open).await;
    let before = metric_with(&envoy, "policy_updates_total", ACCEPTED).await;
    let mut new_connections = Tasks::new();
    for _ in 0..8 {
        new_connections.spawn(async move {
            loop {
                Socket::connect(to).await.shut_down().await;
            }
        });
    }

    envoy.replace_policy("in", limit(30)).await.unwrap();
    // Each VM that has loaded the first policy has loaded the second.
    wait_until_metric_with(&envoy, "policy_updates_total", ACCEPTED, |loads| {
        loads >= 2 * before
    })
    .await;
    new_connections.stop().await;

    request_until_close(&mut open).await;
}

#[tokio::test]
async fn last_of_several_updates_applies_to_open_connections() {
    let long = limit(1_000_000);
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, &long)]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    assert_stays_open(&mut socket).await;

    // No connection opens between the updates.
    envoy.replace_policy("in", limit(1_000_001)).await.unwrap();
    assert_stays_open(&mut socket).await;
    envoy.replace_policy("in", limit(45)).await.unwrap();

    request_until_close(&mut socket).await;
}

#[tokio::test]
async fn invalid_update_keeps_the_last_valid_policy() {
    let valid = limit(5);
    for roles in [Roles::Network, Roles::Both] {
        let (envoy, _backend) = start_listeners(&[("in", roles, &valid)]).await;
        let mut open = Socket::connect(envoy.address("in")).await;
        open.get("/").await;

        envoy
            .replace_policy(
                "in",
                r#"{"version": 1, "defaults": {"max_requests_per_connection": "#,
            )
            .await
            .unwrap();

        wait_for_rejection(&envoy).await;
        request_until_close(&mut open).await;
        let mut later = Socket::connect(envoy.address("in")).await;
        request_until_close(&mut later).await;
        assert!(
            module_log(&envoy).contains("the last valid policy stays active"),
            "{}",
            module_log(&envoy)
        );
        assert_healthy(&envoy);
    }
}

#[tokio::test]
async fn rejection_metric_clears_when_a_valid_policy_follows() {
    let valid = limit(5);
    for roles in [Roles::Network, Roles::Both] {
        let (envoy, _backend) = start_listeners(&[("in", roles, &valid)]).await;
        // An open connection keeps the root of each policy.
        let mut open = Socket::connect(envoy.address("in")).await;
        open.get("/").await;
        assert_metric(&envoy, "policy_rejected", 0).await;

        envoy.replace_policy("in", "{").await.unwrap();
        wait_until_metric(&envoy, "policy_rejected", |count| count >= 1).await;

        envoy.replace_policy("in", limit(6)).await.unwrap();
        wait_for_metric(&envoy, "policy_rejected", 0).await;
        assert_healthy(&envoy);
    }
}

#[tokio::test]
async fn invalid_update_before_the_first_connection_keeps_the_valid_policy() {
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, &limit(5))]).await;

    envoy.replace_policy("in", "{").await.unwrap();

    wait_for_rejection(&envoy).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    assert_closes_after(&mut socket, 5).await;
}

#[tokio::test]
async fn invalid_update_after_a_valid_one_keeps_the_valid_one() {
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, &limit(50))]).await;
    let mut open = Socket::connect(envoy.address("in")).await;
    open.get("/").await;

    envoy.replace_policy("in", limit(5)).await.unwrap();
    envoy.replace_policy("in", "{").await.unwrap();

    wait_for_rejection(&envoy).await;
    assert_closes_after(&mut open, 4).await;
    let mut later = Socket::connect(envoy.address("in")).await;
    assert_closes_after(&mut later, 5).await;
}

#[tokio::test]
async fn changed_route_applies_to_open_connections() {
    let policy = |requests| {
        format!(
            r#"{{"version": 1, "budget": "off", "defaults": {{"jitter": 0}}, "routes": [
                {{"name": "all", "match": {{"path_prefix": "/"}}, "max_requests_per_connection": {requests}}}]}}"#
        )
    };
    let (envoy, _backend) = start_listeners(&[("in", Roles::Both, &policy(1_000_000))]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    assert_stays_open(&mut socket).await;

    envoy.replace_policy("in", policy(30)).await.unwrap();

    assert_closes_after(&mut socket, 10).await;
}

#[tokio::test]
async fn policy_of_a_listener_update_applies_to_open_connections() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let site = UpdatedListener::start(Roles::Both, &limit(1_000_000), &server).await;
    let mut socket = Socket::connect(site.envoy.address("in")).await;
    assert_stays_open(&mut socket).await;

    site.apply("2", &limit(30)).await;

    request_until_close(&mut socket).await;
    assert_metric(&site.envoy, "drain_signals_total", 1).await;
    assert_healthy(&site.envoy);
}
