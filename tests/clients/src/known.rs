//! What nobody can serve without loss: the clients that fail whatever ends their connections, and some
//! without anything that does. Each was measured; none is excused from being shown.

/// A way to send requests in which a client loses some by itself.
struct Known {
    client: &'static str,
    patterns: &'static [&'static str],
    reason: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        client: "httpx-h2",
        patterns: &[
            "get-16", "post-16", "bursts", "rests", "cancel", "stream", "upload", "download",
        ],
        reason: "httpx's threads race on one HTTP/2 connection: some requests fail, between 2 and 21 of a hundred POSTs, when nothing ends its connections",
    },
    Known {
        client: "h2load-h2",
        patterns: &[
            "get", "get-16", "post", "post-16", "slow", "bursts", "rests", "upload", "download",
            "stream", "head",
        ],
        reason: "h2load never opens another HTTP/2 connection: what it has not sent when one ends has failed",
    },
];

/// Clients that can lose a request to any announcement while they are at work: they are moved when a
/// request takes its time, at rest, or after a second, and so not after every second request.
const LATE: &[&str] = &[
    "undici7-h2",
    "undici8-h2",
    "reqwest-h2",
    "hyper-h2",
    "tonic",
    "jdk-h2",
    "jdk25-h2",
    "h2load-h2",
    "okhttp-h2",
];

/// Why requests of this client may fail in this pattern, if they may.
pub(crate) fn reason(client: &str, pattern: &str) -> Option<&'static str> {
    let known = KNOWN
        .iter()
        .find(|known| known.client == client && known.patterns.contains(&pattern))?;
    Some(known.reason)
}

/// Its connections are not ended as soon as their time is up.
pub(crate) fn moves_late(client: &str) -> bool {
    LATE.contains(&client)
}
