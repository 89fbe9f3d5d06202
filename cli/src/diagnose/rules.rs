//! The rules of a policy with their places, and where each of their values comes from.

use evenkeel_policy::{Place, Policy, Route, Rule, TcpRule};

use super::{Document, Spot};

/// A rule and its place in the policy.
#[derive(Clone)]
pub struct Ruling<'a> {
    pub place: Place,
    pub rule: &'a Rule,
    pub kind: Kind<'a>,
}

/// What a rule applies to.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    Defaults,
    Route(&'a Route),
    Port(&'a TcpRule),
}

/// The position of a value in the policy.
pub struct Stated {
    pub place: Place,
    pub spot: Spot,
    /// In `defaults`, for another rule.
    pub is_inherited: bool,
}

impl Stated {
    /// Finds the value of a place.
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
            kind: Kind::Route(route),
        }
    }

    fn port(index: usize, port: &'a TcpRule) -> Self {
        Self {
            place: root().key("tcp").index(index),
            rule: &port.rule,
            kind: Kind::Port(port),
        }
    }

    pub fn is_http(&self) -> bool {
        !matches!(self.kind, Kind::Port(_))
    }

    /// Where the rule itself states a key, such as `http2.idle_wait`.
    pub fn own(&self, document: &Document<'_>, key: &str) -> Option<Stated> {
        Stated::at(document, inside(self.place.clone(), key))
    }

    /// Where the value of a key comes from; None: it is built in.
    pub fn stated(&self, document: &Document<'_>, key: &str) -> Option<Stated> {
        self.own(document, key).or_else(|| {
            let stated = Stated::at(document, inside(root().key("defaults"), key))?;
            Some(Stated {
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
