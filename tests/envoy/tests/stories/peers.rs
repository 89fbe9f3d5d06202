//! Gossip exchanges between pods, each an Envoy.

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, eventually};
use tokio::net::TcpListener;

use crate::support::pods::{Service, message, open, peers, report};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, announces_close};
use crate::support::tls::{Authority, Identity};
use crate::support::{
    assert_healthy, assert_metric, assert_metric_with, metric_with, wait_for_metric_with,
};

/// Returns the request of an exchange with a forged report.
fn forged_request() -> String {
    exchange_request(&message(&[report(7, 1_000_000, 1)]))
}

/// Returns the request of an exchange with this message.
fn exchange_request(message: &str) -> String {
    format!(
        "GET /.evenkeel/v1/peers HTTP/1.1\r\nhost: evenkeel\r\nevenkeel-peers: {message}\r\n\r\n"
    )
}

#[tokio::test]
async fn pods_learn_the_mean_and_the_app_sees_no_exchange() {
    let mut service = Service::start(4, &peers(""), None).await;
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([24, 12, 4, 0]) {
        clients.push(open(pod.address("in"), count).await);
    }

    service.wait_until_known(3, 10.0).await;

    for (pod, count) in service.pods.iter().zip([24, 12, 4, 0]) {
        assert_metric(pod, "rebalanced_load_connections", count).await;
        assert_healthy(pod);
    }
    assert_eq!(service.backend.requests(), 40);

    // Its endpoint is still in the cluster.
    drop(service.pods.remove(0));
    service.wait_until_known(2, 16.0 / 3.0).await;
    for pod in &service.pods {
        assert!(
            metric_with(
                pod,
                "peer_exchanges_total",
                &[("exchange_result", "failed")]
            )
            .await
                > 0
        );
        assert_healthy(pod);
    }
    for client in clients.iter_mut().skip(1).flatten() {
        assert_eq!(client.get("/").await.1, b"a");
    }
    assert_eq!(service.backend.requests(), 40 + 16);
}

/// Starts an Envoy that connects to the pod with this identity.
async fn client_proxy(pod: &Envoy, identity: &Identity) -> Envoy {
    let cluster = Cluster::new("shop", [pod.address("in")]).transport(identity.upstream());
    let listener = Listener::http("out").route("/", "shop");
    Envoy::start(Bootstrap::new().listener(listener).cluster(cluster))
        .await
        .unwrap()
}

#[tokio::test]
async fn mutual_tls_limits_exchanges_to_the_same_identity() {
    let authority = Authority::new();
    let shop = authority.identity("spiffe://cluster.local/ns/shop/sa/shop");
    let cart = authority.identity("spiffe://cluster.local/ns/shop/sa/cart");
    let policy = peers("").replace("anyone", "same_identity");
    let service = Service::start(2, &policy, Some(&shop)).await;
    let pod = &service.pods[0];
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([12, 8]) {
        let proxy = client_proxy(pod, &shop).await;
        // Without the proxy, which would use one connection for all.
        clients.push((open(pod.address("plain"), count).await, proxy));
    }
    service.wait_until_known(1, 10.0).await;
    for pod in &service.pods {
        assert_metric_with(
            pod,
            "peer_exchanges_total",
            &[("exchange_result", "rejected_identity")],
            0,
        )
        .await;
    }
    let before = service.backend.requests();

    let mut same = Socket::connect(clients[0].1.address("out")).await;
    same.send(forged_request()).await;
    let (head, body) = same.response().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert!(body.starts_with(br#"{"v":1,"peers":[["#), "{body:?}");
    assert_eq!(service.backend.requests(), before);

    let cart = client_proxy(pod, &cart).await;
    for (identity, to) in [
        ("another identity", cart.address("out")),
        ("none", pod.address("plain")),
    ] {
        let mut socket = Socket::connect(to).await;
        socket.send(forged_request()).await;
        assert_eq!(socket.response().await.1, b"a", "{identity}");
    }
    assert_eq!(service.backend.requests(), before + 2);
    let rejected = metric_with(
        pod,
        "peer_exchanges_total",
        &[("exchange_result", "rejected_identity")],
    );
    assert_eq!(rejected.await, 2);
    // The forged million connections changed nothing.
    service.wait_until_known(1, 10.0).await;
    service.pods.iter().for_each(assert_healthy);
}

#[tokio::test]
async fn invalid_and_forged_messages_change_no_mean() {
    let authority = Authority::new();
    let shop = authority.identity("spiffe://cluster.local/ns/shop/sa/shop");
    let policy = peers("").replace("anyone", "same_identity");
    let service = Service::start(2, &policy, Some(&shop)).await;
    let pod = &service.pods[0];
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([12, 8]) {
        clients.push(open(pod.address("plain"), count).await);
    }
    service.wait_until_known(1, 10.0).await;
    let proxy = client_proxy(pod, &shop).await;
    let mut peer = Socket::connect(proxy.address("out")).await;

    peer.send(exchange_request("{\"v\":1,\"peers\":[]}")).await;
    let (head, body) = peer.response().await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert_eq!(body, b"");
    wait_for_metric_with(
        pod,
        "peer_exchanges_total",
        &[("exchange_result", "malformed")],
        1,
    )
    .await;

    // A forged report about the other pod: a million connections, an uptime of ten years.
    peer.send(exchange_request(&message(&[report(666, 10, 60)])))
        .await;
    let (_, body) = peer.response().await;
    let message_of_pod: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let other = message_of_pod["peers"][1][0]
        .as_u64()
        .expect("the other pod");
    let forged = report(other, 1_000_000, 10 * 365 * 86_400);
    for uptime in 61..66 {
        let message = message(&[report(666, 10, uptime), forged.clone()]);
        peer.send(exchange_request(&message)).await;
        assert!(peer.response().await.0.starts_with("HTTP/1.1 200 "));
    }

    // The sender is known, so its message was used.
    let reached = eventually("the mean of the pods' own reports", || async {
        let stats = pod.stats().await?;
        let known = stats.get("wasmcustom.evenkeel_peers_known");
        let mean = stats.get("wasmcustom.evenkeel_peers_mean_connections");
        Ok((known == 2 && mean == 10).then_some(()))
    });
    reached.await.unwrap();
    assert_healthy(pod);
}

#[tokio::test]
async fn untrusted_requests_do_not_change_the_mean() {
    let mut service = Service::start(3, &peers(""), None).await;
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([12, 8, 40]) {
        clients.push(open(pod.address("in"), count).await);
    }
    service.wait_until_known(2, 20.0).await;

    // The third pod leaves the endpoints. A client still sends requests to it, and forged reports to the others.
    let removed = service.pods.pop().unwrap();
    service.update_endpoints(&[]).await;
    let targets = [removed.address("in"), service.pods[0].address("in")];
    let reached = eventually("the mean of the remaining pods", || async {
        for to in targets {
            let mut socket = Socket::connect(to).await;
            socket.send(forged_request()).await;
            assert!(socket.response().await.0.starts_with("HTTP/1.1 200 "));
        }
        let mut is_known = true;
        for pod in &service.pods {
            let stats = pod.stats().await?;
            is_known &= stats.get("wasmcustom.evenkeel_peers_known") == 1
                && stats.get("wasmcustom.evenkeel_peers_mean_connections") == 10;
        }
        Ok(is_known.then_some(()))
    });

    reached.await.unwrap();
    assert!(
        metric_with(
            &removed,
            "peer_exchanges_total",
            &[("exchange_result", "requested")]
        )
        .await
            > 0
    );
    service.pods.iter().for_each(assert_healthy);
}

#[tokio::test]
async fn broken_peers_do_not_affect_traffic() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let garbage = Server::start(|_| Some(b"\x16\x03\x01 no HTTP at all\r\n\r\n".to_vec())).await;
    let broken = Server::start(|_| {
        // The connection closes inside the response.
        Some(
            b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\nconnection: close\r\n\r\n{\"v\":1".to_vec(),
        )
    })
    .await;
    let refusing =
        Server::start(|_| Some(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()))
            .await;
    let foreign = Server::start(|_| Some(ok("<html>welcome</html>"))).await;
    let later = Server::start(|_| Some(ok(r#"{"v":2,"peers":{}}"#))).await;
    let endless = Server::start(|_| Some(ok(&"x".repeat(1 << 20)))).await;
    let cases = [
        ("missing", None, "failed"),
        ("empty", None, "failed"),
        ("silent", Some(silent.local_addr().unwrap()), "failed"),
        ("garbage", Some(garbage.address), "failed"),
        ("broken", Some(broken.address), "failed"),
        ("refusing", Some(refusing.address), "failed"),
        ("foreign", Some(foreign.address), "malformed"),
        ("later", Some(later.address), "version"),
        ("endless", Some(endless.address), "too_long"),
    ];
    for (name, endpoint, outcome) in cases {
        let app = Server::start(|_| Some(ok("a"))).await;
        let listener = Listener::http("in")
            .route("/", "app")
            .evenkeel(Roles::Both, peers(""));
        let mut bootstrap = Bootstrap::new()
            .cluster(Cluster::new("app", [app.address]))
            .listener(listener);
        if name != "missing" {
            bootstrap = bootstrap.cluster(Cluster::new("peers", endpoint));
        }
        let envoy = Envoy::start(bootstrap).await.unwrap();
        let mut client = Socket::connect(envoy.address("in")).await;

        let reached = eventually(name, || async {
            let exchanges = metric_with(
                &envoy,
                "peer_exchanges_total",
                &[("exchange_result", outcome)],
            )
            .await;
            Ok((exchanges >= 3).then_some(()))
        });
        reached.await.unwrap();

        for _ in 0..10 {
            let (head, body) = client.get("/").await;
            assert!(!announces_close(&head), "{name}: {head}");
            assert_eq!(body, b"a", "{name}");
        }
        assert_metric(&envoy, "peers_known", 0).await;
        assert_healthy(&envoy);
    }
}
