//! What a client must have shown before its connection is closed.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// More than the kernel is sure to hold.
const LARGE: u64 = 1 << 20;

const NONE: [u32; 0] = [];

const MINUTE: Duration = Duration::from_secs(60);

impl Story {
    /// The client has sent something, and `undelivered` bytes are not known to have reached it.
    fn heard(&mut self, id: ConnectionId, requests: u64, active: u32, undelivered: u64) -> bool {
        let activity = Activity {
            undelivered,
            ..activity(requests, active)
        };
        self.engine.read(id, activity)
    }

    fn wrote(
        &mut self,
        id: ConnectionId,
        requests: u64,
        active: u32,
        undelivered: u64,
        point: Option<DrainPoint>,
    ) -> Decision {
        let activity = Activity {
            undelivered,
            ..activity(requests, active)
        };
        self.engine.wrote(id, activity, point, None, &mut self.map)
    }

    /// How many requests the closes since the last call have aborted.
    fn closes(&mut self) -> Vec<u32> {
        let aborted = |effect| match effect {
            Effect::Close { aborted, .. } => Some(aborted),
            _ => None,
        };
        self.effects().into_iter().filter_map(aborted).collect()
    }

    fn is_ignored(&mut self) -> bool {
        let is_ignored = |effect: &Effect| matches!(effect, Effect::SignalIgnored(..));
        self.effects().iter().any(is_ignored)
    }
}

#[test]
fn http1_response_that_may_be_in_envoys_buffers_is_waited_for() {
    for (undelivered, waits) in [(16 * 1024, false), (LARGE, true)] {
        let mut story = Story::rule(r#""max_requests_per_connection": 1, "close_delay": "1s""#);
        let id = story.open(1);
        story.heard(id, 1, 1, 0);
        story.wrote(id, 1, 0, undelivered, Some(DrainPoint::ResponseHead));

        story.pass(4 * MINUTE);
        assert_eq!(story.closes().is_empty(), waits, "{undelivered}");

        story.pass(2 * MINUTE);
        assert_eq!(story.closes().is_empty(), !waits, "{undelivered}");
    }
}

#[test]
fn http2_client_is_closed_after_its_acknowledgement() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1, "close_delay": "1s""#);
    let id = story.open(1);
    story.heard(id, 1, 1, 0);
    let decision = story.wrote(id, 1, 0, u64::MAX, Some(stream_end(ANY_TIME)));
    assert_eq!(
        decision,
        Decision::Drain(DrainReason::MaxRequestsPerConnection)
    );
    story.pass(4 * MINUTE);
    assert_eq!(story.closes(), NONE);

    story.heard(id, 1, 0, 0);
    story.pass(Duration::from_millis(100));

    assert_eq!(story.closes(), [0]);
}

/// A PING goes with every GOAWAY, also where all responses before it are known to have arrived.
#[test]
fn goaway_on_an_idle_connection_is_waited_for() {
    let mut story = Story::rule(r#""max_connection_age": "1s", "close_delay": "1s""#);
    let id = story.open(1);
    story.heard(id, 1, 1, 0);
    story.wrote(id, 1, 0, 0, None);
    story.at(10);
    let decision = story.wrote(id, 1, 0, 0, Some(idle(ANY_TIME)));
    assert_eq!(decision, Decision::Drain(DrainReason::MaxConnectionAge));
    story.pass(4 * MINUTE);
    assert_eq!(story.closes(), NONE);

    story.heard(id, 1, 0, 0);
    story.pass(Duration::from_millis(100));

    assert_eq!(story.closes(), [0]);
}

#[test]
fn drain_timeout_aborts_what_is_open_and_not_what_has_not_arrived_yet() {
    let mut story = Story::rule(
        r#""max_connection_age": "1s", "http2": {"idle_wait": "0s"}, "drain_timeout": "5s""#,
    );
    let id = story.open(1);
    story.at(2);
    story.heard(id, 2, 2, 0);
    story.wrote(id, 2, 1, u64::MAX, Some(active(ANY_TIME)));
    story.pass(MINUTE);
    assert_eq!(story.closes(), NONE);

    story.heard(id, 2, 1, 0);
    story.pass(Duration::from_millis(100));

    assert_eq!(story.closes(), [1]);
}

#[test]
fn tcp_answer_that_may_be_in_envoys_buffers_is_waited_for() {
    for (drain_timeout, answers) in [("off", true), ("30s", true), ("off", false), ("30s", false)] {
        let mut story = Story::new(&format!(
            r#"{{"version": 1, "budget": "off", "tcp": [{{"name": "a", "match": {{"port": 5432}},
                "max_connection_age": "60s", "jitter": 0, "idle_time": "2s", "drain_timeout": "{drain_timeout}"}}]}}"#
        ));
        let id = story.open_tcp(1);
        story.at(if answers { 61 } else { 59 });
        story.heard(id, 0, 0, 0);
        story.wrote(id, 0, 0, LARGE, None);
        story.pass(4 * MINUTE);
        assert_eq!(story.closes(), NONE, "{drain_timeout} {answers}");

        story.heard(id, 0, 0, 100);
        story.wrote(id, 0, 0, 200, None);
        story.pass(Duration::from_secs(3));

        // Once its drain timeout is over it is not waited for a rest.
        let aborted = u32::from(drain_timeout != "off");
        assert_eq!(story.closes(), [aborted], "{drain_timeout} {answers}");
    }
}

#[test]
fn websocket_that_is_not_told_is_not_closed_before_it_has_everything() {
    let mut story = Story::rule(
        r#""max_connection_age": "1s", "websocket": {"close_code": "going_away", "idle_timeout": "5s"}, "drain_timeout": "off""#,
    );
    let id = story.open(1);
    story.engine.upgrade_to_websocket(id);
    story.wrote(id, 0, 1, LARGE, None);
    story.pass(4 * MINUTE);
    assert_eq!(story.closes(), NONE);

    story.heard(id, 0, 1, 0);
    story.pass(Duration::from_secs(6));

    assert_eq!(story.closes(), [0]);
}

#[test]
fn websocket_client_that_does_not_close_is_waited_for_until_it_has_everything() {
    let mut story = Story::rule(
        r#""max_connection_age": "1s", "websocket": {"close_code": "going_away", "idle_time": "0s"}"#,
    );
    let id = story.open(1);
    story.engine.upgrade_to_websocket(id);
    story.at(2);
    let point = DrainPoint::Message {
        is_response: false,
        awaits_response: false,
    };
    let decision = story.wrote(id, 0, 1, LARGE, Some(point));
    assert_eq!(decision, Decision::Drain(DrainReason::MaxConnectionAge));
    story.pass(4 * MINUTE);
    assert_eq!(story.closes(), NONE);

    story.heard(id, 0, 0, 0);
    story.pass(Duration::from_secs(2));

    assert_eq!(story.closes(), [0]);
}

#[test]
fn http1_client_that_ignores_the_signal_is_refused_after_a_response() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1, "close_delay": "60s""#);
    let id = story.open(1);
    for (request, ignores) in [(1, false), (2, false), (3, true)] {
        assert!(story.heard(id, request, 1, 0), "{request}");
        let decision = story.wrote(id, request, 0, 100, Some(DrainPoint::ResponseHead));
        assert_ne!(decision, Decision::PassThrough);
        assert_eq!(story.is_ignored(), ignores, "{request}");
    }

    assert!(!story.heard(id, 4, 1, 0));
    story.pass(Duration::from_millis(100));

    assert_eq!(story.closes(), [0]);
}

#[test]
fn http1_client_that_ignores_the_signal_gets_a_response_that_is_still_in_envoys_buffers() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1"#);
    let id = story.open(1);
    for request in 1..=10 {
        assert!(story.heard(id, request, 1, 0), "{request}");
        story.wrote(id, request, 0, LARGE, Some(DrainPoint::ResponseHead));
        story.pass(Duration::from_secs(20));
    }
    assert_eq!(story.closes(), NONE);
}

#[test]
fn http2_client_that_ignores_the_signal_is_sent_a_second_one_at_a_quiet_moment() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1, "close_delay": "1s""#);
    let id = story.open(1);
    story.heard(id, 1, 1, 0);
    story.wrote(id, 1, 0, u64::MAX, Some(stream_end(ANY_TIME)));
    // In transit, or sent by a client that has not read the signal yet.
    for (request, undelivered) in [(2, u64::MAX), (3, u64::MAX), (4, 0)] {
        story.heard(id, request, 1, undelivered);
        let decision = story.wrote(id, request, 0, u64::MAX, Some(stream_end(ANY_TIME)));
        assert_eq!(decision, Decision::PassThrough, "{request}");
        story.pass(Duration::from_secs(2));
        assert!(!story.is_ignored(), "{request}");
    }

    story.heard(id, 5, 1, 0);
    assert!(story.is_ignored());
    let decision = story.wrote(id, 5, 1, 0, Some(active(ANY_TIME)));
    assert_eq!(decision, Decision::PassThrough);
    let decision = story.wrote(id, 5, 0, u64::MAX, Some(stream_end(ANY_TIME)));
    assert_eq!(decision, Decision::RefuseRequests);
    let decision = story.wrote(id, 5, 0, u64::MAX, Some(idle(ANY_TIME)));
    assert_eq!(decision, Decision::PassThrough);

    story.heard(id, 5, 0, 0);
    story.pass(Duration::from_millis(1100));
    assert_eq!(story.closes(), [0]);
}

#[test]
fn client_that_ignores_the_signal_still_counts_as_load() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1"#);
    let id = story.open(1);
    for (request, expected) in [(1, 0.0), (2, 0.0), (3, 1.0)] {
        story.heard(id, request, 1, 0);
        story.wrote(id, request, 1, 100, Some(DrainPoint::ResponseHead));
        assert_eq!(story.engine.take_sample(false).load.connections, expected);
        story.wrote(id, request, 0, 100, None);
    }
}

const TWO_RULES: &str = r#"{"version": 1, "budget": "off",
    "defaults": {"max_connection_age": "1s", "jitter": 0, "http2": {"idle_wait": "0s"}, "drain_timeout": "2s"},
    "routes": [{"name": "long", "match": {"path_prefix": "/long"}, "drain_timeout": "off"},
               {"name": "five", "match": {"path_prefix": "/five"}, "drain_timeout": "5s"},
               {"name": "events", "match": {"path_prefix": "/events"}, "protect": true, "drain_timeout": "9s"}]}"#;

/// A connection with a request under each of these rules, the last of which governs it, that drains.
fn draining(rules: &[&str]) -> (Story, ConnectionId) {
    let mut story = Story::new(TWO_RULES);
    let id = story.open(1);
    for name in rules.iter().copied().chain(["five"]) {
        let rule = story.route(name);
        story.engine.apply_rule(id, &rule);
        if rules.contains(&name) {
            story.engine.request_started(id, &rule);
        }
    }
    story.at(2);
    let requests = u32::try_from(rules.len()).unwrap();
    story.heard(id, 3, requests, 0);
    story.engine.tick(32, |_| None, &mut Map::default());
    let decision = story.wrote(id, 3, requests, 0, Some(active(ANY_TIME)));
    assert_eq!(decision, Decision::Drain(DrainReason::MaxConnectionAge));
    (story, id)
}

#[test]
fn open_requests_keep_the_drain_timeouts_of_their_own_rules() {
    let (mut story, id) = draining(&["long", "five"]);
    story.pass(MINUTE);
    assert_eq!(story.closes(), NONE, "one of them has no timeout");

    let long = story.route("long");
    story.engine.request_ended(id, &long);
    story.heard(id, 3, 1, 0);
    story.pass(Duration::from_millis(100));
    assert_eq!(story.closes(), [1]);

    let (mut story, id) = draining(&["five"]);
    story.heard(id, 3, 1, 0);
    story.pass(Duration::from_millis(4900));
    assert_eq!(story.closes(), NONE);
    story.pass(Duration::from_millis(200));
    assert_eq!(story.closes(), [1]);
}

#[test]
fn request_that_comes_while_draining_makes_it_wait_longer_and_never_shorter() {
    let (mut story, id) = draining(&["five"]);
    let events = story.route("events");
    story.engine.apply_rule(id, &events);
    story.engine.request_started(id, &events);
    story.heard(id, 4, 2, 0);
    story.pass(Duration::from_millis(8900));
    assert_eq!(story.closes(), NONE);
    story.pass(Duration::from_millis(200));
    assert_eq!(story.closes(), [2]);

    let (mut story, id) = draining(&["five"]);
    let short = story.defaults();
    story.engine.apply_rule(id, &short);
    story.engine.request_started(id, &short);
    story.heard(id, 4, 2, 0);
    story.pass(Duration::from_millis(4900));
    assert_eq!(story.closes(), NONE);
}
