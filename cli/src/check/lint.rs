//! Warnings about valid policies.
//!
//! Each lint reports what an operator cannot see in the policy and would find out late: the arithmetic of ages and
//! budgets, a key without effect, a rule that never matches. Lints do not cover what only the mesh knows: whether
//! HTTP/2 clients get PINGs (`keepalive.http2` is for rendered Envoy configuration), how many connections each rule
//! has, the direction of a listener.

mod ages;
mod budget;
mod matching;
mod roles;
mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use clap::ValueEnum;
use evenkeel_policy::{Place, Policy, show_duration};

pub use roles::compare as compare_roles;

use crate::diagnose::{Document, Finding, LocatedRule, Severity, Source, ValueLocation};

macro_rules! lints {
    ( $( $lint:ident = $code:literal, $severity:ident: $about:literal, )* ) => {
        /// A kind of warning or note.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub enum Lint {
            $( #[doc = $about] #[value(name = $code)] $lint, )*
        }

        impl Lint {
            /// The stable name of the lint.
            pub const fn code(self) -> &'static str {
                match self { $( Self::$lint => $code, )* }
            }

            pub const fn severity(self) -> Severity {
                match self { $( Self::$lint => Severity::$severity, )* }
            }

            pub const fn about(self) -> &'static str {
                match self { $( Self::$lint => $about, )* }
            }
        }
    };
}

lints! {
    AgeBelowKeepalive = "age-below-keepalive", Warning:
        "Connections are drained before clients would close them when idle.",
    FewRequests = "few-requests", Warning:
        "Connections are drained after a handful of requests.",
    NoJitter = "no-jitter", Warning:
        "Connections that were opened together are drained together.",
    MinAgeClusters = "min-age-clusters", Warning:
        "`min_connection_age` delays many connections, which are then drained together.",
    MeanAgeAboveMaxAge = "mean-age-above-max-age", Warning:
        "`max_connection_age` drains most connections before `mean_connection_age` can.",
    DrainTimeoutTooShort = "drain-timeout-too-short", Warning:
        "`drain_timeout` aborts requests that Envoy would wait for.",
    DrainTimeoutBelowIdleTime = "drain-timeout-below-idle-time", Warning:
        "Raw TCP connections are closed before they can have been idle for `idle_time`.",
    RawOnKnownPort = "raw-on-known-port", Warning:
        "A database or broker is drained as raw TCP.",
    WhenActiveWithoutDrainTimeout = "when-active-without-drain-timeout", Warning:
        "`when_active` has no effect where `drain_timeout` is off.",
    ProtectsEverything = "protects-everything", Warning:
        "Every request is protected without limit.",
    NeverMatches = "never-matches", Warning:
        "A rule can never match.",
    NoEffect = "no-effect", Warning:
        "A key has no effect at its place.",
    DrainsNothing = "drains-nothing", Warning:
        "Nothing in the policy drains a connection.",
    BudgetTooSmall = "budget-too-small", Warning:
        "More connections expire than the budget allows to drain.",
    BudgetBelowRebalance = "budget-below-rebalance", Note:
        "The budget is slower than the rate of rebalancing.",
    KeepaliveAfterIdleTimeout = "keepalive-after-idle-timeout", Warning:
        "TCP keepalive probes start after load balancers have dropped an idle connection.",
    UpstreamPingsTooFrequent = "upstream-pings-too-frequent", Warning:
        "HTTP/2 upstreams get PINGs more often than gRPC servers allow.",
    CloseCodeGoingAway = "close-code-going-away", Note:
        "Some WebSocket libraries do not reconnect after code 1001.",
    PeersTrustAnyone = "peers-trust-anyone", Warning:
        "Every client that reaches the port can read the load of the pods.",
    DryRun = "dry-run", Note:
        "Nothing is drained in the mode \"dry_run\".",
    WrongRole = "wrong-role", Warning:
        "A policy states the role of the other filter.",
    RolesDiffer = "roles-differ", Warning:
        "The two filters of a proxy have different policies.",
    PeersWithoutRebalance = "peers-without-rebalance", Note:
        "Pods exchange load reports, but nothing is rebalanced.",
}

impl Lint {
    pub fn of(code: &str) -> Option<Self> {
        let all = Self::value_variants().iter().copied();
        all.into_iter().find(|lint| lint.code() == code)
    }

    /// Returns a finding about the value at `place`.
    fn at(self, place: &Place, message: &str) -> Finding {
        let message = format!("{place}: {message}");
        Finding::new(self.severity(), self.code(), message, place.clone())
    }

    /// Returns a finding about the value of a key.
    fn of_value(self, stated: &ValueLocation, message: &str) -> Finding {
        self.at(&stated.place, message)
            .at(Some(stated.location.value.clone()))
    }
}

/// The input of the lints.
struct LintContext<'a> {
    policy: &'a Policy,
    document: &'a Document<'a>,
    rules: &'a [LocatedRule<'a>],
    /// The connections of one proxy.
    connections: f64,
}

/// Returns the warnings about a policy, in the order of its text.
pub fn findings(source: &Source, policy: &Policy, connections: u64) -> Vec<Finding> {
    let document = Document::of(source);
    let context = LintContext {
        policy,
        document: &document,
        rules: &LocatedRule::all(policy),
        connections: connections as f64,
    };
    let mut findings = Vec::new();
    for located in context.rules {
        findings.extend(ages::findings(&context, located));
        findings.extend(settings::of_rule(&context, located));
    }
    findings.extend(ages::upstream(&context));
    findings.extend(matching::findings(&context));
    findings.extend(settings::of_policy(&context));
    findings.extend(budget::findings(&context));
    findings.extend(roles::wrong(source, &context));
    deduplicate(findings)
}

/// Reports what rules inherit once, where it is stated.
fn deduplicate(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        let is_reported =
            |kept: &Finding| (kept.code, &kept.place) == (finding.code, &finding.place);
        if !kept.iter().any(is_reported) {
            kept.push(finding);
        }
    }
    kept.sort_by_key(|finding| finding.span.as_ref().map_or(0, |span| span.start));
    kept
}

fn quoted(duration: Duration) -> String {
    format!("\"{}\"", show_duration(duration))
}
