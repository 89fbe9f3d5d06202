//! Lives of connections, told on virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Budget, Direction, Policy, Rule};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::{
    Activity, Bearing, ConnectionId, Decision, Effect, End, Engine, Instant, Moment, Origin,
    Reason, Shared,
};

const NOON: Instant = Instant::from_nanos(1_700_000_000_000_000_000);
const ORIGIN: Origin = Origin {
    policy: 1,
    direction: Direction::Inbound,
    port: 0,
};

/// The shared map of a proxy, and how often another worker is faster.
#[derive(Default)]
struct Map {
    value: Option<u64>,
    token: u32,
    lost_races: u32,
}

impl Shared for Map {
    fn load(&mut self) -> (Option<u64>, u32) {
        (self.value, self.token)
    }

    fn store(&mut self, value: u64, token: u32) -> bool {
        if self.lost_races > 0 {
            self.lost_races -= 1;
            self.token += 1;
        }
        if token != self.token && self.value.is_some() {
            return false;
        }
        self.value = Some(value);
        self.token += 1;
        true
    }
}

/// One worker with one policy.
struct Story {
    engine: Engine,
    policy: Policy,
    map: Map,
    start: Instant,
}

impl Story {
    fn new(policy: &str) -> Self {
        let mut engine = Engine::default();
        engine.advance(NOON);
        Self {
            engine,
            policy: Policy::parse(policy.as_bytes()).unwrap(),
            map: Map::default(),
            start: NOON,
        }
    }

    /// A policy whose defaults are `rule`, without jitter or budget.
    fn rule(rule: &str) -> Self {
        Self::new(&format!(
            r#"{{"version": 1, "budget": "off", "defaults": {{"jitter": 0, {rule}}}}}"#
        ))
    }

    fn defaults(&self) -> Rc<Rule> {
        Rc::clone(&self.policy.defaults)
    }

    fn route(&self, name: &str) -> Rc<Rule> {
        Rc::clone(
            &self
                .policy
                .routes
                .iter()
                .find(|route| route.name == name)
                .unwrap()
                .rule,
        )
    }

    fn open(&mut self, id: u64) -> ConnectionId {
        let (id, rule) = (ConnectionId(id), self.defaults());
        let observe = self.policy.mode == evenkeel_policy::Mode::Observe;
        self.engine.open(id, ORIGIN, Some(rule), observe, id.0);
        id
    }

    fn open_tcp(&mut self, id: u64) -> ConnectionId {
        let id = self.open(id);
        let rule = self
            .policy
            .connections
            .first()
            .map(|rule| Rc::clone(&rule.rule));
        self.engine.is_tcp(id, 5432, rule);
        id
    }

    /// Lets time pass, ticking every 100 ms.
    fn pass(&mut self, span: Duration) {
        let end = self.engine.now().after(span);
        while self.engine.now() < end {
            let next = self.engine.now().after(Duration::from_millis(100)).min(end);
            self.engine.advance(next);
            let budget = self.policy.budget;
            self.engine.tick(32, |_| budget.as_ref(), &mut self.map);
        }
    }

    fn at(&mut self, seconds: u64) {
        let to = self.start.after(Duration::from_secs(seconds));
        self.pass(to.since(self.engine.now()));
    }

    fn read(&mut self, id: ConnectionId, requests: u64, active: u32) {
        self.engine.read(id, Activity { requests, active });
    }

    fn write(&mut self, id: ConnectionId, requests: u64, active: u32, moment: Moment) -> Decision {
        let budget: Option<Budget> = self.policy.budget;
        self.engine.wrote(
            id,
            Activity { requests, active },
            Some(moment),
            budget.as_ref(),
            &mut self.map,
        )
    }

    /// An HTTP/1 request and its answer.
    fn exchange(&mut self, id: ConnectionId, request: u64) -> Decision {
        self.read(id, request, 1);
        let decision = self.write(id, request, 1, Moment::Head);
        self.engine.wrote(
            id,
            Activity {
                requests: request,
                active: 0,
            },
            None,
            None,
            &mut self.map,
        );
        decision
    }

    fn effects(&mut self) -> Vec<Effect> {
        core::iter::from_fn(|| self.engine.poll()).collect()
    }
}

fn quiet(multiplexes: bool, bearing: Bearing) -> Moment {
    Moment::Quiet {
        multiplexes,
        alone: true,
        bearing,
    }
}

fn busy(bearing: Bearing) -> Moment {
    Moment::Busy { bearing }
}

#[test]
fn a_connection_past_its_age_is_announced_in_the_next_answer_and_the_client_closes_it() {
    let mut story = Story::rule(r#""max_age": "60s""#);
    let id = story.open(1);
    assert_eq!(story.exchange(id, 1), Decision::Keep);
    story.at(59);
    assert_eq!(story.exchange(id, 2), Decision::Keep);
    story.at(61);
    assert_eq!(story.exchange(id, 3), Decision::Announce(Reason::MaxAge));
    assert_eq!(
        story.engine.closed(id),
        Some(End::Announced(Reason::MaxAge))
    );
    assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
    assert_eq!((story.engine.len(), story.engine.timers()), (0, 0));
}

#[test]
fn an_idle_connection_past_its_age_is_never_cut_unannounced() {
    let mut story = Story::rule(r#""max_age": "60s", "grace": "1s""#);
    let id = story.open(1);
    story.at(86_400);
    assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
    assert_eq!(story.exchange(id, 1), Decision::Announce(Reason::MaxAge));
}

#[test]
fn the_last_request_is_announced_in_its_own_answer() {
    let mut story = Story::rule(r#""max_requests": 2"#);
    let id = story.open(1);
    assert_eq!(story.exchange(id, 1), Decision::Keep);
    assert_eq!(
        story.exchange(id, 2),
        Decision::Announce(Reason::MaxRequests)
    );
}

#[test]
fn jitter_only_shortens_and_spreads() {
    let mut story = Story::new(r#"{"version": 1, "defaults": {"max_age": "100s", "jitter": 0.5}}"#);
    for id in 0..1000 {
        story.open(id);
    }
    let mut due = Vec::new();
    for second in 1..=101 {
        story.at(second);
        due.push(story.effects().len());
    }
    assert_eq!(due.iter().take(49).sum::<usize>(), 0);
    assert_eq!(due.iter().sum::<usize>(), 1000);
    assert!(
        due.iter()
            .skip(50)
            .take(49)
            .all(|&count| (5..=40).contains(&count)),
        "{due:?}"
    );
}

#[test]
fn jitter_keeps_the_last_request_a_limit() {
    let mut story = Story::new(
        r#"{"version": 1, "budget": "off", "defaults": {"max_requests": 100, "jitter": 0.2}}"#,
    );
    let mut seen = std::collections::BTreeSet::new();
    for id in 0..200 {
        let id = story.open(id);
        let last = (1..=100)
            .find(|&request| story.exchange(id, request) != Decision::Keep)
            .unwrap();
        assert!((80..=100).contains(&last), "{last}");
        seen.insert(last);
    }
    assert!(seen.len() > 15, "{seen:?}");
}

#[test]
fn min_age_holds_every_limit_back() {
    let mut story = Story::rule(r#""max_requests": 1, "min_age": "10s""#);
    let id = story.open(1);
    assert_eq!(story.exchange(id, 1), Decision::Keep);
    story.at(9);
    assert_eq!(story.exchange(id, 2), Decision::Keep);
    story.at(10);
    assert_eq!(
        story.exchange(id, 3),
        Decision::Announce(Reason::MaxRequests)
    );
}

#[test]
fn a_mean_age_is_memoryless() {
    let mut story = Story::rule(r#""max_age": "off", "mean_age": "100s""#);
    for id in 0..4000 {
        story.open(id);
    }
    let mut left = 4000_f64;
    for hundred in 1..=3 {
        story.at(hundred * 100);
        let gone = story.effects().len() as f64;
        let share = gone / left;
        assert!(
            (0.57..0.69).contains(&share),
            "in every hundred seconds 63 % of those left go, not {share}"
        );
        left -= gone;
    }
}

#[test]
fn of_several_reasons_the_age_is_told_and_it_counts_as_one_move() {
    let mut story = Story::rule(r#""max_age": "10s", "max_requests": 1, "min_age": "10s""#);
    let id = story.open(1);
    story.read(id, 1, 1);
    story.at(11);
    assert_eq!(
        story.write(id, 1, 0, Moment::Head),
        Decision::Announce(Reason::MaxAge)
    );
    assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
}

#[test]
fn a_client_that_stays_after_its_announcement_is_closed_when_nothing_is_owed() {
    let mut story = Story::rule(r#""max_requests": 1, "linger": "2s""#);
    let id = story.open(1);
    story.exchange(id, 1);
    story.pass(Duration::from_millis(1900));
    assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxRequests)]);
    story.pass(Duration::from_millis(200));
    assert_eq!(
        story.effects(),
        [Effect::Close {
            id,
            reason: Reason::MaxRequests,
            cut: 0
        }]
    );
    assert_eq!(
        story.engine.closed(id),
        Some(End::Closed(Reason::MaxRequests))
    );
}

#[test]
fn a_request_that_was_on_its_way_is_served_and_lingering_begins_anew() {
    let mut story = Story::rule(r#""max_requests": 1, "linger": "2s""#);
    let id = story.open(1);
    story.exchange(id, 1);
    story.pass(Duration::from_secs(1));
    story.read(id, 2, 1);
    story.pass(Duration::from_secs(60));
    assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxRequests)]);
    assert_eq!(story.write(id, 2, 0, Moment::Head), Decision::Repeat);
    story.pass(Duration::from_secs(1));
    assert_eq!(story.effects(), []);
    story.pass(Duration::from_secs(1));
    assert_eq!(
        story.effects(),
        [Effect::Close {
            id,
            reason: Reason::MaxRequests,
            cut: 0
        }]
    );
}

#[test]
fn what_is_owed_is_served_for_ever_without_a_grace_and_cut_after_it_with_one() {
    for (grace, expected) in [("off", None), ("5s", Some(3))] {
        let mut story = Story::rule(&format!(
            r#""max_age": "1s", "quiet_wait": "0s", "grace": "{grace}""#
        ));
        let id = story.open(1);
        story.at(2);
        story.read(id, 3, 3);
        assert_eq!(
            story.write(id, 3, 3, busy(Bearing::Bears)),
            Decision::Announce(Reason::MaxAge)
        );
        story.pass(Duration::from_millis(4900));
        assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
        story.pass(Duration::from_secs(3600));
        let closes: Vec<_> = expected
            .map(|cut| Effect::Close {
                id,
                reason: Reason::MaxAge,
                cut,
            })
            .into_iter()
            .collect();
        assert_eq!(story.effects(), closes);
    }
}

#[test]
fn a_busy_client_that_bears_it_is_announced_after_quiet_wait() {
    let mut story = Story::rule(r#""max_age": "10s", "quiet_wait": "2s""#);
    let id = story.open(1);
    story.at(10);
    story.read(id, 5, 5);
    story.at(11);
    assert_eq!(story.write(id, 5, 4, busy(Bearing::Bears)), Decision::Keep);
    story.at(12);
    assert_eq!(
        story.write(id, 5, 3, busy(Bearing::Bears)),
        Decision::Announce(Reason::MaxAge)
    );
}

#[test]
fn a_busy_client_that_does_not_bear_it_is_put_off_unless_the_policy_insists() {
    for (policy, expected) in [
        ("wait", Decision::Keep),
        ("announce", Decision::Announce(Reason::MaxAge)),
    ] {
        let mut story = Story::rule(&format!(
            r#""max_age": "10s", "grace": "30s", "busy": "{policy}""#
        ));
        let id = story.open(1);
        story.at(10);
        story.at(39);
        story.read(id, 5, 5);
        assert_eq!(story.write(id, 5, 4, busy(Bearing::Never)), Decision::Keep);
        story.at(41);
        assert_eq!(story.write(id, 5, 3, busy(Bearing::Never)), expected);
        assert_eq!(story.write(id, 5, 3, busy(Bearing::Never)), Decision::Keep);
        let put_off = story
            .effects()
            .iter()
            .filter(|effect| matches!(effect, Effect::PutOff(_)))
            .count();
        assert_eq!(put_off, usize::from(expected == Decision::Keep));
        if expected == Decision::Keep {
            let moment = quiet(false, Bearing::Never);
            assert_eq!(
                story.write(id, 5, 0, moment),
                Decision::Announce(Reason::MaxAge)
            );
        }
    }
}

#[test]
fn a_client_that_may_hold_unread_answers_is_announced_when_the_one_before_is_old_enough() {
    let mut story = Story::rule(r#""max_age": "10s""#);
    let id = story.open(1);
    story.at(11);
    let moment = quiet(true, Bearing::Never);
    let end = |story: &mut Story, request, pause| {
        story.read(id, request, 1);
        story
            .engine
            .advance(story.engine.now().after(Duration::from_millis(pause)));
        story.write(id, request, 0, moment)
    };
    assert_eq!(
        end(&mut story, 1, 50),
        Decision::Keep,
        "nothing is known of the answer before"
    );
    assert_eq!(end(&mut story, 2, 900), Decision::Keep);
    assert_eq!(end(&mut story, 3, 1000), Decision::Announce(Reason::MaxAge));
}

#[test]
fn a_policy_that_asks_for_exact_waits_for_a_quiet_moment() {
    let mut story = Story::rule(r#""max_age": "10s", "goaway": "exact""#);
    let id = story.open(1);
    story.at(3600);
    story.read(id, 2, 2);
    assert_eq!(story.write(id, 2, 1, busy(Bearing::Bears)), Decision::Keep);
    assert_eq!(
        story.write(id, 2, 0, quiet(false, Bearing::Bears)),
        Decision::Announce(Reason::MaxAge)
    );
}

#[test]
fn a_protected_stream_spares_its_connection_until_its_own_grace_is_over() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_age": "10s", "jitter": 0, "quiet_wait": "0s"},
        "routes": [{"name": "events", "match": {"path_prefix": "/events"}, "protect": true, "grace": "60s"}]}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    let rule = story.route("events");
    story.engine.govern(id, &rule);
    story.engine.protect(id, &rule);
    story.read(id, 1, 1);
    story.at(69);
    assert_eq!(story.write(id, 1, 1, busy(Bearing::Bears)), Decision::Keep);
    story.at(71);
    assert_eq!(
        story.write(id, 1, 1, busy(Bearing::Bears)),
        Decision::Announce(Reason::MaxAge)
    );
}

#[test]
fn when_the_protected_stream_ends_the_connection_goes_at_once() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_age": "10s", "jitter": 0},
        "routes": [{"name": "events", "match": {"path_prefix": "/events"}, "protect": true}]}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    let rule = story.route("events");
    story.engine.govern(id, &rule);
    story.engine.protect(id, &rule);
    story.at(3600);
    assert_eq!(
        story.write(id, 2, 1, quiet(false, Bearing::Bears)),
        Decision::Keep
    );
    story.engine.unprotect(id);
    assert_eq!(
        story.write(id, 2, 0, quiet(false, Bearing::Bears)),
        Decision::Announce(Reason::MaxAge)
    );
}

#[test]
fn the_rule_of_the_first_request_replaces_the_default_and_further_ones_only_tighten() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_age": "10s", "jitter": 0}, "routes": [
        {"name": "long", "match": {"path_prefix": "/long"}, "max_age": "100s"},
        {"name": "short", "match": {"path_prefix": "/short"}, "max_age": "50s"}]}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    let (long, short) = (story.route("long"), story.route("short"));
    story.engine.govern(id, &long);
    story.at(20);
    assert_eq!(story.exchange(id, 1), Decision::Keep);
    story.engine.govern(id, &short);
    story.engine.govern(id, &long);
    story.at(49);
    assert_eq!(story.exchange(id, 2), Decision::Keep);
    story.at(51);
    assert_eq!(story.exchange(id, 3), Decision::Announce(Reason::MaxAge));
}

#[test]
fn the_budget_is_shared_by_all_workers_and_refuses_each_move_once() {
    let policy = r#"{"version": 1, "defaults": {"max_age": "10s", "jitter": 0}, "budget": {"per_second": 10, "burst": 5}}"#;
    let (mut one, mut other) = (Story::new(policy), Story::new(policy));
    let ids: Vec<_> = (0..20).map(|id| one.open(id)).collect();
    let others: Vec<_> = (20..40).map(|id| other.open(id)).collect();
    one.at(11);
    other.at(11);
    let moved = ids
        .iter()
        .filter(|&&id| one.exchange(id, 1) != Decision::Keep)
        .count();
    other.map = core::mem::take(&mut one.map);
    let moved_there = others
        .iter()
        .filter(|&&id| other.exchange(id, 1) != Decision::Keep)
        .count();
    assert_eq!((moved, moved_there), (5, 0));
    other.pass(Duration::from_secs(1));
    let moved_later = others
        .iter()
        .filter(|&&id| other.exchange(id, 2) != Decision::Keep)
        .count();
    assert_eq!(
        moved_later, 5,
        "after a second the bucket is full again, and no fuller"
    );
    let refused = other
        .effects()
        .iter()
        .filter(|effect| matches!(effect, Effect::Refused(_)))
        .count();
    assert_eq!(refused, 20);
}

#[test]
fn over_time_the_budget_gives_its_rate() {
    let policy = r#"{"version": 1, "defaults": {"max_age": "1s", "jitter": 0}, "budget": {"per_second": 10, "burst": 1}}"#;
    let mut story = Story::new(policy);
    let mut waiting: Vec<_> = (0..500).map(|id| story.open(id)).collect();
    story.at(2);
    for second in 3..=22 {
        story.at(second - 1);
        for _ in 0..10 {
            story.pass(Duration::from_millis(100));
            waiting.retain(|&id| story.exchange(id, 1) == Decision::Keep);
        }
    }
    let moved = 500 - waiting.len();
    assert!((195..=201).contains(&moved), "{moved}");
}

#[test]
fn a_lost_race_for_the_budget_is_tried_again() {
    let mut story = Story::new(
        r#"{"version": 1, "defaults": {"max_requests": 1}, "budget": {"per_second": 1, "burst": 2}}"#,
    );
    let (a, b) = (story.open(1), story.open(2));
    assert_ne!(story.exchange(a, 1), Decision::Keep);
    story.map.lost_races = 3;
    assert_ne!(story.exchange(b, 1), Decision::Keep);
}

#[test]
fn a_clock_that_goes_back_neither_moves_nor_holds_anything() {
    let mut story = Story::new(
        r#"{"version": 1, "defaults": {"max_age": "10s", "jitter": 0}, "budget": {"per_second": 1, "burst": 1}}"#,
    );
    let id = story.open(1);
    story.at(5);
    story.engine.advance(Instant::from_nanos(0));
    assert_eq!(story.engine.now(), NOON.after(Duration::from_secs(5)));
    assert_eq!(story.exchange(id, 1), Decision::Keep);
    // Another worker, whose clock was a day ahead, left the budget in the future.
    story.map.value = Some(NOON.after(Duration::from_secs(86_400)).as_nanos());
    story.at(11);
    assert_eq!(story.exchange(id, 2), Decision::Announce(Reason::MaxAge));
}

#[test]
fn observing_tells_what_would_have_moved_and_counts_from_there_anew() {
    let mut story = Story::new(
        r#"{"version": 1, "mode": "observe", "defaults": {"max_age": "10s", "jitter": 0}}"#,
    );
    let id = story.open(1);
    story.at(11);
    assert_eq!(story.exchange(id, 1), Decision::Keep);
    assert_eq!(
        story.effects(),
        [
            Effect::Due(id, Reason::MaxAge),
            Effect::Observed(id, Reason::MaxAge)
        ]
    );
    story.at(20);
    assert_eq!(story.exchange(id, 2), Decision::Keep);
    assert_eq!(story.effects(), []);
    story.at(22);
    story.exchange(id, 3);
    assert_eq!(
        story.effects(),
        [
            Effect::Due(id, Reason::MaxAge),
            Effect::Observed(id, Reason::MaxAge)
        ]
    );
    assert_eq!(story.engine.closed(id), Some(End::Unasked));
}

const POSTGRES: &str = r#"{"version": 1, "budget": "off", "connections": [
    {"name": "postgres", "match": {"port": 5432}, "max_age": "60s", "jitter": 0, "quiet_wait": "2s", "grace": "30s"}]}"#;

impl Story {
    /// A question and its answer over TCP.
    fn talk(&mut self, id: ConnectionId) {
        self.read(id, 0, 0);
        self.answer(id);
    }

    fn answer(&mut self, id: ConnectionId) {
        let now = self.engine.now().after(Duration::from_millis(1));
        self.engine.advance(now);
        self.engine
            .wrote(id, Activity::default(), None, None, &mut self.map);
    }
}

#[test]
fn a_tcp_connection_past_its_age_is_closed_at_rest_after_an_answer() {
    let mut story = Story::new(POSTGRES);
    let id = story.open_tcp(1);
    for second in 1..=65 {
        story.at(second);
        story.talk(id);
    }
    assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
    story.at(66);
    assert_eq!(story.effects(), []);
    story.at(68);
    let reason = Reason::MaxAge;
    assert_eq!(story.effects(), [Effect::Close { id, reason, cut: 0 }]);
}

#[test]
fn a_tcp_connection_that_falls_due_in_a_pause_waits_for_the_next_answer() {
    let mut story = Story::new(POSTGRES);
    let id = story.open_tcp(1);
    story.at(50);
    story.talk(id);
    story.at(80);
    assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
    story.read(id, 0, 0);
    story.at(85);
    assert_eq!(story.effects(), [], "a question is open");
    story.answer(id);
    story.at(88);
    let reason = Reason::MaxAge;
    assert_eq!(story.effects(), [Effect::Close { id, reason, cut: 0 }]);
}

#[test]
fn a_tcp_connection_that_is_idle_is_closed_when_its_grace_is_over() {
    for grace in ["30s", "off"] {
        let mut story = Story::new(&POSTGRES.replace("30s", grace));
        let id = story.open_tcp(1);
        story.at(89);
        assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
        story.at(91);
        let reason = Reason::MaxAge;
        assert_eq!(story.effects(), [Effect::Close { id, reason, cut: 0 }]);
    }
}

#[test]
fn a_tcp_connection_that_never_rests_is_cut_after_its_grace_and_never_without_one() {
    for (grace, cut) in [("30s", Some(1)), ("off", None)] {
        let mut story = Story::new(&POSTGRES.replace("30s", grace));
        let id = story.open_tcp(1);
        for second in 1..=89 {
            story.at(second);
            story.talk(id);
        }
        assert_eq!(story.effects(), [Effect::Due(id, Reason::MaxAge)]);
        story.read(id, 0, 0);
        story.pass(Duration::from_secs(60));
        let reason = Reason::MaxAge;
        let closes: Vec<_> = cut
            .map(|cut| Effect::Close { id, reason, cut })
            .into_iter()
            .collect();
        assert_eq!(story.effects(), closes);
    }
}

#[test]
fn a_tcp_connection_without_a_rule_and_one_that_is_not_understood_are_left_alone() {
    let mut story = Story::rule(r#""max_age": "1s", "grace": "1s""#);
    let tcp = story.open_tcp(1);
    let opaque = story.open(2);
    story.engine.leave(opaque);
    story.at(3600);
    assert_eq!(story.exchange(opaque, 1), Decision::Keep);
    assert_eq!(story.effects(), []);
    assert_eq!(
        (story.engine.closed(tcp), story.engine.closed(opaque)),
        (Some(End::Unasked), Some(End::Unasked))
    );
}

#[test]
fn a_tick_closes_no_more_than_it_may_and_the_next_one_goes_on() {
    let mut story = Story::new(POSTGRES);
    for id in 0..100 {
        story.open_tcp(id);
    }
    story.at(89);
    story.effects();
    story.at(90);
    let first = story
        .effects()
        .iter()
        .filter(|effect| matches!(effect, Effect::Close { .. }))
        .count();
    assert_eq!(first, 32);
    let mut closed = Vec::new();
    for _ in 0..5 {
        story.pass(Duration::from_millis(100));
        closed.push(
            story
                .effects()
                .iter()
                .filter(|effect| matches!(effect, Effect::Close { .. }))
                .count(),
        );
    }
    assert_eq!(closed, [32, 32, 4, 0, 0]);
}

#[test]
fn a_policy_that_changes_governs_the_connections_that_are_open() {
    let mut story = Story::rule(r#""max_age": "1h""#);
    let id = story.open(1);
    story.at(100);
    story.exchange(id, 1);
    let update = Story::rule(r#""max_age": "60s""#).defaults();
    story.engine.adopt(1, false, |_, _, held| {
        (held == Some("defaults")).then(|| Rc::clone(&update))
    });
    story.at(101);
    assert_eq!(story.exchange(id, 2), Decision::Announce(Reason::MaxAge));
}

#[test]
fn a_policy_that_goes_takes_back_what_was_due_but_not_what_was_said() {
    let mut story = Story::rule(r#""max_age": "10s", "linger": "1s""#);
    let (due, said) = (story.open(1), story.open(2));
    story.at(11);
    story.exchange(said, 1);
    story.engine.adopt(1, false, |_, _, _| None);
    assert_eq!(story.exchange(due, 1), Decision::Keep);
    assert_eq!(story.exchange(said, 2), Decision::Repeat);
}

#[test]
fn what_is_left_is_told_truthfully() {
    let mut story = Story::rule(r#""max_age": "60s", "max_requests": 10"#);
    let id = story.open(1);
    story.exchange(id, 1);
    story.at(20);
    assert_eq!(
        story.engine.remaining(id),
        (Some(Duration::from_secs(40)), Some(9))
    );
}

#[test]
fn a_million_connections_come_and_go_and_leave_nothing_behind() {
    let mut story = Story::rule(r#""max_age": "60s", "max_requests": 2"#);
    let mut most = 0;
    for id in 0..1_000_000 {
        let opened = story.open(id);
        story.exchange(opened, 1);
        if id >= 100 {
            story.engine.closed(ConnectionId(id - 100));
        }
        most = most.max(story.engine.len()).max(story.engine.timers());
    }
    for id in 999_900..1_000_000 {
        story.engine.closed(ConnectionId(id));
    }
    assert_eq!(
        (
            most,
            story.engine.len(),
            story.engine.timers(),
            story.effects().len()
        ),
        (100, 0, 0, 0)
    );
}

#[test]
fn a_connection_takes_a_stated_number_of_bytes() {
    assert!(
        size_of::<crate::connection::Connection>() <= 320,
        "{}",
        size_of::<crate::connection::Connection>()
    );
}
