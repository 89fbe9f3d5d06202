//! Completes `rebalance` and `peers`, and checks the watermarks.
use crate::document;
use crate::error::Report;
use crate::number::Shown;
use crate::path::Path;
use crate::rebalance::{Peers, Rebalance};

#[inline(never)]
pub(super) fn resolve_rebalance(
    stated: &document::Rebalance,
    has_peers: bool,
    report: &mut Report,
) -> Rebalance {
    let default = Rebalance::default();
    let rebalance = Rebalance {
        measure: stated.measure.unwrap_or(default.measure),
        high_watermark: stated
            .high_watermark
            .map_or(default.high_watermark, |part| part.0),
        low_watermark: stated
            .low_watermark
            .map_or(default.low_watermark, |part| part.0),
        max_rate: stated.max_rate.map_or(default.max_rate, |part| part.0),
        min_connections: stated
            .min_connections
            .map_or(default.min_connections, |count| count.0),
        samples: stated.samples.map_or(default.samples, |samples| samples.0),
        weight: stated.weight.unwrap_or(default.weight),
        slow_start: stated.slow_start.map_or(default.slow_start, |wait| wait.0),
        stabilization_window: stated
            .stabilization_window
            .map_or(default.stabilization_window, |wait| wait.0),
        fallback_mean_connection_age: stated
            .fallback_mean_connection_age
            .map_or(default.fallback_mean_connection_age, |limit| limit.0),
    };
    check_watermarks(stated, &rebalance, report);
    if !has_peers {
        check_without_peers(stated, report);
    }
    rebalance
}

/// Reports settings that describe a pod among its peers, where there are no peers.
fn check_without_peers(stated: &document::Rebalance, report: &mut Report) {
    let about_pods = [
        ("weight", stated.weight.is_some()),
        ("slow_start", stated.slow_start.is_some()),
        (
            "fallback_mean_connection_age",
            stated.fallback_mean_connection_age.is_some(),
        ),
    ];
    for (key, _) in about_pods.into_iter().filter(|(_, is_stated)| *is_stated) {
        let hint = "it describes this pod among its peers; add `peers`, or remove it";
        report.contradiction(&Path::Root.key("rebalance").key(key), None, hint.to_owned());
    }
}

/// Reports a low watermark above the high one: rebalancing would begin and end at the same time.
fn check_watermarks(stated: &document::Rebalance, rebalance: &Rebalance, report: &mut Report) {
    let at = Path::Root.key("rebalance");
    let unclear =
        report.mentions(&at.key("high_watermark")) || report.mentions(&at.key("low_watermark"));
    if unclear || rebalance.low_watermark <= rebalance.high_watermark {
        return;
    }
    let high_watermark = Shown(rebalance.high_watermark);
    let low_watermark = Shown(rebalance.low_watermark);
    if stated.low_watermark.is_some() {
        let hint = format!(
            "found {low_watermark}; it must not be more than `high_watermark`, here {high_watermark}"
        );
        report.contradiction(
            &at.key("low_watermark"),
            Some(&at.key("high_watermark")),
            hint,
        );
    } else {
        let hint = format!(
            "found {high_watermark}; it must not be less than `low_watermark`, here {low_watermark}"
        );
        report.contradiction(&at.key("high_watermark"), None, hint);
    }
}

/// Returns None where the cluster is missing, which was reported.
pub(super) fn resolve_peers(stated: document::Peers) -> Option<Peers> {
    Some(Peers {
        cluster: stated.cluster?.0,
        interval: stated
            .interval
            .map_or(Peers::INTERVAL, |interval| interval.0),
        trust: stated.trust.unwrap_or_default(),
    })
}
