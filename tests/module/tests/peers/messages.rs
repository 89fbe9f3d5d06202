//! Invalid messages, implausible reports, and too many of them.

use evenkeel_test_module::pods::{Pod, message, message_of};

use super::{SECOND, pod, respond};

#[test]
fn invalid_messages_are_counted_and_change_nothing() {
    let now = |pod: &Pod| pod.host.now();
    let long = format!(r#"{{"v":1,"peers":[{}]}}"#, " ".repeat(8192));
    let deep = format!(r#"{{"v":1,"peers":{}"#, "[".repeat(8000));
    let cases: [(&str, &[u8]); 12] = [
        ("malformed", b""),
        ("malformed", b"hello"),
        ("malformed", b"\xff\xfe\0"),
        ("malformed", br#"{"v":1}"#),
        ("malformed", br#"{"v":1,"peers":{}}"#),
        ("malformed", br#"{"v":-1,"peers":[]}"#),
        ("malformed", br#"{"v":1,"peers":[]"#),
        ("malformed", deep.as_bytes()),
        ("malformed", b"[]"),
        ("version", br#"{"v":2,"peers":"as you like"}"#),
        ("version", br#"{"v":18446744073709551615}"#),
        ("too_long", long.as_bytes()),
    ];
    for (outcome, words) in cases {
        let shown = String::from_utf8_lossy(&words[..words.len().min(40)]).into_owned();
        let pod = pod(1);
        let line = pod.workers[0].network.connect();
        pod.pass(2 * SECOND, |call| {
            respond(call, message(now(&pod), [(7, 30), (8, 60)]));
        });

        let before = pod.exchanges(outcome);
        let mut responses = 0;
        pod.pass(SECOND, |call| {
            responses += 1;
            respond(call, words);
        });

        assert_eq!(pod.exchanges(outcome) - before, responses, "{shown}");
        assert_eq!(pod.metric("evenkeel_peers_known"), 2, "{shown}");
        assert_eq!(pod.metric("evenkeel_peers_mean_connections"), 30, "{shown}");
        // A header is not empty and is text; Envoy passes no other header to the module.
        if let (Ok(text), false) = (str::from_utf8(words), words.is_empty()) {
            let (_, response) = pod.workers[0].peer_request(&line, text);
            let response = response.expect("the module responds");
            assert_eq!((response.status, response.body.len()), (400, 0), "{shown}");
            assert_eq!(pod.exchanges(outcome) - before, responses + 1, "{shown}");
            assert_eq!(pod.exchanges("requested"), 0, "{shown}");
        }
    }
}

#[test]
fn implausible_reports_are_dropped_individually() {
    let pod = pod(1);
    let absurd = [
        r#"[1,20000000,0,0,0,1000,9000,0,0]"#,
        r#"[2,-1,0,0,0,1000,9000,0,0]"#,
        r#"[3,1.5,0,0,0,1000,9000,0,0]"#,
        r#"[4,1e300,0,0,0,1000,9000,0,0]"#,
        r#"[5,0,0,0,0,0,9000,0,0]"#,
        r#"[6,0,0,0,0,1000,99999999999999,0,0]"#,
        r#"[7,0,0,0,0,1000,9000,0,3600001]"#,
        r#"[8,0,0,0,0,1000,9000,0]"#,
        r#"["9",0,0,0,0,1000,9000,0,0]"#,
        r#"[10,0,0,0,0,1000,9000,-2,0]"#,
        r#"null"#,
        r#"[[[[[]]]]]"#,
    ];
    let words = format!(
        r#"{{"v":1,"peers":[{},[99,30,0,0,0,1000,9000,0,0]]}}"#,
        absurd.join(",")
    );

    let mut responses = 0;
    pod.pass(2 * SECOND, |call| {
        responses += 1;
        respond(call, &words);
    });

    assert_eq!(
        pod.metric("evenkeel_peer_reports_dropped_total"),
        responses * absurd.len() as u64
    );
    assert_eq!(pod.exchanges("responded"), responses);
    assert_eq!(pod.metric("evenkeel_peers_known"), 1);
    assert_eq!(pod.metric("evenkeel_peers_mean_connections"), 15);
}

#[test]
fn view_and_messages_are_bounded_with_a_thousand_pods() {
    let pod = pod(1);
    let line = pod.workers[0].network.connect();
    let mut next = 0;
    let mut longest = 0;
    pod.pass(12 * SECOND, |call| {
        longest = longest.max(message_of(&call).len());
        next += 33;
        let pods = (next..next + 33).map(|id| (u64::MAX - id % 1000, 10_000_000));
        respond(call, message(pod.host.now(), pods));
    });

    let (_, response) = pod.workers[0].peer_request(&line, &message(pod.host.now(), [(7, 30)]));
    let longest = longest.max(response.expect("a response").body.len());
    assert!((1500..=8192).contains(&longest), "{longest} bytes");
    let view = pod.host.shared_data("evenkeel/view").expect("a view");
    // A byte for the format, and 72 for each pod.
    assert_eq!(view.len(), 1 + 72 * 256);
    // The reports of some of them are too old.
    let known = pod.metric("evenkeel_peers_known");
    assert!((128..=256).contains(&known), "{known}");
    assert!(pod.metric("evenkeel_peers_mean_connections") > 9_000_000);
}

#[test]
fn exchanges_leave_no_memory_behind() {
    let pod = pod(1);
    let line = pod.workers[0].network.connect();
    let exchange = |seconds: u32| {
        pod.pass(seconds * SECOND, |call| {
            let now = pod.host.now();
            respond(call, message(now, (0..33).map(|id| (id, id))));
            pod.workers[0].peer_request(&line, &message(now, (0..33).map(|id| (id, id))));
        });
        pod.workers[0].worker.memory_bytes()
    };
    let after_warm_up = exchange(60);
    assert_eq!(exchange(300), after_warm_up);
}

#[test]
fn response_that_is_too_long_is_not_copied_into_the_module() {
    let pod = pod(1);
    pod.pass(2 * SECOND, |call| {
        respond(call, message(pod.host.now(), [(7, 30)]));
    });
    let before = pod.workers[0].worker.memory_bytes();
    pod.pass(SECOND, |call| respond(call, vec![b'1'; 8 << 20]));
    assert_eq!(pod.exchanges("too_long"), 4);
    assert_eq!(pod.workers[0].worker.memory_bytes(), before);
}
