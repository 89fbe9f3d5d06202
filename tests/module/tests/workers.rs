//! Several workers, and many connections.

use std::time::Duration;

use evenkeel_test_host::{Connection, Host, Root, RootSpec, module};
use evenkeel_test_module::http1::{CLOSE, get, head};
use evenkeel_test_module::{Proxy, network, policy};

fn is_drained(connection: &Connection) -> bool {
    connection.client_sends(get("/"));
    let received = connection.server_writes(head("content-length: 0\r\n"));
    received == head(&format!("content-length: 0\r\n{CLOSE}"))
}

#[test]
fn budget_is_shared_by_all_workers() {
    let text = r#"{"version": 1, "defaults": {"max_connection_age": "10s", "jitter": 0}, "budget": {"per_second": 10, "burst": 5}}"#;
    let host = Host::new(&module());
    let roots: Vec<Root> = (0..4)
        .map(|_| host.start_worker().configure(&network(text)))
        .collect();
    let connections: Vec<_> = roots
        .iter()
        .flat_map(|root| (0..25).map(|_| root.connect()))
        .collect();
    host.advance(Duration::from_secs(11));
    let mut drained = 0;
    let mut waiting: Vec<_> = connections.iter().collect();
    for second in 0..4 {
        waiting.retain(|connection| {
            let is_drained = is_drained(connection);
            drained += usize::from(is_drained);
            !is_drained
        });
        assert!(drained <= 5 + 10 * second, "{drained} after {second} s");
        host.advance(Duration::from_secs(1));
    }
    assert_eq!(
        drained, 20,
        "the bucket holds 5 and is full again after half a second"
    );
    assert_eq!(
        host.metric("evenkeel_drain_budget_exhausted_total"),
        Some(95)
    );
}

const FIVE: &str = r#""role": "network", "budget": {"per_second": 0.001, "burst": 5}, "defaults": {"max_requests_per_connection": 1, "jitter": 0}"#;

/// A root of the network role with this name.
fn named(name: &str, keys: &str) -> RootSpec {
    RootSpec::new(name).config(format!(r#"{{"version": 1, {keys}}}"#))
}

/// How many of ten new connections get a drain signal with their first response.
fn drained_of_ten(root: &Root) -> usize {
    let connections: Vec<_> = (0..10).map(|_| root.connect()).collect();
    connections.iter().filter(|it| is_drained(it)).count()
}

#[test]
fn dry_run_takes_nothing_from_the_budget() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let observed = worker.configure(&named("observed", &format!(r#""mode": "dry_run", {FIVE}"#)));
    let enforced = worker.configure(&named("enforced", FIVE));
    let observe = || {
        host.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_dry_run_drains_total")
    };

    assert_eq!(drained_of_ten(&observed), 0);
    assert_eq!(
        observe(),
        Some(5),
        "a dry run has a budget of the same size"
    );
    assert_eq!(drained_of_ten(&enforced), 5);
    assert_eq!(drained_of_ten(&enforced), 0);

    // The same policy goes to dry run and back: neither gives it a new budget.
    let dry = worker.configure(&named("enforced", &format!(r#""mode": "dry_run", {FIVE}"#)));
    assert_eq!(drained_of_ten(&dry), 0);
    assert_eq!(observe(), Some(10));
    let again = worker.configure(&named("enforced", FIVE));
    assert_eq!(drained_of_ten(&again), 0);
}

#[test]
fn policies_have_separate_budgets() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let slow = worker.configure(&named("slow", FIVE));
    let fast = worker.configure(&named("fast", &FIVE.replace("0.001", "100")));

    assert_eq!(drained_of_ten(&slow), 5);
    assert_eq!(drained_of_ten(&fast), 5);
    host.advance(Duration::from_secs(1));
    assert_eq!(drained_of_ten(&slow), 0);
    assert_eq!(drained_of_ten(&fast), 5);
}

#[test]
fn closed_connections_leave_no_memory_behind() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 2"#);
    let churn = |count: usize| {
        for _ in 0..count {
            let connection = proxy.network.connect();
            proxy.exchange(&connection, "/1");
            proxy.exchange(&connection, "/2");
            connection.client_closes();
        }
        proxy.worker.memory_bytes()
    };
    let after_warm_up = churn(500);
    assert_eq!(churn(5_000), after_warm_up);
    proxy.host.advance(Duration::from_secs(1));
    assert_eq!(proxy.metric("evenkeel_downstream_connections_active"), 0);
}

#[test]
fn memory_of_a_thousand_idle_connections() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let root = worker.configure(&network(&policy(r#""max_connection_age": "1h""#)));
    let warm: Vec<_> = (0..1000).map(|_| root.connect()).collect();
    let before = worker.memory_bytes();
    let more: Vec<_> = (0..4000).map(|_| root.connect()).collect();
    for connection in &more {
        is_drained(connection);
    }
    let each = (worker.memory_bytes() - before) / more.len();
    assert!(each <= 1536, "{each} bytes a connection");
    drop(warm);
}
