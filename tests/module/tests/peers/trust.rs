//! Which requests are used, by `trust`.

use evenkeel_test_host::{Connection, HttpCall};
use evenkeel_test_module::pods::{CLUSTER, Pod, connections, message, message_of};
use serde_json::Value;

use super::{SECOND, pod};

/// A pod that uses requests over mutual TLS, and a connection of a peer to it.
fn trusting() -> (Pod, Connection) {
    let policy = format!(r#"{{"version": 1, "peers": {{"cluster": "{CLUSTER}"}}}}"#);
    let pod = Pod::start("shop-1", 1, &policy);
    let line = pod.workers[0].network.connect();
    line.set_property(&["connection", "mtls"], [1]);
    for name in ["uri_san_local_certificate", "uri_san_peer_certificate"] {
        let identity = "spiffe://cluster.local/ns/shop/sa/shop";
        line.set_property(&["connection", name], identity);
    }
    (pod, line)
}

/// Returns the milliseconds since the pod got a peer request, from its own report; -1 is never.
fn since_peer_request(pod: &Pod) -> i64 {
    let mut since_peer_request = None;
    pod.pass(SECOND, |call| {
        let message: Value = serde_json::from_str(&message_of(&call)).expect("JSON");
        since_peer_request = message["peers"][0][7].as_i64();
        call.fail();
    });
    since_peer_request.expect("a request")
}

#[test]
fn request_of_the_same_identity_is_used() {
    let (pod, line) = trusting();
    assert_eq!(since_peer_request(&pod), -1);

    let (_, response) = pod.workers[0].peer_request(&line, &message(pod.host.now(), [(7, 30)]));

    assert_eq!(response.expect("a response").status, 200);
    assert!((0..=1100).contains(&since_peer_request(&pod)));
    assert_eq!(pod.metric("evenkeel_peers_known"), 1);
}

#[test]
fn nothing_from_a_request_is_used_with_trust_anyone() {
    let pod = pod(1);
    let line = pod.workers[0].network.connect();
    for turn in 1..=20 {
        let invented_pods = (0..64).map(|id| (id + 64 * turn, 1_000_000));
        let (_, response) =
            pod.workers[0].peer_request(&line, &message(pod.host.now(), invented_pods));

        let response = response.expect("a response");
        let message: Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(message["peers"][0][7], 0, "this is a peer request");
        assert_eq!(
            connections(&response.body).len(),
            1,
            "it knows no other pod"
        );
        assert_eq!(pod.exchanges("requested"), turn);
        assert_eq!(since_peer_request(&pod), -1);
        assert_eq!(pod.metric("evenkeel_peers_known"), 0);
    }
}

#[test]
fn response_is_used_with_trust_anyone() {
    let pod = pod(1);
    pod.pass(2 * SECOND, |call| {
        super::respond(call, message(pod.host.now(), [(7, 30)]));
    });
    assert_eq!(pod.metric("evenkeel_peers_known"), 1);
}

#[test]
fn request_has_no_other_reports_with_trust_anyone() {
    let pod = pod(1);
    pod.pass(2 * SECOND, |call| {
        assert_eq!(connections(message_of(&call)).len(), 1);
        super::respond(call, message(pod.host.now(), [(7, 30), (8, 40)]));
    });
    assert_eq!(pod.metric("evenkeel_peers_known"), 2);
}

#[test]
fn invalid_request_gets_status_400() {
    let long = format!(r#"{{"v":1,"peers":[{}]}}"#, " ".repeat(8192));
    for (outcome, words) in [
        ("malformed", "hello"),
        ("malformed", r#"{"v":1,"peers":[]}"#),
        ("malformed", r#"{"v":1,"peers":[null]}"#),
        // A report about the pod itself that is too old or impossible is dropped.
        (
            "malformed",
            r#"{"v":1,"peers":[[7,30,0,0,0,1000,9000,0,100]]}"#,
        ),
        ("malformed", r#"{"v":1,"peers":[[7,30,0,0,0,0,9000,0,0]]}"#),
        ("version", r#"{"v":2,"peers":[]}"#),
        ("too_long", &long),
    ] {
        let (pod, line) = trusting();
        let (_, response) = pod.workers[0].peer_request(&line, words);
        let response = response.expect("a response");
        assert_eq!((response.status, response.body.len()), (400, 0), "{words}");
        assert_eq!(pod.exchanges(outcome), 1, "{words}");
        assert_eq!(pod.exchanges("requested"), 0, "{words}");
        assert_eq!(since_peer_request(&pod), -1, "{words}");
        // The connection counts as load.
        pod.pass(2 * SECOND, HttpCall::fail);
        assert_eq!(
            pod.metric("evenkeel_rebalanced_load_connections"),
            1,
            "{words}"
        );
    }
}

#[test]
fn request_of_the_pod_to_itself_does_not_count() {
    let (pod, line) = trusting();
    let mut own = String::new();
    pod.pass(SECOND, |call| {
        own = message_of(&call);
        call.fail();
    });

    let (_, response) = pod.workers[0].peer_request(&line, &own);

    assert_eq!(response.expect("a response").status, 200);
    assert_eq!(since_peer_request(&pod), -1);
    assert_eq!(pod.metric("evenkeel_peers_known"), 0);
}
