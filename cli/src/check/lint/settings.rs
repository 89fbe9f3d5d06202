//! Keys that do nothing, or more than is meant.

use std::time::Duration;

use evenkeel_policy::{Allow, Busy, Direction, Mode, Place, Request, WebSocket};

use super::{Lint, Scene, shown};
use crate::diagnose::{Finding, Kind, Ruling};

/// Envoy gives up an answer after so long, where a route does not say otherwise (`RouteAction.timeout`).
const TIMEOUT: Duration = Duration::from_secs(15);

/// How often a gRPC server allows a PING by default (`GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`,
/// grpc-go's `MinTime`, grpc-java's `permitKeepAliveTime`).
const GRPC_ALLOWS: Duration = Duration::from_secs(300);

/// The shortest time after which usual load balancers forget an idle connection: Azure's.
const FORGOTTEN: Duration = Duration::from_secs(240);

pub fn of_rule(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Vec<Finding> {
    let mut findings = no_effect(scene, ruling);
    findings.extend(grace(scene, ruling));
    findings.extend(busy(scene, ruling));
    findings.extend(going_away_for_good(scene, ruling));
    findings.extend(protects_everything(scene, ruling));
    findings
}

fn grace(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    let rule = ruling.rule;
    let grace = rule.grace?;
    let stated = ruling.stated(scene.document, "grace")?;
    if ruling.is_http() && grace < TIMEOUT {
        let finding = Lint::GraceBelowTimeout
            .of_value(&stated, "answers that take longer are cut off")
            .note(format!(
                "what is still open {} after the announcement is closed; Envoy waits for an answer for 15s \
                 (a route's `timeout`), Istio without end",
                shown(grace)
            ))
            .help("state a `grace` longer than the longest answer, or leave it \"off\"");
        return Some(finding);
    }
    if !ruling.is_http() && grace < rule.quiet_wait {
        let quiet = ruling.stated(scene.document, "quiet_wait");
        let finding = Lint::GraceBelowQuietWait
            .of_value(
                &stated,
                "connections are closed before they can have been silent for `quiet_wait`",
            )
            .mark(quiet.map(|quiet| quiet.spot.value), "longer than `grace`")
            .note(format!(
                "one that is due is closed whatever it does after {}, and at rest only after {} of silence",
                shown(grace),
                shown(rule.quiet_wait)
            ))
            .help("state a `grace` of several times `quiet_wait`");
        return Some(finding);
    }
    None
}

fn busy(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    if ruling.rule.busy != Busy::Announce || ruling.rule.grace.is_some() {
        return None;
    }
    let stated = ruling.stated(scene.document, "busy")?;
    let finding = Lint::BusyWithoutGrace
        .of_value(&stated, "it has no effect, for `grace` is \"off\"")
        .mark(
            ruling
                .stated(scene.document, "grace")
                .map(|grace| grace.spot.value),
            "stated here",
        )
        .note("a busy client is told once a moment at which it loses nothing has been waited for as long as `grace`")
        .help("state `grace`, or leave `busy` out");
    Some(finding)
}

fn protects_everything(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    if !ruling.rule.protect || ruling.rule.grace.is_some() || !is_for_all(ruling) {
        return None;
    }
    let stated = ruling.stated(scene.document, "protect")?;
    let finding = Lint::ProtectsEverything
        .of_value(&stated, "every request is protected, and `grace` is \"off\"")
        .note(
            "an HTTP/1 connection is announced in an answer, and so never; an HTTP/2 connection only while none \
             of its requests is open",
        )
        .help("protect the long requests by a route of their own, or state `grace`");
    Some(finding)
}

fn is_for_all(ruling: &Ruling<'_>) -> bool {
    let is_wide = |pattern: &str| matches!(pattern, "*" | "/");
    match ruling.kind {
        Kind::Defaults => true,
        Kind::Route(route) => route
            .parts(Direction::Inbound, &Request::default())
            .all(|part| part.key == "direction" || is_wide(part.pattern)),
        Kind::Port(_) => false,
    }
}

fn no_effect(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Vec<Finding> {
    let rule = ruling.rule;
    let heirs = || match ruling.kind {
        Kind::Defaults => scene.rules,
        _ => &[],
    };
    let has_websockets = |rule: &evenkeel_policy::Rule| rule.websocket != WebSocket::Off;
    let is_spread = |rule: &evenkeel_policy::Rule| {
        rule.max_age.is_some() || rule.max_requests.is_some() || rule.max_stream_age.is_some()
    };
    let nowhere = |has: &dyn Fn(&evenkeel_policy::Rule) -> bool| {
        !has(rule) && !heirs().iter().any(|heir| has(heir.rule))
    };
    let mut findings = Vec::new();
    let mut tell = |key: &str, why: &str, help: &str| {
        findings.extend(ruling.own(scene.document, key).map(|stated| {
            Lint::NoEffect
                .of_value(&stated, &format!("it has no effect: {why}"))
                .help(help)
        }));
    };
    if rule.idle_wait.is_some() && nowhere(&has_websockets) {
        tell(
            "idle_wait",
            "it is for WebSockets, which are left alone while `websocket` is \"off\"",
            "say what WebSockets are told, such as \"websocket\": \"service_restart\", or leave `idle_wait` out",
        );
    }
    if nowhere(&is_spread) {
        tell(
            "jitter",
            "there is no `max_age`, `max_requests` or `max_stream_age` that it could spread",
            "leave it out",
        );
    }
    if rule.max_stream_age.is_some() && rule.protect {
        tell(
            "max_stream_age",
            "streams that a rule protects are spared",
            "leave `protect` or `max_stream_age` out",
        );
    }
    findings
}

pub fn of_policy(scene: &Scene<'_>) -> Vec<Finding> {
    let all = [
        observes(scene),
        peers_without_shed(scene),
        peers_of_anyone(scene),
        pings_below_grpc(scene),
        keepalive(scene),
        moves_nothing(scene),
    ];
    all.into_iter().flatten().collect()
}

fn observes(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("mode");
    let is_observing = scene.policy.mode == Mode::Observe;
    let spot = scene.document.find(&place).filter(|_| is_observing)?;
    let finding = Lint::ObserveMode
        .at(&place, "nothing is moved, only counted")
        .at(Some(spot.value))
        .help("when `evenkeel_observed_total` shows what you want, state \"enforce\"");
    Some(finding)
}

fn peers_without_shed(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("peers");
    let is_idle = scene.policy.peers.is_some() && scene.policy.shed.is_none();
    let spot = scene.document.find(&place).filter(|_| is_idle)?;
    let finding = Lint::PeersWithoutShed
        .at(
            &place,
            "pods tell each other what they carry, and nothing is moved for it",
        )
        .at(Some(spot.name()))
        .help("to begin like this is wise; `shed` then moves the surplus that the metrics show");
    Some(finding)
}

fn peers_of_anyone(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("peers").key("allow");
    let is_open = scene.policy.peers.as_ref()?.allow == Allow::Anyone;
    let spot = scene.document.find(&place).filter(|_| is_open)?;
    let finding = Lint::PeersOfAnyone
        .at(&place, "whoever reaches the port reads the load of the pods")
        .at(Some(spot.value))
        .note(
            "what a request says is not believed, only what the endpoints of `cluster` answer: so news spread half as \
             fast, and nothing waits for a pod that leaves",
        )
        .help("with mutual TLS between the pods state \"same_identity\"; else keep others from the port");
    Some(finding)
}

fn pings_below_grpc(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default()
        .key("keepalive")
        .key("upstream_http2")
        .key("interval");
    let interval = scene.policy.keepalive.upstream_http2?.interval;
    let spot = scene
        .document
        .find(&place)
        .filter(|_| interval < GRPC_ALLOWS)?;
    let finding = Lint::PingsBelowGrpc
        .at(&place, "gRPC servers end the connection, with every call on it")
        .at(Some(spot.value))
        .note(
            "by default a gRPC server allows one PING in 5 minutes while no data flows, and responds to the third one \
             too many with GOAWAY, too_many_pings",
        )
        .help("state \"5m\" or more, or allow more in every server");
    Some(finding)
}

fn going_away_for_good(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    if ruling.rule.websocket != WebSocket::GoingAway {
        return None;
    }
    let stated = ruling.stated(scene.document, "websocket")?;
    let finding = Lint::GoingAwayForGood
        .of_value(&stated, "some libraries do not reconnect after code 1001")
        .note("sockette 2.0 does not; reconnecting-websocket, partysocket, robust-websocket and websocket-ts do")
        .help("after \"service_restart\", code 1012, all of these reconnect");
    Some(finding)
}

fn keepalive(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("keepalive").key("tcp").key("idle");
    let idle = scene.policy.keepalive.tcp?.idle;
    let spot = scene.document.find(&place).filter(|_| idle >= FORGOTTEN)?;
    let finding = Lint::KeepaliveBehindIdle
        .at(&place, "load balancers may have forgotten the connection before the first probe")
        .at(Some(spot.value))
        .note(
            "an idle connection is forgotten after 4m by Azure's load balancer, 350s by AWS's NLB and NAT gateway, \
             10m by Google Cloud",
        )
        .help("state less than 4m; \"60s\" is usual");
    Some(finding)
}

fn moves_nothing(scene: &Scene<'_>) -> Option<Finding> {
    let policy = scene.policy;
    let is_limited = |ruling: &Ruling<'_>| {
        let rule = ruling.rule;
        rule.max_age.is_some()
            || rule.mean_age.is_some()
            || rule.max_requests.is_some()
            || rule.max_stream_age.is_some()
    };
    let does_other = policy.upstream.is_some() || policy.shed.is_some() || policy.peers.is_some();
    if does_other || scene.rules.iter().any(is_limited) {
        return None;
    }
    let stated = scene.rules.first()?.stated(scene.document, "max_age")?;
    let finding = Lint::MovesNothing
        .of_value(&stated, "nothing in this policy moves a connection")
        .note("no rule has a limit, and there is neither `shed` nor `upstream`")
        .help("state an age, or `shed`; to count only, state \"mode\": \"observe\" beside them");
    Some(finding)
}
