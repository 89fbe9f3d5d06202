//! Which root is current where only streams show it: on a listener with the HTTP role alone, or with an HTTP filter that
//! is run for requests of peers only.

use core::time::Duration;

use evenkeel_engine::Instant;

use crate::policies::{Configuration, Policies, RootId, Use};

const A: RootId = 1;
const B: RootId = 2;

/// One worker, and the roots of one filter entry.
struct Worker {
    policies: Policies,
    now: Instant,
}

impl Worker {
    /// Root A has served connection 10, and then B is configured.
    fn with_an_update() -> Self {
        let mut worker = Self {
            policies: Policies::default(),
            now: Instant::default(),
        };
        worker.configure(A);
        worker.stream(A, 10);
        worker.seconds(60);
        worker.configure(B);
        assert_eq!(worker.current(), B);
        worker
    }

    fn configure(&mut self, root: RootId) {
        let text = format!(
            r#"{{"version": 1, "role": "http", "defaults": {{"max_connection_age": "{root}h"}}}}"#
        );
        let configuration = Configuration {
            name: b"evenkeel".to_vec(),
            direction: Some(1),
            text: text.as_bytes(),
        };
        let configured = self.policies.configure(root, configuration, self.now);
        assert!(configured.errors.is_none());
    }

    fn stream(&mut self, root: RootId, connection: u64) {
        let used = self
            .policies
            .used(root, Use::Stream(Some(connection)), self.now);
        assert!(!used.conflict);
    }

    /// Lets time pass, with its ticks.
    fn seconds(&mut self, seconds: u64) {
        for _ in 0..seconds {
            for _ in 0..10 {
                self.now = self.now.after(Duration::from_millis(100));
                self.policies.tick(self.now);
            }
        }
    }

    /// The root whose policy is active for both.
    fn current(&self) -> RootId {
        let [of_a, of_b] =
            [A, B].map(|root| self.policies.get(root).unwrap().defaults.max_connection_age);
        assert_eq!(of_a, of_b);
        let hours = of_a.unwrap().as_secs() / 3600;
        RootId::try_from(hours).unwrap()
    }
}

#[test]
fn later_connection_of_an_earlier_root_makes_it_current_again() {
    let mut worker = Worker::with_an_update();
    worker.stream(B, 11);
    worker.seconds(1);

    worker.stream(A, 12);

    assert_eq!(worker.current(), A);
    // B's own connection is an earlier one now.
    worker.stream(B, 11);
    worker.seconds(10);
    worker.stream(B, 11);
    assert_eq!(worker.current(), A);
    worker.stream(B, 13);
    assert_eq!(worker.current(), B);
}

#[test]
fn earlier_connections_of_an_earlier_root_are_no_evidence() {
    let mut worker = Worker::with_an_update();
    for connection in [None, Some(11)] {
        if let Some(connection) = connection {
            worker.stream(B, connection);
        }
        for _ in 0..10 {
            worker.stream(A, 10);
            worker.seconds(1);
        }
        assert_eq!(worker.current(), B, "{connection:?}");
    }
    let unknown = worker.policies.used(A, Use::Stream(None), worker.now);
    assert!(unknown.changed.is_empty());
}

/// The listener may not have switched yet when B is configured.
#[test]
fn later_connection_counts_once_the_new_root_had_time_to_be_used() {
    let mut worker = Worker::with_an_update();
    worker.stream(A, 11);
    worker.seconds(1);
    worker.stream(B, 12);
    worker.seconds(10);
    assert_eq!(worker.current(), B, "the listener switched in time");

    let mut worker = Worker::with_an_update();
    worker.stream(A, 11);
    assert_eq!(worker.current(), B);
    worker.seconds(3);
    assert_eq!(worker.current(), A, "it never switched");
}

/// With ECDS, Envoy selects the filters for each stream.
#[test]
fn streams_make_a_root_current_where_filters_are_selected_for_each_stream() {
    let mut worker = Worker::with_an_update();
    worker.stream(B, 10);
    assert_eq!(worker.current(), B);
    // One that a filter before the module made wait.
    worker.stream(A, 10);
    assert_eq!(worker.current(), B);

    worker.seconds(3);
    worker.stream(A, 10);

    assert_eq!(worker.current(), A);
}

#[test]
fn later_connection_replaces_a_root_that_another_worker_applied() {
    let mut worker = Worker::with_an_update();
    let mut other = Worker::with_an_update();
    for worker in [&mut worker, &mut other] {
        worker.stream(B, 11);
        worker.seconds(1);
    }
    other.stream(A, 12);
    let (_, applied) = other.policies.applied(A).unwrap();

    worker.policies.follow(B, applied);
    assert_eq!(worker.current(), A);
    worker.stream(B, 11);
    assert_eq!(worker.current(), A);

    worker.stream(B, 13);
    assert_eq!(worker.current(), B);
}

#[test]
fn gossip_follows_the_policy_of_the_network_role() {
    for mode in ["enforce", "dry_run"] {
        let mut policies = Policies::default();
        let mut configure = |root: RootId, role: &str, mode: &str, cluster: &str| {
            let text = format!(
                r#"{{"version": 1, "role": "{role}", "mode": "{mode}", "peers": {{"cluster": "{cluster}"}}}}"#
            );
            let configuration = Configuration {
                name: format!("evenkeel-{role}").into_bytes(),
                direction: Some(1),
                text: text.as_bytes(),
            };
            policies.configure(root, configuration, Instant::default());
        };
        // No stream shows that the policy of the HTTP role has been rolled back.
        configure(1, "http", "enforce", "mistaken");
        configure(2, "network", mode, "shop");

        let found = policies.find(|policy| policy.peers.is_some()).unwrap();

        assert_eq!(found.peers.as_ref().unwrap().cluster, "shop", "{mode}");
    }
}
