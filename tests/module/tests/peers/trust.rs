//! Whose requests are believed, and for what.

use evenkeel_test_host::{Connection, HttpCall};
use evenkeel_test_module::pods::{CLUSTER, Pod, connections, message, told};
use serde_json::Value;

use super::{SECOND, pod};

/// A pod that believes requests over mutual TLS, and a connection of a peer to it.
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

/// How many milliseconds ago the pod was asked, by what it tells in its own requests; -1: never.
fn asked(pod: &Pod) -> i64 {
    let mut asked = None;
    pod.pass(SECOND, |question| {
        let told: Value = serde_json::from_str(&told(&question)).expect("JSON");
        asked = told["peers"][0][7].as_i64();
        question.fail();
    });
    asked.expect("a request")
}

#[test]
fn a_request_of_the_same_identity_is_believed_and_the_pod_serves() {
    let (pod, line) = trusting();
    assert_eq!(asked(&pod), -1);

    let (_, response) = pod.workers[0].asked(&line, &message(pod.host.now(), [(7, 30)]));

    assert_eq!(response.expect("an answer").status, 200);
    assert!((0..=1100).contains(&asked(&pod)));
    assert_eq!(pod.metric("evenkeel_peers_known"), 1);
}

#[test]
fn with_anyone_a_request_is_answered_and_nothing_of_it_is_kept() {
    let pod = pod(1);
    let line = pod.workers[0].network.connect();
    for turn in 1..=20 {
        let crowd = (0..64).map(|id| (id + 64 * turn, 1_000_000));
        let (_, response) = pod.workers[0].asked(&line, &message(pod.host.now(), crowd));

        let response = response.expect("an answer");
        let told: Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(told["peers"][0][7], 0, "it is asked now");
        assert_eq!(
            connections(&response.body).len(),
            1,
            "it knows no other pod"
        );
        assert_eq!(pod.exchanges("requested"), turn);
        assert_eq!(asked(&pod), -1);
        assert_eq!(pod.metric("evenkeel_peers_known"), 0);
    }
}

#[test]
fn with_anyone_a_response_is_believed() {
    let pod = pod(1);
    pod.pass(2 * SECOND, |question| {
        super::answer(question, message(pod.host.now(), [(7, 30)]));
    });
    assert_eq!(pod.metric("evenkeel_peers_known"), 1);
}

#[test]
fn with_anyone_a_request_tells_nothing_of_other_pods() {
    let pod = pod(1);
    pod.pass(2 * SECOND, |question| {
        assert_eq!(connections(told(&question)).len(), 1);
        super::answer(question, message(pod.host.now(), [(7, 30), (8, 40)]));
    });
    assert_eq!(pod.metric("evenkeel_peers_known"), 2);
}

#[test]
fn a_request_that_is_no_message_of_a_pod_gets_status_400_and_does_not_count() {
    let long = format!(r#"{{"v":1,"peers":[{}]}}"#, " ".repeat(8192));
    for (outcome, words) in [
        ("malformed", "hello"),
        ("malformed", r#"{"v":1,"peers":[]}"#),
        ("malformed", r#"{"v":1,"peers":[null]}"#),
        // Nobody reports about itself what was long ago, or cannot be.
        (
            "malformed",
            r#"{"v":1,"peers":[[7,30,0,0,0,1000,9000,0,100]]}"#,
        ),
        ("malformed", r#"{"v":1,"peers":[[7,30,0,0,0,0,9000,0,0]]}"#),
        ("version", r#"{"v":2,"peers":[]}"#),
        ("too_long", &long),
    ] {
        let (pod, line) = trusting();
        let (_, response) = pod.workers[0].asked(&line, words);
        let response = response.expect("an answer");
        assert_eq!((response.status, response.body.len()), (400, 0), "{words}");
        assert_eq!(pod.exchanges(outcome), 1, "{words}");
        assert_eq!(pod.exchanges("requested"), 0, "{words}");
        assert_eq!(asked(&pod), -1, "{words}");
        // Its connection is a client's.
        pod.pass(2 * SECOND, HttpCall::fail);
        assert_eq!(
            pod.metric("evenkeel_rebalanced_load_connections"),
            1,
            "{words}"
        );
    }
}

#[test]
fn a_pod_that_reaches_itself_is_not_asked_by_another_one() {
    let (pod, line) = trusting();
    let mut own = String::new();
    pod.pass(SECOND, |question| {
        own = told(&question);
        question.fail();
    });

    let (_, response) = pod.workers[0].asked(&line, &own);

    assert_eq!(response.expect("an answer").status, 200);
    assert_eq!(asked(&pod), -1);
    assert_eq!(pod.metric("evenkeel_peers_known"), 0);
}
