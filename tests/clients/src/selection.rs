//! The part of the matrix that CI runs: every client in a pattern in which it is drained, and every pattern.

use crate::client::{Client, Protocol};
use crate::drained;
use crate::exemption::Exemption;
use crate::pattern::Pattern;
use crate::site::Against;

/// Whether CI and a storm run the client: not those that are drained nowhere. nginx as a client of gRPC closes an idle connection
/// at any PING, and its first frames fit tonic, too, which is drained only when idle. h2load over HTTP/2 is not
/// recognized and never idle.
pub fn includes(client: &Client) -> bool {
    !["nginx-grpc", "h2load-h2"].contains(&client.name)
}

/// The patterns of a client with the module.
pub fn patterns(client: &Client) -> Vec<String> {
    let names: &[&str] = match (client.variant, client.protocol) {
        (false, _) => return names(client, |_| true),
        (true, Protocol::Grpc) => &["unary", "client-stream", "rests"],
        (true, _) => &["get", "post-stream", "rests"],
    };
    names.iter().map(ToString::to_string).collect()
}

/// Those that it also runs with a proxy that drains nothing: a quick one to compare its connections with, and all in
/// which it fails without drains.
pub fn references(client: &Client) -> Vec<String> {
    let compared = match client.protocol {
        Protocol::Http1 => "get",
        Protocol::Http2 if drained::PROMPT.contains(&client.name) => "get",
        // Some clients are drained only in this pattern.
        Protocol::Http2 | Protocol::Grpc => "rests",
        Protocol::WebSocket => "messages",
    };
    names(client, |pattern| {
        pattern == compared || Exemption::of(client.name, pattern).is_some()
    })
}

/// The alternatives that CI runs this client against, because the documentation compares with them: with the
/// pattern `get`, once over each version of HTTP.
pub fn alternatives(client: &Client) -> &'static [Against] {
    if ["go-h1", "go-h2"].contains(&client.name) {
        &[
            Against::Native,
            Against::Lua,
            Against::Nginx,
            Against::Haproxy,
        ]
    } else {
        &[]
    }
}

fn names(client: &Client, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    Pattern::of(client.protocol)
        .iter()
        .filter(|pattern| wanted(pattern.name))
        .map(|pattern| pattern.name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_compared_with_a_proxy_that_drains_nothing() {
        for client in Client::ALL {
            let own = patterns(client);
            let compared = references(client);

            assert!(!compared.is_empty(), "{}", client.name);
            assert!(
                compared.iter().all(|name| own.contains(name)),
                "{}",
                client.name
            );
        }
    }

    #[test]
    fn every_contender_is_run() {
        let all: Vec<_> = Client::ALL.iter().flat_map(alternatives).collect();

        for alternative in [
            Against::Native,
            Against::Lua,
            Against::Nginx,
            Against::Haproxy,
        ] {
            assert_eq!(
                all.iter().filter(|other| ***other == alternative).count(),
                2
            );
        }
    }

    #[test]
    fn every_pattern_of_every_protocol_is_run() {
        for client in Client::ALL.iter().filter(|client| !client.variant) {
            assert_eq!(patterns(client).len(), Pattern::of(client.protocol).len());
        }
    }
}
