//! `evenkeel render envoy`: the parts of a plain Envoy's configuration, each under the name of its place.

use std::path::PathBuf;

use anyhow::Result;
use evenkeel_metrics::Label;
use serde_json::json;

use super::native::{self, HttpFilterUse, Native};
use super::policy::SourcePolicy;
use super::template;

const EXAMPLES: &str = "\
Examples:
  evenkeel render envoy shop.json --module /etc/envoy/evenkeel.wasm
  evenkeel render envoy shop.json --envoy 1.36";

/// Parts of Envoy's configuration: filters, listener, connection manager and clusters
///
/// Each part is under the name of its place; envoy/ in the repository has complete configurations.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The policy, or a file that contains it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The path of the module for Envoy
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/evenkeel.wasm")]
    module: String,
    /// The version of Envoy
    #[arg(long, value_name = "VERSION", default_value = "1.40", value_parser = version)]
    envoy: u32,
    /// The id of the VM that both filters share; different for each policy on one Envoy
    #[arg(long, value_name = "NAME", default_value = "evenkeel")]
    vm_id: String,
}

/// Parses a version, and returns its minor number.
fn version(text: &str) -> Result<u32, String> {
    let minor = text.strip_prefix("1.").and_then(|minor| minor.parse().ok());
    minor
        .filter(|minor| (32..=40).contains(minor))
        .ok_or_else(|| "expected a version from 1.32 to 1.40, without a patch number".to_owned())
}

/// Renders the parts.
///
/// # Errors
/// When the policy cannot be read or is invalid.
pub fn text(args: &Args) -> Result<String> {
    let source = SourcePolicy::read(&args.file)?;
    let policy = &source.policy;
    let entries: Vec<_> = native::roles(policy)
        .iter()
        .map(|role| json!({ "role": role.name(), "policy": source.for_role(*role).to_json(12) }))
        .collect();
    template::render(
        "envoy",
        &json!({
            "envoy": format!("1.{}", args.envoy),
            "module": args.module,
            "vm_id": args.vm_id,
            "network": entries.first(),
            "http": entries.get(1),
            "peers_only": HttpFilterUse::of(policy) == HttpFilterUse::Peers,
            "native": Native::of(policy),
            "has_listener_keepalive": args.envoy >= 37,
            "has_jitter": args.envoy >= 39,
            "peers": policy.peers.as_ref().map(|peers| &peers.cluster),
            "tags": Label::ALL.map(|label| json!({ "name": label.tag(), "regex": label.regex() })),
        }),
    )
}
