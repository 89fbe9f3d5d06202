//! The policy, complete and free of contradictions.
use crate::declare::words;
use crate::error::{Cause, Errors, Report};
use crate::json::Json;
use crate::matcher::{Direction, MatchCondition, Matcher, Request, RequestParts};
use crate::path::Path;
use crate::protobuf;
use crate::read::Read;
use crate::rebalance::{Peers, Rebalance};
use crate::resolve;
use crate::rule::{Jitter, Rule};
use core::num::NonZeroU64;
use core::time::Duration;
use std::rc::Rc;

/// When a proxy drains connections, and how. [`Policy::parse`] and [`Policy::default`] create one.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Which of the two filter entries this configuration is for, where it states one.
    pub role: Option<Role>,
    /// Whether connections are drained, or only counted.
    pub mode: Mode,
    /// The rule for inbound connections that no other rule matches.
    pub defaults: Rc<Rule>,
    /// Rules for requests, in order.
    pub routes: Vec<Route>,
    /// Rules for databases, brokers and raw TCP, in order.
    pub tcp: Vec<TcpRule>,
    /// How upstream connections are recycled; None: they are not.
    pub upstream: Option<UpstreamRecycling>,
    /// How many connections the whole proxy drains; None: without limit.
    pub budget: Option<Budget>,
    /// How excess load is drained; None: load is not compared.
    pub rebalance: Option<Rebalance>,
    /// How proxies exchange load reports; None: they do not.
    pub peers: Option<Peers>,
    /// Keepalive settings, for clients and upstreams.
    pub keepalive: Keepalive,
    /// Which parts of a request the routes read, computed once because every request uses it.
    pub(crate) request_parts: RequestParts,
}

impl Policy {
    /// The longest text that is read, in bytes.
    pub const MAX_LEN: usize = 1024 * 1024;

    /// Parses a policy as Envoy passes it: UTF-8 JSON (RFC 8259), numbers as doubles.
    ///
    /// # Errors
    /// Returns the first syntax error where the text is not JSON, else all errors: unknown, renamed, misplaced,
    /// duplicate and missing keys, invalid values, contradictions.
    #[inline(never)]
    pub fn parse(text: &[u8]) -> Result<Self, Errors> {
        if text.len() > Self::MAX_LEN {
            return Err(Cause::TooLong {
                limit: Self::MAX_LEN,
            }
            .into());
        }
        // Some editors write a byte order mark at the start of a file, which parsers may ignore (RFC 8259 8.1).
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Err(Cause::Empty.into());
        }
        if protobuf::is_struct(text) {
            return Err(Cause::Protobuf.into());
        }
        let json = Json::parse(text)?;
        let mut report = Report::default();
        let document = Read::read(&json, &Path::Root, &mut report).unwrap_or_default();
        let policy = resolve::resolve_policy(document, &mut report);
        report.finish()?;
        Ok(policy)
    }

    /// The first route that matches a request on a listener of this direction.
    pub fn route(&self, direction: Direction, request: &Request<'_>) -> Option<&Route> {
        self.routes
            .iter()
            .find(|route| route.matcher.matches(direction, request))
    }

    /// The first rule for raw TCP connections that a listener of this direction received on `port`.
    pub fn tcp_rule(&self, direction: Direction, port: u16) -> Option<&TcpRule> {
        self.tcp
            .iter()
            .find(|rule| rule.port == port && rule.direction == direction)
    }

    /// The rule for what no other rule matches on a listener of this direction: on a sidecar's outbound
    /// listeners there is none.
    pub fn otherwise(&self, direction: Direction) -> Option<&Rc<Rule>> {
        (direction == Direction::Inbound).then_some(&self.defaults)
    }

    /// Whether a rule is for a sidecar's outbound listeners.
    pub fn names_outbound(&self) -> bool {
        let routes = self.routes.iter().map(|route| route.matcher.direction);
        let ports = self.tcp.iter().map(|rule| rule.direction);
        routes
            .chain(ports)
            .any(|direction| direction == Direction::Outbound)
    }

    /// Whether upstream hosts are compared with each other, instead of this proxy with its peers.
    pub fn compares_hosts(&self) -> bool {
        self.rebalance.is_some() && self.peers.is_none()
    }

    /// Whether the upstream host of each response matters: its connections are recycled, or its load is compared.
    pub fn uses_upstream_hosts(&self) -> bool {
        self.upstream.is_some() || self.compares_hosts()
    }

    /// Which parts of a [`Request`] [`Policy::route`] reads; the rest may stay empty.
    pub fn request_parts(&self) -> RequestParts {
        self.request_parts
    }
}

/// The policy of `{"version": 1}`.
impl Default for Policy {
    fn default() -> Self {
        Self {
            role: None,
            mode: Mode::default(),
            defaults: Rc::default(),
            routes: Vec::new(),
            tcp: Vec::new(),
            upstream: None,
            budget: Some(Budget::default()),
            rebalance: None,
            peers: None,
            keepalive: Keepalive::default(),
            request_parts: RequestParts::default(),
        }
    }
}

words! {
    /// Which of the two filter entries a configuration is for.
    pub enum Role: r#"allowed are "network" and "http""# {
        /// The network filter, before the HTTP connection manager or the TCP proxy.
        Network = "network",
        /// The HTTP filter.
        Http = "http",
    }
}

words! {
    /// How the proxy knows that an upstream connection uses HTTP/1.
    pub enum UpstreamProtocol: r#"allowed are "auto" and "http1""# {
        /// By its responses: only HTTP/1 has `connection`, `keep-alive` and `transfer-encoding` fields.
        Auto = "auto",
        /// All are, as the operator states.
        Http1 = "http1",
    }
    default Auto
}

words! {
    /// Whether connections are drained, or only counted.
    pub enum Mode: r#"allowed are "enforce" and "dry_run""# {
        /// Connections are drained.
        Enforce = "enforce",
        /// No byte is changed; metrics and logs show what would be drained.
        DryRun = "dry_run",
    }
    default Enforce
    renamed { "observe" => "dry_run", }
}

/// A rule for some requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The name in metrics and logs; unique, 1 to 64 of `A-Z a-z 0-9 - _ .`.
    pub name: String,
    pub(crate) matcher: Matcher,
    /// Complete: `defaults` have been filled in.
    pub rule: Rc<Rule>,
}

impl Route {
    /// Each condition of its `match` for a request on a listener of this direction, and whether it is met. The route
    /// matches when all are.
    pub fn conditions<'a>(
        &'a self,
        direction: Direction,
        request: &Request<'a>,
    ) -> impl Iterator<Item = MatchCondition<'a>> + use<'a> {
        self.matcher.conditions(direction, request)
    }

    /// On which listeners it applies.
    pub fn direction(&self) -> Direction {
        self.matcher.direction
    }
}

/// A rule for raw TCP connections.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpRule {
    /// The name in metrics and logs; unique, 1 to 64 of `A-Z a-z 0-9 - _ .`.
    pub name: String,
    /// The port that the proxy received the connection on.
    pub port: u16,
    /// On which listeners it applies.
    pub direction: Direction,
    /// Complete: what `defaults` state and is not for HTTP only has been filled in.
    pub rule: Rc<Rule>,
}

/// How HTTP/1 connections to upstream hosts are recycled. At least one limit is set.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamRecycling {
    /// Recycled at an age drawn from `max_connection_age * (1 - jitter) ..= max_connection_age`.
    pub max_connection_age: Option<Duration>,
    /// Recycled after a number of requests drawn from `max_requests_per_connection * (1 - jitter) ..= max_requests_per_connection`.
    pub max_requests_per_connection: Option<NonZeroU64>,
    /// How far limits are spread, downwards.
    pub jitter: Jitter,
    /// How it is known that they are HTTP/1.
    pub protocol: UpstreamProtocol,
}

/// How many connections the whole proxy drains: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Tokens added per second; from 0.000001 to 1000000.
    pub per_second: f64,
    /// Capacity of the bucket; at least 1.
    pub burst: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            per_second: 100.0,
            burst: 1000,
        }
    }
}

/// Keepalive settings, for clients and upstreams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Whether HTTP/1 responses have a `Keep-Alive` field.
    pub http1_hint: bool,
    /// PING frames to HTTP/2 clients, by Envoy itself.
    pub http2: Option<Http2Ping>,
    /// PING frames to HTTP/2 upstreams, by Envoy itself.
    pub upstream_http2: Option<Http2Ping>,
    /// TCP keepalive probes, by the kernel.
    pub tcp: Option<TcpKeepalive>,
}

/// PING frames of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Ping {
    /// The time between two PINGs.
    pub interval: Duration,
    /// How long a response may take.
    pub timeout: Duration,
}

impl Http2Ping {
    /// To clients, where a policy states no times.
    pub const CLIENTS: Self = Self {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
    };

    /// To upstreams: as often as a gRPC server allows by default.
    pub const UPSTREAMS: Self = Self {
        interval: Duration::from_secs(300),
        ..Self::CLIENTS
    };
}

/// TCP keepalive probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// How long a connection is idle before the first probe; whole seconds, from 1 to 32767.
    pub time: Duration,
    /// The time between two probes; whole seconds, from 1 to 32767.
    pub interval: Duration,
    /// How many may be lost; from 1 to 127.
    pub probes: u32,
}

impl Default for TcpKeepalive {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            probes: 3,
        }
    }
}
