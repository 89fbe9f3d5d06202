//! Whether a client was drained at all: without drains there are no losses.

use crate::row::Row;
use crate::site::Against;

/// Whether a client was drained, from its rows with one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// In some pattern a connection carried fewer requests than with a proxy that drains nothing.
    Yes,
    /// In no pattern.
    No,
    /// The connections were not counted, or there is no run against a proxy that drains nothing.
    Unknown,
}

impl Drained {
    /// Compares the rows of `client` under `against` with those under [`Against::None`], pattern by pattern.
    pub(crate) fn of(rows: &[Row], client: &str, against: Against) -> Self {
        let mut result = Self::Unknown;
        for row in rows {
            if row.client != client || row.against != against {
                continue;
            }
            match (row.requests_per_connection(), undrained(rows, row)) {
                (Some(drained), Some(undrained)) if drained < undrained => return Self::Yes,
                (Some(_), Some(_)) => result = Self::No,
                _ => {}
            }
        }
        result
    }
}

/// HTTP/2 clients that lose nothing to a drain signal at the end of a response, so that where requests come one at a
/// time, every second one drains a connection. For the others the module waits until the connection is idle.
pub(crate) const PROMPT: &[&str] = &[
    "envoy-h2",
    "envoy-retry-h2",
    "grpc-go",
    "grpc-go-tuned",
    "grpc-java",
    "grpc-js",
    "grpc-python",
    "httpx-h2",
    "curl-h2",
];

/// Whether each connection of the client must be drained as soon as its limit is reached, in patterns in which
/// requests come one at a time. Go's only as long as requests have no body, which it may be unable to replay.
pub(crate) fn is_prompt(row: &Row) -> bool {
    row.protocol == "h1"
        || PROMPT.contains(&row.client)
        || (row.client == "go-h2" && row.pattern == "get")
}

/// How many requests a connection carries where nothing drains it, in the pattern of `row`.
fn undrained(rows: &[Row], row: &Row) -> Option<f64> {
    reference(rows, row)?.requests_per_connection()
}

/// The row of the same client and pattern against a proxy that drains nothing.
pub(crate) fn reference<'a>(rows: &'a [Row], row: &Row) -> Option<&'a Row> {
    rows.iter().find(|other| {
        other.against == Against::None && (other.client, other.pattern) == (row.client, row.pattern)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pattern: &'static str, against: Against, connections: Option<u64>) -> Row {
        Row {
            requested: 100,
            sent: 100,
            ok: 100,
            connections,
            ..Row::blank("go-h2", pattern, against)
        }
    }

    fn drained(rows: &[Row]) -> Drained {
        Drained::of(rows, "go-h2", Against::Evenkeel)
    }

    #[test]
    fn one_pattern_with_fewer_requests_per_connection_is_enough() {
        let rows = [
            row("get", Against::Evenkeel, Some(1)),
            row("get", Against::None, Some(1)),
            row("rests", Against::Evenkeel, Some(2)),
            row("rests", Against::None, Some(1)),
        ];

        assert_eq!(drained(&rows), Drained::Yes);
        assert_eq!(drained(&rows[..2]), Drained::No);
    }

    #[test]
    fn another_pattern_is_no_reference() {
        let rows = [
            row("rests", Against::Evenkeel, Some(50)),
            row("get", Against::None, Some(1)),
        ];

        assert_eq!(drained(&rows), Drained::Unknown);
    }

    #[test]
    fn connections_that_were_not_counted_prove_nothing() {
        let rows = [
            row("get", Against::Evenkeel, None),
            row("get", Against::None, Some(1)),
        ];

        assert_eq!(drained(&rows), Drained::Unknown);
    }

    #[test]
    fn every_prompt_client_is_in_the_matrix() {
        for name in PROMPT {
            assert!(
                crate::Client::ALL.iter().any(|client| client.name == *name),
                "{name}"
            );
        }
    }

    #[test]
    fn go_is_prompt_without_bodies_only() {
        assert!(is_prompt(&row("get", Against::Evenkeel, None)));
        assert!(!is_prompt(&row("post", Against::Evenkeel, None)));
    }

    #[test]
    fn another_client_proves_nothing() {
        let other = Row {
            client: "curl-h2",
            ..row("get", Against::Evenkeel, Some(50))
        };
        let rows = [other, row("get", Against::None, Some(1))];

        assert_eq!(drained(&rows), Drained::Unknown);
    }
}
