//! Databases and brokers: connections are closed where the protocol shows that the client loses nothing.

use evenkeel_wire::tcp::{PinReason, SessionState, TcpProtocol, UnsafeReason};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::DeferReason;

const SAFE: SessionState = SessionState::Safe;
const SAFE_WHEN_IDLE: SessionState = SessionState::SafeWhenIdle;
const RESPONDING: SessionState = SessionState::Unsafe(UnsafeReason::Response);
const IN_TRANSACTION: SessionState = SessionState::Unsafe(UnsafeReason::Transaction);
const LISTENING: SessionState = SessionState::Pinned(PinReason::Subscription);
const BY_AGE: DrainReason = DrainReason::MaxConnectionAge;

/// A worker with a rule under which connections expire after a minute.
fn database(keys: Value) -> Story {
    let rule =
        json!({"name": "db", "match": {"port": 5432}, "max_connection_age": "60s", "jitter": 0});
    Story::new(json!({"budget": "off", "tcp": [merge(rule, keys)]}))
}

impl Story {
    fn open_session(
        &mut self,
        id: u64,
        protocol: TcpProtocol,
        state: SessionState,
    ) -> ConnectionId {
        let id = self.open(id);
        let rule = self.policy.tcp.first().map(|rule| Rc::clone(&rule.rule));
        let traffic = TcpTraffic::Session(protocol);
        self.engine.set_tcp(id, 5432, rule, traffic);
        self.respond_session(id, state);
        id
    }

    /// The client sends bytes. Gives whether they are passed on.
    fn request_session(&mut self, id: ConnectionId, state: SessionState) -> bool {
        self.engine.read(id, &of_session(state))
    }

    fn respond_session(&mut self, id: ConnectionId, state: SessionState) {
        let activity = of_session(state);
        self.engine
            .wrote(id, &activity, || None, |_| None, &mut self.store);
    }
}

fn of_session(state: SessionState) -> Activity {
    Activity {
        session: Some(state),
        ..Activity::default()
    }
}

fn in_flight(id: ConnectionId, reason: UnsafeReason) -> Effect {
    Effect::Deferred(id, DeferReason::InFlight(reason))
}

#[test]
fn idle_session_is_closed_as_soon_as_it_expires() {
    let mut story = database(json!({}));
    let id = story.open_session(1, TcpProtocol::PostgreSql, SAFE_WHEN_IDLE);
    story.at(59);
    assert_eq!(story.effects(), []);
    story.at(61);
    assert_eq!(story.effects(), [expired(id), close(id, BY_AGE, 0)]);
}

#[test]
fn session_is_closed_only_after_its_idle_time() {
    for (keys, idle) in [(json!({}), 500), (json!({"idle_time": "3s"}), 3000)] {
        let mut story = database(keys);
        let id = story.open_session(1, TcpProtocol::MySql, SAFE_WHEN_IDLE);
        for _ in 0..250 {
            assert!(story.request_session(id, RESPONDING));
            story.advance(Duration::from_millis(10));
            story.respond_session(id, SAFE_WHEN_IDLE);
            story.pass(Duration::from_millis(300));
        }
        assert_eq!(story.effects(), [expired(id)]);
        story.pass(Duration::from_millis(idle - 400));
        assert_eq!(story.effects(), [], "idle for {} ms", idle - 100);
        story.pass(Duration::from_millis(200));
        assert_eq!(story.effects(), [close(id, BY_AGE, 0)]);
    }
}

#[test]
fn safe_session_needs_no_idle_time_unless_the_rule_states_one() {
    for (keys, closes) in [(json!({}), true), (json!({"idle_time": "1s"}), false)] {
        let mut story = database(keys);
        let id = story.open_session(1, TcpProtocol::Mqtt, SAFE);
        story.at(59);
        for _ in 0..400 {
            story.advance(Duration::from_millis(5));
            story.respond_session(id, SAFE);
            if story
                .engine
                .now()
                .since(NOON)
                .subsec_millis()
                .is_multiple_of(100)
            {
                story.tick();
            }
        }
        assert_eq!(story.effects().iter().any(is_close), closes);
    }
}

#[test]
fn transaction_is_deferred_and_never_aborted() {
    for drain_timeout in ["30s", "off"] {
        let mut story = database(json!({"drain_timeout": drain_timeout}));
        let id = story.open_session(1, TcpProtocol::PostgreSql, IN_TRANSACTION);
        story.at(89);
        assert_eq!(story.effects(), [expired(id)]);
        story.at(3600);
        assert_eq!(story.effects(), [in_flight(id, UnsafeReason::Transaction)]);
        story.respond_session(id, SAFE_WHEN_IDLE);
        story.at(3601);
        assert_eq!(story.effects(), [close(id, BY_AGE, 0)]);
    }
}

#[test]
fn rule_may_abort_what_is_active_after_the_drain_timeout() {
    let mut story = database(json!({"when_active": "abort", "drain_timeout": "30s"}));
    let id = story.open_session(1, TcpProtocol::PostgreSql, IN_TRANSACTION);
    story.at(89);
    assert_eq!(story.effects(), [expired(id)]);
    story.at(91);
    assert_eq!(story.effects(), [close(id, BY_AGE, 1)]);
}

#[test]
fn connection_that_is_never_idle_is_deferred() {
    let mut story = database(json!({}));
    let id = story.open_session(1, TcpProtocol::Redis, SAFE_WHEN_IDLE);
    for tenth in 0..1200 {
        story.respond_session(id, SAFE_WHEN_IDLE);
        story.pass(TICK);
        if tenth == 880 {
            assert_eq!(story.effects(), [expired(id)]);
        }
    }
    let deferred = Effect::Deferred(id, DeferReason::NotIdle);
    assert_eq!(story.effects(), [deferred]);
}

#[test]
fn pinned_session_is_counted_and_not_drained() {
    for when_active in ["defer", "abort"] {
        let mut story = database(json!({"when_active": when_active}));
        let id = story.open_session(1, TcpProtocol::PostgreSql, LISTENING);
        story.at(89);
        assert_eq!(story.effects(), [expired(id)]);
        story.at(600);
        let pinned = Effect::Pinned(id, PinReason::Subscription);
        assert_eq!(story.effects(), [pinned]);
        assert!(story.request_session(id, RESPONDING));
        story.at(610);
        assert_eq!(story.effects(), [], "a request of a pinned session");
        // UNLISTEN
        story.respond_session(id, SAFE_WHEN_IDLE);
        story.at(611);
        assert_eq!(story.effects(), [close(id, BY_AGE, 0)]);
    }
}

#[test]
fn rule_may_ignore_the_session_state() {
    let mut story = database(json!({"session_state": "ignore"}));
    let id = story.open_session(1, TcpProtocol::Amqp, LISTENING);
    story.at(59);
    story.respond_session(id, LISTENING);
    story.pass(Duration::from_millis(1400));
    assert_eq!(story.effects(), [expired(id), close(id, BY_AGE, 0)]);
}

#[test]
fn nats_client_is_not_closed_again_within_its_reconnect_wait() {
    for (protocol, age) in [(TcpProtocol::Nats, 2000), (TcpProtocol::Mqtt, 500)] {
        let mut story = database(json!({"max_connection_age": "500ms"}));
        let id = story.open_session(1, protocol, SAFE);
        story.pass(Duration::from_millis(age - 100));
        assert!(!story.effects().iter().any(is_close), "{protocol:?}");
        story.pass(Duration::from_millis(300));
        assert_eq!(story.closed(), [id]);
    }
}

#[test]
fn nothing_is_passed_on_after_the_decision_to_close() {
    let mut story = database(json!({}));
    let id = story.open_session(1, TcpProtocol::Redis, SAFE_WHEN_IDLE);
    story.at(61);
    assert_eq!(story.closed(), [id]);
    assert!(!story.request_session(id, RESPONDING));
    let end = story.engine.closed(id);
    assert_eq!(end, Some(ConnectionEnd::ClosedByEngine(BY_AGE)));
}

#[test]
fn request_just_before_the_close_postpones_it() {
    let mut story = database(json!({}));
    let id = story.open_session(1, TcpProtocol::PostgreSql, SAFE_WHEN_IDLE);
    story.at(59);
    story.pass(Duration::from_millis(800));
    story.respond_session(id, SAFE_WHEN_IDLE);
    story.at(60);
    assert!(story.request_session(id, IN_TRANSACTION));
    story.at(80);
    assert_eq!(story.effects(), [expired(id)]);
}

#[test]
fn acknowledgement_of_the_client_is_a_safe_point() {
    let mut story = database(json!({}));
    let delivery = SessionState::Unsafe(UnsafeReason::Delivery);
    let id = story.open_session(1, TcpProtocol::Mqtt, delivery);
    story.at(70);
    assert_eq!(story.effects(), [expired(id)]);
    assert!(story.request_session(id, SAFE));
    story.pass(TICK);
    assert_eq!(story.effects(), [close(id, BY_AGE, 0)]);
}

#[test]
fn close_waits_until_the_client_has_the_response() {
    let mut story = database(json!({}));
    let id = story.open_session(1, TcpProtocol::PostgreSql, SAFE_WHEN_IDLE);
    let large = Activity {
        undelivered: 1 << 20,
        ..of_session(SAFE_WHEN_IDLE)
    };
    story
        .engine
        .wrote(id, &large, || None, |_| None, &mut story.store);
    story.at(80);
    assert_eq!(story.effects(), [expired(id)]);
    assert!(story.request_session(id, RESPONDING));
    story.respond_session(id, SAFE_WHEN_IDLE);
    story.at(81);
    assert_eq!(story.effects(), [close(id, BY_AGE, 0)]);
}

#[test]
fn rebalancing_selects_sessions_that_are_not_pinned() {
    let mut story = database(json!({"max_connection_age": "off"}));
    let pinned = story.open_session(1, TcpProtocol::PostgreSql, LISTENING);
    let free = story.open_session(2, TcpProtocol::PostgreSql, SAFE_WHEN_IDLE);
    story.set_drain_rate(100.0);
    story.at(10);

    let selected = story.select(selection(2.0), 7);
    story.at(11);

    assert_eq!(selected, 1.0);
    assert_eq!(story.closed(), [free]);
    assert!(story.engine.connection(pinned).is_some());
}

#[test]
fn dry_run_only_counts() {
    let rule =
        json!({"name": "db", "match": {"port": 5432}, "max_connection_age": "60s", "jitter": 0});
    let mut story = Story::new(json!({"mode": "dry_run", "budget": "off", "tcp": [rule]}));
    let id = story.open_session(1, TcpProtocol::PostgreSql, SAFE_WHEN_IDLE);
    story.at(61);
    assert_eq!(
        story.effects(),
        [expired(id), Effect::DryRunDrain(id, BY_AGE)]
    );
    assert!(story.request_session(id, RESPONDING));
}

#[test]
fn connection_that_was_not_followed_from_its_first_byte_is_not_drained_by_a_changed_policy() {
    for (protocol, traffic, closes) in [
        ("auto", TcpTraffic::Unknown, false),
        ("auto", TcpTraffic::Raw, true),
        ("postgresql", TcpTraffic::Raw, false),
        ("raw", TcpTraffic::Unknown, true),
    ] {
        let mut story = database(json!({"protocol": protocol}));
        let id = story.open(1);
        story.engine.set_tcp(id, 5432, None, traffic);
        let rule = Rc::clone(&story.policy.tcp[0].rule);
        story.replace_rule(&rule);
        story.at(600);
        let effects = story.effects();
        assert_eq!(effects.iter().any(is_close), closes, "{protocol}");
        let is_reported = effects.contains(&Effect::OpenedBeforeRule(id));
        assert_eq!(is_reported, !closes, "{protocol}");
    }
}

#[test]
fn session_of_another_protocol_than_a_changed_policy_states_is_not_drained() {
    for (protocol, closes) in [("auto", true), ("redis", true), ("mysql", false)] {
        let mut story = database(json!({"protocol": protocol}));
        let id = story.open_session(1, TcpProtocol::Redis, SAFE_WHEN_IDLE);
        let rule = Rc::clone(&story.policy.tcp[0].rule);
        story.replace_rule(&rule);
        story.at(600);
        assert_eq!(story.closed().contains(&id), closes, "{protocol}");
    }
}
