//! Exchanges with the other pods of the service: asking one, and answering one.
//!
//! A question is a request to the service's own cluster with the proxy's message in a header, not a body:
//! to see bodies the module would have to be called for those of every request.

use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::peers::MAX_LEN;
use evenkeel_metrics::{Counter, Exchange};
use evenkeel_policy::{Direction, Trust};

use crate::host::Host;
use crate::policies::RootId;
use crate::worker::Worker;

/// Where a proxy is asked; the version is of the messages.
const PATH: &str = "/.evenkeel/v1/peers";

/// The header with the message of the one who asks.
const HEADER: &str = "evenkeel-peers";

/// One peer, whichever Envoy chooses, is to be told this, and asked the same.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) cluster: String,
    pub(crate) timeout: Duration,
    pub(crate) message: String,
}

/// Asks in the name of the root context in hand. False when the host does not take the call.
pub(crate) fn ask(host: &dyn Host, question: &Question) -> bool {
    let headers = [
        (":method", "GET"),
        (":path", PATH),
        (":authority", "evenkeel"),
        (HEADER, &question.message),
    ];
    host.http_call(&question.cluster, &headers, question.timeout)
        .is_ok()
}

/// A peer could not be asked.
pub(crate) fn failed(worker: &mut Worker) {
    worker.metrics.count(Counter::Exchange(Exchange::Failed));
}

/// The answer, with so many headers and a body of `size` bytes, is in hand.
pub(crate) fn answered(worker: &mut Worker, headers: usize, size: usize) {
    // Not read: what has once been taken into the module stays its size.
    if size > MAX_LEN {
        worker.metrics.count(Counter::Exchange(Exchange::TooLong));
        return;
    }
    let Some(message) = worker.host().http_call_response(headers, size) else {
        failed(worker);
        return;
    };
    let now = worker.now();
    let policy = worker
        .policies
        .find(|policy| policy.peers.is_some())
        .cloned();
    if let Some(peers) = policy.as_ref().and_then(|policy| policy.peers.as_ref()) {
        worker.metrics.count(Counter::Exchange(Exchange::Responded));
        worker.heard(&message, peers, now);
    }
}

/// How the module answers a request itself.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With a message for a peer.
    Message(String),
    /// With status 400, for what came is no message of a peer.
    BadRequest,
}

/// What to answer to the request in hand, if it is a peer's. A stranger's goes on to the application, as if
/// there were nothing here.
pub(crate) fn answer(worker: &mut Worker, root: RootId) -> Option<Reply> {
    let policy = worker.policies.get(root).map(Rc::clone)?;
    let peers = policy.peers.as_ref()?;
    // What the application beside a sidecar asks is for others.
    if worker.direction() == Direction::Outbound {
        return None;
    }
    let host = worker.host();
    let message = host.request_header(HEADER);
    if message.is_empty() || host.request_header(":path") != PATH.as_bytes() {
        return None;
    }
    if peers.trust == Trust::SameIdentity && !is_of_our_identity(&*host) {
        worker
            .metrics
            .count(Counter::Exchange(Exchange::RejectedIdentity));
        return None;
    }
    let now = worker.now();
    let Ok(reply) = worker.answer_peer(&message, &policy, peers, now) else {
        return Some(Reply::BadRequest);
    };
    if let Some(id) = worker.connection_id() {
        worker.engine.record_peer_exchange(id);
    }
    Some(Reply::Message(reply))
}

/// Over mutual TLS, with the identity that this proxy itself shows.
fn is_of_our_identity(host: &dyn Host) -> bool {
    let peers = host.property_or_empty(&["connection", "uri_san_peer_certificate"]);
    host.property_or_empty(&["connection", "mtls"]) == [1]
        && !peers.is_empty()
        && peers == host.property_or_empty(&["connection", "uri_san_local_certificate"])
}
