//! Which of several roots of one filter entry is current.

use core::time::Duration;

use super::{NETWORK, Plugin};

const NEVER: &str = r#"{"version": 1, "role": "network", "budget": "off", "defaults": {"max_connection_age": "off"}}"#;
const AT_ONCE: &str = r#"{"version": 1, "role": "network", "budget": "off", "defaults": {"max_requests_per_connection": 1, "jitter": 0}}"#;
const AT_ONCE_DRY_RUN: &str = r#"{"version": 1, "role": "network", "mode": "dry_run", "budget": "off",
    "defaults": {"max_requests_per_connection": 1, "jitter": 0}}"#;

/// Root ids of three configurations.
const A: u32 = NETWORK;
const B: u32 = 3;

impl Plugin {
    /// Waits as long as the module may need to follow a policy.
    fn two_ticks(&self) {
        for _ in 0..2 {
            self.host.advance(Duration::from_millis(100));
            self.vm.ticked(NETWORK);
        }
    }

    /// A request on a connection is answered with `connection: close`.
    fn is_drained(&self, connection: u32) -> bool {
        let written = self.exchange(connection);
        String::from_utf8_lossy(&written).contains("connection: close")
    }

    fn rejected(&self) -> Option<i64> {
        for _ in 0..11 {
            self.host.advance(Duration::from_millis(100));
            self.vm.ticked(NETWORK);
        }
        self.host.metric("evenkeel_policy_rejected")
    }
}

#[test]
fn policy_that_is_applied_again_governs_connections_of_another_root() {
    let plugin = Plugin::with_network(NEVER);
    plugin.connect_under(A, 10);
    plugin.configure(B, AT_ONCE);
    plugin.connect_under(B, 11);

    // Envoy does not configure A a second time: it only uses it.
    plugin.connect_under(A, 12);
    plugin.two_ticks();

    for connection in [10, 11, 12] {
        assert!(!plugin.is_drained(connection), "{connection}");
    }
}

#[test]
fn dry_run_that_is_applied_again_ends_the_draining() {
    let plugin = Plugin::with_network(AT_ONCE_DRY_RUN);
    plugin.connect_under(A, 10);
    plugin.configure(B, AT_ONCE);
    plugin.connect_under(B, 11);
    assert!(plugin.is_drained(10), "it follows the policy that enforces");

    plugin.connect_under(A, 12);
    plugin.two_ticks();

    assert!(!plugin.is_drained(11));
    assert!(!plugin.is_drained(12));
}

#[test]
fn new_policy_governs_open_connections_at_once() {
    let plugin = Plugin::with_network(NEVER);
    plugin.connect_under(A, 10);

    plugin.configure(B, AT_ONCE);

    assert!(plugin.is_drained(10));
}

#[test]
fn connections_that_open_while_the_listener_switches_do_not_revert_an_update() {
    let plugin = Plugin::with_network(NEVER);
    plugin.connect_under(A, 10);
    plugin.configure(B, AT_ONCE);
    plugin.host.advance(Duration::from_millis(500));
    plugin.connect_under(A, 11);
    plugin.host.advance(Duration::from_millis(500));
    plugin.connect_under(B, 12);
    plugin.host.advance(Duration::from_secs(5));
    plugin.two_ticks();

    for connection in [10, 11, 12] {
        assert!(plugin.is_drained(connection), "{connection}");
    }
}

/// A listener that changes leaves a connection its HTTP filters, and so the root that its streams come by.
#[test]
fn streams_of_earlier_connections_do_not_revert_an_update() {
    const EARLIER: u32 = super::HTTP;
    const LATER: u32 = 4;
    let route = |name| {
        format!(
            r#"{{"version": 1, "role": "http", "budget": "off", "routes": [
            {{"name": "{name}", "match": {{"path_prefix": "/"}}, "max_requests_per_connection": 1, "jitter": 0}}]}}"#
        )
    };
    let plugin = Plugin::with_network(NEVER);
    plugin.configure(EARLIER, &route("earlier"));
    plugin.connect_under(A, 10);
    plugin.host.advance(Duration::from_secs(3));
    plugin.configure(LATER, &route("later"));
    plugin.host.advance(Duration::from_secs(3));
    plugin.connect_under(A, 11);

    for stream in 0..20 {
        let (root, connection) = if stream % 2 == 0 {
            (EARLIER, 10_u64)
        } else {
            (LATER, 11)
        };
        plugin.host.advance(Duration::from_secs(1));
        plugin
            .host
            .set_property(&["connection", "id"], connection.to_le_bytes());
        plugin.vm.context_created(100 + stream, root);
        plugin.vm.request_headers(100 + stream, true);
    }

    assert_eq!(plugin.host.logged("two filter entries"), 0);
    assert_eq!(
        plugin.host.calls_of("set_shared_data"),
        2,
        "the first use of each current root is announced, and nothing was applied again"
    );
}

/// A listener that waits for something else switches late, or never.
#[test]
fn root_that_is_never_used_does_not_stay_current() {
    let plugin = Plugin::with_network(NEVER);
    plugin.connect_under(A, 10);
    plugin.configure(B, AT_ONCE);
    plugin.host.advance(Duration::from_millis(500));
    plugin.connect_under(A, 11);

    plugin.host.advance(Duration::from_secs(2));
    plugin.two_ticks();

    assert!(!plugin.is_drained(10));
    assert!(!plugin.is_drained(11));
}

#[test]
fn removed_root_is_replaced_by_the_previous_one() {
    let plugin = Plugin::with_network(NEVER);
    plugin.connect_under(A, 10);
    plugin.configure(B, AT_ONCE);

    plugin.vm.context_deleted(B);

    assert!(!plugin.is_drained(10));
}

#[test]
fn rejected_policy_is_counted_until_the_previous_one_is_applied_again() {
    let plugin = Plugin::with_network(NEVER);
    plugin.connect_under(A, 10);
    assert_eq!(plugin.rejected(), Some(0));
    plugin.configure(B, "{");
    plugin.connect_under(B, 11);
    assert_eq!(plugin.rejected(), Some(1));

    plugin.connect_under(A, 12);

    assert_eq!(plugin.rejected(), Some(0));
}

/// Of a listener with the HTTP role alone, where no connection is seen to open.
#[test]
fn rejected_policy_is_counted_until_streams_use_the_previous_root_again() {
    const POLICY: &str = r#"{"version": 1, "role": "http"}"#;
    let plugin = Plugin::with_network(POLICY);
    let mut contexts = 100..;
    let mut stream = |root, connection: u64| {
        let context = contexts.next().unwrap();
        let number = connection.to_le_bytes();
        plugin.host.set_property(&["connection", "id"], number);
        plugin
            .host
            .set_property(&["request", "protocol"], "HTTP/1.1");
        plugin.vm.context_created(context, root);
        plugin.vm.request_headers(context, true);
    };
    stream(A, 10);
    plugin.configure(B, "{");
    stream(B, 11);
    assert_eq!(plugin.rejected(), Some(1));

    stream(A, 12);

    assert_eq!(plugin.rejected(), Some(0));
}

/// Returns two workers of a proxy. Each has connection 10 of root A and connection 11 of root B, which has `policy`.
fn two_workers_updated_to(policy: &str) -> (Plugin, Plugin) {
    let plugin = Plugin::with_network(NEVER);
    let other = plugin.another_worker(NEVER);
    for worker in [&plugin, &other] {
        worker.connect_under(A, 10);
        worker.configure(B, policy);
        worker.connect_under(B, 11);
    }
    (plugin, other)
}

/// Its host's main thread has a VM, too, in which nothing ever opens.
#[test]
fn worker_without_new_connections_follows_the_others() {
    let (plugin, other) = two_workers_updated_to(AT_ONCE);

    plugin.host.advance(Duration::from_millis(100));
    plugin.connect_under(A, 12);
    other.two_ticks();

    for worker in [&plugin, &other] {
        assert!(!worker.is_drained(10));
        assert!(!worker.is_drained(11));
    }
}

/// Envoy keeps a root for as long as one of its contexts is open, so one worker may configure a policy again that
/// another worker still has.
#[test]
fn worker_that_kept_a_root_follows_one_that_configured_it_again() {
    let (plugin, other) = two_workers_updated_to(AT_ONCE);

    plugin.host.advance(Duration::from_millis(100));
    plugin.configure(4, NEVER);
    plugin.connect_under(4, 12);
    other.two_ticks();

    for connection in [10, 11] {
        assert!(!other.is_drained(connection), "{connection}");
    }
}

#[test]
fn newer_policy_is_not_reverted_by_an_older_notice_of_another_worker() {
    let (plugin, other) = two_workers_updated_to(AT_ONCE_DRY_RUN);
    plugin.host.advance(Duration::from_millis(100));
    plugin.connect_under(A, 12);
    plugin.host.advance(Duration::from_millis(100));

    other.configure(4, AT_ONCE);
    other.two_ticks();

    assert!(other.is_drained(10));
}

#[test]
fn two_entries_of_one_name_keep_their_policies_and_are_logged_once() {
    let plugin = Plugin::with_network(NEVER);
    plugin.configure(B, AT_ONCE);
    for turn in 0..20 {
        plugin.host.advance(Duration::from_secs(3));
        plugin.connect_under(if turn % 2 == 0 { A } else { B }, 100 + turn);
    }

    plugin.connect_under(A, 10);
    plugin.connect_under(B, 11);
    plugin.two_ticks();

    assert!(!plugin.is_drained(10));
    assert!(plugin.is_drained(11));
    assert_eq!(plugin.host.logged("two filter entries"), 1);
}

#[test]
fn entry_that_is_used_alone_for_a_minute_governs_all_connections_again() {
    let plugin = Plugin::with_network(NEVER);
    plugin.configure(B, AT_ONCE);
    for turn in 0..8 {
        plugin.host.advance(Duration::from_secs(3));
        plugin.connect_under(if turn % 2 == 0 { A } else { B }, 100 + turn);
    }

    plugin.connect_under(B, 11);
    for turn in 0..25 {
        plugin.host.advance(Duration::from_secs(3));
        plugin.connect_under(A, 200 + turn);
    }

    assert!(!plugin.is_drained(11));
}
