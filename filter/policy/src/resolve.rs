//! Turns a parsed document into a complete policy: fills in defaults and finds contradictions.
//!
//! A part that is missing here was reported while it was read; what depends on it is left out without a second error,
//! and no policy is returned.
mod checks;
mod rebalance;

use crate::document::{self, BudgetSetting, Document, Limits, Route, RouteMatch, Rule, Tcp};
use crate::error::Report;
use crate::matcher::{Matcher, RequestParts};
use crate::path::Path;
use crate::policy::{self, Policy};
use crate::rule::{self, Scope};
use crate::value::{Interval, Name, Port, Prefix};
use checks::{check_ages, check_error, check_names};
use core::time::Duration;
use std::rc::Rc;

/// How long an expired connection that is not HTTP waits for a safe point, where the policy does not state it: unlike an
/// HTTP stream, raw TCP may never reach an end that can be observed.
const TCP_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

#[inline(never)]
pub(crate) fn resolve_policy(document: Document, report: &mut Report) -> Policy {
    let defaults = document.defaults.unwrap_or_default();
    let rule = defaults.complete("defaults", rule::Rule::default());
    check_ages(&Path::Root.key("defaults"), &defaults.limits, &rule, report);
    let routes = document.routes.unwrap_or_default();
    let tcp = document.tcp.unwrap_or_default();
    check_names(&routes, &tcp, report);
    let routes = resolve_routes(routes, &rule, report);
    Policy {
        request_parts: request_parts(&routes),
        role: document.role,
        mode: document.mode.unwrap_or_default(),
        routes,
        tcp: resolve_tcp_rules(tcp, &defaults.limits, report),
        defaults: Rc::new(rule),
        upstream: document
            .upstream
            .and_then(|upstream| resolve_upstream(&upstream, report)),
        budget: resolve_budget(document.budget),
        rebalance: document
            .rebalance
            .map(|stated| rebalance::resolve_rebalance(&stated, document.peers.is_some(), report)),
        peers: document.peers.and_then(rebalance::resolve_peers),
        keepalive: document
            .keepalive
            .map(resolve_keepalive)
            .unwrap_or_default(),
    }
}

/// Which parts of a request any of these routes reads.
fn request_parts(routes: &[policy::Route]) -> RequestParts {
    let parts = routes.iter().map(|route| route.matcher.request_parts());
    parts.fold(RequestParts::default(), |all, one| RequestParts {
        route: all.route || one.route,
        authority: all.authority || one.authority,
        path: all.path || one.path,
    })
}

impl Rule {
    /// Fills in what is not stated from `below`.
    fn complete(&self, name: &str, below: rule::Rule) -> rule::Rule {
        let http = &self.http;
        let grpc = http.grpc.as_ref();
        let rule = rule::Rule {
            max_requests_per_connection: http
                .max_requests_per_connection
                .map_or(below.max_requests_per_connection, |limit| limit.0),
            protect: http.protect.unwrap_or(below.protect),
            http2: http
                .http2
                .as_ref()
                .map_or(below.http2, |http2| http2.complete(below.http2)),
            websocket: http
                .websocket
                .as_ref()
                .map_or(below.websocket, |websocket| {
                    websocket.complete(below.websocket)
                }),
            max_stream_age: grpc
                .and_then(|grpc| grpc.max_stream_age)
                .map_or(below.max_stream_age, |limit| limit.0),
            ..below
        };
        self.limits.complete(name, rule)
    }
}

impl document::Http2 {
    /// Fills in what is not stated from `below`.
    fn complete(&self, below: rule::Http2) -> rule::Http2 {
        rule::Http2 {
            idle_wait: self.idle_wait.map_or(below.idle_wait, |wait| wait.0),
            last_stream_id: self.last_stream_id.unwrap_or(below.last_stream_id),
            when_active: self.when_active.unwrap_or(below.when_active),
        }
    }
}

impl document::WebSocket {
    /// Fills in what is not stated from `below`.
    fn complete(&self, below: rule::WebSocket) -> rule::WebSocket {
        rule::WebSocket {
            close_code: self.close_code.unwrap_or(below.close_code),
            idle_time: self.idle_time.map_or(below.idle_time, |wait| wait.0),
            when_active: self.when_active.unwrap_or(below.when_active),
            idle_timeout: self
                .idle_timeout
                .map_or(below.idle_timeout, |limit| limit.0),
        }
    }
}

impl Limits {
    /// Fills in what is not stated from `below`.
    fn complete(&self, name: &str, below: rule::Rule) -> rule::Rule {
        rule::Rule {
            name: name.into(),
            max_connection_age: self
                .max_connection_age
                .map_or(below.max_connection_age, |limit| limit.0),
            mean_connection_age: self
                .mean_connection_age
                .map_or(below.mean_connection_age, |limit| limit.0),
            jitter: self.jitter.unwrap_or(below.jitter),
            min_connection_age: self
                .min_connection_age
                .map_or(below.min_connection_age, |wait| wait.0),
            drain_timeout: self
                .drain_timeout
                .map_or(below.drain_timeout, |limit| limit.0),
            close_delay: self.close_delay.map_or(below.close_delay, |wait| wait.0),
            ..below
        }
    }
}

#[inline(never)]
fn resolve_routes(
    routes: Vec<Route>,
    defaults: &rule::Rule,
    report: &mut Report,
) -> Vec<policy::Route> {
    let list = Path::Root.key("routes");
    let mut resolved: Vec<(usize, policy::Route)> = Vec::new();
    for (index, route) in routes.into_iter().enumerate() {
        let at = list.index(index);
        let matcher = resolve_matcher(route.matcher, &at.key("match"), report);
        let name = route.name.map(|Name(name)| name);
        let rule = route
            .rule
            .complete(name.as_deref().unwrap_or_default(), defaults.clone());
        check_ages(&at, &route.rule.limits, &rule, report);
        let (Some(name), Some(matcher)) = (name, matcher) else {
            continue;
        };
        // The first match wins, so a rule that an earlier one covers has no effect.
        if let Some((first, _)) = resolved
            .iter()
            .find(|(_, earlier)| earlier.matcher.covers(&matcher))
        {
            let hint = format!(
                "never reached: `routes[{first}]` matches everything that this route matches, and the first \
                 match wins; put the narrower one first"
            );
            let first = list.index(*first);
            report.contradiction(&at.key("match"), Some(&first.key("match")), hint);
        }
        resolved.push((
            index,
            policy::Route {
                name,
                matcher,
                rule: Rc::new(rule::Rule {
                    scope: Scope::Route,
                    ..rule
                }),
            },
        ));
    }
    resolved.into_iter().map(|(_, route)| route).collect()
}

fn resolve_matcher(
    stated: Option<RouteMatch>,
    at: &Path<'_>,
    report: &mut Report,
) -> Option<Matcher> {
    // An incomplete matcher would match too much and seem to cover others.
    if report.mentions(at) {
        return None;
    }
    let stated = stated?;
    let RouteMatch {
        route,
        authority,
        path_prefix,
        direction,
    } = stated;
    if route.is_none() && authority.is_none() && path_prefix.is_none() && direction.is_none() {
        let hint = "it matches everything, as `defaults` does; state one of `route`, `authority`, \
                    `path_prefix` and `direction`";
        report.contradiction(at, None, hint.to_owned());
        return None;
    }
    let direction = direction.unwrap_or_default();
    Some(Matcher {
        direction,
        route,
        authority,
        path_prefix: path_prefix.map(|Prefix(prefix)| prefix),
    })
}

#[inline(never)]
fn resolve_tcp_rules(
    rules: Vec<Tcp>,
    defaults: &Limits,
    report: &mut Report,
) -> Vec<policy::TcpRule> {
    let list = Path::Root.key("tcp");
    let mut resolved: Vec<(usize, policy::TcpRule)> = Vec::new();
    let below = rule::Rule {
        drain_timeout: Some(TCP_DRAIN_TIMEOUT),
        ..rule::Rule::default()
    };
    let below = defaults.complete("", below);
    for (index, stated) in rules.into_iter().enumerate() {
        let at = list.index(index);
        let name = stated.name.map(|Name(name)| name);
        let rule = stated
            .limits
            .complete(name.as_deref().unwrap_or_default(), below.clone());
        let tcp = rule::Tcp {
            protocol: stated.protocol.unwrap_or_default(),
            idle_time: stated.idle_time.map(|wait| wait.0),
            session_state: stated.session_state.unwrap_or_default(),
            when_active: stated.when_active,
            error: stated.error.unwrap_or_default(),
        };
        check_error(&at, &tcp, report);
        check_ages(&at, &stated.limits, &rule, report);
        // A rule without a valid port matches nothing; the error was reported.
        let Some(matcher) = stated
            .matcher
            .filter(|_| !report.mentions(&at.key("match")))
        else {
            continue;
        };
        let (Some(name), Some(Port(port))) = (name, matcher.port) else {
            continue;
        };
        let direction = matcher.direction.unwrap_or_default();
        let same = |(_, earlier): &&(usize, policy::TcpRule)| {
            (earlier.port, earlier.direction) == (port, direction)
        };
        if let Some((first, _)) = resolved.iter().find(same) {
            let hint = format!(
                "never reached: `tcp[{first}]` has the same port and direction, and the first match wins"
            );
            let first = list.index(*first);
            report.contradiction(&at.key("match"), Some(&first.key("match")), hint);
        }
        resolved.push((
            index,
            policy::TcpRule {
                name,
                port,
                direction,
                rule: Rc::new(rule::Rule {
                    scope: Scope::Tcp,
                    tcp,
                    ..rule
                }),
            },
        ));
    }
    resolved.into_iter().map(|(_, rule)| rule).collect()
}

#[inline(never)]
fn resolve_upstream(
    stated: &document::Upstream,
    report: &mut Report,
) -> Option<policy::UpstreamRecycling> {
    let at = Path::Root.key("upstream");
    let max_connection_age = stated.max_connection_age.and_then(|limit| limit.0);
    let max_requests_per_connection = stated.max_requests_per_connection.and_then(|limit| limit.0);
    if max_connection_age.is_none()
        && max_requests_per_connection.is_none()
        && !report.mentions(&at)
    {
        let hint = "it has no limit; state `max_connection_age` or `max_requests_per_connection`, or remove `upstream`";
        report.contradiction(&at, None, hint.to_owned());
    }
    Some(policy::UpstreamRecycling {
        max_connection_age,
        max_requests_per_connection,
        jitter: stated.jitter.unwrap_or_default(),
        protocol: stated.protocol.unwrap_or_default(),
    })
}

fn resolve_budget(stated: Option<BudgetSetting>) -> Option<policy::Budget> {
    let default = policy::Budget::default();
    match stated {
        None => Some(default),
        Some(BudgetSetting::Off) => None,
        Some(BudgetSetting::On(stated)) => Some(policy::Budget {
            per_second: stated.per_second.map_or(default.per_second, |rate| rate.0),
            burst: stated.burst.map_or(default.burst, |burst| burst.0),
        }),
    }
}

#[inline(never)]
fn resolve_keepalive(stated: document::Keepalive) -> policy::Keepalive {
    policy::Keepalive {
        http1_hint: stated.http1_hint.unwrap_or_default(),
        http2: stated.http2.map(|stated| {
            resolve_ping(stated.interval, stated.timeout, policy::Http2Ping::CLIENTS)
        }),
        upstream_http2: stated.upstream_http2.map(|stated| {
            resolve_ping(
                stated.interval,
                stated.timeout,
                policy::Http2Ping::UPSTREAMS,
            )
        }),
        tcp: stated.tcp.map(|stated| {
            let default = policy::TcpKeepalive::default();
            policy::TcpKeepalive {
                time: stated.time.map_or(default.time, |time| time.0),
                interval: stated.interval.map_or(default.interval, |time| time.0),
                probes: stated.probes.map_or(default.probes, |probes| probes.0),
            }
        }),
    }
}

fn resolve_ping(
    interval: Option<Interval>,
    timeout: Option<Interval>,
    default: policy::Http2Ping,
) -> policy::Http2Ping {
    policy::Http2Ping {
        interval: interval.map_or(default.interval, |interval| interval.0),
        timeout: timeout.map_or(default.timeout, |timeout| timeout.0),
    }
}
