//! Which requests the module responds to, and which go to the application.

use std::time::Duration;

use evenkeel_test_host::{Direction, Host, HttpCall, RootSpec, module};
use evenkeel_test_module::pods::{CLUSTER, HEADER, PATH, Pod, connections, message, peers};
use evenkeel_test_module::{Proxy, http, network};

use super::{SECOND, pod};

#[test]
fn peer_request_gets_a_response_and_its_connection_is_no_load() {
    for mode in ["enforce", "dry_run"] {
        let pod = Pod::start("shop-1", 1, &peers(&format!(r#""mode": "{mode}""#)));
        let _clients = pod.open(0, 3);
        pod.pass(2 * SECOND, HttpCall::fail);
        let line = pod.workers[0].network.connect();
        for requests in 1..=5 {
            let words = message(pod.host.now(), [(7, 30)]);
            let (stream, response) = pod.workers[0].peer_request(&line, &words);
            let response = response.expect("a response");
            assert_eq!(response.status, 200);
            let json = ("content-type".to_owned(), "application/json".to_owned());
            assert!(response.headers.contains(&json), "{:?}", response.headers);
            assert_eq!(connections(&response.body)[0], 3);
            assert!(stream.has_ended());
            assert_eq!(pod.exchanges("requested"), requests);
            pod.pass(2 * SECOND, HttpCall::fail);
        }
        assert_eq!(pod.metric("evenkeel_rebalanced_load_connections"), 3);

        // After a request of a client, the connection counts as load.
        pod.workers[0].exchange(&line, "/");
        pod.pass(2 * SECOND, HttpCall::fail);
        assert_eq!(pod.metric("evenkeel_rebalanced_load_connections"), 4);
    }
}

#[test]
fn request_goes_to_the_application_without_peers_or_the_header() {
    let words = message(Duration::from_secs(1), [(7, 30)]);
    let policy = r#"{"version": 1, "rebalance": {}}"#;
    let silent = Pod::start("shop-1", 1, policy);
    let line = silent.workers[0].network.connect();
    let (stream, response) = silent.workers[0].peer_request(&line, &words);
    assert_eq!(response, None);
    let header = (HEADER.to_owned(), words);
    assert!(stream.request().contains(&header));
    assert_eq!(silent.exchanges("requested"), 0);

    let speaking = pod(1);
    let line = speaking.workers[0].network.connect();
    let stream = speaking.workers[0].get(&line, PATH);
    assert_eq!(stream.local_response(), None);
    assert_eq!(speaking.exchanges("requested"), 0);
}

#[test]
fn outbound_peer_request_goes_to_another_pod() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let policy = peers(r#""mode": "enforce""#);
    let outbound = |spec: RootSpec| worker.configure(&spec.direction(Direction::Outbound));
    let proxy = Proxy {
        host: host.clone(),
        network: outbound(network(&policy)),
        http: outbound(http(&policy)),
        worker: worker.clone(),
    };
    let line = proxy.network.connect();
    let (_, response) = proxy.peer_request(&line, &message(host.now(), [(7, 30)]));
    assert_eq!(response, None);
    assert_eq!(
        proxy.metric("exchange_result=.=rejected_identity;.;evenkeel_peer_exchanges_total"),
        0
    );
}

#[test]
fn peer_request_needs_the_same_identity_over_mutual_tls() {
    let policy = format!(r#"{{"version": 1, "peers": {{"cluster": "{CLUSTER}"}}}}"#);
    let own = "spiffe://cluster.local/ns/shop/sa/shop";
    let others = "spiffe://cluster.local/ns/shop/sa/cart";
    // Mutual TLS, the identities of the pod and of the client, and whether the client gets a response.
    let cases = [
        (true, own, own, true),
        (false, "", "", false),
        (true, own, others, false),
        (true, own, "", false),
        (true, "", own, false),
        (true, "", "", false),
        (false, own, own, false),
    ];
    for case in cases {
        let (mtls, local, peer, responds) = case;
        let pod = Pod::start("shop-1", 1, &policy);
        let proxy = &pod.workers[0];
        let line = proxy.network.connect();
        line.set_property(&["connection", "mtls"], [u8::from(mtls)]);
        for (name, san) in [
            ("uri_san_local_certificate", local),
            ("uri_san_peer_certificate", peer),
        ] {
            if !san.is_empty() {
                line.set_property(&["connection", name], san);
            }
        }
        let (stream, response) = proxy.peer_request(&line, &message(pod.host.now(), [(7, 30)]));
        assert_eq!(response.is_some(), responds, "{case:?}");
        assert_eq!(pod.exchanges("requested"), u64::from(responds), "{case:?}");
        let rejected = pod.exchanges("rejected_identity");
        assert_eq!(rejected, u64::from(!responds), "{case:?}");
        if !responds {
            proxy.respond(&line, &stream);
        }
        // The reports of an unknown client are not used, and its connection counts as load.
        pod.pass(2 * SECOND, HttpCall::fail);
        let load = pod.metric("evenkeel_rebalanced_load_connections");
        assert_eq!(load, u64::from(!responds), "{case:?}");
        assert_eq!(
            pod.metric("evenkeel_peers_known"),
            u64::from(responds),
            "{case:?}"
        );
    }
}
