//! Tests of the test crate itself.

use std::collections::BTreeMap;

use hyper::Version;

use evenkeel_test_envoy::{
    Backend, Bootstrap, Client, Cluster, Envoy, KubeProxy, Listener, Roles, TcpClient, TcpEcho,
    eventually,
};

#[tokio::test]
async fn one_listener_serves_both_http_versions() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .direct_response("/health", 200, "well")
        .route("/", "app");
    let cluster = Cluster::new("app", [backend.address()]);
    let envoy = Envoy::start(Bootstrap::new().listener(listener).cluster(cluster))
        .await
        .unwrap();

    let http1 = Client::http1(envoy.address("in")).get("/").await.unwrap();
    let http2 = Client::http2(envoy.address("in"))
        .get("/stream/3")
        .await
        .unwrap();
    let health = Client::http1(envoy.address("in"))
        .get("/health")
        .await
        .unwrap();

    assert_eq!(
        (http1.version, http1.body.as_str()),
        (Version::HTTP_11, "a")
    );
    assert_eq!(
        (http2.version, http2.body.len()),
        (Version::HTTP_2, 3 * 1024)
    );
    assert_eq!(health.body, "well");
    assert_eq!(backend.requests(), 2);
    assert_eq!(
        envoy
            .stats()
            .await
            .unwrap()
            .get("http.in.downstream_rq_total"),
        3
    );
}

#[tokio::test]
async fn rejected_configuration_is_an_error_with_the_reason() {
    let nowhere = Bootstrap::new().listener(Listener::http("in").route("/", "missing"));

    let error = Envoy::start(nowhere).await.unwrap_err().to_string();

    assert!(error.contains("missing"), "{error}");
}

#[tokio::test]
async fn endpoints_of_a_running_envoy_change() {
    let (a, b) = (
        TcpEcho::start("a").await.unwrap(),
        TcpEcho::start("b").await.unwrap(),
    );
    let bootstrap = Bootstrap::new()
        .listener(Listener::tcp("in", "app"))
        .cluster(Cluster::new("app", [a.address()]).random());
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let mut client = TcpClient::new(envoy.address("in"));
    assert_eq!(client.exchange("one").await.unwrap(), "a one");

    envoy
        .replace_endpoints("app", &[b.address()])
        .await
        .unwrap();

    assert_eq!(
        TcpClient::new(envoy.address("in"))
            .exchange("two")
            .await
            .unwrap(),
        "b two"
    );
    assert_eq!((a.connections(), b.connections()), (1, 1));
}

#[tokio::test]
async fn http1_client_reuses_its_connection_until_it_disconnects() {
    let backend = Backend::start("a").await.unwrap();
    let client = Client::http1(backend.address());

    client.get("/").await.unwrap();
    client.get("/").await.unwrap();
    assert_eq!(client.connections_opened().await, 1);

    client.disconnect().await;
    client.get("/").await.unwrap();
    assert_eq!(client.connections_opened().await, 2);
    assert_eq!(backend.requests_by_connection(), [2, 1]);
}

#[tokio::test]
async fn http2_requests_share_a_connection() {
    let backend = Backend::start("a").await.unwrap();
    let client = Client::http2(backend.address());

    let held = async {
        let response = client.get("/hold").await.unwrap();
        assert_eq!(response.body, "a");
    };
    let other = async {
        client.get("/").await.unwrap();
        backend.release();
    };
    tokio::join!(held, other);

    assert_eq!(client.connections_opened().await, 1);
    assert_eq!(backend.requests_by_connection(), [2]);
}

#[tokio::test]
async fn aborted_request_is_an_error_and_is_not_retried() {
    let backend = Backend::start("a").await.unwrap();
    let service = KubeProxy::start([backend.address()], 1).await.unwrap();
    let client = Client::http1(service.address());

    let abort = async {
        eventually("the request", || async {
            Ok((backend.requests() == 1).then_some(()))
        })
        .await
        .unwrap();
        drop(service);
    };
    let (response, ()) = tokio::join!(client.get("/hold"), abort);

    assert!(response.is_err());
    assert_eq!(backend.requests(), 1);
}

#[tokio::test]
async fn changed_service_affects_new_connections_only() {
    let (a, b) = (
        Backend::start("a").await.unwrap(),
        Backend::start("b").await.unwrap(),
    );
    let service = KubeProxy::start([a.address()], 1).await.unwrap();
    let client = Client::http1(service.address());
    assert_eq!(client.get("/").await.unwrap().body, "a");

    service.replace_endpoints([b.address()]);

    assert_eq!(client.get("/").await.unwrap().body, "a");
    client.disconnect().await;
    assert_eq!(client.get("/").await.unwrap().body, "b");
    assert_eq!(service.connections_opened(), 2);
    let open = BTreeMap::from([(a.address(), 0), (b.address(), 1)]);
    eventually("the first connection to be over", || async {
        Ok((service.open_connections() == open).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn draining_envoy_closes_connections_with_their_next_response() {
    let listener = Listener::http("in").direct_response("/", 200, "well");
    let envoy = Envoy::start(Bootstrap::new().listener(listener))
        .await
        .unwrap();
    let client = Client::http1(envoy.address("in"));
    client.get("/").await.unwrap();

    envoy.drain().await.unwrap();

    let last = client.get("/").await.unwrap();
    assert_eq!(last.headers["connection"], "close");
    client.get("/").await.unwrap();
    assert_eq!(client.connections_opened().await, 2);
}

#[tokio::test]
async fn tcp_client_tolerates_a_close_between_exchanges_only() {
    let mut client = TcpClient::new(TcpEcho::start("gone").await.unwrap().address());
    assert!(client.exchange("one").await.is_err());

    let echo = TcpEcho::start("a").await.unwrap();
    let service = KubeProxy::start([echo.address()], 1).await.unwrap();
    client = TcpClient::new(service.address());
    client.exchange("one").await.unwrap();
    drop(echo);
    client.wait_closed().await;

    let echo = TcpEcho::start("b").await.unwrap();
    service.replace_endpoints([echo.address()]);
    assert_eq!(client.exchange("two").await.unwrap(), "b two");
    assert_eq!(client.connections_opened(), 2);
}

#[tokio::test]
async fn policy_is_replaced_under_an_open_connection() {
    let listener = Listener::http("in").direct_response("/", 200, "well");
    let listener = listener.evenkeel(Roles::Both, r#"{ "version": 1 }"#);
    let envoy = Envoy::start(Bootstrap::new().listener(listener))
        .await
        .unwrap();
    let client = Client::http1(envoy.address("in"));
    client.get("/").await.unwrap();

    envoy
        .replace_policy("in", r#"{ "version": 1, "mode": "dry_run" }"#)
        .await
        .unwrap();

    assert_eq!(client.get("/").await.unwrap().body, "well");
    assert_eq!(client.connections_opened().await, 1);
}
