//! The events of the HTTP role: a request finds its rule by its route, and its response has an upstream host.

use std::rc::Rc;

use evenkeel_engine::hosts::UpstreamHostId;
use evenkeel_engine::upstream::{ConnectionKey, Mark};
use evenkeel_engine::{Connection, ConnectionId, StreamId};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_policy::{self as policy, Policy, Rule};

use super::Worker;
use super::log::Warning;
use crate::host::Host;
use crate::metrics::UpstreamHost;
use crate::policies::RootId;
use crate::vm::ContextId;

/// One HTTP stream, from its request to its end.
#[derive(Debug)]
pub(crate) struct Request {
    root: RootId,
    stream: StreamId,
    governed: Option<Governed>,
    /// The policy under which it started uses upstream hosts.
    uses_upstream_hosts: bool,
    /// The connection of a request for an upgrade, where upstream hosts are compared: an upgraded connection stays
    /// with its host.
    upgrading: Option<ConnectionId>,
    upstream: Option<Upstream>,
    /// It carries the recycle mark.
    mark: Option<Mark>,
}

/// A request that counts on a connection of the network role.
#[derive(Debug)]
struct Governed {
    connection: ConnectionId,
    /// The rule under which it started.
    rule: Rc<Rule>,
    /// It is a gRPC stream whose age is limited.
    is_timed: bool,
}

/// The upstream host that sent the response.
#[derive(Debug)]
struct Upstream {
    metrics: Rc<UpstreamHost>,
    host: Option<UpstreamHostId>,
    /// The upstream connection that carries the response.
    connection: Option<Rc<ConnectionKey>>,
}

impl Request {
    pub(crate) const fn new(root: RootId, context: ContextId) -> Self {
        Self {
            root,
            stream: StreamId(context),
            governed: None,
            uses_upstream_hosts: false,
            upgrading: None,
            upstream: None,
            mark: None,
        }
    }
}

impl Worker {
    /// The headers of a request arrived. True if the module responds to it, and it must not go on.
    pub(crate) fn request_started(&mut self, request: &mut Request, ends_stream: bool) -> bool {
        self.use_for_stream(request.root);
        let policy = self.policies.get(request.root).map(Rc::clone);
        if let Some(policy) = &policy
            && self.respond_to_peer(request.root, policy)
        {
            return true;
        }
        if !ends_stream && is_http2_tunnel(&*self.host) {
            self.metrics.count(Counter::Plain(Metric::Http2Tunnels));
        }
        let Some(policy) = policy else {
            return false;
        };
        request.uses_upstream_hosts = policy.uses_upstream_hosts();
        if policy.compares_hosts() && !self.host.request_header("upgrade").is_empty() {
            request.upgrading = self.connection_id();
        }
        let has_rules = !policy.routes.is_empty() || policy.defaults.max_stream_age.is_some();
        if has_rules {
            request.governed = self.govern(&policy, request.stream);
        }
        request.mark = self.mark_request(request.root, &policy);
        false
    }

    /// The headers of a response arrived.
    pub(crate) fn response_started(&mut self, request: &mut Request) {
        let governed = request.governed.as_ref();
        if let Some(governed) = governed.filter(|governed| governed.is_timed) {
            self.engine
                .stream_response_started(governed.connection, request.stream);
        }
        if request.upstream.is_some() || !request.uses_upstream_hosts {
            return;
        }
        let address = self.host.property_or_empty(&["upstream", "address"]);
        if address.is_empty() {
            return;
        }
        let metrics = self.metrics.upstream_host(&address, self.engine.now());
        metrics.request_started();
        let connection = governed.map(|governed| governed.connection);
        let host = self.find_http_upstream(request.upgrading, connection, &address);
        let mark = request.mark.take();
        let connection = self.upstream_responded(request.root, address, mark, &metrics);
        request.upstream = Some(Upstream {
            metrics,
            host,
            connection,
        });
    }

    /// The stream ended.
    pub(crate) fn request_ended(&mut self, request: Request) {
        if let Some(upstream) = request.upstream {
            upstream.metrics.request_ended();
            if let Some(connection) = upstream.connection {
                self.upstreams.response_ended(&connection);
            }
            if let Some(host) = upstream.host {
                self.engine.upstream_request_ended(host);
            }
        }
        if let Some(governed) = request.governed {
            let id = governed.connection;
            self.engine.request_ended(id, &governed.rule);
            if governed.is_timed {
                self.engine.stream_ended(id, request.stream);
            }
        }
        if let Some(mark) = request.mark {
            let now = self.engine.now();
            self.upstreams.request_failed(mark, None, now);
        }
    }

    /// Finds the rule of the current request, and puts its connection under it. None if there is none, or the network
    /// role does not know the connection.
    #[inline(never)]
    fn govern(&mut self, policy: &Policy, stream: StreamId) -> Option<Governed> {
        let connection = self.connection_id()?;
        let Some(origin) = self.engine.connection(connection).map(Connection::origin) else {
            self.unmatched_stream();
            return None;
        };
        let host = &*self.host;
        // Each of these costs a hostcall that copies bytes: only what the policy's routes match by is read.
        let needs = policy.request_parts();
        let read = |needed: bool, read: &dyn Fn() -> Vec<u8>| {
            if needed { read() } else { Vec::new() }
        };
        let route = read(needs.route, &|| {
            host.property_or_empty(&["xds", "route_name"])
        });
        let authority = read(needs.authority, &|| host.request_header(":authority"));
        let path = read(needs.path, &|| host.request_header(":path"));
        let matched = policy.route(
            origin.direction,
            &policy::Request {
                route: &route,
                authority: &authority,
                path: &path,
            },
        );
        let rule = matched
            .map(|route| &route.rule)
            .or_else(|| policy.otherwise(origin.direction))?;
        let is_timed = rule.max_stream_age.is_some() && is_grpc(host);
        self.engine.apply_rule(connection, rule);
        self.engine.request_started(connection, rule);
        if is_timed {
            let seed = self.seed_for(&stream.0.to_le_bytes()) ^ connection.0;
            self.engine.stream_started(connection, stream, rule, seed);
        }
        Some(Governed {
            connection,
            rule: Rc::clone(rule),
            is_timed,
        })
    }

    fn unmatched_stream(&mut self) {
        self.metrics.count(Counter::Plain(Metric::StreamsUnmatched));
        self.log.warn_once(
            Warning::UnmatchedStream,
            format_args!(
                "an HTTP stream came on a connection that the network role does not know: its routes' rules cannot act. \
                 Load the module as a NETWORK filter too, with the same vm_id (Istio: the same url). \
                 Connections older than that filter stay unknown until they close."
            ),
        );
    }

    /// Finds the host at `address`, and counts the bytes of the request's connection for it. The cluster matters only
    /// for an upgraded connection, which stays with its host.
    fn find_http_upstream(
        &mut self,
        upgrading: Option<ConnectionId>,
        governed: Option<ConnectionId>,
        address: &[u8],
    ) -> Option<UpstreamHostId> {
        let cluster = match upgrading {
            Some(_) => self.host.property_or_empty(&["xds", "cluster_name"]),
            None => Vec::new(),
        };
        let host = self.engine.find_upstream_host(&cluster, address)?;
        self.engine.upstream_request_started(host);
        // The request may have needed the connection already: then this costs no hostcall.
        let known = upgrading.or(governed);
        if let Some(connection) = known.or_else(|| self.connection_id()) {
            self.engine.set_upstream_host(connection, host);
        }
        Some(host)
    }
}

/// The current request opens a tunnel over HTTP/2: CONNECT, or extended CONNECT (RFC 8441), which Envoy's codec turns
/// into an upgrade before any filter sees it.
fn is_http2_tunnel(host: &dyn Host) -> bool {
    let is_tunnel =
        !host.request_header("upgrade").is_empty() || host.request_header(":method") == b"CONNECT";
    is_tunnel && host.property_or_empty(&["request", "protocol"]) == b"HTTP/2"
}

/// The current request is gRPC over HTTP/2, and not gRPC-Web, whose trailers are in the body.
fn is_grpc(host: &dyn Host) -> bool {
    let content_type = host.request_header("content-type");
    let suffix = content_type.strip_prefix(b"application/grpc");
    matches!(suffix.map(<[u8]>::first), Some(None | Some(b'+' | b';')))
        && host.property_or_empty(&["request", "protocol"]) == b"HTTP/2"
}
