//! How often connections are recycled, for pools of every kind.

use evenkeel_test_envoy::{Backend, Client, Envoy, eventually};
use evenkeel_test_tasks::Tasks;
use serde_json::json;

use super::{after, cluster, get_ok, listener, start, start_unix};
use crate::support::config::{self, app};
use crate::support::server::{Server, ok};
use crate::support::{assert_healthy, assert_metric};

/// Waits until Envoy has noticed that its connections to `app` are closed.
pub async fn wait_until_all_closed(envoy: &Envoy) {
    let closed = eventually("the end of all upstream connections", || async {
        let stats = envoy.stats().await?;
        Ok((stats.get("cluster.app.upstream_cx_active") == 0).then_some(()))
    });
    closed.await.unwrap();
}

#[tokio::test]
async fn pool_is_recycled_as_often_as_its_requests_require() {
    let backend = Backend::start("a").await.unwrap();
    let envoy = start(listener(&after(20)), app(backend.address()), Vec::new()).await;

    let mut users = Tasks::new();
    for _ in 0..8 {
        let client = Client::http1(envoy.address("out"));
        users.spawn(async move {
            for _ in 0..400 {
                get_ok(&client, "/delay/1").await;
            }
        });
    }
    users.join().await;

    let connections = backend.requests_by_connection().len();
    let expected = 8 * 400 / 20;
    assert!(
        (expected * 9..=expected * 11).contains(&(connections * 10)),
        "{connections} connections, {expected} expected"
    );
    assert_healthy(&envoy);
}

#[tokio::test]
async fn connections_to_a_unix_socket_are_recycled() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let server = Server::start_unix(&socket, |_| Some(ok("a")));
    let (envoy, client) = start_unix(&after(5), &socket).await;

    for _ in 0..200 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.requests_by_connection().len(), 34);
    assert_metric(&envoy, "upstream_connections_recycled_total", 33).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn connections_to_an_internal_listener_are_recycled() {
    // Its response has `connection: close`: a FIN alone arrives later than the next request.
    let server = Backend::start("a").await.unwrap();
    let types = "type.googleapis.com/envoy.extensions";
    let internal = json!({ "envoy_internal_address": { "server_listener_name": "inside" } });
    let server_at = json!({ "socket_address": { "address": "127.0.0.1", "port_value": server.address().port() } });
    let inside = json!({
        "name": "inside",
        "internal_listener": {},
        "filter_chains": [{ "filters": [{
            "name": "tcp",
            "typed_config": {
                "@type": format!("{types}.filters.network.tcp_proxy.v3.TcpProxy"),
                "stat_prefix": "inside",
                "cluster": "server",
            },
        }] }],
    });
    let mut app = cluster("app", &internal);
    app["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = internal;
    let mut config = config::bootstrap(&[listener(&after(5)), inside], server.address());
    config["bootstrap_extensions"] = json!([{
        "name": "envoy.bootstrap.internal_listener",
        "typed_config": { "@type": format!("{types}.bootstrap.internal_listener.v3.InternalListener") },
    }]);
    config["static_resources"]["clusters"] = json!([app, cluster("server", &server_at)]);
    let envoy = config::start(&config).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..200 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.requests_by_connection().len(), 34);
    assert_healthy(&envoy);
}
