//! The parts of a policy that Envoy and the kernel implement, not the module: `keepalive`, and limits
//! where the module cannot drain.

use std::time::Duration;

use evenkeel_policy::{Http2Ping, Mode, Policy, Role, TcpKeepalive};
use serde::Serialize;

/// The settings in Protobuf's JSON format. In a dry run there are none, because it changes nothing.
#[derive(Default, Serialize)]
pub struct Native {
    /// HTTP/2 PINGs to clients.
    pub ping: Option<Ping>,
    /// HTTP/2 PINGs to upstreams.
    pub upstream_ping: Option<Ping>,
    /// TCP keepalive towards clients and upstreams.
    pub tcp: Option<Tcp>,
    /// `upstream.max_requests_per_connection`, for upstreams that speak HTTP/2.
    pub max_requests_per_connection: Option<u32>,
    /// The limits of `defaults` for HTTP/3, which passes no network filter.
    pub http3: Option<Limits>,
}

#[derive(Serialize)]
pub struct Ping {
    interval: String,
    timeout: String,
}

#[derive(Serialize)]
pub struct Tcp {
    idle: u64,
    interval: u64,
    probes: u32,
}

/// Envoy's own limits of a downstream connection.
#[derive(Serialize)]
pub struct Limits {
    max_connection_age: Option<String>,
    /// The age with jitter: Envoy adds to the age, a policy subtracts from it.
    spread: Option<AgeWithJitter>,
    /// Whether the policy has jitter.
    is_spread: bool,
    max_requests_per_connection: Option<u32>,
}

#[derive(Serialize)]
pub struct AgeWithJitter {
    min_age: String,
    /// The maximum addition, in percent of the age.
    percent: f64,
}

impl Native {
    pub fn of(policy: &Policy) -> Self {
        if policy.mode == Mode::DryRun {
            return Self::default();
        }
        let upstream = policy.upstream.as_ref();
        Self {
            ping: policy.keepalive.http2.map(Ping::from),
            upstream_ping: policy.keepalive.upstream_http2.map(Ping::from),
            tcp: policy.keepalive.tcp.map(Tcp::from),
            max_requests_per_connection: upstream
                .and_then(|upstream| upstream.max_requests_per_connection)
                .map(|max| saturating_u32(max.get())),
            http3: Limits::of(policy),
        }
    }
}

impl From<Http2Ping> for Ping {
    fn from(ping: Http2Ping) -> Self {
        Self {
            interval: seconds(ping.interval),
            timeout: seconds(ping.timeout),
        }
    }
}

impl From<TcpKeepalive> for Tcp {
    fn from(tcp: TcpKeepalive) -> Self {
        Self {
            idle: tcp.time.as_secs(),
            interval: tcp.interval.as_secs(),
            probes: tcp.probes,
        }
    }
}

impl Limits {
    fn of(policy: &Policy) -> Option<Self> {
        let rule = &policy.defaults;
        if rule.max_connection_age.is_none() && rule.max_requests_per_connection.is_none() {
            return None;
        }
        Some(Self {
            max_connection_age: rule.max_connection_age.map(seconds),
            spread: rule
                .max_connection_age
                .and_then(|age| AgeWithJitter::of(age, rule.jitter.get())),
            is_spread: rule.jitter.get() > 0.0,
            max_requests_per_connection: rule
                .max_requests_per_connection
                .map(|max| saturating_u32(max.get())),
        })
    }
}

impl AgeWithJitter {
    /// Returns None if Envoy cannot express the jitter: it adds at max the age itself.
    fn of(max_connection_age: Duration, jitter: f64) -> Option<Self> {
        if !(0.0..=0.5).contains(&jitter) || jitter == 0.0 {
            return None;
        }
        let least = max_connection_age.mul_f64(1.0 - jitter);
        Some(Self {
            min_age: seconds(Duration::from_millis(least.as_millis() as u64)),
            percent: (jitter / (1.0 - jitter) * 10_000.0).floor() / 100.0,
        })
    }
}

/// The requests for which a policy needs the HTTP filter. It has a cost for each request that passes it, so it is
/// omitted, or disabled for the other requests, where that is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFilterUse {
    None,
    /// Those of peers only: the module counts an application's requests, and measures its load, in the network filter.
    Peers,
    All,
}

impl HttpFilterUse {
    pub fn of(policy: &Policy) -> Self {
        // Which requests are active, and under which rule.
        let follows_requests = !policy.routes.is_empty()
            || policy.defaults.max_stream_age.is_some()
            || policy.defaults.protect;
        if follows_requests || policy.uses_upstream_hosts() {
            Self::All
        } else if policy.peers.is_some() {
            Self::Peers
        } else {
            Self::None
        }
    }
}

/// Returns the filters that the policy needs.
pub fn roles(policy: &Policy) -> &'static [Role] {
    match HttpFilterUse::of(policy) {
        HttpFilterUse::None => &[Role::Network],
        HttpFilterUse::Peers | HttpFilterUse::All => &[Role::Network, Role::Http],
    }
}

/// Envoy's limits have 32 bits.
fn saturating_u32(count: u64) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

/// Formats a duration of whole milliseconds in Protobuf's JSON format.
fn seconds(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        millis => format!("{}.{millis:03}s", duration.as_secs()),
    }
}
