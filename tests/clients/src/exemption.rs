//! The clients that lose requests without drains, and how many of the lost requests are excused by that.
//!
//! An exemption covers requests that failed with an error of its own, up to a bound that follows from the same run
//! against a proxy that drains nothing. It never covers a request that ran twice, hung or was aborted, nor a client
//! that crashed.

use crate::row::Row;

/// A client that loses requests without drains in some patterns.
#[derive(Debug)]
pub(crate) struct Exemption {
    client: &'static str,
    patterns: &'static [&'static str],
    /// Parts of the error texts that are covered. Any other error is not.
    errors: &'static [&'static str],
    bound: Bound,
    /// Why it loses requests.
    pub(crate) reason: &'static str,
}

/// How many failures an exemption covers.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// The failures with a proxy that drains nothing, times `times`, plus `percent` of the requests.
    Reference { times: u64, percent: u64 },
    /// What the client did not send: all responses with a proxy that drains nothing, less what was in flight when
    /// the only connection was drained.
    Unsent { in_flight: u64 },
}

const EXEMPTIONS: &[Exemption] = &[
    Exemption {
        client: "httpx-h2",
        patterns: &["post-16", "post-stream"],
        errors: &["LocalProtocolError"],
        // A hundredth of the run would be too few to distinguish its share from chance.
        bound: Bound::Reference {
            times: 2,
            percent: 3,
        },
        reason: "httpx sends the parts of several POSTs on one connection in an order that its own HTTP/2 library rejects, with and without drains",
    },
    Exemption {
        client: "httpx-h2",
        patterns: &["rests"],
        errors: &["ConnectionTerminated"],
        // Four requests of the sixty that CI sends: one GOAWAY can cross those of all four workers.
        bound: Bound::Reference {
            times: 1,
            percent: 7,
        },
        reason: "httpx does not retry a request that crosses a GOAWAY, although a stream above the last-stream-id was not processed (RFC 9113, section 8.7)",
    },
    Exemption {
        client: "h2load-h2",
        patterns: &[
            "get", "get-16", "post", "post-16", "slow", "upload", "download", "stream", "head",
        ],
        errors: &["ended before the request was sent"],
        bound: Bound::Unsent { in_flight: 1 },
        reason: "h2load never opens a second HTTP/2 connection: requests that it has not sent when the first one closes fail",
    },
];

impl Exemption {
    /// The one of this client in this pattern, if there is one.
    pub(crate) fn of(client: &str, pattern: &str) -> Option<&'static Self> {
        EXEMPTIONS
            .iter()
            .find(|own| own.client == client && own.patterns.contains(&pattern))
    }

    /// What of `row` it does not cover; None when it covers all. `reference` is the same run against a proxy that
    /// drains nothing: without one, nothing is covered.
    pub(crate) fn excess(&self, row: &Row, reference: Option<&Row>) -> Option<String> {
        let never = [
            ("executed twice", row.duplicated),
            ("hung", row.hung),
            ("aborted", row.aborted),
        ];
        if let Some((what, count)) = never.into_iter().find(|(_, count)| *count > 0) {
            return Some(format!("{count} requests {what}"));
        }
        let is_own = |error: &str| self.errors.iter().any(|own| error.contains(own));
        if let Some((error, count)) = row.errors.iter().find(|(error, _)| !is_own(error)) {
            return Some(format!("{count} × {error}"));
        }
        if row.sent != row.requested {
            return Some(format!(
                "{} of {} requests were sent",
                row.sent, row.requested
            ));
        }
        let Some(reference) = reference else {
            return Some("there is no run against a proxy that drains nothing".to_owned());
        };
        let covered = self.bound.of(row, reference);
        (row.failed > covered).then(|| {
            format!(
                "{} of {} requests failed; {covered} may, after {} of {} that failed when nothing was drained",
                row.failed, row.requested, reference.failed, reference.requested
            )
        })
    }
}

impl Bound {
    fn of(self, row: &Row, reference: &Row) -> u64 {
        // The runs may differ in length.
        let of_reference = |count: u64| count * row.requested / reference.requested.max(1);
        match self {
            Self::Reference { times, percent } => {
                times * of_reference(reference.failed) + row.requested * percent / 100
            }
            Self::Unsent { in_flight } => of_reference(reference.ok).saturating_sub(in_flight),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::site::Against;

    fn httpx(against: Against, failed: u64) -> Row {
        Row {
            requested: 100,
            sent: 100,
            ok: 100 - failed,
            failed,
            executed: 100,
            errors: BTreeMap::from([("LocalProtocolError: ..".to_owned(), failed)]),
            ..Row::blank("httpx-h2", "post-16", against)
        }
    }

    fn excess(row: &Row, reference: Option<&Row>) -> Option<String> {
        let exemption = Exemption {
            client: "httpx-h2",
            patterns: &["post-16"],
            errors: &["LocalProtocolError"],
            bound: Bound::Reference {
                times: 2,
                percent: 5,
            },
            reason: "",
        };
        exemption.excess(row, reference)
    }

    #[test]
    fn failures_are_covered_up_to_the_bound() {
        let reference = httpx(Against::None, 3);

        assert_eq!(
            excess(&httpx(Against::Evenkeel, 11), Some(&reference)),
            None
        );
        let uncovered = excess(&httpx(Against::Evenkeel, 12), Some(&reference)).unwrap();
        assert!(
            uncovered.starts_with("12 of 100 requests failed; 11 may"),
            "{uncovered}"
        );
    }

    #[test]
    fn bound_is_relative_to_the_length_of_the_run() {
        let reference = Row {
            requested: 1000,
            ..httpx(Against::None, 30)
        };

        assert_eq!(
            excess(&httpx(Against::Evenkeel, 11), Some(&reference)),
            None
        );
        assert!(excess(&httpx(Against::Evenkeel, 12), Some(&reference)).is_some());
    }

    #[test]
    fn nothing_is_covered_without_a_reference() {
        assert!(excess(&httpx(Against::Evenkeel, 1), None).is_some());
    }

    #[test]
    fn another_error_is_not_covered() {
        let reference = httpx(Against::None, 50);
        let row = Row {
            errors: BTreeMap::from([("ConnectError: refused".to_owned(), 1)]),
            ..httpx(Against::Evenkeel, 1)
        };

        assert!(excess(&row, Some(&reference)).is_some());
    }

    #[test]
    fn duplicated_hung_and_aborted_requests_are_never_covered() {
        let reference = httpx(Against::None, 50);
        let whole = || httpx(Against::Evenkeel, 0);
        let twice = Row {
            duplicated: 1,
            ..whole()
        };
        let hung = Row { hung: 1, ..whole() };
        let aborted = Row {
            aborted: 1,
            ..whole()
        };
        let unsent = Row {
            sent: 99,
            ..whole()
        };

        for row in [twice, hung, aborted, unsent] {
            assert!(excess(&row, Some(&reference)).is_some(), "{row:?}");
        }
        assert_eq!(excess(&whole(), Some(&reference)), None);
    }

    #[test]
    fn client_that_never_reconnects_gets_responses_to_what_was_in_flight() {
        let h2load = Exemption::of("h2load-h2", "get").unwrap();
        let row = |against, failed| Row {
            errors: BTreeMap::from([(
                "ConnectionError: ended before the request was sent".to_owned(),
                failed,
            )]),
            ..httpx(against, failed)
        };
        let reference = row(Against::None, 0);

        assert_eq!(
            h2load.excess(&row(Against::Evenkeel, 99), Some(&reference)),
            None
        );
        let without_responses = h2load.excess(&row(Against::Evenkeel, 100), Some(&reference));
        assert!(without_responses.is_some());
    }

    #[test]
    fn every_exemption_names_a_client_and_its_patterns() {
        use crate::{Client, Pattern};

        for exemption in EXEMPTIONS {
            let client = Client::ALL
                .iter()
                .find(|client| client.name == exemption.client)
                .unwrap();
            for name in exemption.patterns {
                let has = |pattern: &Pattern| pattern.name == *name;
                assert!(Pattern::of(client.protocol).iter().any(has), "{name}");
            }
        }
    }
}
