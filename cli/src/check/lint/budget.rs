//! Warns of budgets that allow fewer drains than connections expire.

use evenkeel_policy::{Budget, Measure, Place};
use evenkeel_report::number::{duration, rounded};

use super::{Lint, LintContext};
use crate::diagnose::{Finding, LocatedRule};

use crate::pace::Limits;

pub fn findings(context: &LintContext<'_>) -> Vec<Finding> {
    let Some(budget) = context.policy.budget else {
        return Vec::new();
    };
    let too_small = too_small(context, &budget);
    too_small
        .into_iter()
        .chain(below_rebalance(context, &budget))
        .collect()
}

/// Reports the rule under which most connections would expire, if it applied to all of them.
fn too_small(context: &LintContext<'_>, budget: &Budget) -> Option<Finding> {
    let rates = context.rules.iter().filter_map(|located| {
        let limits = Limits::of(located.rule);
        Some((
            located,
            limits.drains_per_second(context.connections)?,
            limits.lifetime()?,
        ))
    });
    let (located, rate, lifetime) = rates.max_by(|a, b| a.1.total_cmp(&b.1))?;
    if rate <= budget.per_second {
        return None;
    }
    let connections = context.connections;
    let allowed = rounded(budget.per_second);
    let age = age(context, located);
    let per_second = Place::default().key("budget").key("per_second");
    let place = if context.document.find(&per_second).is_some() {
        per_second
    } else {
        located.place.clone()
    };
    let location = context.document.find(&place);
    let finding = Lint::BudgetTooSmall
        .at(
            &place,
            &format!(
                "{} per second expire under `{}`, but {allowed} may be drained",
                rounded(rate),
                located.rule.name
            ),
        )
        .at(location.map(|location| context.document.shown(&location.value)))
        .related(age, "drained by this age")
        .note(format!(
            "{connections} connections / {} of mean lifetime = {} per second",
            duration(lifetime),
            rounded(rate)
        ))
        .note(format!(
            "{connections} connections / {allowed} per second: they live for {} on average, regardless of the rule",
            duration(connections / budget.per_second)
        ))
        .help(format!(
            "raise `per_second` to {} or more, state a longer age, or state the connections of a proxy with \
             --connections",
            rounded(ceil(rate))
        ));
    Some(finding)
}

/// Returns the position of the shorter of both ages.
fn age(context: &LintContext<'_>, located: &LocatedRule<'_>) -> Option<crate::diagnose::Span> {
    let ages = [
        ("max_connection_age", located.rule.max_connection_age),
        ("mean_connection_age", located.rule.mean_connection_age),
    ];
    let stated = ages.into_iter().filter_map(|(key, age)| Some((age?, key)));
    let (_, key) = stated.min()?;
    Some(located.locate(context.document, key)?.location.value)
}

/// Compares the budget with the rate of rebalancing; the load is known only if the measure is `connections`.
fn below_rebalance(context: &LintContext<'_>, budget: &Budget) -> Option<Finding> {
    let rebalance = context.policy.rebalance?;
    let pace = rebalance.max_rate * context.connections;
    let is_comparable = context.policy.peers.is_some() && rebalance.measure == Measure::Connections;
    if !is_comparable || pace <= budget.per_second {
        return None;
    }
    let per_second = Place::default().key("budget").key("per_second");
    let rebalance = Place::default().key("rebalance");
    let location = context.document.find(&per_second);
    let place = if location.is_some() {
        per_second
    } else {
        rebalance.clone()
    };
    let location = location.or_else(|| context.document.find(&rebalance));
    let rate = context.document.find(&rebalance.key("max_rate"));
    let finding = Lint::BudgetBelowRebalance
        .at(
            &place,
            &format!(
                "rebalancing would drain up to {} per second, but {} may be drained",
                rounded(pace),
                rounded(budget.per_second)
            ),
        )
        .at(location.map(|location| context.document.shown(&location.value)))
        .related(
            rate.map(|rate| rate.value),
            "this fraction of the mean load per second",
        )
        .note(format!(
            "`max_rate` {} * {} connections on average = {} per second: rebalancing takes {} times as long",
            rounded(context.policy.rebalance?.max_rate),
            context.connections,
            rounded(pace),
            rounded(pace / budget.per_second)
        ));
    Some(finding)
}

/// Rounds up to a number with few digits.
fn ceil(rate: f64) -> f64 {
    if rate < 1.0 {
        (rate * 10.0).ceil() / 10.0
    } else {
        rate.ceil()
    }
}
