//! Ages that come too soon, or together.

use evenkeel_policy::Place;
use evenkeel_report::number::duration;

use super::{Lint, Scene, shown};
use crate::diagnose::{Finding, Ruling, Stated};

use crate::pace::Limits;

/// How long Go's net/http and Rust's reqwest keep an idle connection: the shortest of the usual pools that
/// are shared by services. OkHttp keeps it for 5 minutes, Envoy for an hour.
const KEPT: f64 = 90.0;

/// A connection that carries fewer costs a handshake for every few of them.
const FEW: u64 = 10;

/// The part of the connections that may be held back by `min_connection_age` without a word.
const HELD: f64 = 0.25;

pub fn findings(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Vec<Finding> {
    let limits = Limits::of(ruling.rule);
    let all = [
        below_keepalive(scene, ruling, &limits),
        few_requests(scene, ruling),
        no_jitter(scene, ruling),
        min_age_gathers(scene, ruling, &limits),
        mean_age_behind_max_age(scene, ruling, &limits),
    ];
    all.into_iter().flatten().collect()
}

/// Raw TCP is left out: what a pool of a database keeps is its operator's choice.
fn below_keepalive(scene: &Scene<'_>, ruling: &Ruling<'_>, limits: &Limits) -> Option<Finding> {
    let lifetime = limits.lifetime().filter(|life| *life < KEPT)?;
    if !ruling.is_http() {
        return None;
    }
    let rule = ruling.rule;
    let shorter = match (rule.max_connection_age, rule.mean_connection_age) {
        (Some(max), Some(mean)) if mean < max => "mean_connection_age",
        (None, Some(_)) => "mean_connection_age",
        _ => "max_connection_age",
    };
    let stated = ruling.stated(scene.document, shorter)?;
    let every_ten = (lifetime / 10.0).max(1.0).round();
    let finding = Lint::AgeBelowKeepalive
        .of_value(
            &stated,
            &format!(
                "connections live for {} on average, less than clients keep idle ones",
                duration(lifetime)
            ),
        )
        .note("Go and reqwest keep an idle connection for 90s, OkHttp for 5m, Envoy for 1h")
        .note(format!(
            "a client with a request every 10s sends about {every_ten} requests on a connection, then needs another \
             handshake"
        ))
        .help(
            "after a change, connections are balanced again after about one age: state the longest time that is \
             acceptable",
        );
    Some(finding)
}

fn few_requests(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    let stated = ruling.stated(scene.document, "max_requests_per_connection")?;
    too_few(ruling.rule.max_requests_per_connection?.get(), &stated)
}

fn too_few(max: u64, stated: &Stated) -> Option<Finding> {
    if max >= FEW {
        return None;
    }
    let what = if max == 1 {
        "every request needs its own connection".to_owned()
    } else {
        format!("every {max} requests need a new connection")
    };
    let finding = Lint::FewRequests
        .of_value(stated, &what)
        .note("each connection costs a handshake, and each drain can coincide with a request")
        .help("an age balances as well; state hundreds of requests, or remove it");
    Some(finding)
}

/// Connections that the proxy opens are opened together, too: when it starts.
pub fn upstream(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(upstream) = &scene.policy.upstream else {
        return Vec::new();
    };
    let stated = |key| Stated::at(scene.document, Place::default().key("upstream").key(key));
    let few = upstream
        .max_requests_per_connection
        .and_then(|max| too_few(max.get(), &stated("max_requests_per_connection")?));
    let jitter = stated("jitter").filter(|_| upstream.jitter.get() == 0.0);
    let together = jitter.map(|stated| {
        Lint::NoJitter
            .of_value(
                &stated,
                "connections that were opened together expire together",
            )
            .note("a proxy that starts opens its connections at once")
            .help("remove `jitter` (default 0.2)")
    });
    few.into_iter().chain(together).collect()
}

fn no_jitter(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<Finding> {
    let rule = ruling.rule;
    if rule.jitter.get() > 0.0
        || (rule.max_connection_age.is_none() && rule.max_requests_per_connection.is_none())
    {
        return None;
    }
    let stated = ruling.stated(scene.document, "jitter")?;
    let together = scene.connections;
    let drains = match scene.policy.budget {
        Some(budget) => format!(
            "the budget drains {} of {} in the first second, and the last after {}",
            (f64::from(budget.burst) + budget.per_second)
                .min(together)
                .floor(),
            together,
            duration(((together - f64::from(budget.burst)) / budget.per_second).max(0.0)),
        ),
        None => format!("without a budget all {together} are drained at once"),
    };
    let finding = Lint::NoJitter
        .of_value(
            &stated,
            "connections that were opened together expire together",
        )
        .note("a rollout, a restart or a lost zone makes clients open their connections at once")
        .note(drains)
        .help("remove `jitter` (default 0.2), or use `mean_connection_age`");
    Some(finding)
}

fn min_age_gathers(scene: &Scene<'_>, ruling: &Ruling<'_>, limits: &Limits) -> Option<Finding> {
    let held = limits.held_to_min_age();
    if held <= HELD {
        return None;
    }
    let stated = ruling.stated(scene.document, "min_connection_age")?;
    let min_connection_age = shown(ruling.rule.min_connection_age);
    let mut finding = Lint::MinAgeGathers
        .of_value(
            &stated,
            &format!(
                "{} of 100 connections would expire before it, and now expire at exactly {min_connection_age}",
                (held * 100.0).round()
            ),
        )
        .note("those that were opened together are drained together");
    if let Some(max_connection_age) = ruling.rule.max_connection_age {
        let earliest = max_connection_age.as_secs_f64() * (1.0 - ruling.rule.jitter.get());
        let note = format!(
            "`max_connection_age` is drawn from {} to {}",
            duration(earliest),
            duration(max_connection_age.as_secs_f64())
        );
        finding = finding.note(note);
    }
    Some(finding.help("state a `min_connection_age` well below the ages, or remove it"))
}

fn mean_age_behind_max_age(
    scene: &Scene<'_>,
    ruling: &Ruling<'_>,
    limits: &Limits,
) -> Option<Finding> {
    let (mean_connection_age, max_connection_age) = (
        ruling.rule.mean_connection_age?,
        ruling.rule.max_connection_age?,
    );
    let by_chance = limits.drained_by_mean_age();
    if by_chance >= 0.5 {
        return None;
    }
    let stated = ruling.stated(scene.document, "mean_connection_age")?;
    let other = ruling.stated(scene.document, "max_connection_age");
    let whose = match &other {
        Some(_) => String::new(),
        None => " (built in)".to_owned(),
    };
    let finding = Lint::MeanAgeBehindMaxAge
        .of_value(
            &stated,
            &format!(
                "`max_connection_age`, here {}{whose}, drains {} of 100 connections first",
                shown(max_connection_age),
                ((1.0 - by_chance) * 100.0).round()
            ),
        )
        .mark(
            other.map(|other| other.spot.value),
            "this is reached first".to_owned(),
        )
        .note("`mean_connection_age` spreads the drains of connections that were opened together; here it has little effect")
        .help(format!(
            "state \"max_connection_age\": \"off\", or a `max_connection_age` of several times {}",
            shown(mean_connection_age)
        ));
    Some(finding)
}
