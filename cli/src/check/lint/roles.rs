//! Lints about the two filters of a proxy: the role of each, and whether both have the same policy.

use evenkeel_policy::{Place, Role};

use super::{Lint, LintContext};
use crate::check::Checked;
use crate::diagnose::{self, Finding, Source, ValueLocation};

/// Warns if a policy has the role of the other filter.
pub fn wrong(source: &Source, context: &LintContext<'_>) -> Option<Finding> {
    let expected = source.object()?.role;
    let found = context.policy.role.filter(|role| *role != expected)?;
    let stated = ValueLocation::at(context.document, Place::default().key("role"))?;
    let message = format!(
        "found \"{}\" in the policy of {}",
        found.name(),
        match expected {
            Role::Network => "a network filter",
            Role::Http => "an HTTP filter",
        }
    );
    let finding = Lint::WrongRole.of_value(&stated, &message);
    let note =
        "the filter follows the role in its policy, so it handles neither connections nor requests";
    Some(
        finding
            .note(note)
            .help(format!("write \"{}\"", expected.name())),
    )
}

/// Warns if the HTTP filter of a proxy has another policy than its network filter.
pub fn compare(checked: &mut [Checked]) {
    for index in 0..checked.len() {
        let network = checked
            .iter()
            .find(|other| is_partner(&checked[index], other));
        let found = network.and_then(|network| differs(&checked[index].source, &network.source));
        checked[index].findings.extend(found);
    }
}

fn is_partner(http: &Checked, network: &Checked) -> bool {
    match (http.source.object(), network.source.object()) {
        (Some(http), Some(network)) => {
            http.proxy == network.proxy && http.role == Role::Http && network.role == Role::Network
        }
        _ => false,
    }
}

fn differs(http: &Source, network: &Source) -> Option<Finding> {
    if http.policy().is_err() || network.policy().is_err() || diagnose::is_same(http, network) {
        return None;
    }
    let other = network.object()?;
    let message = format!(
        "the policy differs from that of {}, the network filter of the same proxy",
        other.name
    );
    let finding = Lint::RolesDiffer.at(&Place::default(), &message);
    let finding = Finding { message, ..finding };
    let finding = finding
        .at(http.key())
        .related(network.key(), "the other policy")
        .note("both filters act on the same connections, each by its own policy");
    Some(finding.help("render both again, or copy one to the other: only `role` may differ"))
}
