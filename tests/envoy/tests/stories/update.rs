//! Policies that change while connections live.

use std::fs;

use evenkeel_test_envoy::{Client, Envoy, Roles, eventually};
use evenkeel_test_tasks::Tasks;
use serde_json::json;
use tempfile::TempDir;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, closes, get};
use crate::support::{
    ACCEPTED, REJECTED, counted, counted_with, healthy, rule, said, site, until, until_labelled,
};

/// Asks on the same connection until an answer says that it is to end.
async fn until_told(socket: &mut Socket) {
    loop {
        socket.send(get("/")).await;
        if closes(&socket.answer().await.0) {
            return;
        }
    }
}

/// Twenty answers, none of which asks for an end.
async fn is_left_alone(socket: &mut Socket) {
    for _ in 0..20 {
        socket.send(get("/")).await;
        assert!(!closes(&socket.answer().await.0));
    }
}

#[tokio::test]
async fn a_new_policy_governs_what_is_open_and_loses_nothing() {
    let long = rule(r#""max_requests_per_connection": 1000000"#);
    for (roles, name) in [(Roles::Network, "network"), (Roles::Both, "both")] {
        let (envoy, backend) = site(&[("in", roles, &long)]).await;
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
            envoy
                .replace_policy("in", rule(r#""max_requests_per_connection": 10"#))
                .await
                .unwrap();
        };

        crate::support::within("traffic that moves", async {
            tokio::join!(traffic, update)
        })
        .await;

        assert_eq!(backend.requests(), sent);
        healthy(&envoy);
    }
}

/// The host configures the module a moment before its listener turns to the new configuration.
#[tokio::test]
async fn connections_that_open_during_an_update_do_not_undo_it() {
    let (envoy, _backend) = site(&[(
        "in",
        Roles::Network,
        &rule(r#""max_requests_per_connection": 1000000"#),
    )])
    .await;
    let to = envoy.address("in");
    let mut open = Socket::connect(to).await;
    is_left_alone(&mut open).await;
    let before = counted_with(&envoy, "policy_updates_total", ACCEPTED).await;
    let mut newcomers = Tasks::new();
    for _ in 0..8 {
        newcomers.spawn(async move {
            loop {
                Socket::connect(to).await.finish().await;
            }
        });
    }

    envoy
        .replace_policy("in", rule(r#""max_requests_per_connection": 30"#))
        .await
        .unwrap();
    // Every VM that has loaded the one before has loaded this one.
    until_labelled(&envoy, "policy_updates_total", ACCEPTED, |loads| {
        loads >= 2 * before
    })
    .await;
    newcomers.stop().await;

    crate::support::within("the announcement", until_told(&mut open)).await;
}

#[tokio::test]
async fn the_last_of_several_updates_governs_what_is_open() {
    let long = rule(r#""max_requests_per_connection": 1000000"#);
    let (envoy, _backend) = site(&[("in", Roles::Network, &long)]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    is_left_alone(&mut socket).await;

    // No connection opens between them.
    envoy
        .replace_policy("in", rule(r#""max_requests_per_connection": 1000001"#))
        .await
        .unwrap();
    is_left_alone(&mut socket).await;
    envoy
        .replace_policy("in", rule(r#""max_requests_per_connection": 45"#))
        .await
        .unwrap();

    crate::support::within("the announcement", until_told(&mut socket)).await;
}

#[tokio::test]
async fn a_bad_update_leaves_the_last_good_policy_in_force() {
    let good = rule(r#""max_requests_per_connection": 5"#);
    for roles in [Roles::Network, Roles::Both] {
        let (envoy, _backend) = site(&[("in", roles, &good)]).await;
        let mut open = Socket::connect(envoy.address("in")).await;
        open.send(get("/")).await;
        open.answer().await;

        envoy
            .replace_policy(
                "in",
                r#"{"version": 1, "defaults": {"max_requests_per_connection": "#,
            )
            .await
            .unwrap();

        until_labelled(&envoy, "policy_updates_total", REJECTED, |errors| {
            errors >= 1
        })
        .await;
        until_told(&mut open).await;
        let mut later = Socket::connect(envoy.address("in")).await;
        crate::support::within("the announcement", until_told(&mut later)).await;
        assert!(
            said(&envoy).contains("the last valid policy stays active"),
            "{}",
            said(&envoy)
        );
        healthy(&envoy);
    }
}

#[tokio::test]
async fn a_refused_policy_shows_until_a_good_one_comes() {
    let good = rule(r#""max_requests_per_connection": 5"#);
    for roles in [Roles::Network, Roles::Both] {
        let (envoy, _backend) = site(&[("in", roles, &good)]).await;
        // It keeps the root of the first policy there, and of each that follows.
        let mut open = Socket::connect(envoy.address("in")).await;
        open.send(get("/")).await;
        open.answer().await;
        assert_eq!(counted(&envoy, "policy_rejected").await, 0);

        envoy.replace_policy("in", "{").await.unwrap();
        until(&envoy, "policy_rejected", |refused| refused >= 1).await;

        let better = rule(r#""max_requests_per_connection": 6"#);
        envoy.replace_policy("in", better).await.unwrap();
        until(&envoy, "policy_rejected", |refused| refused == 0).await;
        healthy(&envoy);
    }
}

#[tokio::test]
async fn a_bad_update_before_the_first_connection_leaves_the_last_good_policy_in_force() {
    let (envoy, _backend) = site(&[(
        "in",
        Roles::Network,
        &rule(r#""max_requests_per_connection": 5"#),
    )])
    .await;

    envoy.replace_policy("in", "{").await.unwrap();

    until_labelled(&envoy, "policy_updates_total", REJECTED, |errors| {
        errors >= 1
    })
    .await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    until_told_within(&mut socket, 5).await;
}

#[tokio::test]
async fn a_bad_update_after_a_good_one_leaves_the_good_one_in_force() {
    let (envoy, _backend) = site(&[(
        "in",
        Roles::Network,
        &rule(r#""max_requests_per_connection": 50"#),
    )])
    .await;
    let mut open = Socket::connect(envoy.address("in")).await;
    open.send(get("/")).await;
    open.answer().await;

    envoy
        .replace_policy("in", rule(r#""max_requests_per_connection": 5"#))
        .await
        .unwrap();
    envoy.replace_policy("in", "{").await.unwrap();

    until_labelled(&envoy, "policy_updates_total", REJECTED, |errors| {
        errors >= 1
    })
    .await;
    until_told_within(&mut open, 4).await;
    let mut later = Socket::connect(envoy.address("in")).await;
    until_told_within(&mut later, 5).await;
}

/// The announcement comes with the answer to the last of so many requests.
async fn until_told_within(socket: &mut Socket, requests: usize) {
    let mut closing = Vec::new();
    for _ in 0..requests {
        socket.send(get("/")).await;
        closing.push(closes(&socket.answer().await.0));
    }
    assert_eq!(
        closing.iter().position(|closes| *closes),
        Some(requests - 1)
    );
}

#[tokio::test]
async fn a_route_rule_that_changes_governs_what_is_open() {
    let policy = |requests| {
        format!(
            r#"{{"version": 1, "budget": "off", "defaults": {{"jitter": 0}}, "routes": [
                {{"name": "all", "match": {{"path_prefix": "/"}}, "max_requests_per_connection": {requests}}}]}}"#
        )
    };
    let (envoy, _backend) = site(&[("in", Roles::Both, &policy(1_000_000))]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    is_left_alone(&mut socket).await;

    envoy.replace_policy("in", policy(30)).await.unwrap();

    until_told_within(&mut socket, 10).await;
}

/// A listener that comes by LDS, whose filter chain changes with the policy.
#[tokio::test]
async fn a_policy_that_comes_with_the_listener_governs_what_is_open() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("lds.json");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let give = |policy: &str| {
        let entry = |kind, root| Entry {
            kind,
            root,
            vm_id: "e",
            policy,
        };
        let mut listener =
            http_listener("in", port, &[entry("network", "n")], &[entry("http", "h")]);
        listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
        config::write(&file, &json!({ "resources": [listener] }));
    };
    give(&rule(r#""max_requests_per_connection": 1000000"#));
    let mut config = config::whole(&[], server.address);
    config["dynamic_resources"] = json!({
        "lds_config": { "path_config_source": { "path": file }, "resource_api_version": "V3" },
    });
    let envoy: Envoy = config::start(&config).await;
    assert!(fs::exists(&file).unwrap());
    let mut socket = Socket::connect(envoy.address("in")).await;
    is_left_alone(&mut socket).await;

    give(&rule(r#""max_requests_per_connection": 30"#));

    crate::support::within("the announcement", until_told(&mut socket)).await;
    assert_eq!(
        counted(&envoy, "drain_signals_total").await,
        1,
        "{}",
        said(&envoy)
    );
    healthy(&envoy);
}
