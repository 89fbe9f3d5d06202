//! `shed` and `peers`: defaults filled in, and a band that cannot be turned over.
use crate::document;
use crate::error::Report;
use crate::path::Path;
use crate::shed::{Peers, Shed};

pub(super) fn shed(stated: &document::Shed, has_peers: bool, report: &mut Report) -> Shed {
    let default = Shed::default();
    let shed = Shed {
        measure: stated.measure.unwrap_or(default.measure),
        start_at: stated.start_at.map_or(default.start_at, |part| part.0),
        tolerance: stated.tolerance.map_or(default.tolerance, |part| part.0),
        rate: stated.rate.map_or(default.rate, |part| part.0),
        min_connections: stated
            .min_connections
            .map_or(default.min_connections, |count| count.0),
        looks: stated.looks.map_or(default.looks, |looks| looks.0),
        weight: stated.weight.unwrap_or(default.weight),
        slow_start: stated.slow_start.map_or(default.slow_start, |wait| wait.0),
        settle: stated.settle.map_or(default.settle, |wait| wait.0),
        fallback_mean_age: stated
            .fallback_mean_age
            .map_or(default.fallback_mean_age, |limit| limit.0),
    };
    check_band(stated, &shed, report);
    if !has_peers {
        check_alone(stated, report);
    }
    shed
}

/// What is said about the pod among others needs others.
fn check_alone(stated: &document::Shed, report: &mut Report) {
    let about_pods = [
        ("weight", stated.weight.is_some()),
        ("slow_start", stated.slow_start.is_some()),
        ("fallback_mean_age", stated.fallback_mean_age.is_some()),
    ];
    for (key, _) in about_pods.into_iter().filter(|(_, is_stated)| *is_stated) {
        let hint = "it is about this pod among others, which are known by `peers`; add `peers`, or remove it";
        report.contradiction(&Path::Root.key("shed").key(key), None, hint.to_owned());
    }
}

/// What ends above where it begins would never end.
fn check_band(stated: &document::Shed, shed: &Shed, report: &mut Report) {
    let at = Path::Root.key("shed");
    let unclear = report.mentions(&at.key("start_at")) || report.mentions(&at.key("tolerance"));
    if unclear || shed.tolerance <= shed.start_at {
        return;
    }
    let (start_at, tolerance) = (shed.start_at, shed.tolerance);
    if stated.tolerance.is_some() {
        let hint =
            format!("found {tolerance}; it must not be more than `start_at`, here {start_at}");
        report.contradiction(&at.key("tolerance"), Some(&at.key("start_at")), hint);
    } else {
        let hint =
            format!("found {start_at}; it must not be less than `tolerance`, here {tolerance}");
        report.contradiction(&at.key("start_at"), None, hint);
    }
}

/// None: the cluster is missing, which was reported.
pub(super) fn peers(stated: document::Peers) -> Option<Peers> {
    Some(Peers {
        cluster: stated.cluster?.0,
        every: stated.every.map_or(Peers::EVERY, |every| every.0),
        allow: stated.allow.unwrap_or_default(),
    })
}
