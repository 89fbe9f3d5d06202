//! Who asks, when, and what becomes known by it.

use evenkeel_test_host::{Host, HttpCall, RootSpec, module};
use evenkeel_test_module::pods::{CLUSTER, Fleet, PATH, Pod, connections, message, peers, told};
use evenkeel_test_module::{NODE, Proxy, http, network};
use serde_json::{Value, json};

use super::{SECOND, answer, pod};

#[test]
fn a_pod_asks_four_times_in_every_and_tells_what_its_workers_carry_together() {
    let pod = pod(2);
    let _first = pod.open(0, 5);
    let _second = pod.open(1, 7);
    pod.pass(2 * SECOND, HttpCall::fail);

    let mut asked = 0;
    pod.pass(10 * SECOND, |question| {
        asked += 1;
        assert_eq!(question.cluster(), CLUSTER);
        assert_eq!(question.timeout(), SECOND);
        for (name, value) in [(":method", "GET"), (":path", PATH)] {
            let field = (name.to_owned(), value.to_owned());
            assert!(question.headers().contains(&field), "{name}");
        }
        assert_eq!(connections(told(&question)), [12]);
        question.fail();
    });

    assert!((39..=41).contains(&asked), "{asked}");
    assert_eq!(pod.metric("evenkeel_rebalanced_load_connections"), 12);
}

#[test]
fn one_worker_asks_for_all_and_when_it_stops_another_one_does() {
    let mut pod = pod(3);
    let mut asking = Vec::new();
    pod.pass(10 * SECOND, |question| {
        asking.push(question.worker());
        question.fail();
    });
    let first = asking[0];
    assert!(asking.iter().all(|worker| *worker == first), "{asking:?}");

    let stopped = pod.workers.remove(first);
    stopped.network.drop_root();
    stopped.http.drop_root();
    asking.clear();
    pod.pass(7 * SECOND, |question| {
        asking.push(question.worker());
        question.fail();
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
fn the_main_thread_that_serves_nobody_may_ask_and_is_no_worker() {
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

    let question = host.http_calls().pop().expect("a question");
    assert_eq!(question.worker(), 0);
    let message: Value = serde_json::from_str(&told(&question)).expect("JSON");
    // Connections, and the weight in thousandths.
    assert_eq!(
        (&message["peers"][0][1], &message["peers"][0][5]),
        (&json!(2), &json!(2000))
    );
}

#[test]
fn peers_of_an_enforced_policy_are_asked_although_a_dry_run_was_there_first() {
    let host = Host::new(&module());
    for cluster in ["rehearsal", CLUSTER] {
        host.add_cluster(cluster);
    }
    let worker = host.start_worker();
    for (mode, cluster) in [("observe", "rehearsal"), ("enforce", CLUSTER)] {
        let mode = format!(r#""mode": "{mode}""#);
        let policy = peers(&mode).replace(CLUSTER, cluster);
        let policy = policy.replacen('{', r#"{"role": "network", "#, 1);
        worker.configure(&RootSpec::new(cluster).config(policy));
    }

    host.advance(3 * SECOND);

    let asked = host.http_calls();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|call| call.cluster() == CLUSTER));
}

#[test]
fn an_update_of_the_policy_does_not_stop_the_exchanges() {
    let pod = pod(2);
    pod.pass(5 * SECOND, HttpCall::fail);
    for worker in &pod.workers {
        let update = peers(r#""mode": "dry_run""#);
        for spec in [network(&update), http(&update)] {
            worker.worker.configure(&spec);
        }
    }
    let mut asked = 0;
    pod.pass(2 * SECOND, |question| {
        asked += 1;
        question.fail();
    });
    assert!(asked >= 5, "{asked}");
}

#[test]
fn pods_that_exchange_come_to_know_the_mean_and_forget_who_is_gone() {
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

    // Who never carried anything is no less a pod.
    fleet.lose();
    fleet.pass(7 * SECOND);
    for pod in &fleet.pods {
        assert_eq!(pod.metric("evenkeel_peers_known"), 1);
        assert_eq!(pod.metric("evenkeel_peers_mean_connections"), 45);
    }

    // The last one knows of nobody, and says so.
    fleet.lose();
    fleet.pass(7 * SECOND);
    assert_eq!(fleet.pods[0].metric("evenkeel_peers_known"), 0);
    assert_eq!(fleet.pods[0].metric("evenkeel_peers_mean_connections"), 0);
    assert!(fleet.pods[0].exchanges("failed") > 0);
}

#[test]
fn a_cluster_that_does_not_exist_or_does_not_answer_is_asked_again() {
    let policy = r#"{"version": 1, "peers": {"cluster": "nowhere", "trust": "anyone"}}"#;
    let pod = Pod::start("shop-1", 1, policy);
    pod.pass(10 * SECOND, HttpCall::fail);
    let failed = pod.exchanges("failed");
    assert!(failed >= 39, "{failed}");

    pod.host.add_cluster("nowhere");
    let mut asked = 0;
    pod.pass(10 * SECOND, |question| {
        asked += 1;
        match asked % 3 {
            0 => question.fail(),
            1 => question.answer(&[(":status", "503")], "no healthy upstream"),
            _ => question.answer(&[(":status", "404")], message(pod.host.now(), [(7, 30)])),
        }
    });
    assert_eq!(pod.exchanges("failed") - failed, asked);
    assert_eq!(pod.exchanges("responded"), 0);
    assert_eq!(pod.metric("evenkeel_peers_known"), 0);

    pod.pass(2 * SECOND, |question| {
        answer(question, message(pod.host.now(), [(7, 30)]));
    });
    assert_eq!(pod.metric("evenkeel_peers_known"), 1);
}
