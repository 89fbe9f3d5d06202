//! Exchanges with the other pods of the service: asking one, and answering one.
//!
//! A question is a request to the service's own cluster with the proxy's message in a header, not a body:
//! to see bodies the module would have to be called for those of every request.

use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::peers::MAX_LEN;
use evenkeel_metrics::{Counter, Exchange};
use evenkeel_policy::{Allow, Direction};

use crate::host;
use crate::policies::RootId;
use crate::worker::{self, Worker};

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

/// Asks in the name of the root context in hand.
pub(crate) fn ask(question: &Question) {
    let headers = vec![
        (":method", "GET"),
        (":path", PATH),
        (":authority", "evenkeel"),
        (HEADER, &question.message),
    ];
    if !host::call(&question.cluster, headers, question.timeout) {
        count(Exchange::Failed);
    }
}

/// The answer, with so many headers and a body of `size` bytes, is in hand.
pub(crate) fn answered(headers: usize, size: usize) {
    // Not read: what has once been taken into the module stays its size.
    if size > MAX_LEN {
        count(Exchange::TooLong);
        return;
    }
    let Some(message) = host::answer(headers, size) else {
        count(Exchange::Failed);
        return;
    };
    worker::with(|worker| {
        let now = host::now();
        let policy = worker
            .policies
            .find(|policy| policy.peers.is_some())
            .cloned();
        if let Some(peers) = policy.as_ref().and_then(|policy| policy.peers.as_ref()) {
            worker.metrics.count(Counter::Exchange(Exchange::Answered));
            worker.heard(&message, peers, now);
        }
    });
}

/// What to answer to the request in hand, if it is a peer's question. A stranger's goes on to the
/// application, as if there were nothing here.
pub(crate) fn answer(worker: &mut Worker, root: RootId) -> Option<String> {
    let policy = worker.policies.get(root).map(Rc::clone)?;
    let peers = policy.peers.as_ref()?;
    let message = host::request_header(HEADER);
    if message.is_empty() || host::request_header(":path") != PATH.as_bytes() {
        return None;
    }
    // What the application beside a sidecar asks is for others.
    if worker.direction() == Direction::Outbound {
        return None;
    }
    if peers.allow == Allow::SameIdentity && !is_of_our_identity() {
        worker.metrics.count(Counter::Exchange(Exchange::Stranger));
        return None;
    }
    let now = host::now();
    worker.metrics.count(Counter::Exchange(Exchange::Asked));
    worker.asked(now);
    if let Some(id) = worker.reading() {
        worker.engine.exchanged(id);
    }
    // First: it need not be told what it has just told.
    let answer = worker.message(&policy, now);
    worker.heard(&message, peers, now);
    Some(answer)
}

/// Over mutual TLS, with the identity that this proxy itself shows.
fn is_of_our_identity() -> bool {
    let peers = host::property(&["connection", "uri_san_peer_certificate"]);
    host::property(&["connection", "mtls"]) == [1]
        && !peers.is_empty()
        && peers == host::property(&["connection", "uri_san_local_certificate"])
}

fn count(exchange: Exchange) {
    worker::with(|worker| worker.metrics.count(Counter::Exchange(exchange)));
}
