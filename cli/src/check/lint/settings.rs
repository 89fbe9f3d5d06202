//! Warns of keys without effect, or with more effect than intended.

use std::time::Duration;

use evenkeel_engine::TcpProtocol;
use evenkeel_policy::{
    CloseCode, Direction, ErrorSetting, Mode, Place, ProtocolSetting, Request, Trust, WhenActive,
    WhenTcpActive,
};

use super::{Lint, LintContext, quoted};
use crate::diagnose::{Finding, LocatedRule, RuleKind};
use crate::rule_protocol::RuleProtocol;

/// Envoy's default timeout for a response (`RouteAction.timeout`).
const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);

/// The shortest interval between PINGs that a gRPC server allows by default (`GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`,
/// grpc-go's `MinTime`, grpc-java's `permitKeepAliveTime`).
const GRPC_MIN_PING_INTERVAL: Duration = Duration::from_secs(300);

/// The shortest idle timeout of the usual load balancers: Azure's.
const MIN_BALANCER_IDLE_TIMEOUT: Duration = Duration::from_secs(240);

pub fn of_rule(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Vec<Finding> {
    let mut findings = no_effect(context, located);
    findings.extend(drain_timeout(context, located));
    findings.extend(when_active(context, located));
    findings.extend(going_away(context, located));
    findings.extend(protects_everything(context, located));
    if let RuleKind::Port(port) = located.kind {
        findings.extend(raw_on_known_port(context, located, port.port));
    }
    findings
}

/// Finds a rule for raw TCP on the well-known port of a protocol that can be parsed.
fn raw_on_known_port(
    context: &LintContext<'_>,
    located: &LocatedRule<'_>,
    port: u16,
) -> Option<Finding> {
    let protocol = TcpProtocol::of_port(port)?.name();
    if located.rule.tcp.protocol != ProtocolSetting::Raw {
        return None;
    }
    let stated = located.locate_own(context.document, "protocol")?;
    let finding = Lint::RawOnKnownPort
        .of_value(
            &stated,
            &format!("port {port} is the well-known port of {protocol}, which `raw` does not parse"),
        )
        .note("a pause after data from the server is no safe point there: open transactions and messages in flight can be lost")
        .help(format!(
            "use \"{protocol}\" or \"auto\"; keep \"raw\" only for connections that are encrypted from end to end, which are not drained otherwise"
        ));
    Some(finding)
}

fn drain_timeout(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Option<Finding> {
    let rule = located.rule;
    let drain_timeout = rule.drain_timeout?;
    let stated = located.locate(context.document, "drain_timeout")?;
    if located.is_http() && drain_timeout < ROUTE_TIMEOUT {
        let finding = Lint::DrainTimeoutTooShort
            .of_value(&stated, "requests that take longer are aborted")
            .note(format!(
                "requests that are active {} after the drain signal are aborted; Envoy waits 15s for a response \
                 (a route's `timeout`), Istio without limit",
                quoted(drain_timeout)
            ))
            .help("state a `drain_timeout` longer than the longest request, or \"off\"");
        return Some(finding);
    }
    if let RuleKind::Port(port) = located.kind
        && !matches!(RuleProtocol::of(port.port, rule), RuleProtocol::Protocol(_))
        && rule.tcp.aborts_raw()
        && drain_timeout < rule.tcp.raw_idle_time()
    {
        let idle = located.locate(context.document, "idle_time");
        let finding = Lint::DrainTimeoutBelowIdleTime
            .of_value(
                &stated,
                "connections are closed before they can have been idle for `idle_time`",
            )
            .related(idle.map(|idle| idle.location.value), "longer than `drain_timeout`")
            .note(format!(
                "an expired connection is closed while active after {}, and when idle only after {} of silence",
                quoted(drain_timeout),
                quoted(rule.tcp.raw_idle_time())
            ))
            .help("state a `drain_timeout` of several times `idle_time`");
        return Some(finding);
    }
    None
}

fn when_active(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Option<Finding> {
    let rule = located.rule;
    let drains = |when| when == WhenActive::Drain;
    let key = match (
        drains(rule.http2.when_active),
        drains(rule.websocket.when_active),
        rule.tcp.when_active == Some(WhenTcpActive::Abort),
    ) {
        (true, _, _) => "http2.when_active",
        (false, true, _) => "websocket.when_active",
        (false, false, true) => "when_active",
        (false, false, false) => return None,
    };
    if rule.drain_timeout.is_some() {
        return None;
    }
    let stated = located.locate(context.document, key)?;
    let finding = Lint::WhenActiveWithoutDrainTimeout
        .of_value(&stated, "it has no effect, because `drain_timeout` is \"off\"")
        .related(
            located.locate(context.document, "drain_timeout")
                .map(|drain_timeout| drain_timeout.location.value),
            "stated here",
        )
        .note(match located.is_http() {
            true => "an active client gets the drain signal when there was no safe point for as long as `drain_timeout`",
            false => "an active connection is aborted when there was no safe point for as long as `drain_timeout`",
        })
        .help("state `drain_timeout`, or remove `when_active`");
    Some(finding)
}

fn protects_everything(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Option<Finding> {
    if !located.rule.protect || located.rule.drain_timeout.is_some() || !is_for_all(located) {
        return None;
    }
    let stated = located.locate(context.document, "protect")?;
    let finding = Lint::ProtectsEverything
        .of_value(&stated, "every request is protected, and `drain_timeout` is \"off\"")
        .note(
            "an HTTP/1 connection is drained by a response, and so never; an HTTP/2 connection only while it is idle",
        )
        .help("protect the long requests by a separate route, or state `drain_timeout`");
    Some(finding)
}

fn is_for_all(located: &LocatedRule<'_>) -> bool {
    let is_wide = |pattern: &str| matches!(pattern, "*" | "/");
    match located.kind {
        RuleKind::Defaults => true,
        RuleKind::Route(route) => route
            .conditions(Direction::Inbound, &Request::default())
            .all(|part| part.key == "direction" || is_wide(part.pattern)),
        RuleKind::Port(_) => false,
    }
}

fn no_effect(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Vec<Finding> {
    let rule = located.rule;
    let inheriting = || match located.kind {
        RuleKind::Defaults => context.rules,
        _ => &[],
    };
    let has_websockets = |rule: &evenkeel_policy::Rule| rule.websocket.close_code != CloseCode::Off;
    let is_spread = |rule: &evenkeel_policy::Rule| {
        rule.max_connection_age.is_some()
            || rule.max_requests_per_connection.is_some()
            || rule.max_stream_age.is_some()
    };
    let is_unused = |has: &dyn Fn(&evenkeel_policy::Rule) -> bool| {
        !has(rule)
            && !inheriting()
                .iter()
                .any(|inheriting_rule| has(inheriting_rule.rule))
    };
    let mut findings = Vec::new();
    let mut report = |key: &str, why: &str, help: &str| {
        findings.extend(located.locate_own(context.document, key).map(|stated| {
            Lint::NoEffect
                .of_value(&stated, &format!("it has no effect: {why}"))
                .help(help)
        }));
    };
    if rule.websocket.idle_timeout.is_some() && is_unused(&has_websockets) {
        report(
            "websocket.idle_timeout",
            "WebSockets are not drained while `close_code` is \"off\"",
            "state a close code, such as \"close_code\": \"service_restart\", or remove `idle_timeout`",
        );
    }
    if is_unused(&is_spread) {
        report(
            "jitter",
            "there is no `max_connection_age`, `max_requests_per_connection` or `max_stream_age` that it could spread",
            "remove it",
        );
    }
    if rule.tcp.protocol == ProtocolSetting::Raw {
        report(
            "session_state",
            "nothing shows the state of a raw TCP connection",
            "state a `protocol`, or remove it",
        );
    }
    if let RuleKind::Port(port) = located.kind
        && rule.tcp.error != ErrorSetting::Off
        && !matches!(
            RuleProtocol::of(port.port, rule),
            RuleProtocol::Protocol(TcpProtocol::PostgreSql) | RuleProtocol::FirstBytes
        )
    {
        report(
            "error",
            "only PostgreSQL clients get it",
            "remove it, or state the `protocol` \"postgresql\"",
        );
    }
    if rule.max_stream_age.is_some() && rule.protect {
        report(
            "grpc.max_stream_age",
            "protected streams are exempt",
            "remove `protect` or `max_stream_age`",
        );
    }
    findings
}

pub fn of_policy(context: &LintContext<'_>) -> Vec<Finding> {
    let all = [
        dry_run(context),
        peers_without_rebalance(context),
        peers_trust_anyone(context),
        upstream_pings_too_frequent(context),
        keepalive(context),
        drains_nothing(context),
    ];
    all.into_iter().flatten().collect()
}

fn dry_run(context: &LintContext<'_>) -> Option<Finding> {
    let place = Place::default().key("mode");
    let is_dry_run = context.policy.mode == Mode::DryRun;
    let location = context.document.find(&place).filter(|_| is_dry_run)?;
    let finding = Lint::DryRun
        .at(&place, "nothing is drained, only counted")
        .at(Some(location.value))
        .help("when `evenkeel_dry_run_drains_total` shows what you want, state \"enforce\"");
    Some(finding)
}

fn peers_without_rebalance(context: &LintContext<'_>) -> Option<Finding> {
    let place = Place::default().key("peers");
    let is_idle = context.policy.peers.is_some() && context.policy.rebalance.is_none();
    let location = context.document.find(&place).filter(|_| is_idle)?;
    let finding = Lint::PeersWithoutRebalance
        .at(
            &place,
            "pods exchange load reports, but nothing is rebalanced",
        )
        .at(Some(location.name()))
        .help("this is a good start; `rebalance` then drains the excess that the metrics show");
    Some(finding)
}

fn peers_trust_anyone(context: &LintContext<'_>) -> Option<Finding> {
    let place = Place::default().key("peers").key("trust");
    let is_open = context.policy.peers.as_ref()?.trust == Trust::Anyone;
    let location = context.document.find(&place).filter(|_| is_open)?;
    let finding = Lint::PeersTrustAnyone
        .at(&place, "every client that reaches the port can read the load of the pods")
        .at(Some(location.value))
        .note(
            "reports in requests are not used, only those in responses of the endpoints of `cluster`: so reports spread \
             half as fast, and there is no stabilization window when a pod leaves",
        )
        .help("with mutual TLS between the pods state \"same_identity\"; otherwise restrict access to the port");
    Some(finding)
}

fn upstream_pings_too_frequent(context: &LintContext<'_>) -> Option<Finding> {
    let place = Place::default()
        .key("keepalive")
        .key("upstream_http2")
        .key("interval");
    let interval = context.policy.keepalive.upstream_http2?.interval;
    let location = context
        .document
        .find(&place)
        .filter(|_| interval < GRPC_MIN_PING_INTERVAL)?;
    let finding = Lint::UpstreamPingsTooFrequent
        .at(&place, "gRPC servers end the connection, with every call on it")
        .at(Some(location.value))
        .note(
            "by default a gRPC server allows one PING in 5 minutes while no data flows, and responds to the third one \
             too many with GOAWAY, too_many_pings",
        )
        .help("state \"5m\" or more, or allow more in every server");
    Some(finding)
}

fn going_away(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Option<Finding> {
    if located.rule.websocket.close_code != CloseCode::GoingAway {
        return None;
    }
    let stated = located.locate(context.document, "websocket.close_code")?;
    let finding = Lint::CloseCodeGoingAway
        .of_value(&stated, "some libraries do not reconnect after code 1001")
        .note("sockette 2.0 does not; reconnecting-websocket, partysocket, robust-websocket and websocket-ts do")
        .help("after \"service_restart\", code 1012, all of these reconnect");
    Some(finding)
}

fn keepalive(context: &LintContext<'_>) -> Option<Finding> {
    let place = Place::default().key("keepalive").key("tcp").key("time");
    let idle = context.policy.keepalive.tcp?.time;
    let location = context
        .document
        .find(&place)
        .filter(|_| idle >= MIN_BALANCER_IDLE_TIMEOUT)?;
    let finding = Lint::KeepaliveAfterIdleTimeout
        .at(&place, "load balancers may have forgotten the connection before the first probe")
        .at(Some(location.value))
        .note(
            "an idle connection is forgotten after 4m by Azure's load balancer, 350s by AWS's NLB and NAT gateway, \
             10m by Google Cloud",
        )
        .help("state less than 4m; \"60s\" is usual");
    Some(finding)
}

fn drains_nothing(context: &LintContext<'_>) -> Option<Finding> {
    let policy = context.policy;
    let is_limited = |located: &LocatedRule<'_>| {
        let rule = located.rule;
        rule.max_connection_age.is_some()
            || rule.mean_connection_age.is_some()
            || rule.max_requests_per_connection.is_some()
            || rule.max_stream_age.is_some()
    };
    let does_other =
        policy.upstream.is_some() || policy.rebalance.is_some() || policy.peers.is_some();
    if does_other || context.rules.iter().any(is_limited) {
        return None;
    }
    let stated = context
        .rules
        .first()?
        .locate(context.document, "max_connection_age")?;
    let finding = Lint::DrainsNothing
        .of_value(&stated, "nothing in this policy drains a connection")
        .note("no rule has a limit, and there is neither `rebalance` nor `upstream`")
        .help(
            "state an age, or `rebalance`; to count only, state \"mode\": \"dry_run\" beside them",
        );
    Some(finding)
}
