//! The policy, complete and free of contradictions.
use crate::declare::words;
use crate::error::{Cause, Errors, Report};
use crate::json::Json;
use crate::matcher::{Direction, Matcher, Needs, Part, Request};
use crate::path::Path;
use crate::protobuf;
use crate::read::Read;
use crate::resolve;
use crate::rule::{Jitter, Rule};
use crate::shed::{Peers, Shed};
use core::num::NonZeroU64;
use core::time::Duration;
use std::rc::Rc;

/// What a proxy does with its connections. [`Policy::parse`] and [`Policy::default`] make one.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Which of the two filter entries this configuration is for, where it says.
    pub role: Option<Role>,
    /// Whether anything is done, or only counted.
    pub mode: Mode,
    /// The rule for inbound connections that no other rule matches.
    pub defaults: Rc<Rule>,
    /// Rules for requests, in their order.
    pub routes: Vec<Route>,
    /// Rules for raw TCP, in their order.
    pub connections: Vec<PortRule>,
    /// How upstream connections are renewed; None: they are left alone.
    pub upstream: Option<Upstream>,
    /// How many connections the whole proxy moves; None: without limit.
    pub budget: Option<Budget>,
    /// How a surplus over what the other proxies carry is moved; None: load is not looked at.
    pub shed: Option<Shed>,
    /// How proxies tell each other what they carry; None: nothing is told or asked.
    pub peers: Option<Peers>,
    /// How clients are told, and dead peers found out.
    pub keepalive: Keepalive,
    /// What its routes look at, found once: it is asked for each request.
    pub(crate) needs: Needs,
}

impl Policy {
    /// The longest text that is read, in bytes.
    pub const MAX_LEN: usize = 1024 * 1024;

    /// Reads a policy as Envoy hands it over: UTF-8 JSON (RFC 8259), numbers as doubles.
    ///
    /// # Errors
    /// Where the text is not JSON, the first mistake; else all that one look can find: unknown,
    /// misplaced, repeated and missing keys, wrong values, contradictions.
    pub fn parse(text: &[u8]) -> Result<Self, Errors> {
        if text.len() > Self::MAX_LEN {
            return Err(Cause::TooLong {
                limit: Self::MAX_LEN,
            }
            .into());
        }
        // Some editors begin a file with a byte order mark, which nobody sees (RFC 8259 8.1).
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
        let policy = resolve::policy(document, &mut report);
        report.finish()?;
        Ok(policy)
    }

    /// The first route rule that matches a request that came in on a listener of this direction.
    pub fn route(&self, direction: Direction, request: &Request<'_>) -> Option<&Route> {
        self.routes
            .iter()
            .find(|route| route.matcher.matches(direction, request))
    }

    /// The first rule for raw TCP connections that a listener of this direction received on `port`.
    pub fn connection(&self, direction: Direction, port: u16) -> Option<&PortRule> {
        self.connections
            .iter()
            .find(|rule| rule.port == port && rule.direction == direction)
    }

    /// The rule for what no other rule matches on a listener of this direction: on a sidecar's outbound
    /// listeners there is none.
    pub fn otherwise(&self, direction: Direction) -> Option<&Rc<Rule>> {
        (direction == Direction::Inbound).then_some(&self.defaults)
    }

    /// A rule is for a sidecar's outbound listeners.
    pub fn names_outbound(&self) -> bool {
        let routes = self.routes.iter().map(|route| route.matcher.direction);
        let ports = self.connections.iter().map(|rule| rule.direction);
        routes
            .chain(ports)
            .any(|direction| direction == Direction::Outbound)
    }

    /// Upstream hosts are compared with each other, not this proxy with its peers.
    pub fn compares_hosts(&self) -> bool {
        self.shed.is_some() && self.peers.is_none()
    }

    /// What [`Policy::route`] has to be told; the rest of a [`Request`] may stay empty.
    pub fn needs(&self) -> Needs {
        self.needs
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
            connections: Vec::new(),
            upstream: None,
            budget: Some(Budget::default()),
            shed: None,
            peers: None,
            keepalive: Keepalive::default(),
            needs: Needs::default(),
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
    /// How it is known that an upstream connection is HTTP/1.
    pub enum Protocol: r#"allowed are "auto" and "http1""# {
        /// By its answers: only HTTP/1 has `connection`, `keep-alive` and `transfer-encoding` fields.
        Auto = "auto",
        /// The operator says that all are.
        Http1 = "http1",
    }
    default Auto
}

words! {
    /// Whether anything is done, or only counted.
    pub enum Mode: r#"allowed are "enforce" and "observe""# {
        /// Connections are moved.
        Enforce = "enforce",
        /// Not one byte is changed; metrics and logs say what would be done.
        Observe = "observe",
    }
    default Enforce
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
    /// What each part of its `match` says to a request that came in on a listener of this direction: the
    /// direction, and what else it states. It matches when all fit.
    pub fn parts<'a>(
        &'a self,
        direction: Direction,
        request: &Request<'a>,
    ) -> impl Iterator<Item = Part<'a>> + use<'a> {
        self.matcher.parts(direction, request)
    }

    /// On which listeners it acts.
    pub fn direction(&self) -> Direction {
        self.matcher.direction
    }
}

/// A rule for raw TCP connections.
#[derive(Clone, Debug, PartialEq)]
pub struct PortRule {
    /// The name in metrics and logs; unique, 1 to 64 of `A-Z a-z 0-9 - _ .`.
    pub name: String,
    /// The port that the proxy received the connection on.
    pub port: u16,
    /// On which listeners it acts.
    pub direction: Direction,
    /// Complete: what `defaults` state and is not only for HTTP has been filled in.
    pub rule: Rc<Rule>,
}

/// How HTTP/1 connections that the proxy opens are renewed. One limit at least is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Renewed at an age drawn from `max_age * (1 - jitter) ..= max_age`.
    pub max_age: Option<Duration>,
    /// Renewed after a number of requests drawn from `max_requests * (1 - jitter) ..= max_requests`.
    pub max_requests: Option<NonZeroU64>,
    /// How far limits are spread, downwards.
    pub jitter: Jitter,
    /// How it is known that they are HTTP/1.
    pub protocol: Protocol,
}

/// How many connections the whole proxy moves: a bucket of tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Tokens that come in a second; from 0.000001 to 1000000.
    pub per_second: f64,
    /// Tokens that the bucket holds; at least 1.
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

/// How clients are told, and dead peers found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// HTTP/1 answers carry a `Keep-Alive` field.
    pub http1_hint: bool,
    /// PING frames to HTTP/2 clients, by Envoy itself.
    pub http2_ping: Option<Http2Ping>,
    /// PING frames to HTTP/2 upstreams, by Envoy itself.
    pub upstream_http2: Option<Http2Ping>,
    /// TCP keepalive probes, by the kernel.
    pub tcp: Option<TcpKeepalive>,
}

/// PING frames of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Ping {
    /// Between two of them.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Http2Ping {
    /// To clients, where a policy states none of its times.
    pub const CLIENTS: Self = Self {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
    };

    /// The same, to upstreams: as often as a gRPC server allows by default.
    pub const UPSTREAMS: Self = Self {
        interval: Duration::from_secs(300),
        ..Self::CLIENTS
    };
}

/// TCP keepalive probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Before the first; whole seconds, from 1 to 32767.
    pub idle: Duration,
    /// Between two of them; whole seconds, from 1 to 32767.
    pub interval: Duration,
    /// How many may be lost; from 1 to 127.
    pub probes: u32,
}

impl Default for TcpKeepalive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            probes: 3,
        }
    }
}
