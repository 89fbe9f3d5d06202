//! What this proxy tells its peers, and which of their messages it believes.

use core::time::Duration;

use evenkeel_engine::Instant;
use evenkeel_engine::peers::{Message, OwnReport, PeerId, RejectedMessage, View};
use evenkeel_metrics::{Counter, Exchange, Metric};
use evenkeel_policy::{Peers, Policy, Trust};

use super::Worker;
use super::pod::{ASKED, TRIES, VIEW};

impl Worker {
    /// What this proxy tells a peer that it asks. Where only answers are believed that is as good as nothing.
    pub(super) fn message(&self, policy: &Policy, peers: &Peers, now: Instant) -> String {
        let own = self.own(self.policy_weight(policy), now);
        let view = if believes_requests(peers) {
            self.view().0
        } else {
            View::default()
        };
        view.write_message(&own, now, self.seed ^ now.as_nanos())
    }

    /// What this proxy tells a peer that asks it now.
    fn reply(&self, policy: &Policy, now: Instant) -> String {
        let own = OwnReport {
            asked: Some(Duration::ZERO),
            ..self.own(self.policy_weight(policy), now)
        };
        self.view()
            .0
            .write_message(&own, now, self.seed ^ now.as_nanos())
    }

    fn policy_weight(&self, policy: &Policy) -> f64 {
        self.pod.proxy.weight(&policy.rebalance.unwrap_or_default())
    }

    /// Answers a peer's request with a message: what this proxy tells it.
    ///
    /// With `"trust": "anyone"` every request that reaches the listener is answered, and nothing of the request is kept:
    /// not what it tells, nor that this pod was asked. What this proxy knows then comes from the responses to
    /// its own requests only, which Envoy sends to the service's endpoints.
    ///
    /// # Errors
    /// The message is none, or from no pod.
    pub(crate) fn answer_peer(
        &mut self,
        message: &[u8],
        policy: &Policy,
        peers: &Peers,
        now: Instant,
    ) -> Result<String, RejectedMessage> {
        let message = self.parse(message)?;
        let Some(sender) = message.sender() else {
            return Err(self.refuse(RejectedMessage::Malformed));
        };
        self.metrics.count(Counter::Exchange(Exchange::Requested));
        // First: the peer need not be told what it has just told.
        let reply = self.reply(policy, now);
        if believes_requests(peers) {
            if sender != self.peer_id(now) {
                let (_, token) = self.host.shared(ASKED);
                self.host.share(ASKED, &now.as_nanos().to_le_bytes(), token);
            }
            self.learn(&message, peers, now);
        }
        Ok(reply)
    }

    /// Takes in the response of a peer.
    pub(crate) fn heard(&mut self, message: &[u8], peers: &Peers, now: Instant) {
        if let Ok(message) = self.parse(message) {
            self.learn(&message, peers, now);
        }
    }

    fn parse(&mut self, message: &[u8]) -> Result<Message, RejectedMessage> {
        Message::parse(message).map_err(|refused| self.refuse(refused))
    }

    fn refuse(&mut self, refused: RejectedMessage) -> RejectedMessage {
        self.metrics
            .count(Counter::Exchange(Exchange::of(&refused)));
        refused
    }

    fn learn(&mut self, message: &Message, peers: &Peers, now: Instant) {
        let me = self.peer_id(now);
        for _ in 0..TRIES {
            let (mut view, token) = self.view();
            view.forget(now, peers.interval);
            let seed = self.seed ^ now.as_nanos();
            let heard = view.receive(me, message, now, peers.interval, seed);
            if self.host.share(VIEW, &view.to_bytes(), token) {
                let dropped = Counter::Plain(Metric::ReportsDropped);
                self.metrics.count_by(dropped, heard.dropped as u64);
                return;
            }
        }
    }

    fn peer_id(&self, now: Instant) -> PeerId {
        self.identity(now).0.id
    }
}

/// What a request of a peer tells is believed: it comes from who shows this proxy's own identity.
fn believes_requests(peers: &Peers) -> bool {
    peers.trust == Trust::SameIdentity
}
