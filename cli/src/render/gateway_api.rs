//! `evenkeel render gateway-api`: the parts of a policy that Envoy Gateway supports and, in comments, the others.
//!
//! Its API has wasm modules as HTTP filters only, each in a VM of its own. So the module cannot drain
//! downstream connections there, and Envoy's own limits replace that.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use evenkeel_policy::{Http2Ping, Mode, Policy, Role};
use serde::Serialize;
use serde_json::json;

use super::native::Native;
use super::policy::Written;
use super::{module, names, template};

const EXAMPLES: &str = "\
Examples:
  evenkeel render gateway-api shop.json --module oci://registry.example/evenkeel:0.1.0 --gateway public -n infra
  evenkeel render gateway-api shop.json --module https://files.example/evenkeel.wasm \\
      --wasm target/evenkeel.wasm --gateway public -o public && kubectl apply -n infra -k public";

/// Envoy Gateway's resources, for the parts of the policy that it supports
///
/// For Istio's own gateways of the Gateway API use `render istio --gateway-ref`, which supports all of it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The policy, or a file that contains it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    module: module::ModuleArgs,
    /// The Gateway, in the same namespace
    #[arg(long, value_name = "NAME", value_parser = names::subdomain)]
    gateway: String,
    /// Prefix of the names of the resources
    #[arg(long, default_value = "evenkeel", value_parser = names::prefix)]
    name: String,
    /// The namespace of the resources; without it the one of the kubectl command
    #[arg(long, short, value_parser = names::label)]
    namespace: Option<String>,
}

/// # Errors
/// When the policy is invalid, a file cannot be read, or the command line is contradictory.
pub fn text(args: &Args) -> Result<String> {
    let written = Written::read(&args.file)?;
    let policy = &written.policy;
    let module = args.module.resolve()?;
    let url = &module.url.text;
    template::render(
        "gateway_api",
        &json!({
            "name": args.name,
            "namespace": args.namespace,
            "gateway": args.gateway,
            "is_image": module.url.is_image,
            "url": url.strip_prefix("oci://").unwrap_or(url),
            "sha256": module.sha256,
            "policy": policy.upstream.is_some().then(|| written.for_role(Role::Http).to_yaml(8)),
            "enforced": policy.mode == Mode::Enforce,
            "native": Native::of(policy),
            "spans": Spans::of(policy),
            "missing": missing(policy),
        }),
    )
}

/// The durations of a policy, as the Gateway API writes them.
#[derive(Default, Serialize)]
struct Spans {
    max_connection_age: Option<String>,
    upstream_max_age: Option<String>,
    clients_ping: Option<Ping>,
    backends_ping: Option<Ping>,
    tcp_idle: Option<String>,
    tcp_interval: Option<String>,
}

#[derive(Serialize)]
struct Ping {
    interval: String,
    timeout: String,
}

impl From<Http2Ping> for Ping {
    fn from(ping: Http2Ping) -> Self {
        Self {
            interval: span(ping.interval),
            timeout: span(ping.timeout),
        }
    }
}

impl Spans {
    fn of(policy: &Policy) -> Self {
        if policy.mode == Mode::DryRun {
            return Self::default();
        }
        let tcp = policy.keepalive.tcp;
        Self {
            max_connection_age: policy.defaults.max_connection_age.map(span),
            upstream_max_age: policy
                .upstream
                .as_ref()
                .and_then(|upstream| upstream.max_connection_age)
                .map(span),
            clients_ping: taken(policy.keepalive.http2).map(Ping::from),
            backends_ping: taken(policy.keepalive.upstream_http2).map(Ping::from),
            tcp_idle: tcp.map(|tcp| span(tcp.time)),
            tcp_interval: tcp.map(|tcp| span(tcp.interval)),
        }
    }
}

/// Returns the PINGs if Envoy Gateway accepts them: the timeout must be shorter than the interval.
fn taken(ping: Option<Http2Ping>) -> Option<Http2Ping> {
    ping.filter(|ping| ping.timeout < ping.interval)
}

/// A duration of whole milliseconds as GEP-2257 has it: whole numbers, at most five digits each.
fn span(duration: Duration) -> String {
    let millis = duration.as_millis();
    let parts = [
        (millis / 3_600_000, "h"),
        (millis / 60_000 % 60, "m"),
        (millis / 1000 % 60, "s"),
        (millis % 1000, "ms"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    parts
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect()
}

/// Lists the settings of the policy that have no effect in Envoy Gateway.
fn missing(policy: &Policy) -> Vec<&'static str> {
    let keepalive = &policy.keepalive;
    let is_untaken = |ping: Option<Http2Ping>| ping.is_some() && taken(ping).is_none();
    let asked = [
        (
            !policy.routes.is_empty(),
            "`routes`: the same limits hold for all requests of the gateway",
        ),
        (!policy.tcp.is_empty(), "`tcp`: raw TCP is not drained"),
        (
            policy.defaults.max_stream_age.is_some(),
            "`grpc.max_stream_age`: streams are not terminated",
        ),
        (
            policy.defaults.mean_connection_age.is_some(),
            "`mean_connection_age`: Envoy has a fixed age only",
        ),
        (
            policy.rebalance.is_some(),
            "`rebalance`: excess connections are not drained",
        ),
        (
            policy.peers.is_some(),
            "`peers`: no load reports are exchanged",
        ),
        (
            policy.keepalive.http1_hint,
            "`keepalive.http1_hint`: responses have no `Keep-Alive` field",
        ),
        (
            is_untaken(keepalive.http2),
            "`keepalive.http2`: its `timeout` must be shorter than its `interval`",
        ),
        (
            is_untaken(keepalive.upstream_http2),
            "`keepalive.upstream_http2`: its `timeout` must be shorter than its `interval`",
        ),
    ];
    asked
        .into_iter()
        .filter(|(is_asked, _)| *is_asked)
        .map(|(_, what)| what)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_the_gateway_api() {
        assert_eq!(span(Duration::from_millis(250)), "250ms");
        assert_eq!(span(Duration::from_millis(5_402_500)), "1h30m2s500ms");
        assert_eq!(span(Duration::from_secs(3650 * 24 * 3600)), "87600h");
    }
}
