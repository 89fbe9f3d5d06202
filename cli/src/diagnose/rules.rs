//! The rules of a policy with their places, and where each of their values comes from.

use evenkeel_policy::{Place, Policy, PortRule, Route, Rule};

use super::{Document, Spot};

/// A rule and where it stands.
#[derive(Clone)]
pub struct Ruling<'a> {
    pub place: Place,
    pub rule: &'a Rule,
    pub kind: Kind<'a>,
}

/// What a rule is about.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    Defaults,
    Route(&'a Route),
    Port(&'a PortRule),
}

/// Where a value was stated.
pub struct Stated {
    pub place: Place,
    pub spot: Spot,
    /// In `defaults`, for another rule.
    pub is_inherited: bool,
}

impl Stated {
    /// What stands in a place.
    pub fn at(document: &Document<'_>, place: Place) -> Option<Self> {
        Some(Self {
            spot: document.find(&place)?,
            place,
            is_inherited: false,
        })
    }
}

impl<'a> Ruling<'a> {
    /// All of a policy, in its order: `defaults` first.
    pub fn all(policy: &'a Policy) -> Vec<Self> {
        let defaults = Self {
            place: root().key("defaults"),
            rule: &policy.defaults,
            kind: Kind::Defaults,
        };
        let routes = policy.routes.iter().enumerate();
        let routes = routes.map(|(index, route)| Self::route(index, route));
        let ports = policy.connections.iter().enumerate();
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
            kind: Kind::Route(route),
        }
    }

    fn port(index: usize, port: &'a PortRule) -> Self {
        Self {
            place: root().key("connections").index(index),
            rule: &port.rule,
            kind: Kind::Port(port),
        }
    }

    pub fn is_http(&self) -> bool {
        !matches!(self.kind, Kind::Port(_))
    }

    /// What the rule itself says about a key.
    pub fn own(&self, document: &Document<'_>, key: &str) -> Option<Stated> {
        Stated::at(document, self.place.clone().key(key))
    }

    /// Where the value of a key comes from; None: it is built in.
    pub fn stated(&self, document: &Document<'_>, key: &str) -> Option<Stated> {
        self.own(document, key).or_else(|| {
            let stated = Stated::at(document, root().key("defaults").key(key))?;
            Some(Stated {
                is_inherited: true,
                ..stated
            })
        })
    }
}

fn root() -> Place {
    Place::default()
}
