//! Recycling of upstream HTTP/1 connections: the mark `connection: close` on a request.
//!
//! When Envoy retries or mirrors a request, it copies the headers after its filters ran, with no way for a filter to
//! see it: then each copy carries the mark.

use std::rc::Rc;

use evenkeel_engine::upstream::{ConnectionKey, Limits, Mark, Outcome, Response};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_policy::{Mode, Policy, UpstreamProtocol};

use super::Worker;
use super::log::Warning;
use crate::host::{Headers, Host, SharedBudget};
use crate::metrics::UpstreamHost;
use crate::policies::RootId;

impl Worker {
    /// Marks the current request if its cluster has an expired connection, and the budget allows it.
    #[inline(never)]
    pub(super) fn mark_request(&mut self, root: RootId, policy: &Policy) -> Option<Mark> {
        if policy.upstream.is_none() || policy.mode == Mode::DryRun || !self.upstreams.has_expired()
        {
            return None;
        }
        let cluster = self.host.property_or_empty(&["xds", "cluster_name"]);
        let is_http1 = downstream_is_http1(&*self.host);
        let now = self.engine.now();
        if !self.upstreams.needs_mark(&cluster, is_http1, now) {
            // A connection that is presumed closed now is no longer counted.
            self.count_ended_upstreams();
            return None;
        }
        let fields = marked_fields(&*self.host)?;
        let bucket = self.policies.bucket(root);
        let mut budget = SharedBudget(&*self.host);
        let is_affordable = self.engine.take_token(bucket, &mut budget);
        if !is_affordable {
            return None;
        }
        let marked = self
            .host
            .set_header(Headers::Request, "connection", &fields);
        marked
            .ok()
            .map(|()| self.upstreams.record_mark(&cluster, now))
    }

    /// The headers of a response arrived whose request Envoy sent to the server at `address`. Returns the connection
    /// that carries it, for the end of the response.
    pub(super) fn upstream_responded(
        &mut self,
        root: RootId,
        address: Vec<u8>,
        mark: Option<Mark>,
        metrics: &UpstreamHost,
    ) -> Option<Rc<ConnectionKey>> {
        let policy = self.policies.get(root).map(Rc::clone);
        let limits = policy.as_ref().and_then(|policy| {
            let upstream = policy.upstream.as_ref()?;
            let mode = policy.mode;
            Some(Limits { upstream, mode })
        });
        let now = self.engine.now();
        let Some(limits) = limits else {
            // The policy has lost its `upstream` since the request was marked.
            if let Some(mark) = mark {
                self.upstreams.request_failed(mark, None, now);
            }
            return None;
        };
        let response = CurrentResponse(&*self.host);
        let mark = match mark {
            Some(mark) if response.is_local_reply() => {
                let is_auto = limits.upstream.protocol == UpstreamProtocol::Auto;
                let server = is_auto.then_some(&*address);
                self.upstreams.request_failed(mark, server, now);
                return None;
            }
            mark => mark,
        };
        let key = ConnectionKey {
            local: self.host.property_or_empty(&["upstream", "local_address"]),
            address,
        };
        let seed = self.seed_for(&key.local);
        let outcome = self
            .upstreams
            .response_started(key, mark, limits, now, seed, &response);
        if outcome.opened {
            metrics.connected(&*self.host);
        }
        self.count_ended_upstreams();
        self.count_outcome(outcome)
    }

    fn count_outcome(&mut self, outcome: Outcome) -> Option<Rc<ConnectionKey>> {
        for (count, metric) in [
            (u64::from(outcome.expired), Metric::UpstreamExpired),
            (u64::from(outcome.unproven), Metric::UpstreamNotRecycled),
            (u64::from(outcome.recycled), Metric::UpstreamRecycled),
            (outcome.strays, Metric::UpstreamClosedEarly),
        ] {
            if count > 0 {
                self.metrics.count_by(Counter::Plain(metric), count);
            }
        }
        if outcome.unproven {
            let cluster = self.host.property_or_empty(&["xds", "cluster_name"]);
            let cluster = String::from_utf8_lossy(&cluster);
            self.log.warn_once(
                Warning::UnknownUpstreamProtocol,
                format_args!(
                    "cluster {cluster}: an upstream connection reached a limit of `upstream`, and nothing in its \
                     responses shows that it is HTTP/1: it is not recycled. If the proxy speaks HTTP/1 to its \
                     upstreams, set `upstream.protocol` to `http1`."
                ),
            );
        }
        outcome.key
    }

    /// Counts the upstream connections that are no longer tracked.
    pub(super) fn count_ended_upstreams(&mut self) {
        while let Some(ended) = self.upstreams.poll_ended() {
            self.metrics.upstream_disconnected(&ended.address);
        }
    }
}

/// The value of the `connection` field with the mark; None if the current request must not be marked.
///
/// An upgrade has the token `upgrade` in this field, and its connection never returns to Envoy's pool; nor does that
/// of a CONNECT. A request that has `close` already ends its connection without the mark.
fn marked_fields(host: &dyn Host) -> Option<String> {
    if host.request_header(":method") == b"CONNECT" || !host.request_header("upgrade").is_empty() {
        return None;
    }
    let held = host.request_header("connection");
    if held.is_empty() {
        return Some("close".to_owned());
    }
    let held = String::from_utf8(held).ok()?;
    let mut tokens = held.split(',').map(str::trim);
    let is_other = tokens.all(|token| {
        !token.eq_ignore_ascii_case("upgrade") && !token.eq_ignore_ascii_case("close")
    });
    is_other.then(|| format!("{held}, close"))
}

/// The current request came over HTTP/1.
fn downstream_is_http1(host: &dyn Host) -> bool {
    host.property_or_empty(&["request", "protocol"])
        .starts_with(b"HTTP/1")
}

/// The response whose headers the current callback is about.
struct CurrentResponse<'h>(&'h dyn Host);

impl Response for CurrentResponse<'_> {
    fn cluster(&self) -> Vec<u8> {
        self.0.property_or_empty(&["xds", "cluster_name"])
    }

    fn shows_http1(&self) -> bool {
        let fields = ["connection", "keep-alive", "transfer-encoding"];
        fields
            .iter()
            .any(|name| !self.0.response_header(name).is_empty())
    }

    fn downstream_is_http1(&self) -> bool {
        downstream_is_http1(self.0)
    }

    fn closes(&self) -> bool {
        let tokens = self.0.response_header("connection");
        let mut tokens = tokens.split(|byte| *byte == b',');
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
    }

    fn is_local_reply(&self) -> bool {
        let details = self.0.property_or_empty(&["response", "code_details"]);
        !details.is_empty() && details != b"via_upstream"
    }

    fn attempts(&self) -> u64 {
        self.0
            .number(&["upstream", "request_attempt_count"])
            .unwrap_or(1)
    }
}
