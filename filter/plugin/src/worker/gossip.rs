//! Gossip exchanges with the other pods of the service.
//!
//! A request goes to the service's own cluster, with the reports in a header and not in a body: to see bodies, the
//! module would have to be called for those of every request. Envoy chooses the peer. Its response has a message,
//! too.

use core::time::Duration;
use std::rc::Rc;

use evenkeel_engine::board::WorkerId;
use evenkeel_engine::leader::Lease;
use evenkeel_engine::peers::{
    ExchangeSchedule, MAX_LEN, Message, OwnReport, PeerId, ProxyIdentity, RejectedMessage, View,
};
use evenkeel_engine::{Instant, mix};
use evenkeel_metrics::{Counter, Exchange, Metric};
use evenkeel_policy::{Direction, Peers, Policy, Rebalance, Trust};

use super::Worker;
use super::shared::SharedState;
use crate::host::Host;
use crate::policies::RootId;

/// The path of the endpoint; the version is that of the messages.
const PATH: &str = "/.evenkeel/v1/peers";

/// The request header that has the message.
const HEADER: &str = "evenkeel-peers";

/// A request to one peer.
#[derive(Clone, Debug)]
pub(crate) struct PeerRequest {
    cluster: String,
    timeout: Duration,
    message: String,
}

impl PeerRequest {
    /// Sends the request in the name of the current root context. False when the host does not accept the call.
    pub(crate) fn send(&self, host: &dyn Host) -> bool {
        let headers = [
            (":method", "GET"),
            (":path", PATH),
            (":authority", "evenkeel"),
            (HEADER, &self.message),
        ];
        host.http_call(&self.cluster, &headers, self.timeout)
            .is_ok()
    }
}

/// The part of a worker in the gossip of its proxy.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    worker: Option<WorkerId>,
    /// The lease under which this worker is the leader.
    lease: Option<Lease>,
    schedule: ExchangeSchedule,
}

impl Gossip {
    /// This worker sends the gossip requests of the proxy.
    pub(super) fn is_leader(&self, now: Instant) -> bool {
        self.lease.is_some_and(|lease| lease.is_valid(now))
    }
}

impl Worker {
    #[inline(never)]
    pub(super) fn elect_leader(&mut self, now: Instant) {
        let worker = self.worker_id(now);
        self.gossip.lease = SharedState(&*self.host).renew_lease(worker, now);
    }

    /// The next request to a peer, if one is to be sent now and this worker is the leader.
    #[inline(never)]
    pub(super) fn next_peer_request(&mut self, now: Instant) -> Option<PeerRequest> {
        if !self.gossip.is_leader(now) {
            return None;
        }
        let policy = self.peers_policy()?;
        let peers = policy.peers.as_ref()?;
        if !self.gossip.schedule.is_due(peers.interval, now) {
            return None;
        }
        // A peer that does not use the reports of requests needs none.
        let view = match peers.trust {
            Trust::SameIdentity => SharedState(&*self.host).view(),
            Trust::Anyone => View::default(),
        };
        Some(PeerRequest {
            cluster: peers.cluster.clone(),
            timeout: peers.interval,
            message: self.message(&view, self.weighted_report(&policy, now), now),
        })
    }

    /// Counts a gossip request that could not be sent, or has no response.
    pub(crate) fn peer_request_failed(&mut self) {
        self.metrics.count(Counter::Exchange(Exchange::Failed));
    }

    /// Reads the response to a gossip request, with this number of headers and a body of `size` bytes.
    pub(crate) fn peer_responded(&mut self, headers: usize, size: usize) {
        // Not even read: the memory that a module has once taken stays its size.
        if size > MAX_LEN {
            self.metrics.count(Counter::Exchange(Exchange::TooLong));
            return;
        }
        let Some(message) = self.host.http_call_response(headers, size) else {
            self.peer_request_failed();
            return;
        };
        let now = self.now();
        if let Some(policy) = self.peers_policy()
            && let Some(peers) = &policy.peers
        {
            self.metrics.count(Counter::Exchange(Exchange::Responded));
            if let Ok(message) = self.parse_message(&message) {
                self.receive(&message, peers, now);
            }
        }
    }

    /// Responds to the current request if a peer sent it. Returns false for any other request, which goes on to the
    /// application as if the endpoint did not exist.
    pub(super) fn respond_to_peer(&mut self, root: RootId, policy: &Policy) -> bool {
        let Some(peers) = &policy.peers else {
            return false;
        };
        // A request of the application beside a sidecar is for another pod.
        if self.direction(root) == Direction::Outbound {
            return false;
        }
        let message = self.host.request_header(HEADER);
        if message.is_empty() || self.host.request_header(":path") != PATH.as_bytes() {
            return false;
        }
        if peers.trust == Trust::SameIdentity && !has_own_identity(&*self.host) {
            self.metrics
                .count(Counter::Exchange(Exchange::RejectedIdentity));
            return false;
        }
        let now = self.now();
        match self.exchange(&message, policy, peers, now) {
            Ok(response) => {
                if let Some(id) = self.connection_id() {
                    self.engine.record_peer_exchange(id);
                }
                self.host.respond_json(&response);
            }
            Err(_) => self.host.respond_bad_request(),
        }
        true
    }

    /// Receives a peer's message and returns the response.
    ///
    /// With `"trust": "anyone"` every request that reaches the listener gets a response, but nothing from the request
    /// is used, not even that this pod received one. Reports then come only from the responses to the proxy's own
    /// requests, which Envoy sends to the service's endpoints.
    #[inline(never)]
    fn exchange(
        &mut self,
        message: &[u8],
        policy: &Policy,
        peers: &Peers,
        now: Instant,
    ) -> Result<String, RejectedMessage> {
        let message = self.parse_message(message)?;
        let Some(sender) = message.sender() else {
            return Err(self.reject(RejectedMessage::Malformed));
        };
        self.metrics.count(Counter::Exchange(Exchange::Requested));
        // Written before the message is received: a peer does not need its own reports back.
        let own = OwnReport {
            since_peer_request: Some(Duration::ZERO),
            ..self.weighted_report(policy, now)
        };
        let shared = SharedState(&*self.host);
        let response = self.message(&shared.view(), own, now);
        if peers.trust == Trust::SameIdentity {
            if sender != own.id {
                shared.record_peer_request(now);
            }
            self.receive(&message, peers, now);
        }
        Ok(response)
    }

    fn parse_message(&mut self, message: &[u8]) -> Result<Message, RejectedMessage> {
        Message::parse(message).map_err(|rejected| self.reject(rejected))
    }

    fn reject(&mut self, rejected: RejectedMessage) -> RejectedMessage {
        self.metrics
            .count(Counter::Exchange(Exchange::of(&rejected)));
        rejected
    }

    /// Merges the reports of a message into the view of the proxy.
    fn receive(&mut self, message: &Message, peers: &Peers, now: Instant) {
        let (seed, interval) = (self.seed ^ now.as_nanos(), peers.interval);
        let me = self.identity(now).id;
        let received = SharedState(&*self.host).update_view(|view| {
            view.forget(now, interval);
            view.receive(me, message, now, interval, seed)
        });
        if let Some(received) = received {
            let dropped = Counter::Plain(Metric::ReportsDropped);
            self.metrics.count_by(dropped, received.dropped as u64);
        }
    }

    fn message(&self, view: &View, own: OwnReport, now: Instant) -> String {
        view.write_message(&own, now, self.seed ^ now.as_nanos())
    }

    fn weighted_report(&self, policy: &Policy, now: Instant) -> OwnReport {
        let rebalance = policy.rebalance.unwrap_or_default();
        self.weighted(self.own_report(now), &rebalance)
    }

    /// A report of this proxy, with what it should carry.
    pub(super) fn weighted(&self, report: OwnReport, rebalance: &Rebalance) -> OwnReport {
        OwnReport {
            weight: self.rebalancing.proxy.weight(rebalance),
            ..report
        }
    }

    /// The report about this proxy, with a weight of 1.
    pub(super) fn own_report(&self, now: Instant) -> OwnReport {
        let identity = self.identity(now);
        let last_request = SharedState(&*self.host).last_peer_request();
        OwnReport {
            id: identity.id,
            load: self.rebalancing.proxy.measured.load,
            weight: 1.0,
            uptime: identity.uptime(now),
            since_peer_request: last_request.map(|at| now.since(at)),
        }
    }

    /// The policy from which gossip has its rules.
    pub(super) fn peers_policy(&self) -> Option<Rc<Policy>> {
        let policy = self.policies.find(|policy| policy.peers.is_some());
        policy.map(Rc::clone)
    }

    /// This worker's id among those of the proxy.
    pub(super) fn worker_id(&mut self, now: Instant) -> WorkerId {
        if let Some(worker) = self.gossip.worker {
            return worker;
        }
        let number = SharedState(&*self.host).number_worker(|| self.new_identity(now));
        // Workers that start at the same time may have the same number, but not the same seed.
        let worker = WorkerId(mix(self.seed ^ now.as_nanos()) ^ mix(number));
        self.gossip.worker = Some(worker);
        worker
    }

    fn identity(&self, now: Instant) -> ProxyIdentity {
        SharedState(&*self.host).identity(|| self.new_identity(now))
    }

    fn new_identity(&self, now: Instant) -> ProxyIdentity {
        let node = self.host.property_or_empty(&["xds", "node", "id"]);
        let id = PeerId(mix(self.seed_for(&node) ^ now.as_nanos()));
        ProxyIdentity::new(id, now)
    }
}

/// The current request came over mutual TLS, with the identity of this proxy itself.
fn has_own_identity(host: &dyn Host) -> bool {
    let peer = host.property_or_empty(&["connection", "uri_san_peer_certificate"]);
    host.property_or_empty(&["connection", "mtls"]) == [1]
        && !peer.is_empty()
        && peer == host.property_or_empty(&["connection", "uri_san_local_certificate"])
}
