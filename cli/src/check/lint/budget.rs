//! Warns of budgets that allow fewer drains than connections expire.

use evenkeel_policy::{Budget, Measure, Place};
use evenkeel_report::number::{duration, rounded};

use super::{Lint, Scene};
use crate::diagnose::{Finding, Ruling};

use crate::pace::Limits;

pub fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(budget) = scene.policy.budget else {
        return Vec::new();
    };
    let too_small = too_small(scene, &budget);
    too_small
        .into_iter()
        .chain(below_rebalance(scene, &budget))
        .collect()
}

/// Reports the rule under which most connections would expire, if it applied to all of them.
fn too_small(scene: &Scene<'_>, budget: &Budget) -> Option<Finding> {
    let rates = scene.rules.iter().filter_map(|ruling| {
        let limits = Limits::of(ruling.rule);
        Some((
            ruling,
            limits.drains_per_second(scene.connections)?,
            limits.lifetime()?,
        ))
    });
    let (ruling, rate, lifetime) = rates.max_by(|a, b| a.1.total_cmp(&b.1))?;
    if rate <= budget.per_second {
        return None;
    }
    let connections = scene.connections;
    let allowed = rounded(budget.per_second);
    let age = age(scene, ruling);
    let per_second = Place::default().key("budget").key("per_second");
    let place = if scene.document.find(&per_second).is_some() {
        per_second
    } else {
        ruling.place.clone()
    };
    let spot = scene.document.find(&place);
    let finding = Lint::BudgetTooSmall
        .at(
            &place,
            &format!(
                "{} per second expire under `{}`, but {allowed} may be drained",
                rounded(rate),
                ruling.rule.name
            ),
        )
        .at(spot.map(|spot| scene.document.shown(&spot.value)))
        .mark(age, "drained by this age")
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
fn age(scene: &Scene<'_>, ruling: &Ruling<'_>) -> Option<crate::diagnose::Span> {
    let ages = [
        ("max_connection_age", ruling.rule.max_connection_age),
        ("mean_connection_age", ruling.rule.mean_connection_age),
    ];
    let stated = ages.into_iter().filter_map(|(key, age)| Some((age?, key)));
    let (_, key) = stated.min()?;
    Some(ruling.stated(scene.document, key)?.spot.value)
}

/// Whether that is so is known for `connections` only: of the other measures the load is not known.
fn below_rebalance(scene: &Scene<'_>, budget: &Budget) -> Option<Finding> {
    let rebalance = scene.policy.rebalance?;
    let pace = rebalance.max_rate * scene.connections;
    let is_comparable = scene.policy.peers.is_some() && rebalance.measure == Measure::Connections;
    if !is_comparable || pace <= budget.per_second {
        return None;
    }
    let per_second = Place::default().key("budget").key("per_second");
    let rebalance = Place::default().key("rebalance");
    let spot = scene.document.find(&per_second);
    let place = if spot.is_some() {
        per_second
    } else {
        rebalance.clone()
    };
    let spot = spot.or_else(|| scene.document.find(&rebalance));
    let rate = scene.document.find(&rebalance.key("max_rate"));
    let finding = Lint::BudgetBelowRebalance
        .at(
            &place,
            &format!(
                "rebalancing would drain up to {} per second, but {} may be drained",
                rounded(pace),
                rounded(budget.per_second)
            ),
        )
        .at(spot.map(|spot| scene.document.shown(&spot.value)))
        .mark(
            rate.map(|rate| rate.value),
            "this fraction of the mean load per second",
        )
        .note(format!(
            "`max_rate` {} * {} connections on average = {} per second: rebalancing takes {} times as long",
            rounded(scene.policy.rebalance?.max_rate),
            scene.connections,
            rounded(pace),
            rounded(pace / budget.per_second)
        ));
    Some(finding)
}

/// The next number that people would write.
fn ceil(rate: f64) -> f64 {
    if rate < 1.0 {
        (rate * 10.0).ceil() / 10.0
    } else {
        rate.ceil()
    }
}
