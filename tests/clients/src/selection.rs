//! What CI runs of the matrix: every client in a pattern in which it is drained, every pattern with some client.

use crate::client::{Client, Protocol};
use crate::exemption::Exemption;
use crate::pattern::Pattern;

/// Whether CI runs the client at all.
///
/// Not yet those that lose requests because the module does not recognise them.
pub fn includes(client: &Client) -> bool {
    let unrecognised = [
        "armeria-h2",
        "grpclib",
        "httpclient5-h2",
        "nginx-grpc",
        "vertx-h2",
    ];
    !client.variant && !unrecognised.contains(&client.name)
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

/// Those that it also runs with a proxy that drains nothing: one to compare its connections with, and all in which
/// it fails by itself.
pub fn references(client: &Client) -> Vec<String> {
    names(client, |pattern| {
        ["rests", "messages"].contains(&pattern) || Exemption::of(client.name, pattern).is_some()
    })
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
    fn every_pattern_of_every_protocol_is_run() {
        for client in Client::ALL.iter().filter(|client| !client.variant) {
            assert_eq!(patterns(client).len(), Pattern::of(client.protocol).len());
        }
    }
}
