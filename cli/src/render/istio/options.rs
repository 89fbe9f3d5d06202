//! The options of `evenkeel render istio`.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::version::Version;
use crate::cli::usage;
use crate::render::{module, names};

const EXAMPLES: &str = "\
Examples:
  evenkeel render istio shop.json --module oci://registry.example/evenkeel:0.1.0 --workload app=shop -n shop
      For the sidecars of pods with that label
  evenkeel render istio shop.json --module https://files.example/evenkeel.wasm --wasm target/evenkeel.wasm \\
      --gateway istio=ingressgateway -n istio-system --http3 8443
      For an ingress gateway that speaks HTTP/3 too
  evenkeel render istio shop.json --module oci://registry.example/evenkeel:0.1.0 --gateway-ref public -o public
  kubectl apply -k public
      For a gateway of the Gateway API, as a directory that kubectl applies";

/// Istio's resources: plugins, and the policy's `keepalive` as DestinationRule and EnvoyFilter
///
/// Without --workload, --gateway or --gateway-ref they select every proxy of the namespace.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The policy, or a file that contains it
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) module: module::ModuleArgs,
    /// The version of Istio
    #[arg(long, value_name = "VERSION", default_value = "1.31")]
    pub(super) istio: Version,
    /// Prefix of the names of the resources
    #[arg(long, default_value = "evenkeel", value_parser = names::prefix)]
    pub(super) name: String,
    /// The namespace of the resources; without it the one of the kubectl command
    #[arg(long, short, value_parser = names::label)]
    pub(super) namespace: Option<String>,
    /// Select the sidecars of pods with these labels: key=value,key=value
    #[arg(long, value_name = "LABELS", value_parser = labels, group = "selection")]
    workload: Option<Labels>,
    /// Select gateways whose pods have these labels
    #[arg(long, value_name = "LABELS", value_parser = labels, group = "selection")]
    gateway: Option<Labels>,
    /// Select the gateway of the Gateway API with this name, in the same namespace
    #[arg(long, value_name = "NAME", value_parser = names::subdomain, group = "selection")]
    gateway_ref: Option<String>,
    /// A service that the selected proxies call, for `keepalive` and `upstream` of the policy
    #[arg(long, value_name = "SERVICE", value_parser = names::host)]
    pub(super) host: Vec<String>,
    /// A port of those services with HTTP/2 (gRPC): before Istio 1.31 PINGs are set for these only
    #[arg(long, value_name = "PORT", requires = "host", value_parser = port())]
    pub(super) http2_port: Vec<u16>,
    /// A port on which the gateway listens for HTTP/3, for which only Envoy's own limits apply
    #[arg(long, value_name = "PORT", conflicts_with = "workload", value_parser = port())]
    pub(super) http3: Vec<u16>,
    /// The resource that loads the module; traffic-extension from Istio 1.30 on
    #[arg(long, value_enum, default_value_t)]
    pub(super) kind: Kind,
    /// The module's filters to load; `auto` omits the HTTP filter if the policy does not need it
    #[arg(long, value_enum, default_value_t)]
    pub(super) roles: Roles,
}

/// clap would take a list for an option that may be given several times.
type Labels = std::sync::Arc<[(String, String)]>;

fn labels(text: &str) -> Result<Labels, String> {
    names::labels(text).map(Into::into)
}

fn port() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Kind {
    #[default]
    WasmPlugin,
    TrafficExtension,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Roles {
    #[default]
    Auto,
    Both,
    Network,
    Http,
}

/// The proxies that the resources are for.
#[derive(Clone, Copy)]
pub enum Selection<'a> {
    Namespace,
    Workload(&'a [(String, String)]),
    Gateway(&'a [(String, String)]),
    GatewayRef(&'a str),
}

impl Args {
    pub(super) fn selection(&self) -> Selection<'_> {
        match (&self.workload, &self.gateway, &self.gateway_ref) {
            (Some(labels), _, _) => Selection::Workload(labels),
            (_, Some(labels), _) => Selection::Gateway(labels),
            (_, _, Some(name)) => Selection::GatewayRef(name),
            _ => Selection::Namespace,
        }
    }

    /// # Errors
    /// When the version does not support an option.
    pub(super) fn check(&self) -> Result<()> {
        if self.kind == Kind::TrafficExtension && !self.istio.has_traffic_extension() {
            return Err(usage(format!(
                "Istio {} has no TrafficExtension, which came with 1.30; remove --kind",
                self.istio
            )));
        }
        unique("--host", &self.host)?;
        unique("--http2-port", &self.http2_port)?;
        unique("--http3", &self.http3)?;
        let wildcard = self.host.iter().find(|host| host.starts_with('*'));
        if let Some(host) = wildcard
            && !self.http2_port.is_empty()
            && !self.istio.has_http2_keepalive()
        {
            return Err(usage(format!(
                "--host {host} with --http2-port: before Istio 1.31 PINGs are set by the exact name of a service; \
                 state each service"
            )));
        }
        Ok(())
    }
}

fn unique<T: PartialEq + std::fmt::Display>(option: &str, values: &[T]) -> Result<()> {
    let again = values
        .iter()
        .enumerate()
        .find(|(at, value)| values[..*at].contains(value));
    match again {
        Some((_, value)) => Err(usage(format!("{option} {value} is stated twice"))),
        None => Ok(()),
    }
}
