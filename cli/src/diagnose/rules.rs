//! The rules of a policy with their places and the positions of their values.

use evenkeel_policy::{Place, Policy, Route, Rule, TcpRule};

use super::{Document, Location};

/// A rule and its place in the policy.
#[derive(Clone)]
pub struct LocatedRule<'a> {
    pub place: Place,
    pub rule: &'a Rule,
    pub kind: RuleKind<'a>,
}

/// What a rule applies to.
#[derive(Clone, Copy)]
pub enum RuleKind<'a> {
    Defaults,
    Route(&'a Route),
    Port(&'a TcpRule),
}

/// The position of a value in the policy.
pub struct ValueLocation {
    pub place: Place,
    pub location: Location,
    /// Whether the value is in `defaults` and a rule inherits it.
    pub is_inherited: bool,
}

impl ValueLocation {
    /// Finds the value of a place.
    pub fn at(document: &Document<'_>, place: Place) -> Option<Self> {
        Some(Self {
            location: document.find(&place)?,
            place,
            is_inherited: false,
        })
    }
}

impl<'a> LocatedRule<'a> {
    /// Returns all rules of a policy in order, `defaults` first.
    pub fn all(policy: &'a Policy) -> Vec<Self> {
        let defaults = Self {
            place: root().key("defaults"),
            rule: &policy.defaults,
            kind: RuleKind::Defaults,
        };
        let routes = policy.routes.iter().enumerate();
        let routes = routes.map(|(index, route)| Self::route(index, route));
        let ports = policy.tcp.iter().enumerate();
        let ports = ports.map(|(index, port)| Self::port(index, port));
        std::iter::once(defaults)
            .chain(routes)
            .chain(ports)
            .collect()
    }

    fn route(index: usize, route: &'a Route) -> Self {
        Self {
            place: root().key("routes").index(index),
            rule: &route.rule,
            kind: RuleKind::Route(route),
        }
    }

    fn port(index: usize, port: &'a TcpRule) -> Self {
        Self {
            place: root().key("tcp").index(index),
            rule: &port.rule,
            kind: RuleKind::Port(port),
        }
    }

    pub fn is_http(&self) -> bool {
        !matches!(self.kind, RuleKind::Port(_))
    }

    /// Finds a key, such as `http2.idle_wait`, in the rule itself.
    pub fn locate_own(&self, document: &Document<'_>, key: &str) -> Option<ValueLocation> {
        ValueLocation::at(document, inside(self.place.clone(), key))
    }

    /// Finds the value of a key in the rule or in `defaults`; None if it is built in.
    pub fn locate(&self, document: &Document<'_>, key: &str) -> Option<ValueLocation> {
        self.locate_own(document, key).or_else(|| {
            let stated = ValueLocation::at(document, inside(root().key("defaults"), key))?;
            Some(ValueLocation {
                is_inherited: true,
                ..stated
            })
        })
    }
}

/// The place of a key, such as `http2.idle_wait`, inside another place.
fn inside(place: Place, key: &str) -> Place {
    key.split('.').fold(place, |place, key| place.key(key))
}

fn root() -> Place {
    Place::default()
}
