//! The HTTP role: which rule a request's route chooses, and which upstream answers it.

use std::rc::Rc;

use evenkeel_engine::hosts::UpstreamHostId;
use evenkeel_engine::upstream::{ConnectionKey, Mark};
use evenkeel_engine::{ConnectionId, StreamId};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_policy::{Policy, Request, Rule};

use crate::host::Host;
use crate::metrics::UpstreamHost;
use crate::peers::Reply;
use crate::policies::RootId;
use crate::worker::Worker;
use crate::{peers, recycle};

pub(crate) struct Stream {
    root: RootId,
    id: StreamId,
    governed: Governed,
    /// It asks for an upgrade, after which its connection stays with the host that answers, and upstream
    /// hosts are compared.
    upgrades: Option<ConnectionId>,
    /// The host that answers it.
    upstream: Option<Answering>,
    mark: Option<Mark>,
}

/// What its rule means for a stream beyond the moving of its connection.
#[derive(Clone, Debug, Default)]
struct Governed {
    /// The connection that it is open on, and the rule under which it started.
    open: Option<(ConnectionId, Rc<Rule>)>,
    /// The connection on which its age is limited.
    timed: Option<ConnectionId>,
}

/// The host that answers a request.
#[derive(Debug)]
struct Answering {
    metrics: Rc<UpstreamHost>,
    host: Option<UpstreamHostId>,
    /// The upstream connection that carries the response.
    connection: Option<Rc<ConnectionKey>>,
}

impl Stream {
    pub(crate) fn new(root: RootId, context: u32) -> Self {
        Self {
            root,
            id: StreamId(context),
            governed: Governed::default(),
            upgrades: None,
            upstream: None,
            mark: None,
        }
    }
}

impl Stream {
    /// The request's headers are in hand. True when the request is answered here.
    pub(crate) fn request_headers(&mut self, worker: &mut Worker, ends_stream: bool) -> bool {
        worker.opens_stream(self.root);
        if let Some(reply) = peers::answer(worker, self.root) {
            match reply {
                Reply::Message(message) => worker.host().respond_json(&message),
                Reply::BadRequest => worker.host().respond_bad_request(),
            }
            return true;
        }
        if !ends_stream && is_http2_tunnel(worker) {
            worker.metrics.count(Counter::Plain(Metric::Http2Tunnels));
        }
        let Some(policy) = worker.policies.get(self.root).map(Rc::clone) else {
            return false;
        };
        if policy.compares_hosts() && !worker.host().request_header("upgrade").is_empty() {
            self.upgrades = worker.connection_id();
        }
        let is_plain = policy.routes.is_empty() && policy.defaults.max_stream_age.is_none();
        if !is_plain {
            self.governed = govern(worker, &policy, self.id).unwrap_or_default();
        }
        self.mark = recycle::mark(worker, self.root, &policy);
        false
    }

    /// The response's headers are in hand.
    pub(crate) fn response_headers(&mut self, worker: &mut Worker) {
        if let Some(on) = self.governed.timed {
            worker.engine.stream_response_started(on, self.id);
        }
        if self.upstream.is_some() {
            return;
        }
        let host = worker.host();
        let address = host.property_or_empty(&["upstream", "address"]);
        if address.is_empty() {
            return;
        }
        let metrics = worker.metrics.upstream(&address, worker.engine.now());
        metrics.request_started(&*host);
        let governed = self.governed.open.as_ref().map(|(on, _)| *on);
        let host = answering(worker, self.upgrades, governed, &address);
        let connection = recycle::response(worker, self.root, address, self.mark.take(), &metrics);
        self.upstream = Some(Answering {
            metrics,
            host,
            connection,
        });
    }

    /// The stream is over.
    pub(crate) fn end(self, worker: &mut Worker) {
        if let Some(Answering {
            metrics,
            host,
            connection,
        }) = self.upstream
        {
            metrics.request_ended(&*worker.host());
            if let Some(connection) = connection {
                worker.upstreams.response_ended(&connection);
            }
            if let Some(host) = host {
                worker.engine.upstream_request_ended(host);
            }
        }
        let Governed { open, timed } = self.governed;
        if let Some((on, rule)) = open {
            worker.engine.request_ended(on, &rule);
        }
        if let Some(on) = timed {
            worker.engine.stream_ended(on, self.id);
        }
        if let Some(mark) = self.mark {
            let now = worker.engine.now();
            worker.upstreams.request_failed(mark, None, now);
        }
    }
}

/// The host at `address` answers the request in hand: the bytes of its connection count for that host. Only an
/// upgraded connection stays with its host, and only then does it matter which cluster that is one of.
fn answering(
    worker: &mut Worker,
    upgrades: Option<ConnectionId>,
    governed: Option<ConnectionId>,
    address: &[u8],
) -> Option<UpstreamHostId> {
    let cluster = match upgrades {
        Some(_) => worker.host().property_or_empty(&["xds", "cluster_name"]),
        None => Vec::new(),
    };
    let host = worker.engine.find_upstream_host(&cluster, address)?;
    worker.engine.upstream_request_started(host);
    // The host is asked for the connection only where the request did not need it.
    let on = upgrades.or(governed).or_else(|| worker.connection_id());
    if let Some(id) = on {
        worker.engine.set_upstream_host(id, host);
    }
    Some(host)
}

/// Finds the rule of the request in hand and puts its connection under it. None when there is none, or
/// the network role does not know the connection.
fn govern(worker: &mut Worker, policy: &Policy, stream: StreamId) -> Option<Governed> {
    let host = worker.host();
    let id = worker.connection_id()?;
    let Some(origin) = worker.engine.origin(id) else {
        worker.unjoined();
        return None;
    };
    let needs = policy.needs();
    let ask = |needed: bool, ask: &dyn Fn() -> Vec<u8>| if needed { ask() } else { Vec::new() };
    let route = ask(needs.route, &|| {
        host.property_or_empty(&["xds", "route_name"])
    });
    let authority = ask(needs.authority, &|| host.request_header(":authority"));
    let path = ask(needs.path, &|| host.request_header(":path"));
    let request = Request {
        route: &route,
        authority: &authority,
        path: &path,
    };
    let matched = policy.route(origin.direction, &request);
    let rule = matched
        .map(|route| &route.rule)
        .or_else(|| policy.otherwise(origin.direction))?;
    worker.engine.apply_rule(id, rule);
    worker.engine.request_started(id, rule);
    let is_timed = rule.max_stream_age.is_some() && is_grpc(&*host);
    if is_timed {
        let seed = worker.chance(&stream.0.to_le_bytes()) ^ id.0;
        worker.engine.stream_started(id, stream, rule, seed);
    }
    Some(Governed {
        open: Some((id, Rc::clone(rule))),
        timed: is_timed.then_some(id),
    })
}

/// The request in hand opens a tunnel over HTTP/2: CONNECT, or extended CONNECT (RFC 8441), which Envoy's codec
/// turns into an upgrade before any filter sees it.
fn is_http2_tunnel(worker: &Worker) -> bool {
    let host = worker.host();
    let is_tunnel =
        !host.request_header("upgrade").is_empty() || host.request_header(":method") == b"CONNECT";
    is_tunnel && host.property_or_empty(&["request", "protocol"]) == b"HTTP/2"
}

/// The request in hand is gRPC: over HTTP/2, and not of the kind whose trailers are in the body.
fn is_grpc(host: &dyn Host) -> bool {
    let content_type = host.request_header("content-type");
    let rest = content_type.strip_prefix(b"application/grpc");
    matches!(rest.map(<[u8]>::first), Some(None | Some(b'+' | b';')))
        && host.property_or_empty(&["request", "protocol"]) == b"HTTP/2"
}
