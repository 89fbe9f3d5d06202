//! Which worker sends requests, when, and which reports the pod receives.

use evenkeel_test_host::{Host, HttpCall, RootSpec, module};
use evenkeel_test_module::pods::{
    CLUSTER, Fleet, PATH, Pod, connections, message, message_of, peers,
};
use evenkeel_test_module::{NODE, Proxy, http, network};
use serde_json::{Value, json};

use super::{SECOND, pod, respond};

#[test]
fn pod_sends_four_requests_per_interval_with_the_load_of_all_workers() {
    let pod = pod(2);
    let _first = pod.open(0, 5);
    let _second = pod.open(1, 7);
    pod.pass(2 * SECOND, HttpCall::fail);

    let mut requests = 0;
    pod.pass(10 * SECOND, |call| {
        requests += 1;
        assert_eq!(call.cluster(), CLUSTER);
        assert_eq!(call.timeout(), SECOND);
        for (name, value) in [(":method", "GET"), (":path", PATH)] {
            let field = (name.to_owned(), value.to_owned());
            assert!(call.headers().contains(&field), "{name}");
        }
        assert_eq!(connections(message_of(&call)), [12]);
        call.fail();
    });

    assert!((39..=41).contains(&requests), "{requests}");
    assert_eq!(pod.metric("evenkeel_rebalanced_load_connections"), 12);
}

#[test]
fn another_worker_leads_when_the_leader_stops() {
    let mut pod = pod(3);
    let mut asking = Vec::new();
    pod.pass(10 * SECOND, |call| {
        asking.push(call.worker());
        call.fail();
    });
    let first = asking[0];
    assert!(asking.iter().all(|worker| *worker == first), "{asking:?}");

    let stopped = pod.workers.remove(first);
    stopped.network.drop_root();
    stopped.http.drop_root();
    asking.clear();
    pod.pass(7 * SECOND, |call| {
        asking.push(call.worker());
        call.fail();
    });

    assert!(!asking.is_empty());
    assert!(
        asking
            .iter()
            .all(|worker| *worker == asking[0] && *worker != first),
        "{asking:?}"
    );
}

#[test]
fn main_thread_may_lead_and_does_not_count_as_a_worker() {
    let host = Host::new(&module());
    host.add_cluster(CLUSTER);
    let policy = peers(r#""rebalance": {"weight": "workers"}"#);
    let main = host.start_main_thread();
    main.configure(&network(&policy));
    main.configure(&http(&policy));
    host.advance(SECOND);
    let workers = [0, 1].map(|_| Proxy::join(&host, NODE, &policy));
    let _clients = workers.each_ref().map(|proxy| proxy.network.connect());

    host.advance(3 * SECOND);

    let call = host.http_calls().pop().expect("a call");
    assert_eq!(call.worker(), 0);
    let message: Value = serde_json::from_str(&message_of(&call)).expect("JSON");
    // Connections, and the weight in thousandths.
    assert_eq!(
        (&message["peers"][0][1], &message["peers"][0][5]),
        (&json!(2), &json!(2000))
    );
}

#[test]
fn peers_of_an_enforced_policy_precede_those_of_a_dry_run() {
    let host = Host::new(&module());
    for cluster in ["dry-run", CLUSTER] {
        host.add_cluster(cluster);
    }
    let worker = host.start_worker();
    for (mode, cluster) in [("dry_run", "dry-run"), ("enforce", CLUSTER)] {
        let mode = format!(r#""mode": "{mode}""#);
        let policy = peers(&mode).replace(CLUSTER, cluster);
        let policy = policy.replacen('{', r#"{"role": "network", "#, 1);
        worker.configure(&RootSpec::new(cluster).config(policy));
    }

    host.advance(3 * SECOND);

    let requests = host.http_calls();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|call| call.cluster() == CLUSTER));
}

#[test]
fn policy_update_does_not_stop_the_exchanges() {
    let pod = pod(2);
    pod.pass(5 * SECOND, HttpCall::fail);
    for worker in &pod.workers {
        let update = peers(r#""mode": "dry_run""#);
        for spec in [network(&update), http(&update)] {
            worker.worker.configure(&spec);
        }
    }
    let mut requests = 0;
    pod.pass(2 * SECOND, |call| {
        requests += 1;
        call.fail();
    });
    assert!(requests >= 5, "{requests}");
}

#[test]
fn pods_learn_the_mean_and_forget_pods_that_are_gone() {
    let mut fleet = Fleet::default();
    let mut open = Vec::new();
    for (name, count) in [("shop-1", 60), ("shop-2", 30), ("shop-3", 0)] {
        let pod = Pod::start(name, 2, &peers(r#""mode": "enforce""#));
        open.push((pod.open(0, count / 3), pod.open(1, count - count / 3)));
        fleet.join(pod);
    }

    fleet.pass(4 * SECOND);

    for pod in &fleet.pods {
        assert_eq!(pod.metric("evenkeel_peers_known"), 2);
        assert_eq!(pod.metric("evenkeel_peers_mean_connections"), 30);
        assert_eq!(pod.exchanges("failed"), 0);
    }

    // A worker that never had connections counts, too.
    fleet.lose();
    fleet.pass(7 * SECOND);
    for pod in &fleet.pods {
        assert_eq!(pod.metric("evenkeel_peers_known"), 1);
        assert_eq!(pod.metric("evenkeel_peers_mean_connections"), 45);
    }

    // The last pod knows no other pod.
    fleet.lose();
    fleet.pass(7 * SECOND);
    assert_eq!(fleet.pods[0].metric("evenkeel_peers_known"), 0);
    assert_eq!(fleet.pods[0].metric("evenkeel_peers_mean_connections"), 0);
    assert!(fleet.pods[0].exchanges("failed") > 0);
}

#[test]
fn requests_continue_after_failures() {
    let policy = r#"{"version": 1, "peers": {"cluster": "nowhere", "trust": "anyone"}}"#;
    let pod = Pod::start("shop-1", 1, policy);
    pod.pass(10 * SECOND, HttpCall::fail);
    let failed = pod.exchanges("failed");
    assert!(failed >= 39, "{failed}");

    pod.host.add_cluster("nowhere");
    let mut requests = 0;
    pod.pass(10 * SECOND, |call| {
        requests += 1;
        match requests % 3 {
            0 => call.fail(),
            1 => call.respond(&[(":status", "503")], "no healthy upstream"),
            _ => call.respond(&[(":status", "404")], message(pod.host.now(), [(7, 30)])),
        }
    });
    assert_eq!(pod.exchanges("failed") - failed, requests);
    assert_eq!(pod.exchanges("responded"), 0);
    assert_eq!(pod.metric("evenkeel_peers_known"), 0);

    pod.pass(2 * SECOND, |call| {
        respond(call, message(pod.host.now(), [(7, 30)]));
    });
    assert_eq!(pod.metric("evenkeel_peers_known"), 1);
}
