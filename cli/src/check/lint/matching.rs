//! Warns of rules that can never match, beyond those that the policy crate rejects.

use evenkeel_policy::{Place, Request, Route};

use super::{Lint, LintContext};
use crate::diagnose::Finding;

pub fn findings(context: &LintContext<'_>) -> Vec<Finding> {
    let routes = &context.policy.routes;
    let mut findings = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let place = Place::default().key("routes").index(index).key("match");
        findings.extend(impossible(context, route, &place));
        let shadow = routes[..index]
            .iter()
            .position(|earlier| covers(earlier, route));
        findings.extend(shadow.map(|first| shadowed(context, &place, first)));
    }
    findings
}

fn shadowed(context: &LintContext<'_>, place: &Place, first: usize) -> Finding {
    let earlier = Place::default().key("routes").index(first);
    let own = context.document.find(place);
    let other = context.document.find(&earlier.clone().key("match"));
    let shown = |location: crate::diagnose::Location| context.document.shown(&location.value);
    Lint::NeverMatches
        .at(
            place,
            &format!("never reached: `{earlier}` matches everything that this would match"),
        )
        .at(own.map(shown))
        .related(other.map(shown), "this is tried first")
        .help("put the narrower rule first")
}

/// Reports patterns that no request can match.
fn impossible(context: &LintContext<'_>, route: &Route, place: &Place) -> Vec<Finding> {
    let nothing = Request::default();
    let parts = route.conditions(route.direction(), &nothing);
    let findings = parts.filter_map(|part| {
        let (why, help) = match part.key {
            "authority" => never_an_authority(part.pattern)?,
            "path_prefix" => never_a_path(part.pattern)?,
            _ => return None,
        };
        let place = place.clone().key(part.key);
        let location = context.document.find(&place);
        let finding = Lint::NeverMatches
            .at(&place, &format!("no request matches: {why}"))
            .at(location.map(|location| location.value))
            .help(help);
        Some(finding)
    });
    findings.collect()
}

/// An authority is a host and optionally a port (RFC 9110, section 7.2).
fn never_an_authority(pattern: &str) -> Option<(&'static str, &'static str)> {
    if pattern.contains("://") {
        let why = "an authority has no scheme";
        return Some((why, "state the host alone, such as \"shop.example\""));
    }
    if pattern.contains('/') {
        let why = "an authority has no path";
        return Some((why, "state the host alone, and the path in `path_prefix`"));
    }
    if pattern.contains(|c: char| c.is_whitespace() || !c.is_ascii()) {
        let why = "an authority has neither white space nor letters beyond ASCII";
        return Some((
            why,
            "names beyond ASCII are sent in Punycode, such as \"xn--bcher-kva.example\"",
        ));
    }
    None
}

/// Such characters are percent-encoded in a path (RFC 3986, section 3.3).
fn never_a_path(prefix: &str) -> Option<(&'static str, &'static str)> {
    let is_escaped = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
    prefix.contains(is_escaped).then_some((
        "in a path, white space and letters beyond ASCII are sent percent-encoded",
        "write them so, such as \"/caf%C3%A9\"",
    ))
}

/// Whether `own` certainly matches everything that `other` matches.
fn covers(own: &Route, other: &Route) -> bool {
    let direction = own.direction();
    direction == other.direction()
        && own.conditions(direction, &Request::default()).all(|part| {
            match (part.key, pattern(other, part.key)) {
                ("direction", _) => part.is_met,
                (_, None) => part.pattern == "*",
                ("route", Some(other)) => glob_covers(part.pattern, &other),
                ("authority", Some(other)) => authority_covers(part.pattern, &other),
                (_, Some(other)) => has_below(own, &other),
            }
        })
}

fn pattern(route: &Route, key: &str) -> Option<String> {
    let nothing = Request::default();
    let mut parts = route.conditions(route.direction(), &nothing);
    let part = parts.find(|part| part.key == key)?;
    Some(part.pattern.to_owned())
}

/// Whether the prefix is below the one of `own`.
fn has_below(own: &Route, prefix: &str) -> bool {
    let request = Request {
        path: prefix.as_bytes(),
        ..Request::default()
    };
    let mut parts = own.conditions(own.direction(), &request);
    parts.any(|part| part.key == "path_prefix" && part.is_met)
}

/// Whether `own` matches the pattern `other` read as text: `*` covers anything, `?` any character except `*`.
fn glob_covers(own: &str, other: &str) -> bool {
    let (own, other) = (own.as_bytes(), other.as_bytes());
    // reached[i]: the part of `own` read so far covers the first i bytes of `other`.
    let mut reached: Vec<bool> = (0..=other.len()).map(|i| i == 0).collect();
    for sign in own {
        let mut next = vec![false; other.len() + 1];
        for i in 0..=other.len() {
            next[i] = match sign {
                b'*' => reached[i] || (i > 0 && next[i - 1]),
                b'?' => i > 0 && reached[i - 1] && other[i - 1] != b'*',
                _ => i > 0 && reached[i - 1] && other[i - 1] == *sign,
            };
        }
        reached = next;
    }
    reached[other.len()]
}

/// Ignores case; a pattern without a port ignores the port.
fn authority_covers(own: &str, other: &str) -> bool {
    let (own, other) = (own.to_ascii_lowercase(), other.to_ascii_lowercase());
    let host = |pattern: &str| match pattern.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Some((host.to_owned(), port.to_owned())),
        _ => None,
    };
    match (host(&own), host(&other)) {
        (None, Some((host, port))) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            glob_covers(&own, &host)
        }
        (None, Some(_)) => false,
        (Some(_), None) => false,
        _ => glob_covers(&own, &other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_pattern_covers_a_narrower_one() {
        for (own, other) in [
            ("*", "a*b?"),
            ("*.example", "*.shop.example"),
            ("shop*", "shop-?"),
            ("a?c", "abc"),
            ("a?c", "a?c"),
            ("a**", "a"),
        ] {
            assert!(glob_covers(own, other), "{own} covers {other}");
        }
        for (own, other) in [
            ("*.shop.example", "*.example"),
            ("a?c", "a*c"),
            ("shop", "shop*"),
            ("abc", "abcd"),
            ("?", ""),
        ] {
            assert!(!glob_covers(own, other), "{own} does not cover {other}");
        }
    }

    #[test]
    fn port_counts_only_where_the_wider_pattern_has_one() {
        for (own, other) in [
            ("shop.example", "Shop.Example:8443"),
            ("*.example", "a.example:80"),
            ("a:80*", "a:8080"),
            ("[::1]", "[::1]:80"),
        ] {
            assert!(authority_covers(own, other), "{own} covers {other}");
        }
        for (own, other) in [("a:80", "a"), ("a", "a:80*"), ("[::1]:80", "[::1]")] {
            assert!(
                !authority_covers(own, other),
                "{own} does not cover {other}"
            );
        }
    }
}
