//! The network role: one downstream connection's bytes.

use std::rc::Rc;

use evenkeel_engine::{Activity, ConnectionId, Decision};
use evenkeel_metrics::{Counter, GoawayLabels};
use evenkeel_policy::{CloseCode, LastStreamId, Rule};
use evenkeel_wire::h1::ResponseHead;
use evenkeel_wire::h2::{
    self, AbortedResponse, Http2Write, LastStreamIdTolerance, MAX_STREAM_ID, RST_STREAM_LEN,
};
use evenkeel_wire::websocket::{StatusCode, close_frame};
use evenkeel_wire::{
    ByteSource, ConnectionScanner, Detection, DrainOpportunity, DrainPoint, DrainSignal, Protocol,
    WriteSummary, splice,
};

use crate::host::{Buffer, Bytes};
use crate::metrics::UpstreamHost;
use crate::policies::RootId;
use crate::vm::Peer;
use crate::worker::Worker;

/// TCP: in how many writes it asks for the upstream host at most. Envoy's TCP proxy knows it when the server first
/// writes; a filter before it may say something of its own.
const UPSTREAM_ASKS: u8 = 3;

pub(crate) struct Network {
    id: ConnectionId,
    wire: ConnectionScanner,
    /// What the worker has been told that this is.
    told: Detection,
    /// How many of its requests have been counted.
    counted: u64,
    /// Its HTTP/2 client has been counted.
    is_client_counted: bool,
    passes: Passes,
    /// TCP: the host that it is connected to.
    upstream: Option<Rc<UpstreamHost>>,
    /// TCP: in how many more writes it asks for that host.
    asks_left: u8,
}

/// Whose bytes still go on to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    Both,
    /// The client was told that nothing further will be served, when nothing was owed: what it sends must
    /// not be, and what the proxy still says (a PING) is an error to a client that has closed its side.
    Nobodys,
    /// The client was sent a Close, behind which nothing may follow: not even the server's own Close,
    /// which it sends when it gets the client's and which is a second one to the client.
    OfClient,
}

impl Network {
    /// None where the module is on this connection already, by another filter entry.
    pub(crate) fn open(worker: &mut Worker, root: RootId, context: u32) -> Option<Self> {
        Some(Self {
            id: worker.open(root, context)?,
            wire: ConnectionScanner::new(),
            told: Detection::Pending,
            counted: 0,
            is_client_counted: false,
            passes: Passes::Both,
            upstream: None,
            asks_left: UPSTREAM_ASKS,
        })
    }

    fn activity(&self, bytes: usize) -> Activity {
        Activity {
            requests: self.wire.requests(),
            active: self.wire.active(),
            bytes: u64::try_from(bytes).unwrap_or_default(),
            undelivered: self.wire.undelivered(),
        }
    }

    /// What it does matters: it may be moved, or not be known yet.
    fn is_followed(&self) -> bool {
        !matches!(self.told, Detection::Bypassed(_))
    }

    /// After each scan: tells the worker what the connection has turned out to be, and its requests.
    fn tell(&mut self, worker: &mut Worker) {
        // Behind our Close nothing passes, understood or not.
        if self.passes == Passes::OfClient {
            return;
        }
        self.count_client(worker);
        let detection = self.wire.detection();
        let requests = self.wire.requests().max(self.counted);
        if detection == self.told && requests == self.counted {
            return;
        }
        let new = requests.saturating_sub(self.counted);
        let became = (detection != self.told).then_some(detection);
        let id = self.id;
        if let (true, Some(protocol)) = (new > 0, detection.protocol()) {
            worker.metrics.count_by(Counter::Requests(protocol), new);
        }
        if became.is_some_and(|became| worker.became(id, became)) {
            self.wire.bypass_websocket();
        }
        self.told = self.wire.detection();
        self.counted = requests;
    }

    /// Counts which HTTP/2 client it is, once its first request has told.
    fn count_client(&mut self, worker: &mut Worker) {
        if let Some(http2) = self.wire.http2()
            && !self.is_client_counted
            && http2.is_client_identified()
        {
            self.is_client_counted = true;
            worker.metrics.count(Counter::Client(http2.client().name));
        }
    }

    fn rule<T>(&self, worker: &Worker, f: impl FnOnce(&Rule) -> T) -> Option<T> {
        worker.engine.rule(self.id).map(|rule| f(rule))
    }

    fn announce(
        &mut self,
        worker: &mut Worker,
        bytes: &mut Bytes<'_>,
        opportunity: &DrainOpportunity,
        refuses: bool,
    ) {
        match opportunity.signal {
            DrainSignal::ConnectionClose(head) => {
                for edit in splice::connection_close(head).into_iter().flatten() {
                    bytes.splice(edit.at, edit.len, edit.replacement);
                }
            }
            DrainSignal::CloseFrame => {
                let status = match self
                    .rule(worker, |rule| rule.websocket.close_code)
                    .unwrap_or_default()
                {
                    CloseCode::ServiceRestart => StatusCode::ServiceRestart,
                    CloseCode::GoingAway | CloseCode::Off => StatusCode::GoingAway,
                };
                self.passes = Passes::OfClient;
                bytes.splice(opportunity.at, 0, &close_frame(status));
            }
            DrainSignal::Goaway {
                last_stream_id,
                client,
                tolerated,
                write,
            } => {
                let is_idle = matches!(opportunity.point, DrainPoint::Idle { .. });
                let is_exact = refuses
                    || is_idle
                        && match self
                            .rule(worker, |rule| rule.http2.last_stream_id)
                            .unwrap_or_default()
                        {
                            LastStreamId::Auto => tolerated == LastStreamIdTolerance::Exact,
                            LastStreamId::Exact => true,
                            LastStreamId::Max => false,
                        };
                let counter = Counter::Goaway(GoawayLabels {
                    client,
                    is_exact,
                    is_idle,
                });
                worker.metrics.count(counter);
                let signal = h2::PlannedGoaway {
                    last_stream_id: if is_exact {
                        last_stream_id
                    } else {
                        MAX_STREAM_ID
                    },
                    at: opportunity.at,
                };
                self.insert_frames(bytes, write, Some(signal));
                if is_exact {
                    self.passes = Passes::Nobodys;
                }
            }
        }
    }

    /// HTTP/2: puts the module's own frames into a write, the GOAWAY of `signal` among them.
    fn insert_frames(
        &mut self,
        bytes: &mut Bytes<'_>,
        write: Http2Write,
        signal: Option<h2::PlannedGoaway>,
    ) {
        let Some(http2) = self.wire.http2_mut() else {
            return;
        };
        for insertion in http2.insertions(write, bytes.len(), signal) {
            bytes.splice(insertion.at, 0, &insertion.frame);
        }
    }

    /// The client sends what is not passed on. That it has what was written is still of use.
    fn hear(&mut self, worker: &mut Worker, bytes: &mut Bytes<'_>) {
        self.wire.scan_downstream(bytes);
        if self.wire.http2().is_some() {
            let activity = self.activity(bytes.len());
            worker.read(self.id, activity, false);
        }
    }

    /// The HTTP role is ending a gRPC stream, and all that Envoy can say to the client is RST_STREAM:
    /// which status that means is for each client to guess. It is told in so many words instead.
    fn end_stream(
        &self,
        worker: &Worker,
        bytes: &mut Bytes<'_>,
        aborted_response: AbortedResponse,
    ) {
        let AbortedResponse {
            stream,
            frame_at: Some(at),
            client_ended,
        } = aborted_response
        else {
            return;
        };
        if worker.is_resetting(self.id) {
            bytes.splice(
                at,
                RST_STREAM_LEN,
                &h2::unavailable_trailers(stream, client_ended),
            );
        }
    }

    /// Says in the answer's head for how long the connection will be served.
    fn hint(&self, worker: &Worker, bytes: &mut Bytes<'_>, head: ResponseHead) {
        let (Some(at), true) = (head.insert_at, head.may_close && !head.has_keep_alive_field)
        else {
            return;
        };
        let Some((age, requests)) = worker.hint(self.id) else {
            return;
        };
        let seconds = age.map(|age| age.as_secs());
        if seconds == Some(0) || requests == Some(0) {
            return;
        }
        if let Some(field) = splice::keep_alive_field(seconds, requests) {
            bytes.splice(at, 0, &field);
        }
    }
}

impl Network {
    /// The client sent `size` bytes.
    pub(crate) fn client_data(&mut self, worker: &mut Worker, size: usize) {
        let host = worker.host();
        let mut bytes = Bytes::new(&*host, Buffer::Downstream, size);
        if self.passes == Passes::Nobodys {
            if size > 0 {
                self.hear(worker, &mut bytes);
            }
            bytes.swallow();
            return;
        }
        if size == 0 || !self.is_followed() {
            return;
        }
        let spoke = self.wire.scan_downstream(&mut bytes);
        self.tell(worker);
        if self.is_followed() {
            let activity = self.activity(size);
            if !worker.read(self.id, activity, spoke) {
                self.passes = Passes::Nobodys;
                bytes.swallow();
            }
        }
    }

    /// The server writes `size` bytes. Never closes from here: the write in hand would be lost.
    pub(crate) fn server_data(&mut self, worker: &mut Worker, size: usize) {
        let host = worker.host();
        let mut bytes = Bytes::new(&*host, Buffer::Upstream, size);
        if size > 0
            && self.told == Detection::Detected(Protocol::Tcp)
            && self.upstream.is_none()
            && self.asks_left > 0
        {
            self.connect(worker);
        }
        if size == 0 || !self.is_followed() {
            return;
        }
        if self.passes == Passes::Nobodys {
            bytes.swallow();
            return;
        }
        let write_summary = self.wire.scan_upstream(&mut bytes);
        self.tell(worker);
        if self.passes == Passes::OfClient {
            self.wire.discard(size);
            bytes.swallow();
        }
        if !self.is_followed() {
            return;
        }
        if let WriteSummary::Http2(Http2Write {
            aborted_response: Some(aborted_response),
            ..
        }) = write_summary
        {
            self.end_stream(worker, &mut bytes, aborted_response);
        }
        let is_drained_by_proxy = match write_summary {
            WriteSummary::Http2(write) => write.has_goaway,
            WriteSummary::ResponseHead(head) => head.closes,
            WriteSummary::None | WriteSummary::WebSocket(_) => false,
        };
        if is_drained_by_proxy {
            worker.engine.record_proxy_drain(self.id);
        }
        let opportunity = self
            .wire
            .drain_opportunity(write_summary, bytes.len())
            .filter(|_| !is_drained_by_proxy);
        let activity = self.activity(size);
        let decision = worker.wrote(self.id, activity, opportunity.map(|it| it.point));
        match (decision, &opportunity, write_summary) {
            (Decision::Drain(_) | Decision::RepeatSignal, Some(opportunity), _) => {
                self.announce(worker, &mut bytes, opportunity, false)
            }
            (Decision::RefuseRequests, Some(opportunity), _) => {
                self.announce(worker, &mut bytes, opportunity, true)
            }
            (Decision::PassThrough, _, WriteSummary::Http2(write)) => {
                self.insert_frames(&mut bytes, write, None)
            }
            (Decision::PassThrough, _, WriteSummary::ResponseHead(head)) if !head.closes => {
                self.hint(worker, &mut bytes, head)
            }
            _ => {}
        }
    }

    /// TCP: learns, once, which host the proxy has connected to. Where the filter behind this one is no TCP proxy, it
    /// never learns it.
    fn connect(&mut self, worker: &mut Worker) {
        self.asks_left = self.asks_left.saturating_sub(1);
        let host = worker.host();
        let address = host.property_or_empty(&["upstream", "address"]);
        if address.is_empty() {
            return;
        }
        let cluster = host.property_or_empty(&["xds", "cluster_name"]);
        worker.carries_to(self.id, &cluster, &address);
        let upstream = worker.metrics.upstream(&address, worker.engine.now());
        upstream.connected(&*host);
        self.upstream = Some(upstream);
    }

    /// The connection is over; further calls do nothing.
    pub(crate) fn close(&mut self, worker: &mut Worker, by: Peer) {
        worker.closed(self.id, by);
        if let Some(upstream) = self.upstream.take() {
            upstream.disconnected(&*worker.host());
        }
    }
}
