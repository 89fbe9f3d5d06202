//! An idle HTTP/2 connection past its age is told on the next write that there is: with the connection
//! manager's own PINGs on, that is soon.

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};

use crate::support::{counted, healthy, rule, until, until_with};

async fn idle(listener: Listener) -> (Envoy, Backend, Client) {
    let backend = Backend::start("a").await.unwrap();
    let listener = listener
        .route("/", "app")
        .evenkeel(Roles::Network, rule(r#""max_connection_age": "300ms""#));
    let cluster = Cluster::new("app", [backend.address()]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let client = Client::http2(envoy.address("in"));
    assert_eq!(client.get("/").await.unwrap().body, "a");
    (envoy, backend, client)
}

#[tokio::test]
async fn with_pings_it_is_announced_and_closed_and_the_next_request_goes_out_on_another() {
    let (envoy, _backend, client) = idle(Listener::http("in").pings("0.2s")).await;

    until(&envoy, "drain_signals_total", |announced| announced == 1).await;
    until_with(
        &envoy,
        "connections_drained_total",
        &[("drain_reason", "max_connection_age")],
        1,
    )
    .await;

    assert_eq!(client.get("/").await.unwrap().body, "a");
    assert_eq!(client.connections_opened().await, 2);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    healthy(&envoy);
}

#[tokio::test]
async fn without_pings_it_waits_for_its_next_answer_and_is_never_cut() {
    let (envoy, _backend, client) = idle(Listener::http("in")).await;
    until(&envoy, "connections_expired_total", |due| due == 1).await;
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);

    assert_eq!(client.get("/").await.unwrap().body, "a");

    until(&envoy, "drain_signals_total", |announced| announced == 1).await;
    assert_eq!(client.connections_opened().await, 1);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    healthy(&envoy);
}
