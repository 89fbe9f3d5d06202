//! A connection is closed after its client has received everything.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// More than the kernel certainly holds.
pub(super) const LARGE: u64 = 1 << 20;

pub(super) const NONE: [u32; 0] = [];

pub(super) const MINUTE: Duration = Duration::from_secs(60);

impl Story {
    /// The client sends bytes, while `undelivered` bytes are not known to have reached it.
    pub(super) fn read_undelivered(
        &mut self,
        id: ConnectionId,
        requests: u64,
        active: u32,
        undelivered: u64,
    ) -> bool {
        let activity = Activity {
            undelivered,
            ..activity(requests, active)
        };
        self.engine.read(id, &activity)
    }

    pub(super) fn write_undelivered(
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
        self.engine
            .wrote(id, &activity, || point, |_| None, &mut self.store)
    }

    /// For each close since the last call the number of aborted requests.
    pub(super) fn aborted(&mut self) -> Vec<u32> {
        let aborted = |effect| match effect {
            Effect::Close { aborted, .. } => Some(aborted),
            _ => None,
        };
        self.effects().into_iter().filter_map(aborted).collect()
    }

    pub(super) fn is_ignored(&mut self) -> bool {
        let is_ignored = |effect: &Effect| matches!(effect, Effect::SignalIgnored(..));
        self.effects().iter().any(is_ignored)
    }
}

#[test]
fn http1_close_waits_for_delivery() {
    for (undelivered, waits) in [(16 * 1024, false), (LARGE, true)] {
        let (mut story, id) =
            Story::rule(json!({"max_requests_per_connection": 1, "close_delay": "1s"}))
                .with_connection();
        story.read_undelivered(id, 1, 1, 0);
        story.write_undelivered(id, 1, 0, undelivered, Some(DrainPoint::ResponseHead));

        story.pass(4 * MINUTE);
        assert_eq!(story.aborted().is_empty(), waits, "{undelivered}");

        story.pass(2 * MINUTE);
        assert_eq!(story.aborted().is_empty(), !waits, "{undelivered}");
    }
}

/// Asserts that the connection stays open until everything is delivered, and is then closed within `delay`.
fn assert_closed_on_delivery(story: &mut Story, id: ConnectionId, requests: u64, delay: Duration) {
    story.pass(4 * MINUTE);
    assert_eq!(story.aborted(), NONE);

    story.read_undelivered(id, requests, 0, 0);
    story.pass(delay);

    assert_eq!(story.aborted(), [0]);
}

#[test]
fn http2_close_waits_for_the_acknowledgement() {
    let (mut story, id) =
        Story::rule(json!({"max_requests_per_connection": 1, "close_delay": "1s"}))
            .with_connection();
    story.read_undelivered(id, 1, 1, 0);
    let decision = story.write_undelivered(id, 1, 0, u64::MAX, Some(stream_end(ANY_TIME)));
    assert_eq!(decision, DRAIN_BY_REQUESTS);
    assert_closed_on_delivery(&mut story, id, 1, Duration::from_millis(100));
}

/// A PING follows every GOAWAY, even if all earlier responses were delivered.
#[test]
fn close_waits_for_delivery_of_an_idle_goaway() {
    let (mut story, id) =
        Story::rule(json!({"max_connection_age": "1s", "close_delay": "1s"})).with_connection();
    story.read_undelivered(id, 1, 1, 0);
    story.write_undelivered(id, 1, 0, 0, None);
    story.at(10);
    let decision = story.write_undelivered(id, 1, 0, 0, Some(idle(ANY_TIME)));
    assert_eq!(decision, DRAIN_BY_AGE);
    assert_closed_on_delivery(&mut story, id, 1, Duration::from_millis(100));
}

#[test]
fn drain_timeout_aborts_active_streams_and_delivers_the_rest() {
    let (mut story, id) = Story::rule(
        json!({"max_connection_age": "1s", "http2": {"idle_wait": "0s"}, "drain_timeout": "5s"}),
    )
    .with_connection();
    story.at(2);
    story.read_undelivered(id, 2, 2, 0);
    story.write_undelivered(id, 2, 1, u64::MAX, Some(active(ANY_TIME)));
    story.pass(MINUTE);
    assert_eq!(story.aborted(), NONE);

    story.read_undelivered(id, 2, 1, 0);
    story.pass(Duration::from_millis(100));

    assert_eq!(story.aborted(), [1]);
}

#[test]
fn tcp_close_waits_for_delivery() {
    for (drain_timeout, responds) in [("off", true), ("30s", true), ("off", false), ("30s", false)]
    {
        let mut story = Story::new(
            json!({"budget": "off", "tcp": [{"name": "a", "match": {"port": 5432},
                "max_connection_age": "60s", "jitter": 0, "idle_time": "2s", "drain_timeout": drain_timeout}]}),
        );
        let id = story.open_tcp(1);
        story.at(if responds { 61 } else { 59 });
        story.read_undelivered(id, 0, 0, 0);
        story.write_undelivered(id, 0, 0, LARGE, None);
        story.pass(4 * MINUTE);
        assert_eq!(story.aborted(), NONE, "{drain_timeout} {responds}");

        story.read_undelivered(id, 0, 0, 100);
        story.write_undelivered(id, 0, 0, 200, None);
        story.pass(Duration::from_secs(3));

        // After the drain timeout, an active connection is closed, too.
        let aborted = u32::from(drain_timeout != "off");
        assert_eq!(story.aborted(), [aborted], "{drain_timeout} {responds}");
    }
}

#[test]
fn silent_websocket_close_waits_for_delivery() {
    let mut story = Story::rule(
        json!({"max_connection_age": "1s", "websocket": {"close_code": "going_away", "idle_timeout": "5s"}, "drain_timeout": "off"}),
    );
    let id = story.open_websocket(1);
    story.write_undelivered(id, 0, 1, LARGE, None);
    story.pass(4 * MINUTE);
    assert_eq!(story.aborted(), NONE);

    story.read_undelivered(id, 0, 1, 0);
    story.pass(Duration::from_secs(6));

    assert_eq!(story.aborted(), [0]);
}

#[test]
fn websocket_close_waits_for_delivery() {
    let mut story = Story::rule(
        json!({"max_connection_age": "1s", "websocket": {"close_code": "going_away", "idle_time": "0s"}}),
    );
    let id = story.open_websocket(1);
    story.at(2);
    let point = DrainPoint::Message {
        is_response: false,
        awaits_response: false,
    };
    let decision = story.write_undelivered(id, 0, 1, LARGE, Some(point));
    assert_eq!(decision, DRAIN_BY_AGE);
    assert_closed_on_delivery(&mut story, id, 0, Duration::from_secs(2));
}
