//! Pods that tell each other what they carry, each in an Envoy of its own.

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, eventually};
use tokio::net::TcpListener;

use crate::support::pods::{Service, message, open, peers, report};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, closes, get};
use crate::support::tls::{Authority, Identity};
use crate::support::{counted, counted_with, healthy, until_with};

/// A question as the module asks it.
fn question() -> String {
    asking(&message(&[report(7, 1_000_000, 1)]))
}

/// A request as the module sends it, with this in the header.
fn asking(message: &str) -> String {
    format!(
        "GET /.evenkeel/v1/peers HTTP/1.1\r\nhost: evenkeel\r\nevenkeel-peers: {message}\r\n\r\n"
    )
}

#[tokio::test]
async fn every_pod_comes_to_know_the_mean_and_the_app_sees_no_question() {
    let mut service = Service::start(4, &peers(""), None).await;
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([24, 12, 4, 0]) {
        clients.push(open(pod.address("in"), count).await);
    }

    service.know(3, 10.0).await;

    for (pod, count) in service.pods.iter().zip([24, 12, 4, 0]) {
        assert_eq!(counted(pod, "rebalanced_load_connections").await, count);
        healthy(pod);
    }
    assert_eq!(service.backend.requests(), 40);

    // Its endpoint is still there, and answers nobody.
    drop(service.pods.remove(0));
    service.know(2, 16.0 / 3.0).await;
    for pod in &service.pods {
        assert!(
            counted_with(
                pod,
                "peer_exchanges_total",
                &[("exchange_result", "failed")]
            )
            .await
                > 0
        );
        healthy(pod);
    }
    for client in clients.iter_mut().skip(1).flatten() {
        client.send(get("/")).await;
        assert_eq!(client.answer().await.1, b"a");
    }
    assert_eq!(service.backend.requests(), 40 + 16);
}

/// An Envoy beside a client, which shows this identity to the pod.
async fn beside(pod: &Envoy, identity: &Identity) -> Envoy {
    let cluster = Cluster::new("shop", [pod.address("in")]).transport(identity.upstream());
    let listener = Listener::http("out").route("/", "shop");
    Envoy::start(Bootstrap::new().listener(listener).cluster(cluster))
        .await
        .unwrap()
}

#[tokio::test]
async fn over_mutual_tls_the_same_identity_is_answered_and_a_stranger_meets_the_app() {
    let authority = Authority::new();
    let shop = authority.identity("spiffe://cluster.local/ns/shop/sa/shop");
    let cart = authority.identity("spiffe://cluster.local/ns/shop/sa/cart");
    let policy = peers("").replace("anyone", "same_identity");
    let service = Service::start(2, &policy, Some(&shop)).await;
    let pod = &service.pods[0];
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([12, 8]) {
        let beside = beside(pod, &shop).await;
        // Each through a connection of its own: the Envoy beside them would put all on one.
        clients.push((open(pod.address("plain"), count).await, beside));
    }
    service.know(1, 10.0).await;
    for pod in &service.pods {
        assert_eq!(
            counted_with(
                pod,
                "peer_exchanges_total",
                &[("exchange_result", "rejected_identity")]
            )
            .await,
            0
        );
    }
    let before = service.backend.requests();

    let mut friend = Socket::connect(clients[0].1.address("out")).await;
    friend.send(question()).await;
    let (head, body) = friend.answer().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert!(body.starts_with(br#"{"v":1,"peers":[["#), "{body:?}");
    assert_eq!(service.backend.requests(), before);

    let cart = beside(pod, &cart).await;
    for (stranger, to) in [
        ("another identity", cart.address("out")),
        ("none", pod.address("plain")),
    ] {
        let mut socket = Socket::connect(to).await;
        socket.send(question()).await;
        assert_eq!(socket.answer().await.1, b"a", "{stranger}");
    }
    assert_eq!(service.backend.requests(), before + 2);
    let strangers = counted_with(
        pod,
        "peer_exchanges_total",
        &[("exchange_result", "rejected_identity")],
    );
    assert_eq!(strangers.await, 2);
    // A million connections that nobody believed.
    service.know(1, 10.0).await;
    service.pods.iter().for_each(healthy);
}

#[tokio::test]
async fn a_peer_that_says_what_cannot_be_changes_nothing() {
    let authority = Authority::new();
    let shop = authority.identity("spiffe://cluster.local/ns/shop/sa/shop");
    let policy = peers("").replace("anyone", "same_identity");
    let service = Service::start(2, &policy, Some(&shop)).await;
    let pod = &service.pods[0];
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([12, 8]) {
        clients.push(open(pod.address("plain"), count).await);
    }
    service.know(1, 10.0).await;
    let beside = beside(pod, &shop).await;
    let mut peer = Socket::connect(beside.address("out")).await;

    peer.send(asking("{\"v\":1,\"peers\":[]}")).await;
    let (head, body) = peer.answer().await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert_eq!(body, b"");
    until_with(
        pod,
        "peer_exchanges_total",
        &[("exchange_result", "malformed")],
        1,
    )
    .await;

    // The other pod carries a million connections, it says, and has served for ten years.
    peer.send(asking(&message(&[report(666, 10, 60)]))).await;
    let (_, body) = peer.answer().await;
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let other = told["peers"][1][0].as_u64().expect("the other pod");
    let forged = report(other, 1_000_000, 10 * 365 * 86_400);
    for uptime in 61..66 {
        let words = message(&[report(666, 10, uptime), forged.clone()]);
        peer.send(asking(&words)).await;
        assert!(peer.answer().await.0.starts_with("HTTP/1.1 200 "));
    }

    // The one that lied is known, so its message was read.
    let known = eventually("the mean of what the pods sent", || async {
        let stats = pod.stats().await?;
        let known = stats.get("wasmcustom.evenkeel_peers_known");
        let mean = stats.get("wasmcustom.evenkeel_peers_mean_connections");
        Ok((known == 2 && mean == 10).then_some(()))
    });
    known.await.unwrap();
    healthy(pod);
}

#[tokio::test]
async fn where_anyone_may_ask_no_request_keeps_a_pod_in_the_mean_or_changes_it() {
    let mut service = Service::start(3, &peers(""), None).await;
    let mut clients = Vec::new();
    for (pod, count) in service.pods.iter().zip([12, 8, 40]) {
        clients.push(open(pod.address("in"), count).await);
    }
    service.know(2, 20.0).await;

    // The third one leaves the endpoints; a client goes on asking it, and tells the others of more pods.
    let leaving = service.pods.pop().unwrap();
    service.introduce(&[]).await;
    let asked = [leaving.address("in"), service.pods[0].address("in")];
    let known = eventually("the mean of those that are left", || async {
        for to in asked {
            let mut socket = Socket::connect(to).await;
            socket.send(question()).await;
            assert!(socket.answer().await.0.starts_with("HTTP/1.1 200 "));
        }
        let mut is_known = true;
        for pod in &service.pods {
            let stats = pod.stats().await?;
            is_known &= stats.get("wasmcustom.evenkeel_peers_known") == 1
                && stats.get("wasmcustom.evenkeel_peers_mean_connections") == 10;
        }
        Ok(is_known.then_some(()))
    });

    known.await.unwrap();
    assert!(
        counted_with(
            &leaving,
            "peer_exchanges_total",
            &[("exchange_result", "requested")]
        )
        .await
            > 0
    );
    service.pods.iter().for_each(healthy);
}

#[tokio::test]
async fn whatever_a_peer_answers_or_does_not_no_traffic_is_harmed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let garbage = Server::start(|_| Some(b"\x16\x03\x01 no HTTP at all\r\n\r\n".to_vec())).await;
    let broken = Server::start(|_| {
        // In the middle of its answer the connection ends.
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

        let met = eventually(name, || async {
            let met = counted_with(
                &envoy,
                "peer_exchanges_total",
                &[("exchange_result", outcome)],
            )
            .await;
            Ok((met >= 3).then_some(()))
        });
        met.await.unwrap();

        for _ in 0..10 {
            client.send(get("/")).await;
            let (head, body) = client.answer().await;
            assert!(!closes(&head), "{name}: {head}");
            assert_eq!(body, b"a", "{name}");
        }
        assert_eq!(counted(&envoy, "peers_known").await, 0, "{name}");
        healthy(&envoy);
    }
}
