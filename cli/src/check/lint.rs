//! What is legal in a policy but unwise.
//!
//! Each of these is told because an operator cannot see it in the policy and finds it out late: the arithmetic
//! of ages and budgets, a key that does nothing, a rule that never matches. Left out is what only the mesh
//! knows: whether HTTP/2 clients get PINGs (`keepalive.http2_ping` is for those who render Envoy's
//! configuration), how many connections come under which rule, what a listener's direction is.

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

use crate::diagnose::{Document, Finding, Ruling, Severity, Source, Stated};

macro_rules! lints {
    ( $( $lint:ident = $code:literal, $severity:ident: $about:literal, )* ) => {
        /// A kind of warning or note.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub enum Lint {
            $( #[doc = $about] #[value(name = $code)] $lint, )*
        }

        impl Lint {
            /// A word that stays the same from release to release.
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
        "Connections are moved before clients would give them up by themselves.",
    FewRequests = "few-requests", Warning:
        "Connections are moved after a handful of requests.",
    NoJitter = "no-jitter", Warning:
        "Connections that were opened together are moved together.",
    MinAgeGathers = "min-age-gathers", Warning:
        "Many connections are held back by `min_age` and then moved together.",
    MeanAgeBehindMaxAge = "mean-age-behind-max-age", Warning:
        "`max_age` moves most connections before `mean_age` can.",
    GraceBelowTimeout = "grace-below-timeout", Warning:
        "Answers that Envoy would wait for are cut by `grace`.",
    GraceBelowQuietWait = "grace-below-quiet-wait", Warning:
        "Raw TCP connections are closed before they can have been silent for `quiet_wait`.",
    BusyWithoutGrace = "busy-without-grace", Warning:
        "`busy` has no effect where `grace` is off.",
    ProtectsEverything = "protects-everything", Warning:
        "Every request is protected without end.",
    NeverMatches = "never-matches", Warning:
        "A rule can never match.",
    NoEffect = "no-effect", Warning:
        "A key has no effect in its place.",
    MovesNothing = "moves-nothing", Warning:
        "Nothing in the policy moves a connection.",
    BudgetTooSmall = "budget-too-small", Warning:
        "More connections fall due than the budget lets go.",
    BudgetBelowShed = "budget-below-shed", Note:
        "The budget is slower than the pace of shedding.",
    KeepaliveBehindIdle = "keepalive-behind-idle", Warning:
        "TCP keepalive probes come after load balancers have forgotten a connection.",
    PingsBelowGrpc = "pings-below-grpc", Warning:
        "HTTP/2 upstreams get PINGs more often than gRPC servers allow.",
    GoingAwayForGood = "going-away-for-good", Note:
        "Some WebSocket libraries do not reconnect after code 1001.",
    PeersOfAnyone = "peers-of-anyone", Warning:
        "Whoever reaches the port reads the load of the pods.",
    ObserveMode = "observe-mode", Note:
        "Nothing is moved in the mode \"observe\".",
    WrongRole = "wrong-role", Warning:
        "A policy has the role of the other filter.",
    RolesDiffer = "roles-differ", Warning:
        "The two filters of a proxy have different policies.",
    PeersWithoutShed = "peers-without-shed", Note:
        "Pods tell each other what they carry, and nothing is made of it.",
}

impl Lint {
    pub fn of(code: &str) -> Option<Self> {
        let all = Self::value_variants().iter().copied();
        all.into_iter().find(|lint| lint.code() == code)
    }

    /// A finding about what stands at `place`.
    fn at(self, place: &Place, message: &str) -> Finding {
        let message = format!("{place}: {message}");
        Finding::new(self.severity(), self.code(), message, place.clone())
    }

    /// A finding about the value of a key.
    fn of_value(self, stated: &Stated, message: &str) -> Finding {
        self.at(&stated.place, message)
            .at(Some(stated.spot.value.clone()))
    }
}

/// What the lints look at.
struct Scene<'a> {
    policy: &'a Policy,
    document: &'a Document<'a>,
    rules: &'a [Ruling<'a>],
    /// That one proxy has.
    connections: f64,
}

/// What is unwise about a policy, in the order of its text.
pub fn findings(source: &Source, policy: &Policy, connections: u64) -> Vec<Finding> {
    let document = Document::of(source);
    let scene = Scene {
        policy,
        document: &document,
        rules: &Ruling::all(policy),
        connections: connections as f64,
    };
    let mut findings = Vec::new();
    for ruling in scene.rules {
        findings.extend(ages::findings(&scene, ruling));
        findings.extend(settings::of_rule(&scene, ruling));
    }
    findings.extend(ages::upstream(&scene));
    findings.extend(matching::findings(&scene));
    findings.extend(settings::of_policy(&scene));
    findings.extend(budget::findings(&scene));
    findings.extend(roles::wrong(source, &scene));
    once_each(findings)
}

/// What rules inherit is told once, where it stands.
fn once_each(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        let is_told = |kept: &Finding| (kept.code, &kept.place) == (finding.code, &finding.place);
        if !kept.iter().any(is_told) {
            kept.push(finding);
        }
    }
    kept.sort_by_key(|finding| finding.span.as_ref().map_or(0, |span| span.start));
    kept
}

fn shown(duration: Duration) -> String {
    format!("\"{}\"", show_duration(duration))
}
