//! Recycling of upstream HTTP/1 connections: `connection: close` on a request.
//!
//! Envoy copies the headers of a request when it retries or mirrors it, after its filters ran and with no
//! way for a filter to tell: then each copy carries the mark.

use std::rc::Rc;

use evenkeel_engine::upstream::{ConnectionKey, Limits, Mark, Outcome, Response};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_policy::{Mode, Policy, Protocol};

use crate::host::{Host, Level};
use crate::metrics::UpstreamHost;
use crate::policies::RootId;
use crate::worker::Worker;

/// Marks the request in hand if its cluster has an expired connection.
pub(crate) fn mark(worker: &mut Worker, root: RootId, policy: &Policy) -> Option<Mark> {
    if policy.upstream.is_none() || policy.mode == Mode::DryRun || !worker.upstreams.has_expired() {
        return None;
    }
    let host = worker.host();
    let cluster = host.property_or_empty(&["xds", "cluster_name"]);
    let is_http1 = downstream_is_http1(&*host);
    let now = worker.engine.now();
    if !worker.upstreams.needs_mark(&cluster, is_http1, now) {
        // What it took to be gone is no longer counted.
        worker.count_ended_upstreams();
        return None;
    }
    let fields = marked_fields(&*host)?;
    if !worker.spend(root) || !host.set_request_header("connection", &fields) {
        return None;
    }
    Some(worker.upstreams.record_mark(&cluster, now))
}

/// What the `connection` field of the request in hand is to be with the mark; None where the request must
/// not carry one.
///
/// An upgrade is told by the token `upgrade` in this field, and its connection never returns to Envoy's
/// pool; nor does that of a CONNECT. A request that already says `close` is none of ours.
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

/// The request in hand came over HTTP/1.
fn downstream_is_http1(host: &dyn Host) -> bool {
    host.property_or_empty(&["request", "protocol"])
        .starts_with(b"HTTP/1")
}

/// The response in hand.
struct InHand<'h>(&'h dyn Host);

impl Response for InHand<'_> {
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

/// The headers of a response are in hand whose request Envoy gave to the server at `address`. Gives the
/// connection that carries it, for the end of the response.
pub(crate) fn response(
    worker: &mut Worker,
    root: RootId,
    address: Vec<u8>,
    mark: Option<Mark>,
    series: &UpstreamHost,
) -> Option<Rc<ConnectionKey>> {
    let policy = worker.policies.get(root).map(Rc::clone);
    let limits = policy.as_ref().and_then(|policy| {
        let upstream = policy.upstream.as_ref()?;
        let mode = policy.mode;
        Some(Limits { upstream, mode })
    });
    let now = worker.engine.now();
    let Some(limits) = limits else {
        // The policy has lost its `upstream` since the request was marked.
        if let Some(mark) = mark {
            worker.upstreams.request_failed(mark, None, now);
        }
        return None;
    };
    let host = worker.host();
    let mark = match mark {
        Some(mark) if InHand(&*host).is_local_reply() => {
            let is_auto = limits.upstream.protocol == Protocol::Auto;
            let server = is_auto.then_some(&*address);
            worker.upstreams.request_failed(mark, server, now);
            return None;
        }
        mark => mark,
    };
    let key = ConnectionKey {
        local: host.property_or_empty(&["upstream", "local_address"]),
        address,
    };
    let seed = worker.chance(&key.local);
    let Outcome {
        opened,
        expired,
        unproven,
        recycled,
        strays,
        key,
    } = worker
        .upstreams
        .response_started(key, mark, limits, now, seed, &InHand(&*host));
    if opened {
        series.connected(&*host);
    }
    worker.count_ended_upstreams();
    for (count, metric) in [
        (u64::from(expired), Metric::UpstreamExpired),
        (u64::from(unproven), Metric::UpstreamNotRecycled),
        (u64::from(recycled), Metric::UpstreamRecycled),
        (strays, Metric::UpstreamClosedEarly),
    ] {
        if count > 0 {
            worker.metrics.count_by(Counter::Plain(metric), count);
        }
    }
    if unproven {
        worker.warn_unproven();
    }
    key
}

impl Worker {
    /// Counts the upstream connections that are followed no longer.
    pub(crate) fn count_ended_upstreams(&mut self) {
        while let Some(ended) = self.upstreams.poll_ended() {
            self.metrics.upstream_disconnected(&ended.address);
        }
    }

    /// Tells the operator, once, why upstream connections are not recycled.
    fn warn_unproven(&mut self) {
        if core::mem::replace(&mut self.warned_unproven, true) {
            return;
        }
        let cluster = self.host().property_or_empty(&["xds", "cluster_name"]);
        let cluster = String::from_utf8_lossy(&cluster);
        self.log(
            Level::Warn,
            format_args!(
                "cluster {cluster}: an upstream connection reached a limit of `upstream`, and nothing in its responses \
                 shows that it is HTTP/1: it is not recycled. If the proxy speaks HTTP/1 to its upstreams, set \
                 `upstream.protocol` to `http1`."
            ),
        );
    }
}
