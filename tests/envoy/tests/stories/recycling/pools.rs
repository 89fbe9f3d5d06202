//! How many connections recycling costs, for pools of every kind.

use evenkeel_test_envoy::{Backend, Client, Envoy, eventually};
use evenkeel_test_tasks::Tasks;
use serde_json::json;

use super::{after, cluster, get_ok, listener, start};
use crate::support::config::app;
use crate::support::server::{Server, ok};
use crate::support::{counted, healthy};

/// Waits until Envoy knows that its connections to `app` are closed.
pub async fn all_closed(envoy: &Envoy) {
    let closed = eventually("the end of all upstream connections", || async {
        let stats = envoy.stats().await?;
        Ok((stats.get("cluster.app.upstream_cx_active") == 0).then_some(()))
    });
    closed.await.unwrap();
}

#[tokio::test]
async fn many_connections_end_as_often_as_their_requests_need() {
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
        "{connections} connections where {expected} are right"
    );
    healthy(&envoy);
}

#[tokio::test]
async fn connections_to_a_unix_socket_are_recycled() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let server = Server::start_unix(&socket, |_| Some(ok("a")));
    let app = cluster("app", &json!({ "pipe": { "path": socket } }));
    let envoy = start(listener(&after(5)), app, Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..200 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.seen().len(), 34);
    assert_eq!(
        counted(&envoy, "upstream_connections_recycled_total").await,
        33
    );
    healthy(&envoy);
}

#[tokio::test]
async fn connections_to_an_internal_listener_are_recycled() {
    // It says that it closes: the FIN of one that does not takes longer than the next request here.
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
    let mut whole = crate::support::config::whole(&[listener(&after(5)), inside], server.address());
    whole["bootstrap_extensions"] = json!([{
        "name": "envoy.bootstrap.internal_listener",
        "typed_config": { "@type": format!("{types}.bootstrap.internal_listener.v3.InternalListener") },
    }]);
    whole["static_resources"]["clusters"] = json!([app, cluster("server", &server_at)]);
    let envoy = crate::support::config::start(&whole).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..200 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.requests_by_connection().len(), 34);
    healthy(&envoy);
}
