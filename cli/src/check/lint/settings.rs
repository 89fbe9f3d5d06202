//! Keys without effect, or with more effect than intended.

use std::time::Duration;

use evenkeel_policy::{CloseCode, Direction, Mode, Place, Request, Trust, WhenActive};

use super::{Lint, Scene, shown};
use crate::diagnose::{Finding, Kind, Ruling};

/// Envoy's default timeout for a response (`RouteAction.timeout`).
const TIMEOUT: Duration = Duration::from_secs(15);

/// How often a gRPC server allows a PING by default (`GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`,
/// grpc-go's `MinTime`, grpc-java's `permitKeepAliveTime`).
const GRPC_ALLOWS: Duration = Duration::from_secs(300);

/// The shortest time after which usual load balancers forget an idle connection: Azure's.
const FORGOTTEN: Duration = Duration::from_secs(240);

pub fn of_rule(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Vec<Finding> {
    let mut findings = no_effect(scene, ruling);
    findings.extend(drain_timeout(scene, ruling));
    findings.extend(when_active(scene, ruling));
    findings.extend(going_away(scene, ruling));
    findings.extend(protects_everything(scene, ruling));
    findings
}

fn drain_timeout(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    let rule = ruling.rule;
    let drain_timeout = rule.drain_timeout?;
    let stated = ruling.stated(scene.document, "drain_timeout")?;
    if ruling.is_http() && drain_timeout < TIMEOUT {
        let finding = Lint::DrainTimeoutTooShort
            .of_value(&stated, "requests that take longer are aborted")
            .note(format!(
                "requests that are active {} after the drain signal are aborted; Envoy waits 15s for a response \
                 (a route's `timeout`), Istio without limit",
                shown(drain_timeout)
            ))
            .help("state a `drain_timeout` longer than the longest request, or \"off\"");
        return Some(finding);
    }
    if !ruling.is_http() && drain_timeout < rule.idle_time {
        let idle = ruling.stated(scene.document, "idle_time");
        let finding = Lint::DrainTimeoutBelowIdleTime
            .of_value(
                &stated,
                "connections are closed before they can have been idle for `idle_time`",
            )
            .mark(idle.map(|idle| idle.spot.value), "longer than `drain_timeout`")
            .note(format!(
                "an expired connection is closed while active after {}, and when idle only after {} of silence",
                shown(drain_timeout),
                shown(rule.idle_time)
            ))
            .help("state a `drain_timeout` of several times `idle_time`");
        return Some(finding);
    }
    None
}

fn when_active(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    let rule = ruling.rule;
    let drains = |when| when == WhenActive::Drain;
    let key = match (
        drains(rule.http2.when_active),
        drains(rule.websocket.when_active),
    ) {
        (true, _) => "http2.when_active",
        (false, true) => "websocket.when_active",
        (false, false) => return None,
    };
    if rule.drain_timeout.is_some() {
        return None;
    }
    let stated = ruling.stated(scene.document, key)?;
    let finding = Lint::WhenActiveWithoutDrainTimeout
        .of_value(&stated, "it has no effect, because `drain_timeout` is \"off\"")
        .mark(
            ruling
                .stated(scene.document, "drain_timeout")
                .map(|drain_timeout| drain_timeout.spot.value),
            "stated here",
        )
        .note("an active client gets the drain signal when there was no safe point for as long as `drain_timeout`")
        .help("state `drain_timeout`, or remove `when_active`");
    Some(finding)
}

fn protects_everything(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    if !ruling.rule.protect || ruling.rule.drain_timeout.is_some() || !is_for_all(ruling) {
        return None;
    }
    let stated = ruling.stated(scene.document, "protect")?;
    let finding = Lint::ProtectsEverything
        .of_value(&stated, "every request is protected, and `drain_timeout` is \"off\"")
        .note(
            "an HTTP/1 connection is drained by a response, and so never; an HTTP/2 connection only while it is idle",
        )
        .help("protect the long requests by a separate route, or state `drain_timeout`");
    Some(finding)
}

fn is_for_all(ruling: &Ruling<'_>) -> bool {
    let is_wide = |pattern: &str| matches!(pattern, "*" | "/");
    match ruling.kind {
        Kind::Defaults => true,
        Kind::Route(route) => route
            .conditions(Direction::Inbound, &Request::default())
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
    let has_websockets = |rule: &evenkeel_policy::Rule| rule.websocket.close_code != CloseCode::Off;
    let is_spread = |rule: &evenkeel_policy::Rule| {
        rule.max_connection_age.is_some()
            || rule.max_requests_per_connection.is_some()
            || rule.max_stream_age.is_some()
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
    if rule.websocket.idle_timeout.is_some() && nowhere(&has_websockets) {
        tell(
            "websocket.idle_timeout",
            "WebSockets are not drained while `close_code` is \"off\"",
            "state a close code, such as \"close_code\": \"service_restart\", or remove `idle_timeout`",
        );
    }
    if nowhere(&is_spread) {
        tell(
            "jitter",
            "there is no `max_connection_age`, `max_requests_per_connection` or `max_stream_age` that it could spread",
            "remove it",
        );
    }
    if rule.max_stream_age.is_some() && rule.protect {
        tell(
            "grpc.max_stream_age",
            "protected streams are exempt",
            "remove `protect` or `max_stream_age`",
        );
    }
    findings
}

pub fn of_policy(scene: &Scene<'_>) -> Vec<Finding> {
    let all = [
        dry_run(scene),
        peers_without_rebalance(scene),
        peers_trust_anyone(scene),
        pings_below_grpc(scene),
        keepalive(scene),
        drains_nothing(scene),
    ];
    all.into_iter().flatten().collect()
}

fn dry_run(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("mode");
    let is_dry_run = scene.policy.mode == Mode::DryRun;
    let spot = scene.document.find(&place).filter(|_| is_dry_run)?;
    let finding = Lint::DryRun
        .at(&place, "nothing is drained, only counted")
        .at(Some(spot.value))
        .help("when `evenkeel_dry_run_drains_total` shows what you want, state \"enforce\"");
    Some(finding)
}

fn peers_without_rebalance(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("peers");
    let is_idle = scene.policy.peers.is_some() && scene.policy.rebalance.is_none();
    let spot = scene.document.find(&place).filter(|_| is_idle)?;
    let finding = Lint::PeersWithoutRebalance
        .at(
            &place,
            "pods exchange load reports, but nothing is rebalanced",
        )
        .at(Some(spot.name()))
        .help("this is a good start; `rebalance` then drains the excess that the metrics show");
    Some(finding)
}

fn peers_trust_anyone(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("peers").key("trust");
    let is_open = scene.policy.peers.as_ref()?.trust == Trust::Anyone;
    let spot = scene.document.find(&place).filter(|_| is_open)?;
    let finding = Lint::PeersTrustAnyone
        .at(&place, "every client that reaches the port can read the load of the pods")
        .at(Some(spot.value))
        .note(
            "reports in requests are not used, only those in responses of the endpoints of `cluster`: so reports spread \
             half as fast, and there is no stabilization window when a pod leaves",
        )
        .help("with mutual TLS between the pods state \"same_identity\"; otherwise restrict access to the port");
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

fn going_away(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    if ruling.rule.websocket.close_code != CloseCode::GoingAway {
        return None;
    }
    let stated = ruling.stated(scene.document, "websocket.close_code")?;
    let finding = Lint::GoingAway
        .of_value(&stated, "some libraries do not reconnect after code 1001")
        .note("sockette 2.0 does not; reconnecting-websocket, partysocket, robust-websocket and websocket-ts do")
        .help("after \"service_restart\", code 1012, all of these reconnect");
    Some(finding)
}

fn keepalive(scene: &Scene<'_>) -> Option<Finding> {
    let place = Place::default().key("keepalive").key("tcp").key("time");
    let idle = scene.policy.keepalive.tcp?.time;
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

fn drains_nothing(scene: &Scene<'_>) -> Option<Finding> {
    let policy = scene.policy;
    let is_limited = |ruling: &Ruling<'_>| {
        let rule = ruling.rule;
        rule.max_connection_age.is_some()
            || rule.mean_connection_age.is_some()
            || rule.max_requests_per_connection.is_some()
            || rule.max_stream_age.is_some()
    };
    let does_other =
        policy.upstream.is_some() || policy.rebalance.is_some() || policy.peers.is_some();
    if does_other || scene.rules.iter().any(is_limited) {
        return None;
    }
    let stated = scene
        .rules
        .first()?
        .stated(scene.document, "max_connection_age")?;
    let finding = Lint::DrainsNothing
        .of_value(&stated, "nothing in this policy drains a connection")
        .note("no rule has a limit, and there is neither `rebalance` nor `upstream`")
        .help(
            "state an age, or `rebalance`; to count only, state \"mode\": \"dry_run\" beside them",
        );
    Some(finding)
}
