//! `evenkeel render gateway-api`: the parts of a policy that Envoy Gateway supports and, in comments, the others.
//!
//! Envoy Gateway loads wasm modules as HTTP filters only, each in its own VM. So the module cannot drain downstream
//! connections there, and Envoy's own limits replace it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use evenkeel_policy::{Http2Ping, Mode, Policy, Role};
use serde::Serialize;
use serde_json::json;

use super::native::Native;
use super::policy::SourcePolicy;
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

/// Renders the resources.
///
/// # Errors
/// When the policy is invalid, a file cannot be read, or the command line is contradictory.
pub fn text(args: &Args) -> Result<String> {
    let source = SourcePolicy::read(&args.file)?;
    let policy = &source.policy;
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
            "policy": policy.upstream.is_some().then(|| source.for_role(Role::Http).to_yaml(8)),
            "enforced": policy.mode == Mode::Enforce,
            "native": Native::of(policy),
            "durations": Durations::of(policy),
            "missing": unsupported(policy),
        }),
    )
}

/// The durations of a policy in the format of the Gateway API.
#[derive(Default, Serialize)]
struct Durations {
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
            interval: format_duration(ping.interval),
            timeout: format_duration(ping.timeout),
        }
    }
}

impl Durations {
    fn of(policy: &Policy) -> Self {
        if policy.mode == Mode::DryRun {
            return Self::default();
        }
        let tcp = policy.keepalive.tcp;
        Self {
            max_connection_age: policy.defaults.max_connection_age.map(format_duration),
            upstream_max_age: policy
                .upstream
                .as_ref()
                .and_then(|upstream| upstream.max_connection_age)
                .map(format_duration),
            clients_ping: supported_ping(policy.keepalive.http2).map(Ping::from),
            backends_ping: supported_ping(policy.keepalive.upstream_http2).map(Ping::from),
            tcp_idle: tcp.map(|tcp| format_duration(tcp.time)),
            tcp_interval: tcp.map(|tcp| format_duration(tcp.interval)),
        }
    }
}

/// Returns the PINGs if Envoy Gateway accepts them: the timeout must be shorter than the interval.
fn supported_ping(ping: Option<Http2Ping>) -> Option<Http2Ping> {
    ping.filter(|ping| ping.timeout < ping.interval)
}

/// Formats a duration of whole milliseconds as GEP-2257 requires: integers of at most five digits.
fn format_duration(duration: Duration) -> String {
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
fn unsupported(policy: &Policy) -> Vec<&'static str> {
    let keepalive = &policy.keepalive;
    let is_unsupported = |ping: Option<Http2Ping>| ping.is_some() && supported_ping(ping).is_none();
    let settings = [
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
            is_unsupported(keepalive.http2),
            "`keepalive.http2`: its `timeout` must be shorter than its `interval`",
        ),
        (
            is_unsupported(keepalive.upstream_http2),
            "`keepalive.upstream_http2`: its `timeout` must be shorter than its `interval`",
        ),
    ];
    settings
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, what)| what)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_the_gateway_api() {
        assert_eq!(format_duration(Duration::from_millis(250)), "250ms");
        assert_eq!(
            format_duration(Duration::from_millis(5_402_500)),
            "1h30m2s500ms"
        );
        assert_eq!(
            format_duration(Duration::from_secs(3650 * 24 * 3600)),
            "87600h"
        );
    }
}
