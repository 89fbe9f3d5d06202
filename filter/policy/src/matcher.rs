//! Which requests a route matches.
use crate::declare::words;
use crate::glob::Glob;

words! {
    /// On which listeners a rule acts.
    pub enum Direction: r#"allowed are "inbound" and "outbound""# {
        /// Listeners that receive from other hosts: a server's sidecar, a gateway, or no mesh at all.
        Inbound = "inbound",
        /// A sidecar's outbound listeners only, where the downstream is the application in the same pod.
        Outbound = "outbound",
    }
    default Inbound
}

/// The parts of a request that routes match. A part that is unknown or not read ([`RequestParts`]) is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The name of the route that Envoy chose.
    pub route: &'a [u8],
    /// The `:authority` or `Host` field, with or without a port.
    pub authority: &'a [u8],
    /// The `:path` or request target, with its query.
    pub path: &'a [u8],
}

/// Which parts of a [`Request`] the routes of a policy read; the others need not be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestParts {
    /// [`Request::route`]
    pub route: bool,
    /// [`Request::authority`]
    pub authority: bool,
    /// [`Request::path`]
    pub path: bool,
}

/// A condition of a route's `match`, applied to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchCondition<'a> {
    /// Its key in `match`.
    pub key: &'static str,
    /// The pattern in the policy.
    pub pattern: &'a str,
    /// The request meets the condition.
    pub is_met: bool,
}

/// Conditions that must all be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) direction: Direction,
    pub(crate) route: Option<Glob>,
    pub(crate) authority: Option<Glob>,
    pub(crate) path_prefix: Option<String>,
}

impl Matcher {
    pub(crate) fn matches(&self, direction: Direction, request: &Request<'_>) -> bool {
        self.conditions(direction, request)
            .all(|condition| condition.is_met)
    }

    /// The conditions, evaluated lazily.
    pub(crate) fn conditions<'a>(
        &'a self,
        direction: Direction,
        request: &Request<'a>,
    ) -> impl Iterator<Item = MatchCondition<'a>> + use<'a> {
        let Request {
            route,
            authority: host,
            path,
        } = *request;
        let direction = MatchCondition {
            key: "direction",
            pattern: self.direction.name(),
            is_met: self.direction == direction,
        };
        let routes = self.route.iter().map(move |pattern| MatchCondition {
            key: "route",
            pattern: pattern.as_str(),
            is_met: pattern.matches(route),
        });
        let authorities = self.authority.iter().map(move |pattern| MatchCondition {
            key: "authority",
            pattern: pattern.as_str(),
            is_met: matches_authority(pattern, host),
        });
        let prefixes = self.path_prefix.iter().map(move |prefix| MatchCondition {
            key: "path_prefix",
            pattern: prefix,
            is_met: has_prefix(prefix, path),
        });
        std::iter::once(direction)
            .chain(routes)
            .chain(authorities)
            .chain(prefixes)
    }

    pub(crate) fn request_parts(&self) -> RequestParts {
        RequestParts {
            route: self.route.is_some(),
            authority: self.authority.is_some(),
            path: self.path_prefix.is_some(),
        }
    }

    /// Whether this certainly matches everything that `other` matches. False where that is not obvious.
    pub(crate) fn covers(&self, other: &Matcher) -> bool {
        let wider = |own: &Option<Glob>, other: &Option<Glob>| {
            own.as_ref()
                .is_none_or(|own| own.as_str() == "*" || other.as_ref() == Some(own))
        };
        let longer = |prefix: &String| {
            other
                .path_prefix
                .as_ref()
                .is_some_and(|longer| has_prefix(prefix, longer.as_bytes()))
        };
        // A pattern may match everything that another one matches without being equal or `*`; that is not worth an error.
        self.direction == other.direction
            && wider(&self.route, &other.route)
            && wider(&self.authority, &other.authority)
            && self.path_prefix.as_ref().is_none_or(longer)
    }
}

/// Host names are case-insensitive (RFC 9110 4.2.3). The port is compared only where the pattern has one.
fn matches_authority(pattern: &Glob, authority: &[u8]) -> bool {
    let host = if has_port(pattern.as_str()) {
        authority
    } else {
        without_port(authority)
    };
    pattern.matches_ignoring_case(host)
}

/// A colon within brackets belongs to an IPv6 address (RFC 3986 3.2.2).
fn has_port(pattern: &str) -> bool {
    pattern
        .bytes()
        .rev()
        .take_while(|byte| *byte != b']')
        .any(|byte| byte == b':')
}

fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| !byte.is_ascii_digit()) {
        Some(colon) if authority.get(colon) == Some(&b':') => {
            authority.get(..colon).unwrap_or(authority)
        }
        _ => authority,
    }
}

/// As Envoy's `path_separated_prefix`: a prefix ends at a segment boundary, so `/api` does not match `/apiary`. Unlike
/// there, a prefix may end with `/`, which the path must then contain.
fn has_prefix(prefix: &str, path: &[u8]) -> bool {
    match path.strip_prefix(prefix.as_bytes()) {
        Some(rest) => {
            prefix.ends_with('/') || matches!(rest.first(), None | Some(b'/' | b'?' | b'#'))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn any() -> Matcher {
        Matcher {
            direction: Direction::Inbound,
            route: None,
            authority: None,
            path_prefix: None,
        }
    }

    fn glob(pattern: &str) -> Option<Glob> {
        Glob::new(pattern)
    }

    #[test]
    fn prefix_ends_at_a_segment_boundary() {
        for (prefix, path) in [
            ("/api", "/api"),
            ("/api", "/api/x"),
            ("/api", "/api?x"),
            ("/api", "/api#x"),
            ("/api/", "/api/x"),
            ("/api/", "/api/"),
            ("/", "/"),
            ("/", "/x"),
            ("/", "/?x"),
        ] {
            assert!(
                has_prefix(prefix, path.as_bytes()),
                "{prefix} should match {path}"
            );
        }
        for (prefix, path) in [
            ("/api", "/apiary"),
            ("/api", "/API"),
            ("/api", "/ap"),
            ("/api", "/v1/api"),
            ("/api/", "/api"),
            ("/api/", "/api?x"),
            ("/", "*"),
            ("/", ""),
        ] {
            assert!(
                !has_prefix(prefix, path.as_bytes()),
                "{prefix} should not match {path}"
            );
        }
    }

    #[test]
    fn port_is_compared_only_where_the_pattern_has_one() {
        for (pattern, name) in [
            ("shop.example", "shop.example"),
            ("shop.example", "shop.example:8080"),
            ("shop.example", "Shop.Example:"),
            ("*.shop.example", "api.shop.example:443"),
            ("shop.example:8080", "shop.example:8080"),
            ("shop.example:80*", "shop.example:8080"),
            ("[::1]", "[::1]:8080"),
            ("[::1]", "[::1]"),
            ("[::1]:8080", "[::1]:8080"),
            ("*", ""),
        ] {
            assert!(
                matches_authority(&glob(pattern).unwrap(), name.as_bytes()),
                "{pattern} should match {name}"
            );
        }
        for (pattern, name) in [
            ("shop.example:8080", "shop.example"),
            ("shop.example:8080", "shop.example:8081"),
            ("[::1]:8080", "[::1]"),
            ("[::2]", "[::1]:8080"),
            ("shop.example", ""),
            ("8080", ":8080"),
        ] {
            assert!(
                !matches_authority(&glob(pattern).unwrap(), name.as_bytes()),
                "{pattern} should not match {name}"
            );
        }
    }

    #[test]
    fn all_conditions_must_be_met() {
        let matcher = Matcher {
            route: glob("checkout-*"),
            authority: glob("*.shop.example"),
            path_prefix: Some("/api/".into()),
            ..any()
        };
        let request = Request {
            route: b"checkout-eu",
            authority: b"www.shop.example",
            path: b"/api/cart?id=7",
        };

        assert!(matcher.matches(Direction::Inbound, &request));
        assert!(!matcher.matches(Direction::Outbound, &request));
        assert!(!matcher.matches(
            Direction::Inbound,
            &Request {
                route: b"default",
                ..request
            }
        ));
        assert!(!matcher.matches(
            Direction::Inbound,
            &Request {
                authority: b"shop.example",
                ..request
            }
        ));
        assert!(!matcher.matches(
            Direction::Inbound,
            &Request {
                path: b"/cart",
                ..request
            }
        ));
        assert!(!matcher.matches(Direction::Inbound, &Request::default()));
    }

    #[test]
    fn wider_matcher_covers_a_narrower_one() {
        let api = Matcher {
            path_prefix: Some("/api".into()),
            ..any()
        };
        let api_v1 = Matcher {
            path_prefix: Some("/api/v1".into()),
            authority: glob("a"),
            ..any()
        };
        assert!(any().covers(&api));
        assert!(api.covers(&api));
        assert!(api.covers(&api_v1));
        assert!(
            Matcher {
                route: glob("*"),
                ..any()
            }
            .covers(&api)
        );

        assert!(!api.covers(&any()));
        assert!(!api_v1.covers(&api));
        assert!(!api.covers(&Matcher {
            path_prefix: Some("/apiary".into()),
            ..any()
        }));
        assert!(!api.covers(&Matcher {
            direction: Direction::Outbound,
            ..api.clone()
        }));
        assert!(
            !Matcher {
                route: glob("a*"),
                ..any()
            }
            .covers(&Matcher {
                route: glob("b"),
                ..any()
            })
        );
    }
}
