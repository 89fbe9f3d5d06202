//! From what was written to what holds: defaults filled in, contradictions found.
//!
//! A part that is missing here was reported while it was read; what depends on it is left out without a
//! further word, and the policy is not handed out.
mod shed;

use crate::document::{self, Ages, BudgetSetting, Connection, Document, Route, RouteMatch, Rule};
use crate::duration::show;
use crate::error::Report;
use crate::matcher::{Matcher, Needs};
use crate::path::Path;
use crate::policy::{self, Policy};
use crate::rule::{self, Scope};
use crate::value::{Interval, Name, Port, Prefix};
use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How long a raw TCP connection that is due may stay busy, where the policy does not say: unlike an
/// HTTP stream it may never come to an end that can be seen.
const TCP_GRACE: Duration = Duration::from_secs(30);

pub(crate) fn policy(document: Document, report: &mut Report) -> Policy {
    let defaults = document.defaults.unwrap_or_default();
    let rule = defaults.complete("defaults", rule::Rule::default());
    check_ages(&Path::Root.key("defaults"), &defaults.ages, &rule, report);
    let routes = document.routes.unwrap_or_default();
    let connections = document.connections.unwrap_or_default();
    check_names(&routes, &connections, report);
    let routes = self::routes(routes, &rule, report);
    Policy {
        needs: needs(&routes),
        role: document.role,
        mode: document.mode.unwrap_or_default(),
        routes,
        connections: self::connections(connections, &defaults.ages, report),
        defaults: Rc::new(rule),
        upstream: document
            .upstream
            .and_then(|upstream| self::upstream(&upstream, report)),
        budget: budget(document.budget),
        shed: document
            .shed
            .map(|stated| shed::shed(&stated, document.peers.is_some(), report)),
        peers: document.peers.and_then(shed::peers),
        keepalive: document.keepalive.map(keepalive).unwrap_or_default(),
    }
}

/// Which parts of a request any of these looks at.
fn needs(routes: &[policy::Route]) -> Needs {
    let needs = routes.iter().map(|route| route.matcher.needs());
    needs.fold(Needs::default(), |all, one| Needs {
        route: all.route || one.route,
        authority: all.authority || one.authority,
        path: all.path || one.path,
    })
}

impl Rule {
    /// What is not stated comes from `below`.
    fn complete(&self, name: &str, below: rule::Rule) -> rule::Rule {
        let rule = rule::Rule {
            max_requests: self
                .http
                .max_requests
                .map_or(below.max_requests, |limit| limit.0),
            goaway: self.http.goaway.unwrap_or(below.goaway),
            busy: self.http.busy.unwrap_or(below.busy),
            websocket: self.http.websocket.unwrap_or(below.websocket),
            idle_wait: self.http.idle_wait.map_or(below.idle_wait, |limit| limit.0),
            max_stream_age: self
                .http
                .max_stream_age
                .map_or(below.max_stream_age, |limit| limit.0),
            protect: self.http.protect.unwrap_or(below.protect),
            ..below
        };
        self.ages.complete(name, rule)
    }
}

impl Ages {
    /// What is not stated comes from `below`.
    fn complete(&self, name: &str, below: rule::Rule) -> rule::Rule {
        rule::Rule {
            name: name.into(),
            max_age: self.max_age.map_or(below.max_age, |limit| limit.0),
            mean_age: self.mean_age.map_or(below.mean_age, |limit| limit.0),
            jitter: self.jitter.unwrap_or(below.jitter),
            min_age: self.min_age.map_or(below.min_age, |wait| wait.0),
            quiet_wait: self.quiet_wait.map_or(below.quiet_wait, |wait| wait.0),
            grace: self.grace.map_or(below.grace, |limit| limit.0),
            linger: self.linger.map_or(below.linger, |wait| wait.0),
            ..below
        }
    }
}

fn routes(routes: Vec<Route>, defaults: &rule::Rule, report: &mut Report) -> Vec<policy::Route> {
    let list = Path::Root.key("routes");
    let mut done: Vec<(usize, policy::Route)> = Vec::new();
    for (index, route) in routes.into_iter().enumerate() {
        let at = list.index(index);
        let matcher = matcher(route.matcher, &at.key("match"), report);
        let name = route.name.map(|Name(name)| name);
        let rule = route
            .rule
            .complete(name.as_deref().unwrap_or_default(), defaults.clone());
        check_ages(&at, &route.rule.ages, &rule, report);
        let (Some(name), Some(matcher)) = (name, matcher) else {
            continue;
        };
        if let Some((first, _)) = done
            .iter()
            .find(|(_, earlier)| earlier.matcher.covers(&matcher))
        {
            let hint = format!(
                "never reached: `routes[{first}]` matches all that this would, and the first that \
                 matches wins; put the narrower one first"
            );
            let first = list.index(*first);
            report.contradiction(&at.key("match"), Some(&first.key("match")), hint);
        }
        done.push((
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
    done.into_iter().map(|(_, route)| route).collect()
}

fn matcher(stated: Option<RouteMatch>, at: &Path<'_>, report: &mut Report) -> Option<Matcher> {
    // Half a matcher would match too much, and seem to cover others.
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
        let hint = "it matches everything, as `defaults` does; give one of `route`, `authority`, \
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

fn connections(
    rules: Vec<Connection>,
    defaults: &Ages,
    report: &mut Report,
) -> Vec<policy::PortRule> {
    let list = Path::Root.key("connections");
    let mut done: Vec<(usize, policy::PortRule)> = Vec::new();
    let below = rule::Rule {
        grace: Some(TCP_GRACE),
        ..rule::Rule::default()
    };
    let below = defaults.complete("", below);
    for (index, connection) in rules.into_iter().enumerate() {
        let at = list.index(index);
        let name = connection.name.map(|Name(name)| name);
        let rule = connection
            .ages
            .complete(name.as_deref().unwrap_or_default(), below.clone());
        check_ages(&at, &connection.ages, &rule, report);
        let Some(matcher) = connection
            .matcher
            .filter(|_| !report.mentions(&at.key("match")))
        else {
            continue;
        };
        let (Some(name), Some(Port(port))) = (name, matcher.port) else {
            continue;
        };
        let direction = matcher.direction.unwrap_or_default();
        let same = |(_, earlier): &&(usize, policy::PortRule)| {
            (earlier.port, earlier.direction) == (port, direction)
        };
        if let Some((first, _)) = done.iter().find(same) {
            let hint = format!(
                "never reached: `connections[{first}]` has the same port and direction, and the first \
                 that matches wins"
            );
            let first = list.index(*first);
            report.contradiction(&at.key("match"), Some(&first.key("match")), hint);
        }
        done.push((
            index,
            policy::PortRule {
                name,
                port,
                direction,
                rule: Rc::new(rule::Rule {
                    scope: Scope::Connection,
                    ..rule
                }),
            },
        ));
    }
    done.into_iter().map(|(_, rule)| rule).collect()
}

fn upstream(stated: &document::Upstream, report: &mut Report) -> Option<policy::Upstream> {
    let at = Path::Root.key("upstream");
    let max_age = stated.max_age.and_then(|limit| limit.0);
    let max_requests = stated.max_requests.and_then(|limit| limit.0);
    if max_age.is_none() && max_requests.is_none() && !report.mentions(&at) {
        let hint = "it has no limit; state `max_age` or `max_requests`, or leave `upstream` out";
        report.contradiction(&at, None, hint.to_owned());
    }
    Some(policy::Upstream {
        max_age,
        max_requests,
        jitter: stated.jitter.unwrap_or_default(),
        protocol: stated.protocol.unwrap_or_default(),
    })
}

fn budget(stated: Option<BudgetSetting>) -> Option<policy::Budget> {
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

fn keepalive(stated: document::Keepalive) -> policy::Keepalive {
    policy::Keepalive {
        http1_hint: stated.http1_hint.unwrap_or_default(),
        http2_ping: stated
            .http2_ping
            .map(|stated| ping(stated.interval, stated.timeout, policy::Http2Ping::CLIENTS)),
        upstream_http2: stated.upstream_http2.map(|stated| {
            ping(
                stated.interval,
                stated.timeout,
                policy::Http2Ping::UPSTREAMS,
            )
        }),
        tcp: stated.tcp.map(|stated| {
            let default = policy::TcpKeepalive::default();
            policy::TcpKeepalive {
                idle: stated.idle.map_or(default.idle, |time| time.0),
                interval: stated.interval.map_or(default.interval, |time| time.0),
                probes: stated.probes.map_or(default.probes, |probes| probes.0),
            }
        }),
    }
}

fn ping(
    interval: Option<Interval>,
    timeout: Option<Interval>,
    default: policy::Http2Ping,
) -> policy::Http2Ping {
    policy::Http2Ping {
        interval: interval.map_or(default.interval, |interval| interval.0),
        timeout: timeout.map_or(default.timeout, |timeout| timeout.0),
    }
}

/// Names are metric labels: two rules under one name could not be told apart.
fn check_names(routes: &[Route], connections: &[Connection], report: &mut Report) {
    let routes = routes
        .iter()
        .map(|route| &route.name)
        .enumerate()
        .map(|entry| ("routes", entry));
    let connections = connections
        .iter()
        .map(|rule| &rule.name)
        .enumerate()
        .map(|entry| ("connections", entry));
    let mut taken = BTreeMap::new();
    for (key, (index, name)) in routes.chain(connections) {
        let Some(Name(name)) = name else { continue };
        if let Some(&(key_before, index_before)) = taken.get(name) {
            let hint = format!(
                "found {name:?}, the name of `{key_before}[{index_before}]`; metrics and logs could not \
                 tell them apart"
            );
            let list_before = Path::Root.key(key_before);
            let before = list_before.index(index_before);
            let at = Path::Root.key(key);
            let at = at.index(index);
            report.contradiction(&at.key("name"), Some(&before.key("name")), hint);
        } else {
            taken.insert(name, (key, index));
        }
    }
}

/// Told where one of the two is stated; where none is, they came from `defaults` and were told there.
fn check_ages(at: &Path<'_>, stated: &Ages, rule: &rule::Rule, report: &mut Report) {
    let Some(max_age) = rule.max_age.filter(|max_age| rule.min_age > *max_age) else {
        return;
    };
    // Where either was not understood, the other is compared with what nobody wrote.
    let defaults = Path::Root.key("defaults");
    let unclear = |place: &Path<'_>| {
        report.mentions(&place.key("max_age")) || report.mentions(&place.key("min_age"))
    };
    if unclear(at) || unclear(&defaults) {
        return;
    }
    let (max_age, min_age) = (show(max_age), show(rule.min_age));
    if stated.min_age.is_some() {
        let hint =
            format!("found \"{min_age}\"; it must not be more than `max_age`, here \"{max_age}\"");
        let around = if stated.max_age.is_some() {
            at
        } else {
            &defaults
        };
        report.contradiction(&at.key("min_age"), Some(&around.key("max_age")), hint);
    } else if stated.max_age.is_some() {
        let hint =
            format!("found \"{max_age}\"; it must not be less than `min_age`, here \"{min_age}\"");
        report.contradiction(&at.key("max_age"), Some(&defaults.key("min_age")), hint);
    }
}
