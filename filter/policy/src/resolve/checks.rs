//! Contradictions between the rules of a policy.
use crate::document::{Limits, Route, Tcp};
use crate::duration::show;
use crate::error::Report;
use crate::path::Path;
use crate::quoted::Quoted;
use crate::rule::{self, ErrorSetting, ProtocolSetting};
use crate::value::Name;

/// Names are metric labels, which must identify a rule.
#[inline(never)]
pub(super) fn check_names(routes: &[Route], tcp: &[Tcp], report: &mut Report) {
    let routes = routes
        .iter()
        .map(|route| &route.name)
        .enumerate()
        .map(|entry| ("routes", entry));
    let tcp = tcp
        .iter()
        .map(|rule| &rule.name)
        .enumerate()
        .map(|entry| ("tcp", entry));
    let mut taken: Vec<(&str, &str, usize)> = Vec::new();
    for (key, (index, name)) in routes.chain(tcp) {
        let Some(Name(name)) = name else { continue };
        let before = taken.iter().find(|(held, ..)| held == name);
        if let Some(&(_, key_before, index_before)) = before {
            let hint = format!(
                "found {}, the name of `{key_before}[{index_before}]`; metrics and logs identify a \
                 rule by its name",
                Quoted::all(name)
            );
            let list_before = Path::Root.key(key_before);
            let before = list_before.index(index_before);
            let at = Path::Root.key(key);
            let at = at.index(index);
            report.contradiction(&at.key("name"), Some(&before.key("name")), hint);
        } else {
            taken.push((name, key, index));
        }
    }
}

/// Reports a minimum age above the maximum age where one of the two is stated. Where neither is, both come from `defaults`
/// and were reported there.
pub(super) fn check_ages(at: &Path<'_>, stated: &Limits, rule: &rule::Rule, report: &mut Report) {
    let Some(max_connection_age) = rule
        .max_connection_age
        .filter(|max_connection_age| rule.min_connection_age > *max_connection_age)
    else {
        return;
    };
    // Where one of them is invalid, the other would be compared with a default.
    let defaults = Path::Root.key("defaults");
    let unclear = |place: &Path<'_>| {
        report.mentions(&place.key("max_connection_age"))
            || report.mentions(&place.key("min_connection_age"))
    };
    if unclear(at) || unclear(&defaults) {
        return;
    }
    let (max_connection_age, min_connection_age) =
        (show(max_connection_age), show(rule.min_connection_age));
    if stated.min_connection_age.is_some() {
        let hint = format!(
            "found \"{min_connection_age}\"; it must not be more than `max_connection_age`, here \"{max_connection_age}\""
        );
        let around = if stated.max_connection_age.is_some() {
            at
        } else {
            &defaults
        };
        report.contradiction(
            &at.key("min_connection_age"),
            Some(&around.key("max_connection_age")),
            hint,
        );
    } else if stated.max_connection_age.is_some() {
        let hint = format!(
            "found \"{max_connection_age}\"; it must not be less than `min_connection_age`, here \"{min_connection_age}\""
        );
        report.contradiction(
            &at.key("max_connection_age"),
            Some(&defaults.key("min_connection_age")),
            hint,
        );
    }
}

/// Reports an error that the protocol of the rule does not have.
pub(super) fn check_error(at: &Path<'_>, tcp: &rule::Tcp, report: &mut Report) {
    let has_error = matches!(
        tcp.protocol,
        ProtocolSetting::Auto | ProtocolSetting::PostgreSql
    );
    if tcp.error == ErrorSetting::Off || has_error {
        return;
    }
    let hint = format!(
        "found \"{}\", an error of PostgreSQL; the `protocol` of this rule is \"{}\": remove `error`",
        tcp.error.name(),
        tcp.protocol.name()
    );
    report.contradiction(&at.key("error"), Some(&at.key("protocol")), hint);
}
