//! The network role: the bytes of one downstream connection.

mod signals;

use std::rc::Rc;

use evenkeel_engine::{Activity, ConnectionId, Decision};
use evenkeel_metrics::Counter;
use evenkeel_wire::h1::UnreadPart;
use evenkeel_wire::h2::{Http2Scanner, Http2Write};
use evenkeel_wire::{ByteSource, ConnectionScanner, Detection, Protocol, WriteSummary};

use crate::host::{Buffer, Bytes};
use crate::metrics::UpstreamHost;
use crate::policies::RootId;
use crate::vm::{ClosedBy, ContextId};
use crate::worker::Worker;

/// In how many writes a TCP connection asks for its upstream host. Envoy's TCP proxy knows it when the server first
/// writes, but a filter before it may write something of its own.
const UPSTREAM_ATTEMPTS: u8 = 3;

/// With how many unread bytes a write adds them to the worker's load. The last ones of a connection are never added.
const MAX_UNREPORTED: usize = 256 * 1024;

/// One downstream connection.
pub(crate) struct Downstream {
    id: ConnectionId,
    scanner: ConnectionScanner,
    /// The scanner was selected, at the first bytes.
    has_scanner: bool,
    reported: Reported,
    forwarding: Forwarding,
    frames: Frames,
    /// Unread bytes that are not reported yet.
    unreported: usize,
    /// The upstream host of a TCP connection, once it is known.
    upstream: Option<Rc<UpstreamHost>>,
    /// How many more writes ask for it.
    upstream_attempts: u8,
}

/// What the worker knows of a connection's protocol.
#[derive(Clone, Copy)]
struct Reported {
    detection: Detection,
    requests: u64,
    /// Its HTTP/2 client was counted.
    client: bool,
}

/// Whether the frames of an HTTP/2 connection are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frames {
    /// They are; also if the connection has another protocol.
    Read,
    /// They are until the client is identified.
    Undecided,
    Unread,
}

/// Which directions still forward bytes after a drain signal was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forwarding {
    Both,
    /// After a GOAWAY that refuses further streams: nothing that the client sends must be served, and what the proxy
    /// still sends (a PING) is an error to a client that has closed its side.
    None,
    /// After the client's request was replaced by a Sync, whose response is replaced by an error.
    UntilError,
    /// After a Close frame, which must be the last frame of the server (RFC 6455 section 5.5.1). The server's own
    /// Close frame, its reply to the client's, would be a second one.
    FromClient,
}

impl Downstream {
    /// None if another filter entry manages the connection.
    pub(crate) fn open(worker: &mut Worker, root: RootId, context: ContextId) -> Option<Self> {
        Some(Self {
            id: worker.opened(root, context)?,
            scanner: ConnectionScanner::new(),
            has_scanner: false,
            reported: Reported {
                detection: Detection::Pending,
                requests: 0,
                client: false,
            },
            forwarding: Forwarding::Both,
            frames: Frames::Read,
            unreported: 0,
            upstream: None,
            upstream_attempts: UPSTREAM_ATTEMPTS,
        })
    }

    /// The client sent `size` bytes.
    pub(crate) fn client_data(&mut self, worker: &mut Worker, size: usize) {
        let host = worker.host();
        let mut bytes = Bytes::new(&*host, Buffer::Downstream, size);
        if self.forwarding == Forwarding::None {
            if size > 0 {
                self.read_discarded(worker, &mut bytes);
            }
            bytes.discard();
            return;
        }
        if size == 0 || self.is_bypassed() {
            return;
        }
        if self.frames == Frames::Unread && self.skips_client_frames(size) {
            return;
        }
        if worker.is_shutting_down(self.id) {
            self.replace_request(&mut bytes);
            return;
        }
        self.select_scanner(worker);
        let has_message = self.scanner.scan_downstream(&mut bytes);
        let activity = Activity {
            has_message,
            ..self.activity(size)
        };
        self.report(worker, activity.requests);
        if !self.is_bypassed() && !worker.read(self.id, &activity) {
            self.forwarding = Forwarding::None;
            bytes.discard();
        }
    }

    /// Bytes that are not forwarded still show that an HTTP/2 client has received what was written.
    fn read_discarded(&mut self, worker: &mut Worker, bytes: &mut Bytes<'_>) {
        self.scanner.scan_downstream(bytes);
        if self.scanner.http2().is_some() {
            worker.read(self.id, &self.activity(bytes.len()));
        }
    }

    /// The server writes `size` bytes. Must not close the connection: Envoy would lose the current write.
    pub(crate) fn server_data(&mut self, worker: &mut Worker, size: usize) {
        if size > 0 {
            self.find_upstream(worker);
        }
        if self.is_bypassed() {
            return;
        }
        if size == 0 {
            self.scanner.wrote_nothing();
            return;
        }
        if self.forwarding == Forwarding::Both && self.skips_write(worker, size) {
            return;
        }
        let host = worker.host();
        let mut bytes = Bytes::new(&*host, Buffer::Upstream, size);
        match self.forwarding {
            Forwarding::None => return bytes.discard(),
            Forwarding::UntilError => return self.send_error(worker, &mut bytes),
            Forwarding::Both | Forwarding::FromClient => {}
        }
        self.select_scanner(worker);
        let write = self.scanner.scan_upstream(&mut bytes);
        if self.forwarding == Forwarding::FromClient {
            self.scanner.discard(size);
            bytes.discard();
        }
        let activity = self.activity(size);
        self.report(worker, activity.requests);
        if !self.is_bypassed() {
            self.wrote(worker, &mut bytes, &write, &activity);
            if self.frames == Frames::Undecided {
                self.decide_frames(worker);
            }
        }
    }

    /// Skips a write that need not be scanned. False if it has to be.
    #[inline]
    fn skips_write(&mut self, worker: &mut Worker, size: usize) -> bool {
        match self.frames {
            Frames::Unread => self.skips_server_frames(worker, size),
            Frames::Read | Frames::Undecided => self.skips_response(worker, size),
        }
    }

    /// Skips a write that is a part of an HTTP/1 response that nothing needs. False if it has to be scanned.
    fn skips_response(&mut self, worker: &mut Worker, size: usize) -> bool {
        let reports = match self.scanner.unread_part() {
            None => return false,
            Some(UnreadPart::First) if worker.needs_response(self.id) => return false,
            Some(UnreadPart::First) => true,
            Some(UnreadPart::Later) => self.unreported >= MAX_UNREPORTED,
        };
        self.scanner.skip_response(size);
        if reports {
            let activity = self.activity(size);
            worker.wrote_unread(self.id, &activity);
        } else {
            self.unreported = self.unreported.saturating_add(size);
        }
        true
    }

    /// Skips bytes of the client of an unread HTTP/2 connection.
    fn skips_client_frames(&mut self, size: usize) -> bool {
        let http2 = self.scanner.http2();
        // A connection that drains may be closing, and then nothing must be forwarded.
        let skips = http2.is_some_and(|it| !it.has_sent_goaway());
        if skips {
            self.unreported = self.unreported.saturating_add(size);
        }
        skips
    }

    /// Skips a write to an unread HTTP/2 connection. False if it has to be scanned.
    fn skips_server_frames(&mut self, worker: &mut Worker, size: usize) -> bool {
        let Some(http2) = self.scanner.http2() else {
            return false;
        };
        if Http2Scanner::may_be_goaway(size)
            || worker.is_resetting(self.id)
            || (!http2.has_sent_goaway() && worker.awaits_drain_point(self.id))
        {
            return false;
        }
        if self.unreported >= MAX_UNREPORTED {
            let activity = self.activity(size);
            worker.wrote_unread(self.id, &activity);
        } else {
            self.unreported = self.unreported.saturating_add(size);
        }
        true
    }

    /// Leaves an HTTP/2 connection unread from its first response on, if nothing needs its frames.
    #[inline(never)]
    fn decide_frames(&mut self, worker: &mut Worker) {
        let Some(http2) = self.scanner.http2_mut() else {
            return;
        };
        if !http2.is_client_identified() {
            return;
        }
        self.frames = Frames::Read;
        if http2.can_be_unread() && !worker.needs_frames(self.id) {
            self.frames = Frames::Unread;
            http2.leave_unread();
            worker.left_unread(self.id);
        }
    }

    /// Decides what to insert into a write, and does so.
    #[inline(never)]
    fn wrote(
        &mut self,
        worker: &mut Worker,
        bytes: &mut Bytes<'_>,
        write: &WriteSummary,
        activity: &Activity,
    ) {
        let has_proxy_signal = match write {
            WriteSummary::Http2(Http2Write {
                aborted_response,
                has_goaway,
                ..
            }) => {
                if let Some(aborted) = aborted_response {
                    self.replace_reset(worker, bytes, *aborted);
                }
                *has_goaway
            }
            WriteSummary::ResponseHead(head) => head.closes,
            WriteSummary::None | WriteSummary::WebSocket(_) => false,
        };
        if has_proxy_signal {
            worker.drained_by_proxy(self.id);
        }
        let mut opportunity = None;
        let decision = worker.wrote(self.id, activity, || {
            opportunity = self
                .scanner
                .drain_opportunity(write, bytes.len())
                .filter(|_| !has_proxy_signal);
            opportunity.map(|opportunity| opportunity.point)
        });
        match (decision, opportunity, write) {
            (Decision::PassThrough, _, WriteSummary::Http2(write)) => {
                if self.scanner.http2().is_some_and(Http2Scanner::needs_ping) {
                    self.insert_frames(bytes, write, None);
                }
            }
            (Decision::PassThrough, _, WriteSummary::ResponseHead(head)) if !head.closes => {
                self.insert_keep_alive_hint(worker, bytes, head)
            }
            (Decision::PassThrough, ..) | (_, None, _) => {}
            (_, Some(opportunity), _) => {
                self.insert_drain_signal(worker, bytes, &opportunity, decision)
            }
        }
    }

    /// The connection has closed. Further calls do nothing.
    pub(crate) fn close(&mut self, worker: &mut Worker, by: ClosedBy) {
        self.upstream_attempts = 0;
        worker.closed(self.id, by, self.upstream.take());
    }

    /// The state after `size` bytes, and those that were not reported yet.
    fn activity(&mut self, size: usize) -> Activity {
        let progress = self.scanner.progress();
        let bytes = size.saturating_add(core::mem::take(&mut self.unreported));
        Activity {
            requests: progress.requests,
            active: progress.active,
            bytes: u64::try_from(bytes).unwrap_or_default(),
            undelivered: progress.undelivered,
            session: progress.session,
            has_message: false,
        }
    }

    const fn is_bypassed(&self) -> bool {
        matches!(self.reported.detection, Detection::Bypassed(_))
    }

    /// Selects the scanner by the rule of the connection, before the first bytes are scanned.
    fn select_scanner(&mut self, worker: &Worker) {
        if !self.has_scanner {
            self.scanner = ConnectionScanner::expecting(worker.expected_protocol(self.id));
            self.has_scanner = true;
        }
    }

    /// Reports the connection's protocol and new requests, after each scan; `requests` since the connection opened.
    fn report(&mut self, worker: &mut Worker, requests: u64) {
        // Nothing of the server is forwarded any more, so its protocol does not matter.
        if self.forwarding == Forwarding::FromClient {
            return;
        }
        if !self.reported.client
            && let Some(http2) = self.scanner.http2()
            && http2.is_client_identified()
        {
            self.reported.client = true;
            worker.count(Counter::Client(http2.client().name));
        }
        let new = requests.saturating_sub(self.reported.requests);
        if new > 0 {
            self.reported.requests = requests;
            if let Some(protocol) = self.scanner.detection().protocol() {
                worker.count_requests(protocol, new);
            }
        }
        if self.scanner.take_new_detection() {
            self.report_detection(worker);
        }
    }

    #[inline(never)]
    fn report_detection(&mut self, worker: &mut Worker) {
        let detection = self.scanner.detection();
        if detection == self.reported.detection {
            return;
        }
        let is_known_raw = self.scanner.is_known_raw();
        if !worker.identified(self.id, detection, is_known_raw) {
            self.scanner.bypass_websocket();
        }
        self.reported.detection = self.scanner.detection();
        if self.reported.detection == Detection::Detected(Protocol::Http2) {
            self.frames = Frames::Undecided;
        }
    }

    /// Finds the upstream host of a connection that is not HTTP, which stays the same. Where the next filter is no TCP
    /// proxy, there is none.
    fn find_upstream(&mut self, worker: &mut Worker) {
        let protocol = self.reported.detection.protocol();
        let is_tcp = matches!(protocol, Some(Protocol::Tcp | Protocol::Session(_)));
        if is_tcp && self.upstream.is_none() && self.upstream_attempts > 0 {
            self.upstream_attempts = self.upstream_attempts.saturating_sub(1);
            self.upstream = worker.find_tcp_upstream(self.id);
        }
    }
}
