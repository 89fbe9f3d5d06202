//! An HTTP filter that is disabled except on the route of peers' requests.

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles};
use evenkeel_test_frames::http2::{ClientPreface, connect_websocket};

use crate::support::pods::{Service, message, peers, report};
use crate::support::raw_client::RawClient;
use crate::support::socket::Socket;
use crate::support::tls::Authority;
use crate::support::{
    assert_healthy, assert_metric, metric_with, wait_for_metric, wait_until_metric_with,
};

/// Returns a request to the endpoint of peers with these further headers.
fn request(headers: &str) -> String {
    format!("GET /.evenkeel/v1/peers HTTP/1.1\r\nhost: evenkeel\r\n{headers}\r\n")
}

fn forged() -> String {
    let message = message(&[report(666, 10, 60)]);
    request(&format!("evenkeel-peers: {message}\r\n"))
}

async fn start(listener: Listener, backend: &Backend) -> Envoy {
    let bootstrap = Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::new("app", [backend.address()]))
        .cluster(Cluster::new("peers", []));
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let itself = [envoy.address("in")];
    envoy.replace_endpoints("peers", &itself).await.unwrap();
    envoy
}

/// The filter counts the streams over HTTP/2 that are tunnels among the requests that pass it.
#[tokio::test]
async fn only_requests_of_peers_pass_the_http_filter() {
    let backend = Backend::start("a").await.unwrap();
    let listener = || {
        let listener = Listener::http("in").extended_connect().route("/", "app");
        listener.inbound().evenkeel(Roles::Both, peers(""))
    };
    let everywhere = start(listener(), &backend).await;
    let on_demand = start(listener().on_demand(), &backend).await;
    for envoy in [&everywhere, &on_demand] {
        let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
        client.socket.send(connect_websocket(1, "/ws/20")).await;
        client.send_get(3, "/").await;
        client.read_response(3).await;
        // Metrics of the requests above are published before, or together with, those of later exchanges.
        for result in ["requested", "responded"] {
            let labels = [("exchange_result", result)];
            let before = metric_with(envoy, "peer_exchanges_total", &labels).await;
            let is_later = |count| count > before + 2;
            wait_until_metric_with(envoy, "peer_exchanges_total", &labels, is_later).await;
        }
    }
    wait_for_metric(&everywhere, "http2_tunnels_total", 1).await;
    assert_metric(&on_demand, "http2_tunnels_total", 0).await;
    let before = backend.requests();

    let mut client = Socket::connect(on_demand.address("in")).await;
    client.send(request("")).await;
    assert_eq!(client.response().await.1, b"a");
    client.send(forged()).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(body.starts_with(br#"{"v":1,"peers":[["#), "{body:?}");
    assert_eq!(backend.requests(), before + 1);
    [&everywhere, &on_demand]
        .into_iter()
        .for_each(assert_healthy);
}

#[tokio::test]
async fn rejected_requests_of_peers_do_not_reach_the_application() {
    let shop = Authority::new().identity("spiffe://cluster.local/ns/shop/sa/shop");
    let policy = peers("").replace("anyone", "same_identity");
    let service = Service::start_on_demand(2, &policy, Some(&shop)).await;
    service.wait_until_known(1, 0.0).await;
    let pod = &service.pods[0];

    let mut client = Socket::connect(pod.address("plain")).await;
    client.send(forged()).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(body, b"");
    assert_eq!(service.backend.requests(), 0);
    let rejected = [("exchange_result", "rejected_identity")];
    assert_eq!(metric_with(pod, "peer_exchanges_total", &rejected).await, 1);
    service.pods.iter().for_each(assert_healthy);
}
