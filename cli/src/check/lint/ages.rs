//! Warns of ages that are too short, and of drains that coincide.

use evenkeel_policy::Place;
use evenkeel_report::number::duration;

use super::{Lint, LintContext, quoted};
use crate::diagnose::{Finding, LocatedRule, ValueLocation};

use crate::pace::Limits;

/// The time for which Go's net/http and Rust's reqwest keep an idle connection: the shortest of the usual pools that
/// are shared by services. OkHttp keeps it for 5 minutes, Envoy for an hour.
const POOL_IDLE_TIMEOUT: f64 = 90.0;

/// The fewest requests per connection for which the cost of a handshake is small.
const MIN_REQUESTS: u64 = 10;

/// The fraction of connections that `min_connection_age` may delay without a warning.
const MAX_DELAYED_FRACTION: f64 = 0.25;

pub fn findings(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Vec<Finding> {
    let limits = Limits::of(located.rule);
    let all = [
        below_keepalive(context, located, &limits),
        few_requests(context, located),
        no_jitter(context, located),
        min_age_clusters(context, located, &limits),
        mean_age_above_max_age(context, located, &limits),
    ];
    all.into_iter().flatten().collect()
}

/// Raw TCP is excluded: how long a database's pool keeps connections differs.
fn below_keepalive(
    context: &LintContext<'_>,
    located: &LocatedRule<'_>,
    limits: &Limits,
) -> Option<Finding> {
    let lifetime = limits.lifetime().filter(|life| *life < POOL_IDLE_TIMEOUT)?;
    if !located.is_http() {
        return None;
    }
    let rule = located.rule;
    let shorter = match (rule.max_connection_age, rule.mean_connection_age) {
        (Some(max), Some(mean)) if mean < max => "mean_connection_age",
        (None, Some(_)) => "mean_connection_age",
        _ => "max_connection_age",
    };
    let stated = located.locate(context.document, shorter)?;
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

fn few_requests(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Option<Finding> {
    let stated = located.locate(context.document, "max_requests_per_connection")?;
    too_few(located.rule.max_requests_per_connection?.get(), &stated)
}

fn too_few(max: u64, stated: &ValueLocation) -> Option<Finding> {
    if max >= MIN_REQUESTS {
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

/// Checks upstream connections, which a proxy opens at the same time when it starts.
pub fn upstream(context: &LintContext<'_>) -> Vec<Finding> {
    let Some(upstream) = &context.policy.upstream else {
        return Vec::new();
    };
    let stated =
        |key| ValueLocation::at(context.document, Place::default().key("upstream").key(key));
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

fn no_jitter(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Option<Finding> {
    let rule = located.rule;
    if rule.jitter.get() > 0.0
        || (rule.max_connection_age.is_none() && rule.max_requests_per_connection.is_none())
    {
        return None;
    }
    let stated = located.locate(context.document, "jitter")?;
    let together = context.connections;
    let drains = match context.policy.budget {
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

fn min_age_clusters(
    context: &LintContext<'_>,
    located: &LocatedRule<'_>,
    limits: &Limits,
) -> Option<Finding> {
    let delayed = limits.delayed_to_min_age();
    if delayed <= MAX_DELAYED_FRACTION {
        return None;
    }
    let stated = located.locate(context.document, "min_connection_age")?;
    let min_connection_age = quoted(located.rule.min_connection_age);
    let mut finding = Lint::MinAgeClusters
        .of_value(
            &stated,
            &format!(
                "{} of 100 connections would expire before it, and now expire at exactly {min_connection_age}",
                (delayed * 100.0).round()
            ),
        )
        .note("those that were opened together are drained together");
    if let Some(max_connection_age) = located.rule.max_connection_age {
        let earliest = max_connection_age.as_secs_f64() * (1.0 - located.rule.jitter.get());
        let note = format!(
            "`max_connection_age` is drawn from {} to {}",
            duration(earliest),
            duration(max_connection_age.as_secs_f64())
        );
        finding = finding.note(note);
    }
    Some(finding.help("state a `min_connection_age` well below the ages, or remove it"))
}

fn mean_age_above_max_age(
    context: &LintContext<'_>,
    located: &LocatedRule<'_>,
    limits: &Limits,
) -> Option<Finding> {
    let (mean_connection_age, max_connection_age) = (
        located.rule.mean_connection_age?,
        located.rule.max_connection_age?,
    );
    let by_mean_age = limits.drained_by_mean_age();
    if by_mean_age >= 0.5 {
        return None;
    }
    let stated = located.locate(context.document, "mean_connection_age")?;
    let other = located.locate(context.document, "max_connection_age");
    let whose = match &other {
        Some(_) => String::new(),
        None => " (built in)".to_owned(),
    };
    let finding = Lint::MeanAgeAboveMaxAge
        .of_value(
            &stated,
            &format!(
                "`max_connection_age`, here {}{whose}, drains {} of 100 connections first",
                quoted(max_connection_age),
                ((1.0 - by_mean_age) * 100.0).round()
            ),
        )
        .related(
            other.map(|other| other.location.value),
            "this is reached first".to_owned(),
        )
        .note("`mean_connection_age` spreads the drains of connections that were opened together; here it has little effect")
        .help(format!(
            "state \"max_connection_age\": \"off\", or a `max_connection_age` of several times {}",
            quoted(mean_connection_age)
        ));
    Some(finding)
}
