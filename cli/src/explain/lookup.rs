//! The request or connection to explain.

use evenkeel_policy::Direction;

pub enum Lookup {
    Request(Request),
    Connection { port: u16, direction: Direction },
}

/// The parts of a request that rules match.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub authority: String,
    pub path: String,
    /// The name of the route that Envoy chose.
    pub route: String,
    pub direction: Direction,
}

impl Lookup {
    /// Parses `GET host/path route=NAME direction=outbound`, of which only the path is required.
    ///
    /// # Errors
    /// A message that says what is invalid and what is expected.
    pub fn request(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let is_method = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase());
        let method = words.next_if(is_method).unwrap_or("GET").to_owned();
        let target = words.next_if(|word| !is_setting(word)).unwrap_or_default();
        let target = target.split_once("://").map_or(target, |(_, rest)| rest);
        let (authority, path) = target.split_at(target.find('/').unwrap_or(target.len()));
        if path.is_empty() {
            return Err(format!(
                "--request: found \"{text}\", which has no path; a request is such as \
                 'GET shop.example/api/cart route=checkout direction=inbound' or '/api'"
            ));
        }
        let mut request = Request {
            method,
            authority: authority.to_owned(),
            path: path.to_owned(),
            ..Request::default()
        };
        for word in words {
            match word.split_once('=') {
                Some(("route", name)) => request.route = name.to_owned(),
                Some(("direction", name)) => request.direction = direction("--request", name)?,
                _ => {
                    return Err(format!(
                        "--request: found \"{word}\"; after the path expected route=NAME, \
                         direction=inbound or direction=outbound"
                    ));
                }
            }
        }
        Ok(Self::Request(request))
    }

    /// Parses `5432 direction=outbound`, of which only the port is required.
    ///
    /// # Errors
    /// A message that says what is invalid and what is expected.
    pub fn connection(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let port = words.next().and_then(|word| word.parse().ok());
        let port = port.filter(|port| *port > 0).ok_or_else(|| {
            format!("--connection: found \"{text}\"; expected a port from 1 to 65535 first")
        })?;
        let mut direction = Direction::default();
        for word in words {
            direction = match word.split_once('=') {
                Some(("direction", name)) => self::direction("--connection", name)?,
                _ => {
                    return Err(format!(
                        "--connection: found \"{word}\"; after the port expected direction=inbound or \
                         direction=outbound"
                    ));
                }
            };
        }
        Ok(Self::Connection { port, direction })
    }
}

fn is_setting(word: &str) -> bool {
    ["route=", "direction="]
        .iter()
        .any(|key| word.starts_with(key))
}

fn direction(option: &str, name: &str) -> Result<Direction, String> {
    [Direction::Inbound, Direction::Outbound]
        .into_iter()
        .find(|direction| direction.name() == name)
        .ok_or_else(|| {
            format!("{option}: found direction \"{name}\"; allowed are inbound and outbound")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        match Lookup::request(text) {
            Ok(Lookup::Request(request)) => request,
            Ok(Lookup::Connection { .. }) => panic!("{text} is no connection"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn request_needs_only_a_path() {
        assert_eq!(
            request(
                "POST www.shop.example:8080/api?id=7&x=/y route=checkout-eu direction=outbound"
            ),
            Request {
                method: "POST".to_owned(),
                authority: "www.shop.example:8080".to_owned(),
                path: "/api?id=7&x=/y".to_owned(),
                route: "checkout-eu".to_owned(),
                direction: Direction::Outbound,
            }
        );
        assert_eq!(
            request("https://shop.example/"),
            request("GET shop.example/ direction=inbound")
        );
        assert_eq!(request("/api").authority, "");
    }

    #[test]
    fn errors_name_the_expected_value() {
        for (text, expected) in [
            ("", "no path"),
            ("GET shop.example", "no path"),
            ("route=a", "no path"),
            ("/ rout=a", "route=NAME"),
            ("/ direction=in", "inbound and outbound"),
        ] {
            let error = Lookup::request(text).err().unwrap();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in ["", "0", "65536", "http", "80 outbound", "80 direction=in"] {
            let error = Lookup::connection(text).err().unwrap();
            assert!(error.contains("--connection: found"), "{text}: {error}");
        }
    }
}
