//! Recycling of upstream HTTP/1 connections: `connection: close` on a request.

use std::rc::Rc;

use evenkeel_engine::upstream::{Answer, LinkId, Seen};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_policy::{Mode, Policy};

use crate::host::Host;
use crate::policies::RootId;
use crate::worker::Worker;

/// A request that says `connection: close`, and has not been answered.
pub(crate) struct Mark {
    cluster: Vec<u8>,
}

impl Mark {
    /// The request was answered, or ended without an answer.
    pub(crate) fn over(self, worker: &mut Worker) {
        worker.upstreams.unmarked(&self.cluster);
    }
}

/// Marks the request in hand if its cluster has a connection that is past a limit.
pub(crate) fn mark(worker: &mut Worker, policy: &Policy) -> Option<Mark> {
    if policy.upstream.is_none() || policy.mode == Mode::Observe || !worker.upstreams.any_due() {
        return None;
    }
    let host = worker.host();
    let cluster = host.property_or_empty(&["xds", "cluster_name"]);
    if !worker
        .upstreams
        .wants_mark(&cluster, asked_by_http1(&*host))
        || !worker.spend(policy)
    {
        return None;
    }
    worker.upstreams.marked(&cluster);
    host.set_request_header("connection", "close");
    Some(Mark { cluster })
}

/// The request in hand came over HTTP/1.
fn asked_by_http1(host: &dyn Host) -> bool {
    host.property_or_empty(&["request", "protocol"])
        .starts_with(b"HTTP/1")
}

/// The answer in hand.
struct InHand<'h>(&'h dyn Host);

impl Answer for InHand<'_> {
    fn cluster(&self) -> Vec<u8> {
        self.0.property_or_empty(&["xds", "cluster_name"])
    }

    fn is_http1(&self) -> bool {
        let fields = ["connection", "keep-alive", "transfer-encoding"];
        fields
            .iter()
            .any(|name| !self.0.response_header(name).is_empty())
    }

    fn asked_by_http1(&self) -> bool {
        asked_by_http1(self.0)
    }
}

/// The host at `address` answers the request in hand.
pub(crate) fn answered(worker: &mut Worker, root: RootId, address: Vec<u8>, mark: Option<Mark>) {
    let is_marked = mark.is_some();
    // First of all: the policy may have lost its `upstream` since the request was marked.
    if let Some(mark) = mark {
        mark.over(worker);
    }
    let Some(policy) = worker.policies.get(root).map(Rc::clone) else {
        return;
    };
    let Some(limits) = &policy.upstream else {
        return;
    };
    let host = worker.host();
    let id = LinkId {
        local: host.property_or_empty(&["upstream", "local_address"]),
        address,
    };
    let (now, seed) = (worker.engine.now(), worker.chance(&id.local));
    let host_metrics = worker.metrics.upstream(&id.address);
    let Seen {
        opened,
        due,
        recycled,
        stray,
    } = worker
        .upstreams
        .answered(id, is_marked, limits, now, seed, &InHand(&*host));
    if opened {
        host_metrics.connected(&*host);
    }
    if recycled || stray {
        host_metrics.disconnected(&*host);
    }
    for (happened, metric) in [
        (due, Metric::UpstreamDue),
        (recycled, Metric::UpstreamRecycled),
        (stray, Metric::UpstreamStray),
    ] {
        if happened {
            worker.metrics.count(Counter::Plain(metric));
        }
    }
}
